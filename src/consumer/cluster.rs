//! The way to Kafka: one client, which the poll thread polls and the takeover thread asks.
//!
//! Assigned partitions are paused in the callback itself (R16): nothing is read of them before the database has said where
//! to begin. What happened in the group waits here until the poll thread looks.

use crate::consumer::keys::ConsumerKeys;
use crate::kafka::ids;
use crate::kafka::log_line;
use crate::kafka::properties::{self, Translated};
use crate::status::happening::{Happening, Teller};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The client.
pub type Client = BaseConsumer<Listener>;

/// A partition by its topic's name.
pub type TopicPartition = (String, i32);

/// What happened in the group.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// These are ours, and paused.
    Assigned(Vec<TopicPartition>),
    /// These are not ours any more.
    Revoked(Vec<TopicPartition>),
}

/// Why a question to the cluster has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ClusterError {
    /// Stable word.
    pub code: &'static str,
    /// What went wrong.
    pub what: String,
    /// What the operator can do.
    pub next: String,
}

/// What the client has to say, until somebody looks.
pub struct Listener {
    teller: Teller,
    changes: Mutex<VecDeque<Change>>,
    ends: Mutex<BTreeMap<TopicPartition, u64>>,
    /// Whether it was told that brokers are away, and not yet that they are back.
    is_away: AtomicBool,
}

impl Listener {
    fn happened(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }

    /// What happened in the group since somebody looked, oldest first.
    pub fn changes(&self) -> VecDeque<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a partition ended when the client last heard of it: what a consumer can read up to.
    pub fn end(&self, partition: &TopicPartition) -> Option<u64> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(partition).copied()
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        if is_well(&statistics) && self.is_away.swap(false, Ordering::SeqCst) {
            self.teller.tell(Happening::info("broker-back", "Kafka answers again"));
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, of_topic) in statistics.topics {
            for (partition, of_partition) in of_topic.partitions {
                let end = of_partition.ls_offset.max(of_partition.eof_offset);
                let end = if end >= 0 { end } else { of_partition.hi_offset };
                if let Ok(end) = u64::try_from(end) {
                    ends.insert((topic.clone(), partition), end);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if let Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::AutoOffsetReset) = code {
            return; // The poll thread is handed these itself.
        }
        let (word, next) = advice(code);
        if word == BROKER_AWAY {
            self.is_away.store(true, Ordering::SeqCst);
        }
        self.teller.tell(
            Happening::warning(word, format!("Kafka: {reason}"))
                .effect("records wait in Kafka; reading goes on by itself when it answers again")
                .next(next),
        );
    }
}

/// Whether a broker is connected, and none is missing that the client wants.
fn is_well(statistics: &Statistics) -> bool {
    // Those that are only named in `bootstrap.servers` have no number; one that is not needed is never connected.
    let brokers = || statistics.brokers.values().filter(|broker| broker.nodeid >= 0);
    brokers().any(|broker| broker.state == "UP")
        && brokers().all(|broker| matches!(broker.state.as_str(), "UP" | "INIT"))
}

impl ConsumerContext for Listener {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<TopicPartition> =
            list.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let done = assigned(consumer, list);
            self.happened(Change::Assigned(partitions));
            done
        } else {
            self.happened(Change::Revoked(partitions));
            revoked(consumer, list)
        };
        if let Err(error) = done {
            self.teller.tell(
                Happening::warning(
                    "rebalance-failed",
                    format!("the group's change was not taken: {error}"),
                )
                .effect("the group gives the partitions out again")
                .next("nothing, unless it goes on"),
            );
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // The group's offsets are for monitoring only: the database has what counts.
        if let Err(error) = result {
            log::debug!("the group's offsets were not committed: {error}");
        }
    }
}

/// Takes what the group gives, paused.
///
/// Paused *before* it is assigned, and with a number to begin at: so the client has nothing to ask. Were it asking for the
/// end while the position is moved to what the database says, it would ask again half a second later (librdkafka 2.12 takes
/// an answer that has become void for one that failed), go to the end then, and skip all records before it unsaid.
fn assigned(consumer: &Client, list: &mut TopicPartitionList) -> KafkaResult<()> {
    ids::introduce(consumer, list)?;
    consumer.pause(list)?;
    list.set_all_offsets(Offset::Offset(0))?;
    if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
        consumer.incremental_assign(list)
    } else {
        consumer.assign(list)
    }
}

/// Gives back what the group takes.
fn revoked(consumer: &Client, list: &TopicPartitionList) -> KafkaResult<()> {
    if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
        consumer.incremental_unassign(list)
    } else {
        consumer.unassign()
    }
}

/// The word for brokers that do not answer.
const BROKER_AWAY: &str = "broker-away";

/// A word and advice for an error of Kafka's.
#[must_use]
pub fn advice(code: Option<RDKafkaErrorCode>) -> (&'static str, &'static str) {
    match code {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => (
            "topic-missing",
            "kafka-topics.sh --create --topic <its name> --bootstrap-server <a broker>",
        ),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => ("kafka-rights", "let this user read the topic and the group (kafka-acls.sh)"),
        Some(RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::Authentication) => {
            ("kafka-login", "look at `kafka.consumer.sasl.*`")
        }
        Some(RDKafkaErrorCode::SSL) => ("kafka-tls", "look at `kafka.consumer.ssl.*`"),
        _ => (BROKER_AWAY, "look whether the brokers run and can be reached"),
    }
}

/// The client's properties for a consumer.
#[must_use]
pub fn properties(keys: &ConsumerKeys, client_id: &str) -> Translated {
    let given: Vec<(&str, &str)> =
        keys.consumer.iter().map(|(k, entry)| (k, entry.value.as_str())).collect();
    let mut translated = properties::consumer(&given);
    let config = &mut translated.config;
    config.set("bootstrap.servers", &keys.bootstrap_servers);
    // R20: where to begin, and what retention took, is decided here and told; never by the client in silence.
    config.set("auto.offset.reset", "error");
    // A misspelt topic is told, not made.
    config.or("allow.auto.create.topics", "false");
    config.or("client.id", client_id);
    // What is fetched ahead: pausing throws it away, so it is kept small.
    config.or("queued.max.messages.kbytes", 16_384);
    config.or("fetch.queue.backoff.ms", 20);
    config.set("statistics.interval.ms", 5000);
    translated
}

/// What a topic is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its own id, where the cluster gives one.
    pub id: Option<String>,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// The client, for questions.
#[derive(Clone)]
pub struct Cluster {
    client: Arc<Client>,
    topics: String,
    patience: Duration,
}

impl Cluster {
    /// Makes the client and joins the group, for `topics` (a pattern begins with `^`). It connects by itself.
    pub fn join(translated: &Translated, topics: &[&str], teller: Teller) -> KafkaResult<Self> {
        let listener = Listener {
            teller,
            changes: Mutex::default(),
            ends: Mutex::default(),
            is_away: AtomicBool::new(false),
        };
        let client = Client::from_config_and_context(&translated.config.client_config(), listener)?;
        client.subscribe(topics)?;
        let patience = translated.api_timeout.min(PATIENCE);
        Ok(Self { client: Arc::new(client), topics: topics.join(", "), patience })
    }

    /// The client itself.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The topics that are read, in a sentence.
    #[must_use]
    pub fn topics(&self) -> &str {
        &self.topics
    }

    /// The generation of the group that we are in; 0 before we are in one.
    #[must_use]
    pub fn generation(&self) -> i64 {
        ids::group_generation(&self.client).map_or(0, i64::from)
    }

    /// A topic's id and partitions.
    pub fn topic(&self, name: &str) -> Result<Topic, ClusterError> {
        let failed = |error: KafkaError| no_answer(name, error.rdkafka_error_code(), &error);
        let metadata = self.client.fetch_metadata(Some(name), self.patience).map_err(failed)?;
        let found = metadata.topics().iter().find(|topic| topic.name() == name);
        let partitions: Vec<i32> = found
            .map_or_else(Vec::new, |t| t.partitions().iter().map(MetadataPartition::id).collect());
        if let Some(error) = found.and_then(MetadataTopic::error) {
            let code = RDKafkaErrorCode::from(error);
            return Err(no_answer(name, Some(code), &code));
        }
        if partitions.is_empty() {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(no_answer(name, Some(code), &code));
        }
        let broker = metadata.orig_broker_id();
        let id = ids::topic_id(self.client.client(), broker, name, self.patience)
            .map_err(|code| no_answer(name, Some(code), &code))?;
        Ok(Topic { id, partitions })
    }

    /// The oldest offset that a partition still has, and the one it ends at.
    pub fn ends(&self, topic: &str, partition: i32) -> Result<(u64, u64), ClusterError> {
        let (low, high) = self
            .client
            .fetch_watermarks(topic, partition, self.patience)
            .map_err(|error| no_answer(topic, error.rdkafka_error_code(), &error))?;
        let offset = |offset: i64| u64::try_from(offset).unwrap_or(0);
        Ok((offset(low), offset(high)))
    }

    /// What the group has committed, where it has.
    pub fn committed(
        &self,
        topic: &str,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, u64>, ClusterError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(topic, *partition);
        }
        let failed = |error: KafkaError| no_answer(topic, error.rdkafka_error_code(), &error);
        let committed = self.client.committed_offsets(list, self.patience).map_err(failed)?;
        let mut found = BTreeMap::new();
        for element in committed.elements() {
            element.error().map_err(failed)?;
            if let Offset::Offset(offset) = element.offset() {
                found.insert(element.partition(), u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(found)
    }
}

/// How long a question waits for its answer, at most.
const PATIENCE: Duration = Duration::from_secs(10);

fn no_answer(
    topic: &str,
    code: Option<RDKafkaErrorCode>,
    why: &dyn std::fmt::Display,
) -> ClusterError {
    let (word, next) = advice(code);
    ClusterError {
        code: word,
        what: format!("Kafka does not answer for topic `{topic}`: {why}"),
        next: next.replace("<its name>", topic),
    }
}

#[cfg(test)]
mod tests {
    use super::Listener;
    use crate::clock::SystemClock;
    use crate::status::happening::Telling;
    use rdkafka::client::ClientContext as _;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_topic_that_is_missing_is_no_broker_that_is_away() {
        let telling = Telling::new(SystemClock::shared());
        let listener = Listener {
            teller: telling.of("consumer", &"access".into()),
            changes: Mutex::default(),
            ends: Mutex::default(),
            is_away: AtomicBool::new(false),
        };
        listener.error(KafkaError::Global(RDKafkaErrorCode::UnknownTopic), "no such topic");
        assert!(!listener.is_away.load(Ordering::SeqCst));
        listener.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 are down");
        assert!(listener.is_away.load(Ordering::SeqCst));
    }
}
