//! ⑤ What takes events out of a channel and delivers them: the contract of a sink.

pub mod file_roll;
pub mod header_text;
pub mod kafka;
pub mod logger;
pub mod null;
pub mod processor;
pub mod registry;
pub mod runner;
pub mod serializer;

use crate::channel::Channel;
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::{KeySpec, Scope};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// A sink that runs. It holds its channel. A sink group's processor chooses which of its sinks makes the next pass.
pub trait Sink: Send {
    /// One pass: settle what was acknowledged, lease and send one batch more if the window allows. Waits at most
    /// [`PASS_WAIT_MAX`] in all, so that a stop is heeded. A failure has put the events back.
    fn process(&mut self) -> Result<Pass, Failure>;

    /// Settles what was acknowledged since the last pass, takes nothing more and waits for nothing; says whether something
    /// is still in flight. Called instead of [`Self::process`] while another sink of the group makes the passes.
    fn settle(&mut self) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The last pass: finishes what is in flight within `bound`, puts the rest back.
    fn drain(&mut self, bound: Duration);
}

/// The longest a pass may wait, for events or for acknowledgements.
pub const PASS_WAIT_MAX: Duration = Duration::from_millis(500);

/// A kind of sink: what selects it, which keys it has, how they are read.
pub struct SinkKind {
    /// Flume's class name first, then its short name: either may stand in `type`, in any case.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// Reads the keys, and opens nothing.
    pub read: fn(&mut Scope<'_>) -> Option<Box<dyn StartSink>>,
}

/// A sink whose keys are right, and which holds nothing yet.
pub trait StartSink: Debug + Send + Sync {
    /// Opens what it needs. May be called again after a failure.
    fn start(
        &self,
        context: &Context,
        channel: Arc<dyn Channel>,
    ) -> Result<Box<dyn Sink>, StartError>;

    /// The batch size that Flume checks against the channel's `transactionCapacity`, where it checks.
    fn batch_size(&self) -> Option<u64>;
}
