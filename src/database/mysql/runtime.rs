//! The small runtime that drives one connection: diesel's blocking wrapper makes its own, and a connection that was made on
//! another would never be woken.

use diesel_async::AsyncMysqlConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use std::cell::Cell;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// A runtime of one connection, on the thread that uses it. Never used inside another runtime: plain threads only.
pub(super) struct OwnRuntime(Runtime);

thread_local! {
    /// The runtime that the next wrapper made on this thread gets.
    static NEXT: Cell<Option<Runtime>> = const { Cell::new(None) };
}

impl OwnRuntime {
    pub(super) fn new() -> std::io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(Self)
    }

    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    /// Puts a connection that was made on this runtime into diesel's wrapper, together with it.
    pub(super) fn wrap(
        self,
        connection: AsyncMysqlConnection,
    ) -> AsyncConnectionWrapper<AsyncMysqlConnection, Self> {
        NEXT.set(Some(self.0));
        AsyncConnectionWrapper::from(connection)
    }
}

impl BlockOn for OwnRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.run(future)
    }

    fn get_runtime() -> Self {
        Self(NEXT.take().expect("`wrap` has put a runtime here just now"))
    }
}
