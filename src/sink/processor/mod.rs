//! Which sink of a group makes the next pass: the contract of a sink processor.
//!
//! A sink alone has the `default` processor, which passes everything through. Sinks pipeline: a pass may come back ready
//! while what it sent is still in flight, and the failure shows at a later pass. So a processor that turns away from a sink
//! goes on settling it (`Sink::settle`) until nothing of its is in flight.

pub mod default;
pub mod failover;
pub mod load_balance;

use super::Sink;
use crate::component::{Context, Failure, Pass};
use crate::config::keys::{KeySpec, Scope};
use crate::event::ComponentName;
use std::fmt::Debug;

/// Chooses among the sinks of a group.
pub trait SinkProcessor: Send {
    /// One pass: of the first sink that can make it. A failure means that none could.
    fn process(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<Pass, Failure>;
}

/// A kind of processor: what selects it, which keys it has, how they are read.
pub struct ProcessorKind {
    /// What may stand in `processor.type`: Flume's class first, then its short name.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys, without `processor.`.
    pub keys: &'static [KeySpec],
    /// Reads the keys, which include names of sinks of the group, and opens nothing.
    pub read: ReadProcessor,
}

/// Reads a processor's keys, given the sinks of its group.
pub type ReadProcessor =
    fn(&mut Scope<'_>, sinks: &[ComponentName]) -> Option<Box<dyn StartProcessor>>;

/// A processor whose keys are right.
pub trait StartProcessor: Debug + Send + Sync {
    /// Builds it for these sinks, in this order. `context` is the group's; for a sink alone, the sink's.
    fn start(&self, context: &Context, sinks: &[ComponentName]) -> Box<dyn SinkProcessor>;
}
