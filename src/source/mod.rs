//! ① Where events come from: the contract of a source.
//!
//! Flume's two forms: a [`PollableSource`] is driven by its runner, an [`EventDrivenSource`] by its input. Both hand batches
//! to their `ChannelProcessor`, which owns interceptors, selector and channels.

pub mod exec;
mod in_flight;
pub mod netcat;
pub mod processor;
pub mod registry;
pub mod resume;
pub mod runner;
pub mod seq;
pub mod taildir;

use crate::clock::Stop;
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::{KeySpec, Scope};
use processor::ChannelProcessor;
use std::fmt::Debug;
use std::time::Duration;

/// A source that runs.
pub enum Source {
    /// Driven by its runner.
    Pollable(Box<dyn PollableSource>),
    /// Driven by its input.
    EventDriven(Box<dyn EventDrivenSource>),
}

/// A source whose runner asks it again and again.
pub trait PollableSource: Send {
    /// One pass: reads what there is, hands it to its processor. Waits for nothing but room in the channels.
    fn process(&mut self) -> Result<Pass, Failure>;

    /// What the runner does between passes without work: waits at most so long, or until there is work again.
    fn idle(&mut self, stop: &Stop, at_most: Duration) {
        let _stopped: bool = stop.wait(at_most);
    }

    /// How long the runner waits after passes without work.
    fn back_off(&self) -> BackOff;

    /// The last call: finishes what is in flight within `bound`.
    fn close(&mut self, bound: Duration);
}

/// A source with a loop of its own, on a thread of its own.
pub trait EventDrivenSource: Send {
    /// Runs until `stop` or until it cannot go on.
    fn run(&mut self, stop: &Stop) -> Result<(), Failure>;
}

/// Flume's waiting between polls: `increment` longer after each pass without work, `max` at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// `backoffSleepIncrement`, 1 s unless said otherwise.
    pub increment: Duration,
    /// `maxBackoffSleep`, 5 s unless said otherwise.
    pub max: Duration,
}

impl BackOff {
    /// Flume's defaults.
    pub const DEFAULT: Self =
        Self { increment: Duration::from_secs(1), max: Duration::from_secs(5) };

    /// How long to wait after so many passes without work in a row.
    #[must_use]
    pub fn after(&self, passes: u32) -> Duration {
        self.increment.saturating_mul(passes).min(self.max)
    }
}

/// A kind of source: what selects it, which keys it has, how they are read.
pub struct SourceKind {
    /// Flume's class name first, then its short name: either may stand in `type`, in any case.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// Reads the keys, and opens nothing.
    pub read: fn(&mut Scope<'_>) -> Option<Box<dyn StartSource>>,
}

/// A source whose keys are right, and which holds nothing yet.
pub trait StartSource: Debug + Send + Sync {
    /// Opens what it needs. May be called again after a failure, with a new processor.
    fn start(&self, context: &Context, out: ChannelProcessor) -> Result<Source, StartError>;

    /// The batch size that Flume checks against the channels' `transactionCapacity`, where it checks.
    fn batch_size(&self) -> Option<u64>;
}
