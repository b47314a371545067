//! ④ What stands between sources and sinks: the contract of a channel.
//!
//! A source puts batches and gets receipts; a sink takes leases and settles them. Both sides are pipelined: a receipt is a
//! promise that may be waited for later, and a sink may hold several leases at once and settle them in any order.

pub mod file;
pub mod lease;
pub mod memory;
pub mod order;
pub mod receipt;
pub mod registry;

use crate::component::{Context, Failure, StartError};
use crate::config::keys::{KeySpec, Scope};
use crate::event::{Batch, ComponentName, Positions, Sequence};
use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use lease::{Lease, Settle};
pub use receipt::{Promise, Receipt, Receipts};

/// A channel that runs.
pub trait Channel: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &ComponentName;

    /// Offers a batch; waits up to `keep-alive` for room, in events and in bytes. Frames keep the order of the calls. A
    /// batch without events is welcome: its origin says that a part of the input had nothing for this channel (R8).
    fn put(&self, batch: Batch) -> Result<Receipt, ChannelError>;

    /// Leases the oldest events nobody holds, up to `limit` events and bytes (at least one event, however large), one
    /// contiguous range of sequences (R11); `None` when there are none within `wait`.
    fn take(&self, limit: BatchLimit, wait: Duration) -> Result<Option<Lease>, ChannelError>;

    /// How far into each of the source's inputs this channel can vouch for: what a restart may skip.
    fn vouched(&self, source: &ComponentName) -> Positions;

    /// How far into each of the source's inputs this channel has taken batches, settled or not: what a source that is started
    /// again beside the running channel may skip. More than `vouched` where what was taken dies with the process (R9).
    fn taken(&self, source: &ComponentName) -> Positions {
        self.vouched(source)
    }

    /// On start: what a transactional sink finds that it had already delivered (R12).
    fn settled_elsewhere(&self, done: &[Range<Sequence>]) -> Result<Receipt, ChannelError>;

    /// The channel's random identity since its creation: a position kept elsewhere belongs to it and no other (R7).
    fn id(&self) -> uuid::Uuid;

    /// Fill and capacity, now.
    fn gauges(&self) -> ChannelGauges;

    /// Whether what it holds outlives the process. Where it does not, a stop waits a while until it is empty, and a reload
    /// never takes it away with events in it.
    fn is_durable(&self) -> bool {
        false
    }

    /// Makes durable what was promised, refuses everything from then on, and wakes whoever waits. Called once, after
    /// sources and sinks have stopped.
    fn close(&self);
}

/// How much a sink wants at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Events at most.
    pub events: usize,
    /// Bytes of bodies at most; a single larger event is still handed out.
    pub bytes: u64,
}

/// Fill and capacity of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelGauges {
    /// Events that are in it: put, and not yet settled.
    pub events: u64,
    /// Events of these that sinks hold.
    pub leased: u64,
    /// Bytes they use.
    pub bytes: u64,
    /// Events it can hold; `None` where only bytes are bounded.
    pub capacity_events: Option<u64>,
    /// Bytes it can hold.
    pub capacity_bytes: u64,
    /// Milliseconds since 1970 when the oldest event was put, if there is one.
    pub oldest_ms: Option<i64>,
    /// Events put since creation: the next sequence.
    pub next_sequence: Sequence,
    /// Damage found in its files since it was opened.
    pub damaged: u64,
}

/// Why a channel refused. One variant for each different action of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// No room within `keep-alive`: wait and offer again.
    #[error("channel {channel} is full: {detail}")]
    Full {
        /// Which channel.
        channel: ComponentName,
        /// In what it is full, and where the limit comes from.
        detail: String,
    },
    /// It can never hold this: set the event aside, do not try again.
    #[error(
        "an event of {bytes} bytes is larger than channel {channel} can hold ({limit} bytes, `{key}`)"
    )]
    TooLarge {
        /// Which channel.
        channel: ComponentName,
        /// The event's size in bytes.
        bytes: u64,
        /// The channel's limit in bytes.
        limit: u64,
        /// The key that sets the limit.
        key: &'static str,
    },
    /// The disk failed: refused until the channel is opened again.
    #[error("channel {channel} is broken until it is reopened: {why}")]
    Broken {
        /// Which channel.
        channel: ComponentName,
        /// What the disk said.
        why: String,
    },
    /// Bytes that were durable are not what was written.
    #[error("channel {channel} found damage in {} at byte {offset}: {why}", path.display())]
    Corrupt {
        /// Which channel.
        channel: ComponentName,
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The agent is stopping.
    #[error("channel {channel} is closed")]
    Closed {
        /// Which channel.
        channel: ComponentName,
    },
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Full { .. }
            | ChannelError::TooLarge { .. }
            | ChannelError::Closed { .. } => Self::Later(error.to_string()),
            ChannelError::Broken { .. } | ChannelError::Corrupt { .. } => {
                Self::Restart(error.to_string())
            }
        }
    }
}

/// A kind of channel: what selects it, which keys it has, how they are read.
pub struct ChannelKind {
    /// Flume's class name first, then its short name: either may stand in `type`, in any case.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// Reads the keys, and opens nothing.
    pub read: fn(&mut Scope<'_>) -> Option<Box<dyn StartChannel>>,
}

/// A channel whose keys are right, and which holds nothing yet.
pub trait StartChannel: Debug + Send + Sync {
    /// Opens what it needs. May be called again after a failure.
    fn start(&self, context: &Context) -> Result<Arc<dyn Channel>, StartError>;

    /// `transactionCapacity`: the largest batch a source or sink may be configured with.
    fn transaction_capacity(&self) -> Option<u64>;
}
