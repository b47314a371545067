//! What no crash leaves: bytes that were durable and have changed.

use crate::disk::SimDisk;
use crate::random::Random;
use crate::run::{Run, SEGMENT, batch, body, context, opening};
use std::collections::BTreeSet;
use std::time::Duration;
use tailwater::channel::{BatchLimit, Channel};

const ALL: BatchLimit = BatchLimit { events: 1 << 20, bytes: 1 << 40 };

/// A closed channel of a few segments with these events in it, each batch of five in a group of its own.
fn written(events: u64) -> SimDisk {
    let disk = SimDisk::new();
    let channel = opening(8, 1).open(&disk, &context()).unwrap();
    for first in (0..events).step_by(5) {
        let put = batch(first..first + 5, &[900, 0, 30, 2000, 7], first..first + 5);
        channel.put(put).unwrap().wait().unwrap();
    }
    channel.close();
    disk
}

#[test]
fn a_flipped_bit_costs_the_events_of_its_frame_and_is_told() {
    let events = 300;
    let disk = written(events);
    let mut random = Random::new(7);
    for round in 0..400 {
        let disk = disk.after_kill();
        let segment = format!("segment-{}.tw", random.below(4));
        let used = disk.bytes(&segment).unwrap().iter().rposition(|byte| *byte != 0);
        let Some(used) = used else { continue };
        let (byte, bit) = (random.index(used + 1), random.below(8) as u8);
        println!("round {round}: bit {bit} of byte {byte:#x} of {segment}");
        disk.flip(&segment, byte, bit);
        let channel = opening(8, 1).open(&disk, &context()).unwrap();
        let mut found = BTreeSet::new();
        for _ in 0..1000 {
            let Some(lease) = channel.take(ALL, Duration::ZERO).unwrap() else {
                if channel.gauges().events == 0 {
                    break;
                }
                continue;
            };
            for event in lease.batches().iter().flat_map(tailwater::event::Batch::events) {
                let id: u64 = event.headers["id"].parse().unwrap();
                assert!(event.body == body(id, event.body.len()), "{id} is delivered damaged");
                assert!(found.insert(id), "{id} is delivered twice");
            }
            lease.commit().unwrap().wait().unwrap();
        }
        assert_eq!(channel.gauges().events, 0, "what is lost does not stand in the way");
        let lost = events - found.len() as u64;
        let whole_batches = (0..events).step_by(5).all(|first| {
            let there = (first..first + 5).filter(|id| found.contains(id)).count();
            there == 0 || there == 5
        });
        assert!(lost <= 5 && whole_batches, "{lost} events for one bit");
        assert!(lost == 0 || channel.gauges().damaged > 0, "{lost} events are lost unsaid");
    }
}

#[test]
fn any_bytes_in_any_file_are_opened_or_refused_and_never_a_panic() {
    let disk = written(200);
    let mut random = Random::new(8);
    for _ in 0..300 {
        let disk = disk.after_kill();
        for _ in 0..=random.below(60) {
            let segment = format!("segment-{}.tw", random.below(4));
            // Mostly where headers and tables are.
            let byte = random.index(SEGMENT as usize);
            disk.flip(&segment, byte, random.below(8) as u8);
        }
        let Ok(channel) = opening(8, 1).open(&disk, &context()) else { continue };
        for _ in 0..200 {
            if let Ok(Some(lease)) = channel.take(ALL, Duration::ZERO) {
                drop(lease.commit());
            }
        }
    }
}

#[test]
fn a_channel_whose_snapshots_are_all_damaged_still_delivers() {
    let disk = written(300);
    for segment in 0..8 {
        disk.flip(&format!("segment-{segment}.tw"), 70, 3);
    }
    let channel = opening(8, 1).open(&disk, &context()).unwrap();
    let mut found = 0;
    while let Some(lease) = channel.take(ALL, Duration::ZERO).unwrap() {
        found += lease.len();
        lease.commit().unwrap().wait().unwrap();
    }
    assert_eq!(found, 300);
    assert!(channel.gauges().damaged > 0);
}

#[test]
fn a_segment_that_is_not_there_is_asked_for_and_not_forgotten() {
    let disk = written(300);
    disk.hide("segment-0.tw");
    let refused = opening(8, 1).open(&disk, &context()).map(drop).unwrap_err();
    assert!(refused.what.contains("segment-0.tw") && !refused.fatal, "{refused:?}");
    disk.unhide();
    let mut run = Run::new(disk, opening(8, 1), 0);
    run.model.put(0..300, 0..300);
    run.open().unwrap();
}

#[test]
fn a_full_disk_is_an_error_of_the_first_start_and_of_no_later_one() {
    let disk = SimDisk::with_quota(5 * SEGMENT);
    let refused = opening(8, 1).open(&disk, &context()).map(drop).unwrap_err();
    assert!(refused.what.contains("cannot be reserved"), "{refused:?}");
    assert!(refused.next.contains("capacityBytes") && !refused.fatal, "{refused:?}");
    let mut run = Run::new(disk, opening(5, 1), 0);
    run.open().unwrap();
    for _ in 0..50 {
        run.put(&[9000]);
        assert!(run.commit());
        run.take(1);
        run.settle(0, |_| true);
        assert!(run.commit());
    }
}
