//! What a memory channel owes, on its contract alone.

use super::{MemoryChannel, MemoryChannelConfig};
use crate::channel::{BatchLimit, Channel, ChannelError, Lease};
use crate::clock::{Stop, SystemClock};
use crate::component::Context;
use crate::config::scope::Scope;
use crate::event::{Batch, BatchBuilder, ComponentName, Headers, Origin, Part, SourceId};
use crate::status::happening::Telling;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

const ALL: BatchLimit = BatchLimit { events: 1000, bytes: 1 << 30 };
const LONG: Duration = Duration::from_mins(10);

fn channel(keys: &[(&str, &str)]) -> Arc<MemoryChannel> {
    let (config, said) = Scope::for_test(keys, MemoryChannelConfig::read);
    assert!(said.is_empty(), "{said:?}");
    let clock = SystemClock::shared();
    let name = ComponentName::from("c1");
    let teller = Telling::new(clock.clone()).of("channel", &name);
    let context = Context { agent: "a1".into(), name, clock, stop: Stop::new(), teller };
    Arc::new(MemoryChannel::new(&config.unwrap(), &context))
}

fn origin(range: Range<u64>) -> Origin {
    let part = Part { input: "f".into(), range, evidence: Arc::from([]) };
    Origin {
        source: Some(SourceId { name: "r1".into(), plan: 0 }),
        parts: vec![part],
        ..Origin::default()
    }
}

fn batch(bodies: &[&str], origin: Origin) -> Batch {
    let mut builder = BatchBuilder::new();
    for body in bodies {
        builder.push(&Arc::new(Headers::new()), body.as_bytes());
    }
    builder.build(origin)
}

fn put(channel: &MemoryChannel, bodies: &[&str]) {
    channel.put(batch(bodies, Origin::default())).unwrap().wait().unwrap();
}

fn take(channel: &MemoryChannel, events: usize) -> Lease {
    channel.take(BatchLimit { events, ..ALL }, Duration::ZERO).unwrap().unwrap()
}

fn bodies(lease: &Lease) -> Vec<String> {
    let events = lease.batches().iter().flat_map(Batch::events);
    events.map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
}

#[test]
fn events_come_out_in_order_and_what_is_put_back_comes_first() {
    let channel = channel(&[]);
    put(&channel, &["a", "b", "c"]);
    put(&channel, &["d", "e"]);
    let first = take(&channel, 2);
    let second = take(&channel, 2);
    assert_eq!(
        (bodies(&first), bodies(&second)),
        (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()])
    );
    drop(first);
    assert_eq!(bodies(&take(&channel, 9)), ["a", "b"], "a lease stops at what another holds (R11)");
    second.settle(std::slice::from_ref(&(3..4))).unwrap().wait().unwrap();
    assert_eq!(bodies(&take(&channel, 9)), ["a", "b", "c"]);
    assert_eq!(channel.gauges().events, 4);
}

#[test]
fn a_lease_ends_at_its_byte_limit_but_holds_one_event_at_least() {
    let channel = channel(&[]);
    put(&channel, &["aaaa", "bb", "cc", "d"]);
    let limit = |bytes| BatchLimit { events: 10, bytes };
    let first = channel.take(limit(3), Duration::ZERO).unwrap().unwrap();
    let second = channel.take(limit(4), Duration::ZERO).unwrap().unwrap();
    assert_eq!(
        (bodies(&first), bodies(&second)),
        (vec!["aaaa".into()], vec!["bb".into(), "cc".into()])
    );
    assert!(
        channel.take(BatchLimit { events: 0, bytes: 0 }, Duration::ZERO).unwrap().unwrap().len()
            == 1
    );
}

#[test]
fn nothing_is_vouched_for_behind_a_hole() {
    let channel = channel(&[]);
    let end = || channel.vouched(&"r1".into()).get("f").map_or(0, |mark| mark.contiguous_from(0).0);
    for part in [0..10, 10..20, 20..30] {
        drop(channel.put(batch(&["x"], origin(part))).unwrap());
    }
    drop(channel.put(Batch::position_only(origin(30..40))).unwrap());
    assert_eq!(end(), 0);
    let leases: Vec<_> = (0..3).map(|_| take(&channel, 1)).collect();
    let [first, second, third] = leases.try_into().unwrap();
    third.commit().unwrap().wait().unwrap();
    second.commit().unwrap().wait().unwrap();
    assert_eq!(end(), 0, "the first is still out (R9)");
    first.commit().unwrap().wait().unwrap();
    assert_eq!(end(), 40);
}

#[test]
fn a_put_waits_for_room_and_is_woken_by_a_settle() {
    let channel =
        channel(&[("capacity", "2"), ("transactionCapacity", "2"), ("keep-alive", "600")]);
    put(&channel, &["a", "b"]);
    let other = channel.clone();
    let putter = std::thread::spawn(move || put(&other, &["c"]));
    take(&channel, 1).commit().unwrap().wait().unwrap();
    putter.join().unwrap();
    assert_eq!(channel.gauges().events, 2);
}

#[test]
fn a_full_channel_says_in_what_it_is_full() {
    let channel = channel(&[("capacity", "2"), ("transactionCapacity", "1"), ("keep-alive", "0")]);
    put(&channel, &["a", "b"]);
    let error = channel.put(batch(&["c"], Origin::default())).unwrap_err();
    let ChannelError::Full { detail, .. } = &error else { panic!("{error}") };
    assert!(detail.contains("2 of 2 events (`capacity`)"), "{detail}");
    channel.put(Batch::position_only(origin(0..1))).unwrap().wait().unwrap();
}

#[test]
fn bytes_are_counted_as_flume_counts_them() {
    // 1000 bytes less 20 % are 8 slots of 100 bytes; an empty body costs one, 101 bytes cost two.
    let channel = channel(&[("byteCapacity", "1000"), ("keep-alive", "0")]);
    put(&channel, &["", "x", &"y".repeat(101)]);
    assert_eq!(channel.gauges().bytes, 400);
    put(&channel, &[&"z".repeat(400)]);
    assert!(matches!(channel.put(batch(&[""], Origin::default())), Err(ChannelError::Full { .. })));
    take(&channel, 2).settle(std::slice::from_ref(&(1..2))).unwrap().wait().unwrap();
    assert_eq!(channel.gauges().bytes, 700);
    put(&channel, &[""]);
    let large = "w".repeat(801);
    let error = channel.put(batch(&[&large], Origin::default())).unwrap_err();
    assert!(matches!(error, ChannelError::TooLarge { bytes: 801, limit: 800, .. }), "{error}");
}

#[test]
fn an_event_above_an_unwritten_bound_passes_alone() {
    let config = [("capacity", "1"), ("transactionCapacity", "1"), ("keep-alive", "0")];
    let channel = channel(&config);
    put(&channel, &["a", "b", "c"]);
    assert_eq!(channel.gauges().events, 3);
    assert!(matches!(
        channel.put(batch(&["d"], Origin::default())),
        Err(ChannelError::Full { .. })
    ));
}

#[test]
fn closing_wakes_whoever_waits() {
    let channel =
        channel(&[("capacity", "1"), ("transactionCapacity", "1"), ("keep-alive", "600")]);
    let (taker, putter) = (channel.clone(), channel.clone());
    let taker = std::thread::spawn(move || {
        loop {
            match taker.take(ALL, LONG) {
                Ok(lease) => drop(lease.unwrap().commit()),
                Err(error) => return error,
            }
        }
    });
    let putter = std::thread::spawn(move || {
        loop {
            if let Err(error) = putter.put(batch(&["x"], Origin::default())) {
                return error;
            }
        }
    });
    channel.close();
    let closed = ChannelError::Closed { channel: "c1".into() };
    assert_eq!((taker.join().unwrap(), putter.join().unwrap()), (closed.clone(), closed));
}

#[test]
fn a_transaction_larger_than_the_channel_is_a_mistake_with_a_place() {
    let (config, said) = Scope::for_test(&[("capacity", "50")], MemoryChannelConfig::start_channel);
    assert!(config.is_none());
    assert_eq!(said[0].message, "`transactionCapacity` (100) is larger than `capacity` (50)");
}

// R9
#[test]
fn a_source_started_again_beside_it_does_not_put_again_what_is_still_held() {
    let channel = channel(&[]);
    let source = ComponentName::from("r1");
    channel.put(batch(&["a"], origin(0..2))).unwrap().wait().unwrap();
    channel.put(batch(&["b"], origin(2..4))).unwrap().wait().unwrap();
    take(&channel, 1).commit().unwrap().wait().unwrap();
    let end = |positions: crate::event::Positions| positions.get("f").unwrap().contiguous_from(0).0;
    assert_eq!(end(channel.vouched(&source)), 2);
    assert_eq!(end(channel.taken(&source)), 4);
}
