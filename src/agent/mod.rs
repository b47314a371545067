//! From a checked configuration to running threads, and on from there until somebody asks for the end.
//!
//! [`run_agent`] and [`run_consumers`] are a program's whole life on the calling thread: start what can be started, look once
//! a second how everything stands, read the files again when they change, and stop in order. What real Flume would still run
//! of a faulty file runs, and everything is told; a file of which nothing would run ends it, and so does, at the start, what
//! only a person can mend.

mod backup;
mod board;
mod configuration;
mod consumers;
mod dead_letters;
mod flume_lines;
mod kinds;
mod life;
mod ready;
mod reload;
mod sinks;
mod slots;
mod supervisor;

use crate::clock::{Clock, Stop};
use crate::config::diagnostic::Severity;
use crate::config::plan::{AgentPlan, ConsumerPlan};
use crate::status::happening::Telling;
use consumers::Consumers;
use crossbeam_channel::Receiver;
use life::Life;
use slots::Shared;
use std::sync::Arc;
use std::time::Duration;
use supervisor::Supervisor;

pub use board::Board;
pub use configuration::{Configuration, Found, Look, Reading, Watch};
pub use kinds::kinds;

/// What a program is run with.
pub struct Running {
    /// Its files and its name.
    pub configuration: Configuration,
    /// Between two looks at the files; `None`: they are read again only when asked.
    pub poll: Option<Duration>,
    /// How long a stop may take to deliver what is in flight.
    pub drain: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where everything is told.
    pub telling: Telling,
    /// Shown to the status server.
    pub board: Arc<Board>,
    /// Asks for the end.
    pub stop: Stop,
    /// Asks to read the files again.
    pub reload: Receiver<()>,
    /// Whether the configuration that is started has mistakes that leave something out.
    pub faulty: bool,
}

/// How a program's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// On request.
    Stopped,
    /// Nothing was left that runs.
    Failed,
    /// Something that only a person can mend kept it from starting.
    NotStarted,
}

/// Runs an agent until the end.
#[must_use]
pub fn run_agent(running: Running, plan: AgentPlan) -> Ended {
    let supervisor = Supervisor::new(Shared::of(&running), running.board.clone());
    Life::new(running, supervisor, plan).live()
}

/// Runs a program of consumers until the end.
#[must_use]
pub fn run_consumers(running: Running, plan: ConsumerPlan) -> Ended {
    let consumers = Consumers::new(Shared::of(&running), running.board.clone());
    Life::new(running, consumers, plan).live()
}

/// Says what there is to be said about the configuration, in the log.
pub fn tell_remarks(reading: &Reading) {
    for (severity, text) in &reading.remarks {
        match severity {
            Severity::Error => log::error!("{}", text.trim_end()),
            Severity::Warning => log::warn!("{}", text.trim_end()),
        }
    }
}
