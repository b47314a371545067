//! The outbox against librdkafka's mock broker.

use super::{Envelope, Listener, Outbox, Record};
use crate::kafka::board::Outcome;
use crate::kafka::mock::MockBroker;
use crate::kafka::placing::Placer;
use crate::kafka::properties::{Placing, producer};
use bytes::Bytes;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use std::time::Duration;

struct Deaf;

impl Listener for Deaf {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
    fn error(&self, _code: RDKafkaErrorCode, _reason: &str) {}
}

fn outbox(servers: &str, given: &[(&str, &str)], placing: Placing) -> Outbox {
    let mut config = producer(given).config;
    config.set("bootstrap.servers", servers);
    Outbox::open(&config.client_config(), Box::new(Deaf), Placer::of(placing)).unwrap()
}

/// Polls when woken until so many shipments are finished.
fn finished(outbox: &mut Outbox, count: usize) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        outcomes.extend(outbox.poll());
        if outcomes.len() < count {
            outbox.woken().recv_timeout(Duration::from_mins(1)).expect("a report within a minute");
        }
    }
    outcomes
}

struct Read {
    partition: i32,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    timestamp: Option<i64>,
    header: Option<String>,
}

fn read(broker: &MockBroker, partitions: i32, count: usize) -> Vec<Read> {
    let mut config = broker.client_config();
    config.set("group.id", "g").set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset("t", partition, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let record = || {
        let record = consumer.poll(Duration::from_mins(1)).expect("a record within a minute");
        let record = record.unwrap();
        Read {
            partition: record.partition(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().unwrap().to_vec(),
            timestamp: record.timestamp().to_millis(),
            header: record.headers().map(|h| format!("{}={:?}", h.get(0).key, h.get(0).value)),
        }
    };
    (0..count).map(|_| record()).collect()
}

fn plain(topic: &str) -> Envelope<'_> {
    Envelope { topic: topic.into(), ..Envelope::default() }
}

#[test]
fn records_of_every_kind_arrive_as_they_were_shipped_and_in_order() {
    let broker = MockBroker::start("t", 1).unwrap();
    let mut outbox = outbox(&broker.bootstrap_servers(), &[], Placing::Murmur2);
    let buffer = Bytes::from((0..5000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let bare = plain("t");
    let keyed = Envelope { key: Some(b""), ..plain("t") };
    let full = Envelope {
        key: Some(b"k"),
        partition: Some(0),
        timestamp: Some(1_700_000_000_000),
        headers: vec![("h", b"v")],
        ..plain("t")
    };
    let envelope = |i: usize| match i {
        100 => &keyed,
        200 => &full,
        _ => &bare,
    };
    let records: Vec<Record<'_>> = (0..5000)
        .map(|i| Record { envelope: envelope(i), buffer: 0, value: i * 4..i * 4 + 4 })
        .collect();
    let slot = outbox.ship(vec![buffer.clone()], &records).unwrap();
    let outcome = finished(&mut outbox, 1).remove(0);
    assert_eq!((outcome.slot, outcome.records), (slot, 5000));
    assert_eq!(outcome.delivered(7).iter().collect::<Vec<_>>(), vec![7..5007]);
    let read = read(&broker, 1, 5000);
    let values: Vec<u8> = read.iter().flat_map(|record| record.value.clone()).collect();
    assert!(values == buffer, "in order");
    assert_eq!(read[99].key, None);
    assert_eq!(read[100].key.as_deref(), Some(b"".as_slice()), "an empty key is a key");
    assert_eq!(read[200].timestamp, Some(1_700_000_000_000));
    assert_eq!(read[200].header.as_deref(), Some("h=Some([118])"));
}

#[test]
fn a_key_lands_on_the_partition_that_javas_client_chooses() {
    let broker = MockBroker::start("t", 7).unwrap();
    let mut outbox = outbox(&broker.bootstrap_servers(), &[], Placing::Murmur2);
    // What Java's `toPositive(murmur2(key)) % 7` gives.
    let keys: [&[u8]; 6] = [b"", b"a", b"key", b"21", b"foobar", b"abc"];
    let envelopes: Vec<Envelope<'_>> =
        keys.iter().map(|key| Envelope { key: Some(key), ..plain("t") }).collect();
    let records: Vec<Record<'_>> =
        envelopes.iter().map(|envelope| Record { envelope, buffer: 0, value: 0..1 }).collect();
    outbox.ship(vec![Bytes::from_static(b"x")], &records).unwrap();
    assert!(finished(&mut outbox, 1)[0].undelivered.is_empty());
    for record in read(&broker, 7, keys.len()) {
        let key = record.key.unwrap();
        let expected = i32::try_from((murmur2(&key) & 0x7fff_ffff) % 7).unwrap();
        assert_eq!(record.partition, expected, "{key:?}");
    }
}

/// Java's `Utils.murmur2`, held against the values that Kafka's own `UtilsTest` lists.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ (k ^ (k >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[test]
fn murmur2_gives_kafkas_own_vectors() {
    for (text, hash) in [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
    }
}

#[test]
fn what_is_refused_at_once_is_in_the_outcome_and_its_neighbours_are_delivered() {
    let broker = MockBroker::start("t", 2).unwrap();
    let mut outbox =
        outbox(&broker.bootstrap_servers(), &[("max.request.size", "2000")], Placing::Murmur2);
    let bare = plain("t");
    // Until the topic is known, a partition that it does not have waits for it.
    outbox
        .ship(vec![Bytes::from_static(b"x")], &[Record { envelope: &bare, buffer: 0, value: 0..1 }])
        .unwrap();
    finished(&mut outbox, 1);
    let nowhere = Envelope { partition: Some(9), ..plain("t") };
    let bad_topic = plain("a\0b");
    let bad_header = Envelope { headers: vec![("a\0", b"")], ..plain("t") };
    let record = |envelope, value| Record { envelope, buffer: 0, value };
    let records = [
        record(&bare, 0..1),
        record(&bare, 0..3000),
        record(&bare, 1..2),
        record(&nowhere, 0..1),
        record(&bad_topic, 0..1),
        record(&bad_header, 0..1),
    ];
    outbox.ship(vec![Bytes::from(vec![7; 3000])], &records).unwrap();
    let outcome = finished(&mut outbox, 1).remove(0);
    let mut codes: Vec<_> = outcome.undelivered.iter().map(|u| (u.index, u.code)).collect();
    codes.sort_by_key(|(index, _)| *index);
    assert_eq!(
        codes,
        [
            (1, RDKafkaErrorCode::MessageSizeTooLarge),
            (3, RDKafkaErrorCode::UnknownPartition),
            (4, RDKafkaErrorCode::InvalidTopic),
            (5, RDKafkaErrorCode::InvalidArgument),
        ]
    );
    assert_eq!(outcome.delivered(0).iter().collect::<Vec<_>>(), [0..1, 2..3]);
}

#[test]
fn memory_is_let_go_with_the_last_report_and_not_before() {
    let broker = MockBroker::start("t", 1).unwrap();
    broker.down();
    let mut outbox = outbox(&broker.bootstrap_servers(), &[], Placing::Murmur2);
    let buffer = Bytes::from(vec![7; 1000]);
    let bare = plain("t");
    let records = vec![Record { envelope: &bare, buffer: 0, value: 0..1000 }; 10];
    outbox.ship(vec![buffer.clone()], &records).unwrap();
    assert!(outbox.poll().is_empty());
    assert!(!buffer.is_unique(), "R11: librdkafka may read it at any time");
    broker.up();
    assert!(finished(&mut outbox, 1)[0].undelivered.is_empty());
    assert!(buffer.is_unique());
    assert_eq!(outbox.under_way(), 0);
    broker.down();
    outbox.ship(vec![buffer.clone()], &records).unwrap();
    outbox.purge();
    let outcome = finished(&mut outbox, 1).remove(0);
    assert_eq!(outcome.undelivered.len(), 10, "given up, and said so");
    outbox.ship(vec![buffer.clone()], &records).unwrap();
    drop(outbox);
    assert!(buffer.is_unique(), "R11: let go once librdkafka's threads are gone");
}

#[test]
fn javas_round_robin_places_records_in_turn() {
    let broker = MockBroker::start("t", 3).unwrap();
    let mut outbox = outbox(&broker.bootstrap_servers(), &[], Placing::RoundRobin);
    let keyed = Envelope { key: Some(b"same"), ..plain("t") };
    let mut ship = |count| {
        let records = vec![Record { envelope: &keyed, buffer: 0, value: 0..1 }; count];
        outbox.ship(vec![Bytes::from_static(b"x")], &records).unwrap();
        assert!(finished(&mut outbox, 1)[0].undelivered.is_empty());
    };
    // What comes before the client has got to know all leaders goes to those it knows.
    ship(1);
    ship(9);
    let mut counts = [0; 3];
    for record in read(&broker, 3, 10) {
        counts[usize::try_from(record.partition).unwrap()] += 1;
    }
    counts.sort_unstable();
    assert_eq!(counts, [3, 3, 4]);
}
