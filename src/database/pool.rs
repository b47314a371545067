//! A bounded pool of connections, for either backend: `r2d2`, told apart only by how to connect.
//!
//! A connection is tried before it is handed out (a server that was away and is back has broken the ones that were idle), and
//! one that failed in a way nobody understands is never handed out again.

use crate::database::answer::Answer;
use crate::database::error::StoreError;
use crate::database::statement::Statement;
use crate::database::store::{Limits, Session};
use diesel::r2d2::{self, ManageConnection, PooledConnection};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A connection of one backend.
pub(super) trait Driver: Session + Send + 'static {
    /// Whether it answers.
    fn ping(&mut self) -> Result<(), StoreError>;
    /// Whether it is in a state that the next user must not find it in.
    fn is_broken(&mut self) -> bool;
}

type Connect<D> = Box<dyn Fn() -> Result<D, StoreError> + Send + Sync>;

/// How long a connection is waited for.
const WAIT: Duration = Duration::from_secs(3);
/// An idle connection is closed after so long: before the server would (`wait_timeout` of its session is longer).
const IDLE: Duration = Duration::from_secs(20);

pub(super) struct Pool<D: Driver> {
    connections: r2d2::Pool<Manager<D>>,
    last: Arc<Mutex<Option<StoreError>>>,
    place: String,
}

impl<D: Driver> Pool<D> {
    /// A pool of at most `connections` to `place`. Connects to nothing yet.
    pub(super) fn new(place: String, connections: usize, connect: Connect<D>) -> Self {
        let last = Arc::new(Mutex::new(None));
        let manager = Manager { connect, last: last.clone() };
        let pool = r2d2::Pool::builder()
            .max_size(u32::try_from(connections.max(1)).unwrap_or(u32::MAX))
            .min_idle(Some(0))
            .connection_timeout(WAIT)
            .idle_timeout(Some(IDLE))
            .test_on_check_out(true)
            .error_handler(Box::new(Remembered))
            .build_unchecked(manager);
        Self { connections: pool, last, place }
    }

    /// A connection that answers.
    pub(super) fn session(&self) -> Result<Pooled<D>, StoreError> {
        self.connections.get().map(Pooled).map_err(|_| {
            // All who wait are told the same.
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            last.unwrap_or_else(|| {
                StoreError::environment(
                    "database-away",
                    format!("{} did not answer within {} s", self.place, WAIT.as_secs()),
                    "look whether the server runs and can be reached",
                )
            })
        })
    }
}

impl<D: Driver> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({})", self.place)
    }
}

/// The manager keeps the last error itself, and the log is told by whoever waits: `r2d2` has nothing to add.
#[derive(Debug)]
struct Remembered;

impl r2d2::HandleError<StoreError> for Remembered {
    fn handle_error(&self, _: StoreError) {}
}

pub(super) struct Manager<D: Driver> {
    connect: Connect<D>,
    last: Arc<Mutex<Option<StoreError>>>,
}

impl<D: Driver> Manager<D> {
    fn remember<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = result.as_ref().err().cloned();
        result
    }
}

impl<D: Driver> ManageConnection for Manager<D> {
    type Connection = D;
    type Error = StoreError;

    fn connect(&self) -> Result<D, StoreError> {
        self.remember((self.connect)())
    }

    fn is_valid(&self, connection: &mut D) -> Result<(), StoreError> {
        self.remember(connection.ping())
    }

    fn has_broken(&self, connection: &mut D) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

/// A connection on loan.
pub(super) struct Pooled<D: Driver>(PooledConnection<Manager<D>>);

impl<D: Driver> Session for Pooled<D> {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.0.begin()
    }

    fn execute(&mut self, statement: &Statement<'_>) -> Result<usize, StoreError> {
        self.0.execute(statement)
    }

    fn query(&mut self, statement: &Statement<'_>) -> Result<Vec<Answer>, StoreError> {
        self.0.query(statement)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.0.commit()
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.0.rollback()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }
}
