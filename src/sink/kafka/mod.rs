//! The Kafka sink: pipelined leases, each settled as its records are acknowledged, in any order.
//!
//! Several leases are in flight at once, bounded in bytes, so that librdkafka's own queue is never full. A lease stays
//! ours until every record of it has its report; then what was acknowledged or set aside is settled, and the rest goes
//! back, so that one refused record never repeats its neighbours (R11).

mod flight;
mod record;
mod told;

use super::{Sink, SinkKind, StartSink};
use crate::channel::Channel;
use crate::component::{Context, StartError};
use crate::config::keys::{Scope, choice, keys};
use crate::config::value::{ByteSize, Count, HostPorts, Section};
use crate::deadletter::file::{FileLetters, FileSettings};
use crate::deadletter::line::Sender;
use crate::kafka::escape::Escaped;
use crate::kafka::properties::{Translated, producer};
use crate::status::counters::SinkCounters;
use flight::KafkaSink;
use record::Shape;
use std::path::PathBuf;
use std::sync::Arc;

choice! {
    /// What becomes of a record that is too large for the broker.
    pub enum Oversize {
        /// It is set aside with its reason; its neighbours go on.
        DeadLetter = "deadletter",
        /// It stays at the head of the channel and nothing behind it moves, as in Flume.
        Block = "block",
    }
}

keys! {
    /// Publishes events to a Kafka topic.
    pub struct KafkaSinkConfig = "org.apache.flume.sink.kafka.KafkaSink" {
        /// Brokers to ask for the cluster's layout.
        "kafka.bootstrap.servers" | "brokerList" => bootstrap_servers: HostPorts,
        /// Topic to publish to, unless the event names another. May have `%{header}` and parts of a time in it.
        "kafka.topic" | "topic" => topic: String = "default-flume-topic",
        /// Events that Flume takes in one transaction, as it checks it against the channel's `transactionCapacity`.
        "flumeBatchSize" | "batchSize" => batch_size: Count = "100",
        /// Acknowledgements of 1.6; `kafka.producer.acks` comes first.
        "requiredAcks" => required_acks: Option<String>,
        /// Whether the value is the whole event in Flume's Avro format, headers included, or the body alone.
        "useFlumeEventFormat" => use_flume_event_format: bool = "false",
        /// Partition for every event; the partitioner chooses when absent.
        "defaultPartitionId" => default_partition: Option<u32>,
        /// Header that an event names its partition in.
        "partitionIdHeader" => partition_id_header: Option<String>,
        /// Whether an event may choose its topic, and escapes in `kafka.topic` are read.
        "allowTopicOverride" => allow_topic_override: bool = "true",
        /// Header that an event names its topic in.
        "topicHeader" => topic_header: String = "topic",
        /// Header with the record's time, in milliseconds since 1970.
        "timestampHeader" => timestamp_header: Option<String>,
        /// Event headers that are sent as record headers: `header.<event's> = <record's>`.
        "header.*" => headers: Section,
        /// Java producer properties, translated.
        "kafka.producer.*" => producer: Section,
        /// What becomes of a record that is too large for the broker.
        "oversize" => oversize: Oversize = "deadletter",
        /// Directory of the records that can never be delivered.
        "deadletter.dir" => dead_letter_dir: PathBuf = "~/.flume/dead-letters/<agent>/<component>",
        /// Bytes they may take; then the sink waits.
        "deadletter.maxBytes" => dead_letter_max_bytes: ByteSize = "1073741824",
        /// A 1.6 key without effect, as in Flume.
        "serializer.class" => serializer_class: Option<String>,
        /// A 1.6 key without effect, as in Flume.
        "key.serializer.class" => key_serializer_class: Option<String>,
    }
}

/// The row in the registry.
pub const KIND: SinkKind = SinkKind {
    names: &[KafkaSinkConfig::TYPE],
    about: KafkaSinkConfig::ABOUT,
    keys: KafkaSinkConfig::KEYS,
    read: |scope| Some(Box::new(KafkaSinkConfig::start_sink(scope)?)),
};

/// Settings that suit a pipelined sink, unless the file says otherwise: librdkafka's name and value. Measured: batches
/// of 1 MB are four times as quick as of 100 KB.
const SUITED: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "5"),
    ("batch.size", "1000000"),
    ("batch.num.messages", "10000"),
    ("queue.buffering.max.messages", "1000000"),
    ("queue.buffering.max.kbytes", "1048576"),
    // What is too large is for the broker to say, whose limit counts after compression.
    ("message.max.bytes", "1000000000"),
];

impl KafkaSinkConfig {
    fn start_sink(scope: &mut Scope<'_>) -> Option<StartKafkaSink> {
        let config = Self::read(scope)?;
        let given: Vec<_> =
            config.producer.iter().map(|(key, entry)| (key, entry.value.as_str())).collect();
        let mut translated = producer(&given);
        let mut good = true;
        for note in translated.refused() {
            let key = format!("kafka.producer.{}", note.key);
            let message = format!("`{key}`: {}", note.what);
            let remark = scope.error("wrong-value", scope.value_span(&key), message);
            scope.report(if note.next.is_empty() {
                remark
            } else {
                remark.help(note.next.clone())
            });
            good = false;
        }
        if let (Some(acks), None) = (&config.required_acks, config.producer.get("acks")) {
            translated.config.set("acks", acks);
            if !matches!(acks.as_str(), "-1" | "all") {
                translated.config.or("enable.idempotence", "false");
            }
        }
        let acks = translated.config.get("acks").map(str::to_owned);
        let weaker = translated.config.is_from_file("acks")
            && !matches!(acks.as_deref(), Some("-1" | "all"));
        for (name, value) in SUITED {
            let chosen = match *name {
                "acks" => config.required_acks.is_some(),
                "enable.idempotence" => weaker,
                _ => false,
            };
            if !chosen {
                translated.config.or(name, value);
            }
        }
        translated.config.set("bootstrap.servers", &config.bootstrap_servers);
        good.then_some(StartKafkaSink { config, translated })
    }

    fn shape(&self) -> Shape {
        Shape {
            topic: Escaped::new(&self.topic),
            fixed_topic: (!self.allow_topic_override).then(|| self.topic.clone()),
            topic_header: self.topic_header.clone(),
            default_partition: self.default_partition.and_then(|p| i32::try_from(p).ok()),
            partition_id_header: self.partition_id_header.clone(),
            timestamp_header: self.timestamp_header.clone(),
            headers: self
                .headers
                .iter()
                .map(|(from, to)| (from.to_owned(), to.value.clone()))
                .collect(),
            flume_event: self.use_flume_event_format,
        }
    }
}

/// A Kafka sink whose keys are right.
#[derive(Debug)]
struct StartKafkaSink {
    config: KafkaSinkConfig,
    translated: Translated,
}

impl StartSink for StartKafkaSink {
    fn start(
        &self,
        context: &Context,
        channel: Arc<dyn Channel>,
    ) -> Result<Box<dyn Sink>, StartError> {
        for note in &self.translated.notes {
            context.teller.tell(note.happening("kafka.producer."));
        }
        let counters = Arc::new(SinkCounters::default());
        context.teller.register(counters.clone());
        let settings = FileSettings {
            dir: self.config.dead_letter_dir.clone(),
            max_bytes: self.config.dead_letter_max_bytes.get(),
        };
        let sender =
            Sender { agent: context.agent.to_string(), component: context.name.to_string() };
        let letters =
            FileLetters::new(settings, sender, context.clock.clone(), context.teller.clone());
        let settings = flight::Settings {
            shape: self.config.shape(),
            oversize: self.config.oversize,
            batch_size: self.config.batch_size.get(),
            place: self.config.bootstrap_servers.to_string(),
        };
        let client = self.translated.config.client_config();
        let sink =
            KafkaSink::new(context, channel, counters, &client, settings, Box::new(letters))?;
        Ok(Box::new(sink))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.config.batch_size.get()).ok()
    }
}

#[cfg(test)]
mod tests;
