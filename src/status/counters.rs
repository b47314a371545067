//! Flume's counters, under Flume's names: what `/metrics` shows of each component.
//!
//! Source: `org.apache.flume.instrumentation.{SourceCounter,ChannelCounter,SinkCounter}` and the Kafka groups, 1.11.

use std::sync::atomic::{AtomicI64, Ordering};

/// One number. Cheap to move from any thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicI64);

impl Counter {
    /// Adds `n` events, batches or whatever the counter counts.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(i64::try_from(n).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Takes `n` away: for gauges such as open connections.
    pub fn sub(&self, n: usize) {
        self.0.fetch_sub(i64::try_from(n).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one component, as `/metrics` needs them.
pub trait CounterSet: Send + Sync {
    /// Flume's word: `SOURCE`, `CHANNEL` or `SINK`.
    fn kind(&self) -> &'static str;
    /// Names and numbers, in the order of declaration.
    fn values(&self) -> Vec<(&'static str, i64)>;
}

macro_rules! counters {
    ($(#[doc = $about:literal])+ $Set:ident = $kind:literal { $($(#[doc = $doc:literal])* $field:ident = $name:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Debug, Default)]
        #[allow(missing_docs, reason = "the names are Flume's and say it")]
        pub struct $Set { $($(#[doc = $doc])* pub $field: Counter,)+ }

        impl CounterSet for $Set {
            fn kind(&self) -> &'static str { $kind }
            fn values(&self) -> Vec<(&'static str, i64)> {
                vec![$(($name, self.$field.get()),)+]
            }
        }
    };
}

counters! {
    /// Counters of every source.
    SourceCounters = "SOURCE" {
        event_received = "EventReceivedCount",
        event_accepted = "EventAcceptedCount",
        append_received = "AppendReceivedCount",
        append_accepted = "AppendAcceptedCount",
        append_batch_received = "AppendBatchReceivedCount",
        append_batch_accepted = "AppendBatchAcceptedCount",
        open_connections = "OpenConnectionCount",
        event_read_fail = "EventReadFail",
        channel_write_fail = "ChannelWriteFail",
        generic_processing_fail = "GenericProcessingFail",
    }
}

counters! {
    /// Counters of every sink; `KafkaEventSendTimer` and `RollbackCount` are the Kafka sink's and stay 0 elsewhere.
    SinkCounters = "SINK" {
        connection_created = "ConnectionCreatedCount",
        connection_closed = "ConnectionClosedCount",
        connection_failed = "ConnectionFailedCount",
        batch_empty = "BatchEmptyCount",
        batch_underflow = "BatchUnderflowCount",
        batch_complete = "BatchCompleteCount",
        event_drain_attempt = "EventDrainAttemptCount",
        event_drain_success = "EventDrainSuccessCount",
        event_write_fail = "EventWriteFail",
        channel_read_fail = "ChannelReadFail",
        kafka_event_send_timer_ms = "KafkaEventSendTimer",
        rollback = "RollbackCount",
        /// Ours: events set aside with their reason.
        dead_letters = "DeadLetterCount",
    }
}

counters! {
    /// Counters of every channel. The gauges (`ChannelSize`, `ChannelCapacity`, `ChannelFillPercentage`) come from the
    /// channel itself when asked.
    ChannelCounters = "CHANNEL" {
        event_put_attempt = "EventPutAttemptCount",
        event_put_success = "EventPutSuccessCount",
        event_take_attempt = "EventTakeAttemptCount",
        event_take_success = "EventTakeSuccessCount",
        put_error = "EventPutErrorCount",
        take_error = "EventTakeErrorCount",
        checkpoint_write_error = "CheckpointWriteErrorCount",
    }
}

impl SinkCounters {
    /// A sink has asked its channel for `batch_size` events and been given `events`: Flume's three words for that, and the
    /// attempt.
    pub fn took(&self, events: usize, batch_size: usize) {
        match events {
            0 => self.batch_empty.add(1),
            some if some < batch_size => self.batch_underflow.add(1),
            _ => self.batch_complete.add(1),
        }
        self.event_drain_attempt.add(events);
    }
}
