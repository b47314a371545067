//! The Kafka sink against librdkafka's mock broker and the memory channel: what arrives, what goes back, what is set aside.

use super::support::parts::{Bench, sink};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message, OwnedMessage};
use rdkafka::types::RDKafkaRespErr;
use std::sync::Arc;
use std::time::Duration;
use tailwater::channel::{BatchLimit, Channel};
use tailwater::clock::SystemClock;
use tailwater::component::Failure;
use tailwater::deadletter::line::Kept;
use tailwater::deadletter::read;
use tailwater::event::{BatchBuilder, Headers, Origin};
use tailwater::kafka::mock::MockBroker;
use tailwater::kafka::wire::from_flume_event;
use tailwater::sink::Sink;

struct Scene {
    broker: MockBroker,
    channel: Arc<dyn Channel>,
    sink: Box<dyn Sink>,
    bench: Bench,
    letters: tempfile::TempDir,
}

fn scene(keys: &[(&str, &str)]) -> Scene {
    let broker = MockBroker::start("t", 2).unwrap();
    let letters = tempfile::tempdir().unwrap();
    let servers = broker.bootstrap_servers();
    let dir = letters.path().display().to_string();
    let mut all = keys.to_vec();
    let usual = [
        ("kafka.bootstrap.servers", servers.as_str()),
        ("kafka.topic", "t"),
        ("deadletter.dir", dir.as_str()),
    ];
    all.extend(usual.iter().filter(|(key, _)| keys.iter().all(|(given, _)| given != key)));
    let bench = Bench::new();
    let channel = bench.channel("c1");
    let start = sink("org.apache.flume.sink.kafka.KafkaSink", &all);
    let mut context = bench.context("sink", "k1");
    // librdkafka's own times are the machine's.
    context.clock = SystemClock::shared();
    let sink = start.start(&context, channel.clone()).unwrap();
    Scene { broker, channel, sink, bench, letters }
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

    /// Passes until the channel has `left` events or fewer; what went wrong on the way.
    fn deliver_but(&mut self, left: u64) -> Vec<String> {
        let mut failures = Vec::new();
        for _ in 0..100_000 {
            if self.channel.gauges().events <= left {
                return failures;
            }
            match self.sink.process() {
                Ok(_) => {}
                Err(Failure::Later(why)) => failures.push(why),
                Err(Failure::Restart(why)) => panic!("{why}"),
            }
        }
        panic!("{:?}: {:?}", self.channel.gauges(), self.bench.telling.newest());
    }

    /// Passes until the channel is empty, and nothing goes wrong on the way.
    fn deliver(&mut self) {
        assert_eq!(self.deliver_but(0).first(), None);
    }

    /// Passes until one fails; why.
    fn fail(&mut self) -> String {
        for _ in 0..100_000 {
            if let Err(failure) = self.sink.process() {
                return failure.to_string();
            }
        }
        panic!("{:?}: {:?}", self.channel.gauges(), self.bench.telling.newest());
    }

    /// The numbers, codes and lengths of the dead letters.
    fn dead(&self) -> Vec<(u64, String, usize)> {
        let mut found = Vec::new();
        let each = |kept: Kept| {
            found.push((kept.id.number(), kept.head.code, kept.body.len()));
            true
        };
        read::letters(self.letters.path(), each, |_, why| panic!("{why}")).unwrap();
        found
    }

    fn told(&self, code: &'static str) -> u64 {
        self.bench.telling.times("sink k1", code)
    }

    fn values(&self, count: usize) -> Vec<Vec<u8>> {
        self.records(count).into_iter().map(|(.., value)| value).collect()
    }

    /// The first `count` records of the topic: partition, key, value. There are no more.
    fn records(&self, count: usize) -> Vec<(i32, Option<Vec<u8>>, Vec<u8>)> {
        let record = |record: &OwnedMessage| {
            let value = record.payload().unwrap().to_vec();
            (record.partition(), record.key().map(<[u8]>::to_vec), value)
        };
        self.read("t", count).iter().map(record).collect()
    }

    fn read(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let mut config = self.broker.client_config();
        config.set("group.id", "g").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_mins(1)).unwrap();
        for partition in metadata.topics()[0].partitions() {
            let from = rdkafka::Offset::Beginning;
            list.add_partition_offset(topic, partition.id(), from).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            let record = consumer.poll(Duration::from_mins(1)).expect("a record").unwrap();
            records.push(record.detach());
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
    assert_eq!(scene.dead(), [(1, "record-too-large".to_owned(), 5000)]);
    assert_eq!(scene.told("record-too-large"), 1);
}

#[test]
fn an_event_whose_partition_is_none_is_set_aside() {
    let mut scene = scene(&[("partitionIdHeader", "p")]);
    scene.put(&[b"x"], &[("p", "many")]);
    scene.put(&[b"y"], &[("p", "1")]);
    scene.deliver();
    assert_eq!(scene.records(1)[0].0, 1);
    assert_eq!(scene.bench.telling.times("sink k1", "record-unfit"), 1);
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

#[test]
fn a_record_that_the_broker_refuses_for_its_size_is_set_aside_and_its_neighbours_are_delivered_once()
 {
    let mut scene = scene(&[("defaultPartitionId", "0")]);
    let large = vec![b'x'; 1_200_000];
    scene.put(&[b"before"], &[]);
    scene.deliver();
    scene.broker.refuse(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    scene.put(&[&large], &[]);
    scene.deliver();
    scene.put(&[b"after"], &[]);
    scene.deliver();
    assert_eq!(scene.values(2), [b"before".to_vec(), b"after".to_vec()]);
    assert_eq!(scene.dead(), [(1, "record-too-large".to_owned(), 1_200_000)]);
}

#[test]
fn small_records_of_a_batch_that_the_broker_finds_too_large_are_sent_again_and_never_set_aside() {
    let mut scene = scene(&[("defaultPartitionId", "0")]);
    scene.broker.refuse(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 2]);
    scene.put(&[b"a", b"b", b"c"], &[]);
    scene.deliver();
    assert_eq!(scene.values(3), [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
    assert!(scene.dead().is_empty());
    assert_eq!(scene.told("batch-size"), 2, "batches were made smaller, twice");
}

#[test]
fn a_record_above_its_own_limit_is_not_even_sent() {
    let mut scene = scene(&[("oversize.limit", "1k"), ("defaultPartitionId", "0")]);
    scene.put(&[&[b'x'; 1024], &[b'x'; 1025], b"z"], &[]);
    scene.deliver();
    assert_eq!(scene.values(2).iter().map(Vec::len).collect::<Vec<_>>(), [1024, 1]);
    assert_eq!(scene.dead(), [(1, "record-too-large".to_owned(), 1025)]);
}

#[test]
fn under_block_a_record_that_is_too_large_stays_and_its_neighbours_are_not_repeated() {
    let keys = [("oversize", "block"), ("oversize.limit", "1k"), ("defaultPartitionId", "0")];
    let mut scene = scene(&keys);
    scene.put(&[b"a", &[b'x'; 2000], b"b"], &[]);
    let failures = scene.deliver_but(1);
    for _ in 0..3 {
        assert!(scene.fail().contains("`oversize = block`"));
    }
    assert!(failures.len() <= 1 && scene.channel.gauges().events == 1);
    assert_eq!(scene.values(2), [b"a".to_vec(), b"b".to_vec()]);
    assert!(scene.dead().is_empty());
}

#[test]
fn without_room_for_a_dead_letter_the_event_waits_and_its_neighbours_go_on() {
    let keys =
        [("oversize.limit", "1k"), ("defaultPartitionId", "0"), ("deadletter.maxBytes", "9")];
    let mut scene = scene(&keys);
    scene.put(&[b"a", &[b'x'; 2000], b"b"], &[]);
    scene.deliver_but(1);
    let why = scene.fail();
    assert!(why.contains("no room for dead letters") && why.contains("`deadletter.maxBytes` is 9"));
    assert_eq!(scene.values(2), [b"a".to_vec(), b"b".to_vec()]);
    assert!(scene.told("dead-letter-refused") > 0);
}

#[test]
fn an_unreachable_broker_is_told_and_nothing_is_lost_or_doubled_when_it_is_back() {
    let mut scene = scene(&[("defaultPartitionId", "0")]);
    scene.broker.down();
    scene.put(&[b"a", b"b"], &[]);
    while scene.told("broker-away") == 0 {
        scene.sink.process().unwrap();
    }
    assert_eq!(scene.channel.gauges().events, 2, "in the channel until somebody has them");
    scene.broker.up();
    scene.put(&[b"c"], &[]);
    scene.deliver();
    assert_eq!(scene.values(3), [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
    assert_eq!((scene.told("broker-away"), scene.told("broker-back")), (1, 1));
}

#[test]
fn what_is_not_acknowledged_in_time_goes_back_in_order_and_is_delivered_later() {
    let keys = [("defaultPartitionId", "0"), ("kafka.producer.delivery.timeout.ms", "300")];
    let mut scene = scene(&keys);
    scene.broker.down();
    scene.put(&[b"a", b"b"], &[]);
    scene.put(&[b"c"], &[]);
    let why = scene.fail();
    assert!(why.contains("delivery.timeout.ms") && why.contains("back in channel c1"), "{why}");
    scene.broker.up();
    scene.deliver_but(0);
    assert_eq!(scene.values(3), [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
}

#[test]
fn errors_that_pass_are_waited_out_and_nothing_is_doubled() {
    let mut scene = scene(&[("defaultPartitionId", "0")]);
    scene.broker.refuse(&[
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ]);
    scene.put(&[b"a", b"b"], &[]);
    scene.deliver();
    assert_eq!(scene.values(2), [b"a".to_vec(), b"b".to_vec()]);
}

#[test]
fn what_the_broker_does_not_allow_goes_back_with_the_command_that_allows_it() {
    let mut scene = scene(&[("defaultPartitionId", "0")]);
    scene.broker.refuse(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    scene.put(&[b"a"], &[]);
    let why = scene.fail();
    assert!(why.contains("kafka-acls.sh") && why.contains("--topic t"), "{why}");
    assert_eq!(scene.channel.gauges().events, 1);
}

#[test]
fn a_stop_while_the_broker_is_away_ends_in_time_and_leaves_everything_in_the_channel() {
    let mut scene = scene(&[]);
    scene.put(&[b"a", b"b"], &[]);
    scene.broker.down();
    scene.sink.process().unwrap();
    let clock = SystemClock::shared();
    scene.sink.drain(Duration::from_millis(200));
    assert!(clock.now() < Duration::from_secs(20));
    let limit = BatchLimit { events: 10, bytes: 1 << 20 };
    let lease = scene.channel.take(limit, Duration::ZERO).unwrap().unwrap();
    assert_eq!(lease.len(), 2);
    assert!(matches!(scene.sink.process(), Err(Failure::Restart(_))));
}

#[test]
fn headers_choose_topic_key_time_and_what_goes_along() {
    let keys = [
        ("kafka.topic", "%{app}-t"),
        ("timestampHeader", "at"),
        ("header.host", "from"),
        ("useFlumeEventFormat", "true"),
    ];
    let mut scene = scene(&keys);
    let headers = [("topic", "t"), ("key", "k"), ("at", "1700000000000"), ("host", "h1")];
    scene.put(&[b"x"], &headers);
    scene.put(&[b"y"], &[("app", "shop"), ("at", "never")]);
    scene.deliver();
    let record = &scene.read("t", 1)[0];
    assert_eq!(record.timestamp().to_millis(), Some(1_700_000_000_000));
    let header = record.headers().unwrap().get(0);
    assert_eq!((header.key, header.value), ("from", Some(b"h1".as_slice())));
    let (event_headers, body) = from_flume_event(record.payload().unwrap()).unwrap();
    assert_eq!((event_headers.len(), body.as_slice()), (4, b"x".as_slice()));
    let other = &scene.read("shop-t", 1)[0];
    assert_eq!(from_flume_event(other.payload().unwrap()).unwrap().1, b"y");
    assert!(other.key().is_none() && other.headers().is_none());
}

#[test]
fn large_records_pass_one_at_a_time_within_a_bounded_window() {
    let keys = [("defaultPartitionId", "0")];
    let mut scene = scene(&keys);
    let large = vec![b'x'; 20 << 20];
    for _ in 0..3 {
        scene.put(&[&large], &[]);
        scene.put(&[b"small"], &[]);
    }
    let mut most = 0;
    while scene.channel.gauges().events > 0 {
        scene.sink.process().unwrap();
        most = most.max(scene.channel.gauges().leased);
    }
    assert!(most <= 3, "one large one beyond the window at most: {most}");
    // The mock broker keeps the last few megabytes only.
    assert!(scene.dead().is_empty());
}
