//! What a file channel owes, on its contract and on a real disk. Power cuts are `tests/crash`.

use super::FileChannel;
use super::open::Opening;
use crate::channel::{BatchLimit, Channel, ChannelError, Lease};
use crate::clock::{Stop, SystemClock};
use crate::component::{Context, StartError};
use crate::event::{Batch, BatchBuilder, ComponentName, Headers, Origin, Part, SourceId};
use crate::status::happening::Telling;
use crate::storage::disk::Disk;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ALL: BatchLimit = BatchLimit { events: 100_000, bytes: 1 << 40 };
const SEGMENT: u64 = 64 << 10;

fn context() -> Context {
    let clock = SystemClock::shared();
    let name = ComponentName::from("c1");
    let teller = Telling::new(clock.clone()).of("channel", &name);
    Context { agent: "a1".into(), name, clock, stop: Stop::new(), teller }
}

fn opening(dir: &Path, segments: u64) -> Opening {
    Opening {
        checkpoint_dir: dir.join("checkpoint"),
        data_dirs: vec![dir.join("data")],
        capacity_events: None,
        capacity_bytes: segments * SEGMENT,
        segment_bytes: SEGMENT,
        keep_alive: Duration::ZERO,
        minimum_required_space: 0,
    }
}

fn open(dir: &Path, segments: u64) -> Arc<FileChannel> {
    opening(dir, segments).open(&Disk, &context()).unwrap()
}

fn origin(range: Range<u64>) -> Origin {
    let part = Part { input: "f".into(), range, evidence: Arc::from(*b"e") };
    Origin {
        source: Some(SourceId { name: "r1".into(), plan: 0 }),
        parts: vec![part],
        ..Origin::default()
    }
}

fn batch(bodies: &[String], origin: Origin) -> Batch {
    let mut builder = BatchBuilder::new();
    let headers = Arc::new(Headers::from([("k".into(), "v".into())]));
    for body in bodies {
        builder.push(&headers, body.as_bytes());
    }
    builder.build(origin)
}

fn numbered(range: Range<u64>, length: usize) -> Vec<String> {
    range.map(|n| format!("{n:0length$}")).collect()
}

fn put(channel: &FileChannel, range: Range<u64>, length: usize) {
    channel.put(batch(&numbered(range, length), Origin::default())).unwrap().wait().unwrap();
}

fn take(channel: &FileChannel, events: usize) -> Option<Lease> {
    channel.take(BatchLimit { events, ..ALL }, Duration::ZERO).unwrap()
}

fn numbers(lease: &Lease) -> Vec<u64> {
    let events = lease.batches().iter().flat_map(Batch::events);
    events.map(|e| std::str::from_utf8(e.body).unwrap().parse().unwrap()).collect()
}

/// Everything that is free to take, settled.
fn drain(channel: &FileChannel) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(lease) = take(channel, 1000) {
        all.extend(numbers(&lease));
        lease.commit().unwrap().wait().unwrap();
    }
    all
}

#[test]
fn what_was_committed_is_there_after_reopening_and_what_was_settled_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 8);
    put(&channel, 0..10, 4);
    put(&channel, 10..12, 4);
    let lease = take(&channel, 5).unwrap();
    assert_eq!(numbers(&lease), [0, 1, 2, 3, 4]);
    lease.settle(&[1..3, 4..5]).unwrap().wait().unwrap();
    let id = channel.id();
    channel.close();
    drop(channel);
    let channel = open(dir.path(), 8);
    assert_eq!(channel.id(), id);
    assert_eq!(channel.gauges().events, 9);
    assert_eq!(drain(&channel), [0, 3, 5, 6, 7, 8, 9, 10, 11]);
    drop(channel);
    assert!(drain(&open(dir.path(), 8)).is_empty());
}

#[test]
fn a_dropped_lease_puts_its_events_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 8);
    put(&channel, 0..6, 4);
    let (first, second) = (take(&channel, 2).unwrap(), take(&channel, 2).unwrap());
    drop(first);
    assert_eq!(
        numbers(&take(&channel, 9).unwrap()),
        [0, 1],
        "a lease stops at what another holds (R11)"
    );
    second.commit().unwrap().wait().unwrap();
    assert_eq!(drain(&channel), [0, 1, 4, 5]);
}

#[test]
fn segments_are_used_again_and_again_and_marks_survive_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut channel = open(dir.path(), 5);
    // R3: 100 times what the channel holds, and the only batch with a position was the first.
    let first = batch(&numbered(0..1, 4), origin(0..77));
    channel.put(first).unwrap().wait().unwrap();
    let mut next = 1;
    for round in 0..300 {
        put(&channel, next..next + 100, 1000);
        next += 100;
        let got = drain(&channel);
        assert_eq!(got.last(), Some(&(next - 1)));
        if round % 50 == 49 {
            drop(channel);
            channel = open(dir.path(), 5);
            let marks = channel.vouched(&"r1".into());
            assert_eq!(marks.get("f").unwrap().contiguous_from(0).0, 77);
        }
    }
    assert_eq!(channel.gauges().next_sequence, next);
}

#[test]
fn a_sink_that_lags_is_given_what_memory_no_longer_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut opening = opening(dir.path(), 30);
    (opening.segment_bytes, opening.capacity_bytes) = (4 << 20, 120 << 20);
    let channel = opening.open(&Disk, &context()).unwrap();
    for n in 0..60 {
        put(&channel, n * 100..(n + 1) * 100, 10_000);
    }
    assert_eq!(drain(&channel), (0..6000).collect::<Vec<_>>());
}

#[test]
fn a_full_channel_refuses_puts_and_can_be_emptied_one_event_at_a_time_from_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut channel = open(dir.path(), 6);
    let mut events = 0;
    let full = loop {
        match channel.put(batch(&numbered(events..events + 10, 100), Origin::default())) {
            Ok(receipt) => receipt.wait().unwrap(),
            Err(full) => break full,
        }
        events += 10;
    };
    assert!(
        matches!(&full, ChannelError::Full { detail, .. } if detail.contains("capacityBytes")),
        "{full}"
    );
    assert!(
        events > 1500,
        "{events} events of 100 bytes are not what 6 segments less the reserve hold"
    );
    // R4: settled in reverse, each in a frame of its own: more frames than the reserve holds at once.
    let mut leases: Vec<_> = std::iter::from_fn(|| take(&channel, 1)).collect();
    assert_eq!(u64::try_from(leases.len()).unwrap(), events);
    while leases.len() > 10 {
        leases.pop().unwrap().commit().unwrap().wait().unwrap();
    }
    drop(leases);
    drop(channel);
    channel = open(dir.path(), 6);
    assert_eq!(drain(&channel), (0..10).collect::<Vec<_>>());
    put(&channel, 0..500, 100);
    assert_eq!(drain(&channel).len(), 500);
}

#[test]
fn a_put_waits_for_room_and_is_woken_by_a_settlement() {
    let dir = tempfile::tempdir().unwrap();
    let mut opening = opening(dir.path(), 6);
    (opening.capacity_events, opening.keep_alive) = (Some(10), Duration::from_mins(10));
    let channel = opening.open(&Disk, &context()).unwrap();
    put(&channel, 0..10, 4);
    let other = channel.clone();
    let putter = std::thread::spawn(move || put(&other, 10..11, 4));
    take(&channel, 1).unwrap().commit().unwrap().wait().unwrap();
    putter.join().unwrap();
    assert_eq!(channel.gauges().events, 10);
}

#[test]
fn an_event_larger_than_a_segment_is_refused_for_good_and_a_large_batch_is_put_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 12);
    let large = batch(&["x".repeat(usize::try_from(SEGMENT).unwrap())], Origin::default());
    assert!(matches!(channel.put(large), Err(ChannelError::TooLarge { .. })));
    put(&channel, 0..150, 1000);
    assert_eq!(drain(&channel), (0..150).collect::<Vec<_>>());
}

#[test]
fn a_directory_is_one_channels_and_not_flumes() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 5);
    let again = |dir: &Path| opening(dir, 5).open(&Disk, &context()).map(drop).unwrap_err();
    let StartError { what, fatal, .. } = again(dir.path());
    assert!(what.contains("in use") && !fatal, "{what}");
    drop(channel);
    std::fs::write(dir.path().join("data/log-7"), b"").unwrap();
    let StartError { what, fatal, .. } = again(dir.path());
    assert!(what.contains("log-7") && fatal, "{what}");
}

#[test]
fn a_torn_end_is_cut_and_what_was_answered_stays() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 5);
    put(&channel, 0..10, 100);
    put(&channel, 10..20, 100);
    drop(channel);
    // As a power cut leaves it: the last frame's bytes are half there.
    let path = dir.path().join("data/segment-0.tw");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap();
    bytes[end - 300..=end].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let channel = open(dir.path(), 5);
    assert_eq!(channel.gauges().events, 10);
    put(&channel, 20..25, 10);
    drop(channel);
    let channel = open(dir.path(), 5);
    assert_eq!(drain(&channel), (0..10).chain(20..25).collect::<Vec<_>>());
    assert_eq!(channel.gauges().damaged, 0);
}

#[test]
fn damage_below_what_was_durable_is_kept_aside_and_told_and_the_rest_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 5);
    for n in 0..6 {
        put(&channel, n * 10..(n + 1) * 10, 100);
    }
    drop(channel);
    let path = dir.path().join("data/segment-0.tw");
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = format!("{:0100}", 25);
    let at = memchr::memmem::find(&bytes, needle.as_bytes()).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let channel = open(dir.path(), 5);
    assert_eq!(drain(&channel), (0..20).chain(30..60).collect::<Vec<_>>());
    assert_eq!(channel.gauges().damaged, 1);
    let kept = std::fs::read_dir(dir.path().join("data")).unwrap();
    assert!(
        kept.map(|f| f.unwrap().file_name())
            .any(|f| f.to_string_lossy().starts_with("quarantine-"))
    );
}

#[test]
fn any_bytes_in_the_files_open_or_are_refused_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 4);
    put(&channel, 0..50, 50);
    take(&channel, 7).unwrap().commit().unwrap().wait().unwrap();
    drop(channel);
    let path = dir.path().join("data/segment-0.tw");
    let good = std::fs::read(&path).unwrap();
    let end = good.iter().rposition(|b| *b != 0).unwrap();
    let mut state = 12345_u64;
    for _ in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % end;
            bytes[at] = state.to_le_bytes()[3];
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(channel) = opening(dir.path(), 4).open(&Disk, &context()) {
            drop(channel.take(ALL, Duration::ZERO));
        }
    }
}

#[test]
fn settlements_full_of_holes_are_bounded_and_the_oldest_events_can_always_be_settled() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 8);
    for first in (0..3000).step_by(100) {
        put(&channel, first..first + 100, 8);
    }
    let lease = take(&channel, 3000).unwrap();
    let every_other: Vec<_> = (0..1500).map(|n| 2 * n + 1..2 * n + 2).collect();
    let refused = lease.settle(&every_other).map(drop).unwrap_err();
    assert!(matches!(refused, ChannelError::Full { .. }), "{refused}");
    let lease = take(&channel, 3000).unwrap();
    assert_eq!(lease.len(), 3000, "what could not be remembered is handed out again");
    lease.settle(&every_other[..400]).unwrap().wait().unwrap();
    drop(channel);
    let channel = open(dir.path(), 8);
    let expected: Vec<_> = (0..3000).filter(|n| n % 2 == 0 || *n > 800).collect();
    assert_eq!(drain(&channel), expected);
}

#[test]
fn a_source_with_more_inputs_than_a_snapshot_has_room_for_is_told_and_nothing_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let channel = open(dir.path(), 6);
    let of = |input: usize, range| {
        let mut origin = origin(range);
        origin.parts[0].input = format!("{input:0>100}").into();
        origin
    };
    let (mut inputs, mut refused) = (0, None);
    while refused.is_none() {
        // Every segment begins with all of them, so what is put is taken out again at once.
        match channel.put(batch(&numbered(0..10, 100), of(inputs, 0..10))) {
            Ok(receipt) => receipt.wait().unwrap(),
            Err(error) => refused = Some(error.to_string()),
        }
        assert!(drain(&channel).len() <= 10);
        inputs += 1;
    }
    let refused = refused.unwrap();
    assert!(inputs > 50 && refused.contains("inputs"), "{refused} after {inputs}");
    channel.put(batch(&numbered(0..1, 4), of(0, 10..20))).unwrap().wait().unwrap();
    let mut forgotten = origin(0..0);
    forgotten.parts.clear();
    forgotten.forgotten = (1..inputs).map(|input| format!("{input:0>100}").into()).collect();
    channel.put(Batch::position_only(forgotten)).unwrap().wait().unwrap();
    drop(channel);
    let channel = open(dir.path(), 6);
    channel.put(batch(&numbered(0..1, 4), of(inputs, 0..10))).unwrap().wait().unwrap();
    assert_eq!(channel.vouched(&"r1".into()).iter().len(), 2);
}
