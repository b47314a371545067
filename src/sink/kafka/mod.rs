//! The Kafka sink: pipelined leases, each settled as its records are acknowledged, in any order.
//!
//! Several leases are in flight at once, bounded in bytes, so that librdkafka's own queue is never full. A lease stays
//! ours until every record of it has its report; then what was acknowledged or set aside is settled, and the rest goes
//! back, so that one refused record never repeats its neighbours (R11).

mod aside;
mod flight;
mod passes;
mod record;
mod told;
mod verdict;

use super::{Sink, SinkKind, StartSink};
use crate::channel::Channel;
use crate::component::{Context, StartError};
use crate::config::keys::{Scope, choice, keys};
use crate::config::value::{ByteSize, Count, HostPorts, Section};
use crate::deadletter::file::{FileLetters, FileSettings};
use crate::deadletter::line::Sender;
use crate::deadletter::{DeadLetters, Place};
use crate::kafka::escape::Escaped;
use crate::kafka::letters::TopicLetters;
use crate::kafka::properties::{Settings, Translated, producer};
use crate::status::counters::SinkCounters;
use passes::KafkaSink;
use record::Shape;
use std::path::PathBuf;
use std::sync::Arc;

/// What the Java producer's properties stand under.
const PREFIX: &str = "kafka.producer.";

choice! {
    /// What becomes of a record that is too large for the broker.
    pub enum Oversize {
        /// It is set aside with its reason; its neighbours go on.
        DeadLetter = "deadletter",
        /// It stays in the channel and is tried again and again, as in Flume; but its neighbours are delivered once.
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
        /// Size of a body from which on it is too large, whatever the broker takes. Found from the broker when absent.
        "oversize.limit" => oversize_limit: Option<ByteSize>,
        /// Where the records go that can never be delivered.
        "deadletter" => dead_letters: Place = "file",
        /// Directory of such records.
        "deadletter.dir" => dead_letter_dir: PathBuf = "~/.flume/dead-letters/<agent>/<component>",
        /// Bytes they may take there; then the sink waits.
        "deadletter.maxBytes" => dead_letter_max_bytes: ByteSize = "1GiB",
        /// Topic of such records, at the same brokers.
        "deadletter.topic" => dead_letter_topic: String = "dead-letters",
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
const SUITED: &[(&str, u32)] = &[
    ("linger.ms", 5),
    ("batch.size", 1_000_000),
    ("batch.num.messages", 10_000),
    // What is too large is for the broker to say, whose limit counts after compression.
    ("message.max.bytes", 1_000_000_000),
];
/// Settings that the sink's own window takes the place of: its bounds are narrower, and librdkafka's queue is never full.
const FORCED: &[(&str, u32)] =
    &[("queue.buffering.max.messages", 1_000_000), ("queue.buffering.max.kbytes", 2_097_151)];

impl KafkaSinkConfig {
    fn start_sink(scope: &mut Scope<'_>) -> Option<StartKafkaSink> {
        let config = Self::read(scope)?;
        let translated = config.translate();
        let mut good = true;
        for note in translated.refused() {
            let old = note.key == "acks" && config.producer.get("acks").is_none();
            let key = if old { "requiredAcks".to_owned() } else { format!("{PREFIX}{}", note.key) };
            let message = format!("`{key}`: {}", note.what);
            let remark = scope.error("wrong-value", scope.value_span(&key), message);
            let help = (!note.next.is_empty()).then(|| note.next.clone());
            scope.report(remark.maybe_help(help));
            good = false;
        }
        if config.producer.get("transactional.id").is_some() {
            let key = "kafka.producer.transactional.id";
            let message = format!("`{key}`: this sink has no transactions");
            let remark = scope.error("not-here", scope.value_span(key), message);
            let help = "take the line out, which Flume 1.11 cannot start with either: records are sent idempotently";
            scope.report(remark.help(help));
            good = false;
        }
        good.then_some(StartKafkaSink { config, translated })
    }

    fn translate(&self) -> Translated {
        let mut given: Vec<_> =
            self.producer.iter().map(|(key, entry)| (key, entry.value.as_str())).collect();
        if let (Some(acks), None) = (&self.required_acks, self.producer.get("acks")) {
            given.push(("acks", acks));
        }
        let mut translated = producer(&given);
        for (name, value) in SUITED {
            translated.config.or(name, value);
        }
        for (name, value) in FORCED {
            translated.config.set(name, value);
        }
        translated.config.set("bootstrap.servers", &self.bootstrap_servers);
        translated
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

impl KafkaSinkConfig {
    fn letters(&self, context: &Context, client: &Settings) -> Box<dyn DeadLetters> {
        let sender =
            Sender { agent: context.agent.to_string(), component: context.name.to_string() };
        let clock = context.clock.clone();
        match self.dead_letters {
            Place::File => {
                let settings = FileSettings {
                    dir: self.dead_letter_dir.clone(),
                    max_bytes: self.dead_letter_max_bytes.get(),
                };
                Box::new(FileLetters::new(settings, sender, clock, context.teller.clone()))
            }
            Place::Topic => {
                let topic = self.dead_letter_topic.clone();
                Box::new(TopicLetters::new(topic, client.clone(), sender, clock))
            }
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
            context.teller.tell(note.happening(PREFIX));
        }
        let counters = Arc::new(SinkCounters::default());
        context.teller.register(counters.clone());
        let mut client = self.translated.config.clone();
        client.or("client.id", format!("{}-{}", context.agent, context.name));
        let letters = self.config.letters(context, &client);
        let settings = passes::Settings {
            shape: self.config.shape(),
            oversize: self.config.oversize,
            oversize_limit: self.config.oversize_limit.map(ByteSize::get),
            batch_size: self.config.batch_size.get(),
            place: self.config.bootstrap_servers.to_string(),
            client,
            placing: self.translated.placing,
        };
        let sink = KafkaSink::start(context, channel, counters, settings, letters)?;
        Ok(Box::new(sink))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.config.batch_size.get()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::KafkaSinkConfig;
    use crate::config::scope::Scope;

    fn said_of(keys: &[(&str, &str)]) -> Vec<(&'static str, String, String)> {
        let mut all = vec![("kafka.bootstrap.servers", "b:1")];
        all.extend_from_slice(keys);
        let (start, said) = Scope::for_test(&all, KafkaSinkConfig::start_sink);
        let refused = said.iter().any(|d| d.effect.contains("will not start"));
        assert_eq!(start.is_none(), refused, "{said:?}");
        said.into_iter().map(|d| (d.code, d.message, d.help.unwrap_or_default())).collect()
    }

    #[test]
    fn what_cannot_be_had_is_refused_at_its_line_with_what_to_write_instead() {
        let said = said_of(&[("requiredAcks", "2")]);
        assert!(said[0].1.starts_with("`requiredAcks`: cannot be `2`"), "{said:?}");
        let said = said_of(&[("requiredAcks", "2"), ("kafka.producer.acks", "all")]);
        assert!(said.is_empty(), "the new name comes first: {said:?}");
        let said = said_of(&[("kafka.producer.transactional.id", "x")]);
        assert_eq!(said[0].0, "not-here");
        let said = said_of(&[("kafka.producer.partitioner.class", "com.example.Mine")]);
        assert!(said[0].1.contains("`com.example.Mine` is not here"), "{said:?}");
        let said = said_of(&[("kafka.producer.linger.ms", "1s"), ("kafka.producer.acks", "ALL")]);
        assert_eq!(said.len(), 2, "all mistakes in one run: {said:?}");
    }

    #[test]
    fn what_the_file_says_of_the_producer_is_obeyed_and_the_rest_is_safe_and_quick() {
        let client = |keys: &[(&str, &str)]| {
            let mut all = vec![("brokerList", "old:1,PLAINTEXT://b:2")];
            all.extend_from_slice(keys);
            let (start, _) = Scope::for_test(&all, KafkaSinkConfig::start_sink);
            start.unwrap().translated.config
        };
        let plain = client(&[]);
        let get = |name: &str| plain.get(name).unwrap_or_default().to_owned();
        assert_eq!(get("bootstrap.servers"), "old:1,b:2");
        assert_eq!((get("acks"), get("enable.idempotence")), ("-1".to_owned(), "true".to_owned()));
        assert_eq!((get("batch.size"), get("linger.ms")), ("1000000".to_owned(), "5".to_owned()));
        let given = client(&[
            ("requiredAcks", "1"),
            ("kafka.producer.linger.ms", "0"),
            ("kafka.producer.batch.size", "16384"),
            ("kafka.producer.buffer.memory", "1024"),
            ("kafka.producer.max.request.size", "41943040"),
        ]);
        let get = |name: &str| given.get(name).unwrap_or_default().to_owned();
        assert_eq!((get("acks"), get("enable.idempotence")), ("1".to_owned(), "false".to_owned()));
        assert_eq!((get("batch.size"), get("linger.ms")), ("16384".to_owned(), "0".to_owned()));
        assert_eq!(get("message.max.bytes"), "41943040");
        assert_eq!(get("queue.buffering.max.kbytes"), "2097151", "the window bounds memory");
    }
}
