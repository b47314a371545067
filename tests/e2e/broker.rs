//! The real Kafka broker that `scripts/kafka` runs: its topics, and an independent reader of what is in them.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};

use crate::script;

/// What the operator set on his topics.
pub(crate) const LARGEST: usize = 41_943_040;
const ANSWER: Duration = Duration::from_secs(30);

pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) body: Vec<u8>,
}

/// Starts it if it does not run; its address.
pub(crate) fn up() -> String {
    script::run("kafka", &["up"])
}

pub(crate) fn down() {
    script::run("kafka", &["down"]);
}

pub(crate) fn address() -> String {
    script::run("kafka", &["address"])
}

pub(crate) fn kill() {
    script::kill_server("kafka");
}

pub(crate) fn topic(name: &str, partitions: u32) {
    let largest = format!("max.message.bytes={LARGEST}");
    script::run("kafka", &["topic", name, &partitions.to_string(), &largest]);
}

pub(crate) fn small_topic(name: &str) {
    script::run("kafka", &["topic", name, "1"]);
}

pub(crate) fn produce(topic: &str, bodies: impl IntoIterator<Item = String>) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", address()).create().unwrap();
    for body in bodies {
        producer.send(BaseRecord::<(), String>::to(topic).payload(&body)).unwrap();
    }
    producer.flush(ANSWER).unwrap();
}

/// Every record of the topic, as a `read_committed` reader gets them, up to where it ends now.
pub(crate) fn records(topic: &str) -> Vec<Record> {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address())
        .set("group.id", "e2e-reader")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.message.max.bytes", "50000000")
        .set("receive.message.max.bytes", "200000000")
        .create()
        .unwrap();
    let metadata = reader.fetch_metadata(Some(topic), ANSWER).unwrap();
    let mut from = TopicPartitionList::new();
    let mut ends = HashMap::new();
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions)
    {
        let (low, high) = reader.fetch_watermarks(topic, partition.id(), ANSWER).unwrap();
        from.add_partition_offset(topic, partition.id(), Offset::Offset(low)).unwrap();
        if high > low {
            ends.insert(partition.id(), high);
        }
    }
    reader.assign(&from).unwrap();
    let mut records = Vec::new();
    while !ends.is_empty() {
        let message = reader.poll(ANSWER).expect("records up to the end that was told").unwrap();
        if ends.get(&message.partition()) == Some(&(message.offset() + 1)) {
            ends.remove(&message.partition());
        }
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            body: message.payload().unwrap_or_default().to_owned(),
        });
    }
    records
}

/// How many records were ever written to the topic; or why that is not known yet: a broker that has just come back does not
/// lead its partitions at once.
pub(crate) fn count(topic: &str) -> Result<usize, String> {
    let reader: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", address()).create().unwrap();
    let told = |error: KafkaError| error.to_string();
    let metadata = reader.fetch_metadata(Some(topic), ANSWER).map_err(told)?;
    let partitions =
        metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let mut count = 0;
    for partition in partitions {
        let (low, high) = reader.fetch_watermarks(topic, partition.id(), ANSWER).map_err(told)?;
        count += usize::try_from(high - low).unwrap();
    }
    Ok(count)
}

pub(crate) fn kill_hard(pid: &str) {
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
