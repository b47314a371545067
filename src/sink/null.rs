//! The null sink: takes events and drops them. It measures what stands before it, so it does nothing for an event, only
//! for a lease; and it takes more at once than `batchSize`, since nobody can see how much it takes.

use super::{PASS_WAIT_MAX, Sink, SinkKind, StartSink};
use crate::channel::{BatchLimit, Channel, Receipts};
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::keys;
use crate::config::value::Count;
use crate::event::ComponentName;
use crate::status::counters::SinkCounters;
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Takes events from its channel and drops them.
    pub struct NullSinkConfig = "org.apache.flume.sink.NullSink" {
        /// Events in one transaction, as Flume checks it against the channel's `transactionCapacity`; more may be taken at
        /// once.
        "batchSize" => batch_size: Count = "100",
        /// Events after which the log says how many were taken.
        "logEveryNEvents" => log_every: Count = "10000",
    }
}

/// The row in the registry.
pub const KIND: SinkKind = SinkKind {
    names: &[NullSinkConfig::TYPE, "null"],
    about: NullSinkConfig::ABOUT,
    keys: NullSinkConfig::KEYS,
    read: |scope| Some(Box::new(NullSinkConfig::read(scope)?)),
};

/// Events taken at once, where `batchSize` is less.
const LEASE_EVENTS: usize = 16_384;
/// Bytes taken at once.
const LEASE_BYTES: u64 = 8 << 20;
/// Commits that may wait for their sync while the next leases are taken.
const COMMITS_MAX: usize = 16;

impl StartSink for NullSinkConfig {
    fn start(
        &self,
        context: &Context,
        channel: Arc<dyn Channel>,
    ) -> Result<Box<dyn Sink>, StartError> {
        let counters = Arc::new(SinkCounters::default());
        context.teller.register(counters.clone());
        let batch_size = self.batch_size.get();
        Ok(Box::new(NullSink {
            name: context.name.clone(),
            channel,
            counters,
            batch_size,
            limit: BatchLimit { events: batch_size.max(LEASE_EVENTS), bytes: LEASE_BYTES },
            commits: Receipts::default(),
            log_every: self.log_every.get(),
            dropped: 0,
        }))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.batch_size.get()).ok()
    }
}

struct NullSink {
    name: ComponentName,
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounters>,
    batch_size: usize,
    limit: BatchLimit,
    commits: Receipts,
    log_every: usize,
    /// Events dropped since the start.
    dropped: usize,
}

impl Sink for NullSink {
    fn process(&mut self) -> Result<Pass, Failure> {
        let lease = self.channel.take(self.limit, PASS_WAIT_MAX)?;
        let events = lease.as_ref().map_or(0, crate::channel::Lease::len);
        self.counters.took(events, self.batch_size);
        let Some(lease) = lease else {
            self.commits.look(COMMITS_MAX)?;
            return Ok(Pass::Backoff);
        };
        let receipt = lease.commit()?;
        self.commits.push(receipt, COMMITS_MAX)?;
        self.counters.event_drain_success.add(events);
        let before = self.dropped / self.log_every;
        self.dropped = self.dropped.wrapping_add(events);
        let reached = self.dropped / self.log_every;
        if reached > before {
            log::info!(
                target: "org.apache.flume.sink.NullSink",
                "Null sink {} successful processed {} events.",
                self.name,
                reached * self.log_every
            );
        }
        Ok(Pass::Ready)
    }

    fn drain(&mut self, _bound: Duration) {
        // What was dropped was acknowledged; the channel syncs that when it closes.
    }
}
