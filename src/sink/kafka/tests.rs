//! The Kafka sink against librdkafka's mock broker and the memory channel.

use super::KafkaSinkConfig;
use crate::channel::memory::MemoryChannelConfig;
use crate::channel::{BatchLimit, Channel, StartChannel};
use crate::clock::{Stop, SystemClock};
use crate::component::Context;
use crate::config::scope::Scope;
use crate::event::{BatchBuilder, Headers, Origin};
use crate::kafka::mock::MockBroker;
use crate::sink::{Sink, StartSink};
use crate::status::happening::Telling;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    broker: MockBroker,
    channel: Arc<dyn Channel>,
    sink: Box<dyn Sink>,
    telling: Telling,
    letters: tempfile::TempDir,
}

fn scene(keys: &[(&str, &str)]) -> Scene {
    let broker = MockBroker::start("t", 2).unwrap();
    let letters = tempfile::tempdir().unwrap();
    let servers = broker.bootstrap_servers();
    let dir = letters.path().display().to_string();
    let mut all = vec![
        ("kafka.bootstrap.servers", servers.as_str()),
        ("kafka.topic", "t"),
        ("deadletter.dir", dir.as_str()),
    ];
    all.extend_from_slice(keys);
    let (start, said) = Scope::for_test(&all, KafkaSinkConfig::start_sink);
    assert!(said.is_empty(), "{said:?}");
    let clock = SystemClock::shared();
    let telling = Telling::new(clock.clone());
    let context = |kind: &'static str, name: &str| Context {
        agent: "a1".into(),
        name: name.into(),
        clock: clock.clone(),
        stop: Stop::new(),
        teller: telling.of(kind, &name.into()),
    };
    let (memory, _) = Scope::for_test(
        &[("capacity", "10000"), ("transactionCapacity", "1000")],
        MemoryChannelConfig::start_channel,
    );
    let channel = memory.unwrap().start(&context("channel", "c1")).unwrap();
    let sink = start.unwrap().start(&context("sink", "k1"), channel.clone()).unwrap();
    Scene { broker, channel, sink, telling, letters }
}

impl Scene {
    fn put(&self, bodies: &[&[u8]], headers: &[(&str, &str)]) {
        let mut builder = BatchBuilder::new();
        let headers: Headers =
            headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let headers = Arc::new(headers);
        for body in bodies {
            builder.push(&headers, body);
        }
        self.channel.put(builder.build(Origin::default())).unwrap().wait().unwrap();
    }

    /// Passes until the channel is empty.
    fn deliver(&mut self) {
        for _ in 0..10_000 {
            if self.channel.gauges().events == 0 {
                return;
            }
            self.sink.process().unwrap();
        }
        panic!("{:?}: {:?}", self.channel.gauges(), self.telling.newest());
    }

    /// The first `count` records of the topic: partition, key, value.
    fn records(&self, count: usize) -> Vec<(i32, Option<Vec<u8>>, Vec<u8>)> {
        let mut config = self.broker.client_config();
        config.set("group.id", "g").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in 0..2 {
            list.add_partition_offset("t", partition, rdkafka::Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            let record = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
            records.push((
                record.partition(),
                record.key().map(<[u8]>::to_vec),
                record.payload().unwrap().to_vec(),
            ));
        }
        assert!(consumer.poll(Duration::from_millis(100)).is_none(), "more records than events");
        records
    }
}

#[test]
fn events_are_delivered_and_then_settled() {
    let mut scene = scene(&[("defaultPartitionId", "1")]);
    scene.put(&[b"a", b"b", b""], &[]);
    scene.put(&[b"c"], &[("key", "k")]);
    scene.deliver();
    let records = scene.records(4);
    let values: Vec<_> = records.iter().map(|(.., value)| value.as_slice()).collect();
    assert_eq!(values, [b"a".as_slice(), b"b", b"", b"c"]);
    assert!(records.iter().all(|(partition, ..)| *partition == 1));
    assert_eq!(records[3].1.as_deref(), Some(b"k".as_slice()));
}

#[test]
fn a_record_that_is_too_large_is_set_aside_and_its_neighbours_are_delivered_once() {
    let mut scene =
        scene(&[("kafka.producer.max.request.size", "2000"), ("defaultPartitionId", "0")]);
    let large = vec![b'x'; 5000];
    scene.put(&[b"before", &large, b"after"], &[]);
    scene.deliver();
    let values: Vec<_> = scene.records(2).into_iter().map(|(.., value)| value).collect();
    assert_eq!(values, [b"before".to_vec(), b"after".to_vec()]);
    let files: Vec<_> =
        std::fs::read_dir(scene.letters.path()).unwrap().map(|f| f.unwrap().path()).collect();
    let letter = files.iter().find(|f| f.extension().is_some_and(|e| e == "jsonl")).unwrap();
    assert!(std::fs::read_to_string(letter).unwrap().contains("record-too-large"));
    assert_eq!(scene.telling.times("sink k1", "record-too-large"), 1);
}

#[test]
fn an_event_whose_partition_is_none_is_set_aside() {
    let mut scene = scene(&[("partitionIdHeader", "p")]);
    scene.put(&[b"x"], &[("p", "many")]);
    scene.put(&[b"y"], &[("p", "1")]);
    scene.deliver();
    assert_eq!(scene.records(1)[0].0, 1);
    assert_eq!(scene.telling.times("sink k1", "record-unfit"), 1);
}

#[test]
fn what_is_in_flight_at_a_stop_is_finished_or_goes_back() {
    let mut scene = scene(&[]);
    scene.put(&[b"a", b"b"], &[]);
    scene.sink.process().unwrap();
    scene.sink.drain(Duration::from_secs(30));
    let limit = BatchLimit { events: 10, bytes: 1 << 20 };
    assert!(scene.channel.take(limit, Duration::ZERO).unwrap().is_none());
    assert_eq!(scene.records(2).len(), 2);
}
