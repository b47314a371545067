//! What every component is given when it starts, and how it says that it cannot go on.

use crate::clock::{Clock, Stop};
use crate::event::ComponentName;
use crate::status::happening::Teller;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a component is given when it starts.
#[derive(Clone)]
pub struct Context {
    /// The agent (or consumer) it belongs to, such as `a1`.
    pub agent: ComponentName,
    /// Its own name, such as `k1`.
    pub name: ComponentName,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether it has been asked to stop.
    pub stop: Stop,
    /// Where it tells what happened.
    pub teller: Teller,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({}.{})", self.agent, self.name)
    }
}

/// What came of one pass of a source or sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Something was moved: pass again at once.
    Ready,
    /// There was nothing to do: the runner waits, longer each time.
    Backoff,
}

/// Why a component could not start. The runner tells it and tries again, as Flume's supervisor does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StartError {
    /// What went wrong, with path or address.
    pub what: String,
    /// What the operator can do about it.
    pub next: String,
    /// Whether trying again could help. A wrong owner of a directory may change; Flume's own files in it need a person.
    pub fatal: bool,
}

impl StartError {
    /// Something that may pass by itself: a port in use, a directory locked.
    pub fn transient(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into(), fatal: false }
    }

    /// Something only a person can mend: the agent does not start, exit status 2.
    pub fn fatal(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into(), fatal: true }
    }
}

/// Why a pass failed. Each kind is a different action of the runner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may work later: the runner backs off and passes again.
    #[error("{0}")]
    Later(String),
    /// This instance cannot go on: the runner closes it and starts it again.
    #[error("{0}")]
    Restart(String),
}

/// Runs a part's own code; a panic comes back as its text, so that the runner can tell it and start the part again. What
/// the code left half done must not be used again.
pub fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic").to_owned()
    })
}
