//! What a source owes its channels, whatever they do: order, positions, and nothing twice.

use crate::support::channels::{ListChannel, Rules};
use crate::support::clock::HandClock;
use crate::support::sources::{Around, Choose};
use std::sync::Arc;
use std::time::Duration;
use tailwater::channel::ChannelError;
use tailwater::component::Failure;
use tailwater::event::{Batch, BatchBuilder, Headers, Mark, Origin, Part, Rewrite};
use tailwater::interceptor::Interceptor;
use tailwater::source::processor::ChannelProcessor;

fn around() -> Around {
    Around::new(Arc::new(HandClock::default()))
}

/// Lines `from..to` of one input, each a byte long.
fn lines(out: &ChannelProcessor, from: u8, to: u8) -> Batch {
    let headers = Arc::new(Headers::new());
    let mut builder = BatchBuilder::new();
    for line in from..to {
        builder.push(&headers, line.to_string().as_bytes());
    }
    let range = u64::from(from)..u64::from(to);
    let part = Part { input: "f@0".into(), range, evidence: Arc::from([to]) };
    let source = Some(out.source().clone());
    builder.build(Origin { source, parts: vec![part], forgotten: Vec::new() })
}

fn full() -> ChannelError {
    ChannelError::Full { channel: "c1".into(), detail: "no room".into() }
}

struct DropAll;

impl Interceptor for DropAll {
    fn intercept(&mut self, batch: &mut Batch) {
        batch.rewrite(|_| Rewrite::Drop);
    }
}

// R8
#[test]
fn a_channel_that_is_given_nothing_still_learns_the_position() {
    let mut around = around();
    around.choose = Choose::ByDigit;
    let channels =
        [ListChannel::new("c0", Rules::default()), ListChannel::new("c1", Rules::default())];
    let mut out = around.processor(&channels);
    out.put(lines(&out, 0, 1)).unwrap();
    out.put(lines(&out, 1, 2)).unwrap();
    assert_eq!((channels[0].bodies(), channels[1].bodies()), (vec!["0".into()], vec!["1".into()]));
    let vouched = out.vouched();
    assert_eq!(vouched.channels[0].positions.get("f@0").unwrap().contiguous_from(0).0, 2);
    assert_eq!(vouched.channels[1].positions.get("f@0").unwrap().contiguous_from(0).0, 2);
}

// R8
#[test]
fn what_interceptors_leave_nothing_of_is_still_read() {
    let around = around();
    let channels = [ListChannel::new("c1", Rules::default())];
    let mut out = around.processor_with(&channels, vec![Box::new(DropAll)]);
    out.put(lines(&out, 0, 9)).unwrap();
    assert!(channels[0].bodies().is_empty());
    let positions = &out.vouched().channels[0].positions;
    assert_eq!(positions.get("f@0").unwrap().contiguous_from(0).0, 9);
    assert_eq!(around.counters.event_accepted.get(), 9);
}

// R8
#[test]
fn after_a_crash_each_channel_is_offered_only_what_lies_beyond_its_own_mark() {
    let around = around();
    let by_hand = Rules { by_hand: true, ..Rules::default() };
    let channels = [ListChannel::new("c0", by_hand.clone()), ListChannel::new("c1", by_hand)];
    let mut out = around.processor(&channels);
    for line in 0..6 {
        out.put(lines(&out, line, line + 1)).unwrap();
    }
    channels[0].sync_some(5);
    channels[1].sync_some(2);
    let channels = [channels[0].after_crash(), channels[1].after_crash()];
    let mut out = around.processor(&channels);
    let taken = out.taken();
    out.resume(&taken);
    // Neither had heard of the source, so that both begin at nothing: made known, they count.
    assert!(taken.is_new() && taken.position("f@0") == 0);
    let mut known = taken.clone();
    for channel in &mut known.channels {
        channel.positions.set(tailwater::source::resume::KNOWN.into(), Mark::default());
    }
    assert_eq!(known.position("f@0"), 2);
    out.resume(&known);
    let mut from = 2_u8;
    while from < 6 {
        let to = out.boundary("f@0", u64::from(from)).map_or(6, |b| u8::try_from(b).unwrap());
        out.put(lines(&out, from, to)).unwrap();
        from = to;
    }
    assert_eq!(channels[0].bodies(), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(channels[1].bodies(), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_full_channel_is_waited_for_and_the_others_are_not_given_the_batch_twice() {
    let around = around();
    let channels =
        [ListChannel::new("c0", Rules::default()), ListChannel::new("c1", Rules::default())];
    channels[1].state_rules(|rules| rules.refusals = [full(), full()].into());
    let mut out = around.processor(&channels);
    out.put(lines(&out, 0, 3)).unwrap();
    assert_eq!(channels[0].bodies(), channels[1].bodies());
    assert_eq!(around.told("channel-full"), 2);
    assert_eq!(around.counters.channel_write_fail.get(), 2);
}

#[test]
fn a_source_that_waits_for_room_stops_when_asked() {
    let around = around();
    let channel = ListChannel::new("c1", Rules::default());
    channel.state_rules(|rules| rules.refusals = std::iter::repeat_n(full(), 100).collect());
    around.stop.request();
    let mut out = around.processor(&[channel]);
    assert!(matches!(out.put(lines(&out, 0, 1)), Err(Failure::Later(_))));
}

#[test]
fn an_optional_channel_that_refuses_holds_nobody_up_and_is_left_without_holes() {
    let mut around = around();
    around.choose = Choose::All { optional: vec![1] };
    let channels =
        [ListChannel::new("c0", Rules::default()), ListChannel::new("c1", Rules::default())];
    let mut out = around.processor(&channels);
    out.put(lines(&out, 0, 1)).unwrap();
    channels[1].state_rules(|rules| rules.refusals = [full()].into());
    out.put(lines(&out, 1, 2)).unwrap();
    out.put(lines(&out, 2, 3)).unwrap();
    assert_eq!(channels[0].bodies(), ["0", "1", "2"]);
    assert_eq!(channels[1].bodies(), ["0", "2"]);
    let vouched = out.vouched();
    let mark = vouched.channels[1].positions.get("f@0").unwrap();
    assert_eq!(mark.ranges.iter().collect::<Vec<_>>(), [0..3]);
    assert_eq!(around.told("optional-channel"), 1);
}

#[test]
fn an_event_no_channel_can_hold_is_set_aside_and_its_neighbours_go_on() {
    let around = around();
    let channel = ListChannel::new("c1", Rules { bytes_max: Some(1), ..Rules::default() });
    let mut out = around.processor(std::slice::from_ref(&channel));
    out.put(lines(&out, 8, 12)).unwrap();
    assert_eq!(channel.bodies(), ["8", "9"]);
    let aside = around.aside.lock().unwrap();
    assert_eq!(aside.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), ["10", "11"]);
    assert!(aside[0].1.contains("larger than channel c1 can hold"), "{}", aside[0].1);
    assert_eq!(around.told("event-too-large"), 1);
}

#[test]
fn a_broken_channel_ends_this_life_of_the_source() {
    let around = around();
    let channel = ListChannel::new("c1", Rules::default());
    let broken = ChannelError::Broken { channel: "c1".into(), why: "EIO".into() };
    channel.state_rules(|rules| rules.refusals = [broken].into());
    let mut out = around.processor(std::slice::from_ref(&channel));
    assert!(matches!(out.put(lines(&out, 0, 1)), Err(Failure::Restart(_))));

    channel.state_rules(|rules| rules.by_hand = true);
    out.put(lines(&out, 0, 1)).unwrap();
    assert!(!out.flush_within(Duration::ZERO).unwrap());
    drop(channel.after_crash());
    assert!(
        matches!(out.flush(), Err(Failure::Restart(_))),
        "a promise that vanished is a failure"
    );
}

#[test]
fn a_batch_is_never_larger_than_a_small_channel_takes() {
    let around = around();
    let of =
        |capacity| ListChannel::new("c1", Rules { capacity: Some(capacity), ..Rules::default() });
    let limit =
        |capacity, batch_size| around.processor(&[of(capacity)]).batch_limit(batch_size).events;
    assert_eq!(limit(100, 100), 100, "Flume's defaults");
    assert_eq!(limit(100, 10), 25);
    assert_eq!(limit(10_000, 100), 2_500);
    assert_eq!(limit(1_000_000, 100), 4096);
    assert_eq!(limit(1, 100), 1);
}
