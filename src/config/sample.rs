//! A few kinds of components for config's own tests, which can know none of the real ones.

#![allow(dead_code, reason = "what is read is judged here, and not used")]

use crate::config::keys::{KeySpec, Scope, keys};
use crate::config::kind::{Family, Judgement, Kind, Kinds};
use crate::config::value::{Count, HostPorts, Names, Secret, Section};

keys! {
    /// Keeps events in memory.
    struct Memory = "org.apache.flume.channel.MemoryChannel" {
        /// How many events fit.
        "capacity" => capacity: Count = "100" or default,
        /// How many events go in one transaction.
        "transactionCapacity" => transaction_capacity: Count = "100" or default,
    }
}

keys! {
    /// Counts upwards.
    struct Seq = "org.apache.flume.source.SequenceGeneratorSource" {
        /// How many events are handed on at once.
        "batchSize" => batch_size: Count = "1",
    }
}

keys! {
    /// Runs a command and takes its lines.
    struct Exec = "org.apache.flume.source.ExecSource" {
        /// The command.
        "command" => command: String,
    }
}

keys! {
    /// Publishes events to a Kafka topic. Slowly.
    struct Kafka = "org.apache.flume.sink.kafka.KafkaSink" {
        /// Brokers to ask for the cluster's layout.
        "kafka.bootstrap.servers" | "brokerList" => servers: HostPorts,
        /// Topic to publish to, unless the event names another.
        "kafka.topic" | "topic" => topic: String = "default-flume-topic",
        /// Events taken and published in one transaction.
        "flumeBatchSize" | "batchSize" => batch_size: Count = "100",
        /// Whether an event's own header may choose its topic.
        "allowTopicOverride" => allow_topic_override: bool = "true",
        /// Header an event names its topic in.
        "topicHeader" => topic_header: String = "topic",
        /// What opens the broker.
        "pin" => pin: Option<Secret>,
        /// Java producer properties, translated.
        "kafka.producer.*" => producer: Section,
    }
}

keys! {
    /// Writes events to the log.
    struct Logger = "org.apache.flume.sink.LoggerSink" {
        /// How much of a body is shown.
        "maxBytesToLog" => max_bytes: Count = "16",
    }
}

keys! {
    /// Sets a header.
    struct Static = "org.apache.flume.interceptor.StaticInterceptor$Builder" {
        /// Its name.
        "key" => key: String = "key",
        /// Its value.
        "value" => value: String = "value",
        /// Whether one that is there already stays.
        "preserveExisting" => preserve: bool = "true",
    }
}

keys! {
    /// Sends each event to all channels.
    struct Replicating = "org.apache.flume.channel.ReplicatingChannelSelector" {
        /// Channels that may fail.
        "optional" => optional: Option<Names>,
    }
}

keys! {
    /// Tries one sink after the other.
    struct Failover = "org.apache.flume.sink.FailoverSinkProcessor" {
        /// Which sink comes before which.
        "priority.*" => priority: Section,
    }
}

keys! {
    /// Reads a topic and writes a table.
    struct Consumer = "consumer" {
        /// Where the rows go.
        "database.url" => url: String,
    }
}

struct Row {
    family: Family,
    names: &'static [&'static str],
    about: &'static str,
    keys: &'static [KeySpec],
    judge: fn(&mut Scope<'_>) -> Option<Option<usize>>,
}

impl Kind for Row {
    fn family(&self) -> Family {
        self.family
    }

    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn keys(&self) -> &'static [KeySpec] {
        self.keys
    }

    fn judge(&self, scope: &mut Scope<'_>) -> Option<Judgement> {
        let events = (self.judge)(scope)?;
        Some(Judgement { transaction_events: events.and_then(|events| u64::try_from(events).ok()) })
    }
}

macro_rules! row {
    ($family:ident, $Config:ident, $short:literal, |$config:ident| $events:expr) => {
        &Row {
            family: Family::$family,
            names: &[$Config::TYPE, $short],
            about: $Config::ABOUT,
            keys: $Config::KEYS,
            judge: |scope| $Config::read(scope).map(|$config| $events),
        }
    };
}

const ROWS: [&dyn Kind; 9] = [
    row!(Channel, Memory, "memory", |config| Some(config.transaction_capacity.get())),
    row!(Source, Seq, "seq", |config| Some(config.batch_size.get())),
    row!(Source, Exec, "exec", |_config| None),
    row!(Sink, Kafka, "kafka", |config| Some(config.batch_size.get())),
    row!(Sink, Logger, "logger", |_config| None),
    row!(Interceptor, Static, "static", |_config| None),
    row!(Selector, Replicating, "replicating", |_config| None),
    row!(Processor, Failover, "failover", |_config| None),
    row!(Consumer, Consumer, "consumer", |_config| None),
];

/// The kinds of the tests.
pub(super) fn kinds() -> Kinds {
    ROWS.into_iter().collect()
}
