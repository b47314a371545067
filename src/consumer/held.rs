//! A partition that is ours for a while: under which epoch, and how far it is delivered.
//!
//! Shared by the poll thread, which cuts its records into chunks, and the writers, which deliver them in any order. Whoever
//! finds that it is no longer ours says so here, and what was cut under it is thrown away.

use crate::database::{Identity, Taken};
use crate::ranges::RangeSet;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A partition that is ours.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub identity: Identity,
    /// The epoch it was taken under: what is written under it is refused once somebody else has taken it (R16).
    pub epoch: i64,
    gone: AtomicBool,
    waiting_bytes: AtomicUsize,
    delivered: Mutex<Delivered>,
}

#[derive(Debug)]
struct Delivered {
    /// As the ledger has it: everything below is delivered.
    watermark: u64,
    /// The ledger's rows above the watermark, first offset to next. Only what is *known* to be committed: a chunk whose
    /// commit got no answer is not here, so its row is never merged away before its outcome is known (R13).
    entered: BTreeMap<u64, u64>,
    /// Somebody is moving the watermark.
    merging: bool,
}

/// A move of the watermark over the ledger's rows that adjoin it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// From where to where.
    pub over: Range<u64>,
    /// The rows it makes superfluous: all that the ledger has there.
    pub firsts: Vec<u64>,
}

impl Held {
    /// A partition that was just taken.
    #[must_use]
    pub fn new(identity: Identity, taken: &Taken) -> Self {
        let entered = taken.ranges.iter().map(|range| (range.start, range.end)).collect();
        let delivered = Delivered { watermark: taken.watermark, entered, merging: false };
        Self {
            identity,
            epoch: taken.epoch,
            gone: AtomicBool::new(false),
            waiting_bytes: AtomicUsize::new(0),
            delivered: Mutex::new(delivered),
        }
    }

    /// It is not ours any more.
    pub fn let_go(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// Whether it is not ours any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Bytes of its records that wait for a writer, or are with one.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// A range is known to be delivered.
    pub fn deliver(&self, range: &Range<u64>) {
        self.lock().entered.insert(range.start, range.end);
    }

    /// Below which offset everything is delivered.
    #[must_use]
    pub fn delivered_to(&self) -> u64 {
        let delivered = self.lock();
        adjoining(&delivered, usize::MAX).1
    }

    /// How many records of `within` are not delivered, whatever lies around them.
    #[must_use]
    pub fn undelivered(&self, within: Range<u64>) -> u64 {
        let delivered = self.lock();
        let mut set: RangeSet =
            delivered.entered.iter().map(|(first, next)| *first..*next).collect();
        set.insert(0..delivered.watermark);
        set.gaps(within).map(|gap| gap.end - gap.start).sum()
    }

    /// A move of the watermark, once `at_least` rows adjoin it. Until [`Held::merged`] nobody else gets one.
    #[must_use]
    pub fn merge(&self, at_least: usize) -> Option<Merge> {
        let mut delivered = self.lock();
        if delivered.merging || delivered.entered.len() < at_least {
            return None;
        }
        let (firsts, watermark) = adjoining(&delivered, MERGED_MAX);
        if firsts.len() < at_least.max(1) {
            return None;
        }
        delivered.merging = true;
        Some(Merge { over: delivered.watermark..watermark, firsts })
    }

    /// The move was made, or was not.
    pub fn merged(&self, merge: &Merge, made: bool) {
        let mut delivered = self.lock();
        delivered.merging = false;
        if made {
            delivered.watermark = merge.over.end;
            for first in &merge.firsts {
                delivered.entered.remove(first);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows that go in one move at most: they are deleted one by one, and the partition's owner is locked at the end of that.
const MERGED_MAX: usize = 1000;

/// The rows that adjoin the watermark one after the other, at most so many, and where they end.
fn adjoining(delivered: &Delivered, at_most: usize) -> (Vec<u64>, u64) {
    let (mut firsts, mut end) = (Vec::new(), delivered.watermark);
    for (first, next) in delivered.entered.iter().take(at_most) {
        if *first > end {
            break;
        }
        firsts.push(*first);
        end = end.max(*next);
    }
    (firsts, end)
}

/// Room in memory that records take until they are delivered or thrown away.
#[derive(Debug)]
pub struct Room {
    held: Arc<Held>,
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// Takes `bytes` of the partition's room, and of all partitions'.
    #[must_use]
    pub fn take(held: &Arc<Held>, all: &Arc<AtomicUsize>, bytes: usize) -> Self {
        held.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        all.fetch_add(bytes, Ordering::Relaxed);
        Self { held: held.clone(), all: all.clone(), bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Merge, Room};
    use crate::database::{Identity, Taken};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn held(watermark: u64, ranges: &[(u64, u64)]) -> Held {
        let identity = Identity {
            group: "g".to_owned(),
            topic_id: "id".to_owned(),
            topic: "t".to_owned(),
            partition: 0,
        };
        Held::new(
            identity,
            &Taken { epoch: 1, watermark, ranges: ranges.iter().map(|(a, b)| *a..*b).collect() },
        )
    }

    #[test]
    fn the_watermark_moves_only_over_ranges_that_adjoin_it() {
        let held = held(10, &[(20, 30)]);
        assert_eq!((held.delivered_to(), held.merge(1)), (10, None));
        held.deliver(&(10..12));
        held.deliver(&(15..20));
        assert_eq!(held.delivered_to(), 12);
        assert_eq!(held.undelivered(0..40), 3 + 10);
        assert_eq!(held.merge(2), None, "one row is not worth it");
        held.deliver(&(12..15));
        let merge = held.merge(2).unwrap();
        assert_eq!(merge, Merge { over: 10..30, firsts: vec![10, 12, 15, 20] });
        assert_eq!(held.merge(1), None, "one at a time");
        held.merged(&merge, true);
        assert_eq!((held.delivered_to(), held.merge(1)), (30, None));
    }

    #[test]
    fn a_move_has_a_bound_and_the_next_one_goes_on() {
        let ranges: Vec<(u64, u64)> = (0..2500).map(|n| (n * 2, n * 2 + 2)).collect();
        let held = held(0, &ranges);
        for (rows, to) in [(1000, 2000), (1000, 4000), (500, 5000)] {
            let merge = held.merge(64).unwrap();
            assert_eq!((merge.firsts.len(), merge.over.end), (rows, to));
            held.merged(&merge, true);
        }
        assert_eq!((held.merge(1), held.delivered_to()), (None, 5000));
    }

    #[test]
    fn a_move_that_was_not_made_can_be_made_again() {
        let held = held(0, &[(0, 5)]);
        let merge = held.merge(1).unwrap();
        held.merged(&merge, false);
        assert_eq!(held.merge(1), Some(merge));
    }

    #[test]
    fn room_is_given_back_whatever_becomes_of_the_records() {
        let (held, all) = (Arc::new(held(0, &[])), Arc::new(AtomicUsize::new(0)));
        let room = Room::take(&held, &all, 100);
        assert_eq!((held.waiting_bytes(), all.load(Ordering::Relaxed)), (100, 100));
        drop(room);
        assert_eq!((held.waiting_bytes(), all.load(Ordering::Relaxed)), (0, 0));
    }
}
