//! Cutting a partition's records into chunks: what one transaction delivers.
//!
//! A chunk's range of offsets begins where the last one ended, not at its first record, because markers of transactions,
//! aborted records and compaction leave holes that no record fills (R14). What the ledger has already is stepped over.

use crate::consumer::held::{Held, Room};
use crate::consumer::record::Records;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// What one transaction delivers: a range of offsets and the records in it.
#[derive(Debug)]
pub struct Chunk {
    /// The partition.
    pub held: Arc<Held>,
    /// Its offsets, holes included.
    pub range: Range<u64>,
    /// Its records; none where the range is all holes.
    pub records: Records,
    _room: Room,
}

impl Chunk {
    /// A chunk that takes its room.
    #[must_use]
    pub fn new(
        held: &Arc<Held>,
        all: &Arc<AtomicUsize>,
        range: Range<u64>,
        records: Records,
    ) -> Self {
        let room = Room::take(held, all, records.bytes());
        Self { held: held.clone(), range, records, _room: room }
    }
}

/// What becomes of a record that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It belongs into the open chunk.
    Take,
    /// The open chunk ends before it: close it at this offset, then offer again.
    CloseAt(u64),
    /// It is delivered already.
    Skip,
}

/// One partition's open chunk.
#[derive(Debug)]
pub struct Cutter {
    held: Arc<Held>,
    all: Arc<AtomicUsize>,
    /// Where the open range begins.
    begin: u64,
    /// One past the last offset that was taken into it, or known to be a hole.
    end: u64,
    /// What the ledger has above, in order.
    delivered: VecDeque<Range<u64>>,
    open: Records,
    opened_at: Duration,
}

impl Cutter {
    /// Begins where the partition is delivered to; `delivered` is what the ledger has above that.
    #[must_use]
    pub fn new(held: Arc<Held>, all: Arc<AtomicUsize>, delivered: &[Range<u64>]) -> Self {
        let begin = held.delivered_to();
        let delivered = delivered.iter().filter(|range| range.end > begin).cloned().collect();
        Self {
            held,
            all,
            begin,
            end: begin,
            delivered,
            open: Records::default(),
            opened_at: Duration::ZERO,
        }
    }

    /// The partition.
    #[must_use]
    pub fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// The next offset that is wanted.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.end
    }

    /// The open chunk's records.
    #[must_use]
    pub fn open(&self) -> &Records {
        &self.open
    }

    /// When its first record came.
    #[must_use]
    pub fn opened_at(&self) -> Duration {
        self.opened_at
    }

    /// What is to be done with the record at `offset`.
    pub fn offer(&mut self, offset: u64) -> Offer {
        while let Some(front) = self.delivered.front() {
            if offset < front.start {
                break;
            }
            if self.begin < front.start {
                return Offer::CloseAt(front.start);
            }
            // The next delivered range may begin right there.
            (self.begin, self.end) = (front.end, front.end);
            self.delivered.pop_front();
        }
        if offset < self.end { Offer::Skip } else { Offer::Take }
    }

    /// Takes a record that [`Cutter::offer`] said to take; `push` adds it to the records.
    pub fn take(&mut self, offset: u64, now: Duration, push: impl FnOnce(&mut Records)) {
        if self.open.is_empty() {
            self.opened_at = now;
        }
        push(&mut self.open);
        self.end = offset + 1;
    }

    /// Closes the open chunk where its last record ended.
    pub fn close(&mut self) -> Option<Chunk> {
        self.close_at(self.end)
    }

    /// Closes it at `end`: up to there everything is read.
    pub fn close_at(&mut self, end: u64) -> Option<Chunk> {
        if end <= self.begin {
            return None;
        }
        let records = std::mem::take(&mut self.open);
        let chunk = Chunk::new(&self.held, &self.all, self.begin..end, records);
        (self.begin, self.end) = (end, end);
        Some(chunk)
    }

    /// The client has read up to `position` and there was no further record: what lies between is holes (R14).
    pub fn read_to(&mut self, position: u64) {
        let limit = self.delivered.front().map_or(u64::MAX, |front| front.start);
        self.end = self.end.max(position.min(limit));
    }

    /// Whether there is a range to deliver, with records or without.
    #[must_use]
    pub fn has_range(&self) -> bool {
        self.end > self.begin
    }
}

#[cfg(test)]
mod tests {
    use super::{Cutter, Offer};
    use crate::consumer::held::Held;
    use crate::database::{Identity, Taken};
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    fn cutter(watermark: u64, ranges: &[(u64, u64)]) -> Cutter {
        let ranges: Vec<Range<u64>> = ranges.iter().map(|(first, next)| *first..*next).collect();
        let identity = Identity {
            group: "g".to_owned(),
            topic_id: "id".to_owned(),
            topic: "t".to_owned(),
            partition: 0,
        };
        let taken = Taken { epoch: 1, watermark, ranges: ranges.clone() };
        Cutter::new(Arc::new(Held::new(identity, &taken)), Arc::new(AtomicUsize::new(0)), &ranges)
    }

    /// Offers records and cuts after each `rows` of them; the ranges with the offsets in them.
    fn cut(cutter: &mut Cutter, offsets: &[u64], rows: usize) -> Vec<(Range<u64>, Vec<u64>)> {
        let mut chunks = Vec::new();
        for offset in offsets {
            let offer = loop {
                match cutter.offer(*offset) {
                    Offer::CloseAt(end) => chunks.extend(cutter.close_at(end)),
                    offer => break offer,
                }
            };
            if offer == Offer::Take {
                cutter.take(*offset, Duration::ZERO, |open| {
                    open.push(*offset, 0, None, Some(b"x"), [].into_iter());
                });
            }
            if cutter.open().len() == rows {
                chunks.extend(cutter.close());
            }
        }
        chunks.extend(cutter.close());
        let offsets = |chunk: &super::Chunk| chunk.records.iter().map(|r| r.offset).collect();
        chunks.iter().map(|chunk| (chunk.range.clone(), offsets(chunk))).collect()
    }

    #[test]
    fn ranges_adjoin_over_the_holes_that_transactions_leave() {
        let mut cutter = cutter(5, &[]);
        let chunks = cut(&mut cutter, &[7, 8, 12, 13, 20], 2);
        assert_eq!(chunks, [(5..9, vec![7, 8]), (9..14, vec![12, 13]), (14..21, vec![20])]);
        cutter.read_to(23);
        assert!(cutter.has_range());
        let trailing = cutter.close().unwrap();
        assert_eq!((trailing.range.clone(), trailing.records.len()), (21..23, 0));
        assert!(cutter.close().is_none());
    }

    #[test]
    fn what_the_ledger_has_is_stepped_over_and_never_overlapped() {
        let ranges = [(8, 10), (10, 12), (20, 25)];
        let chunks = cut(&mut cutter(5, &ranges), &[5, 6, 8, 9, 11, 12, 13, 22, 24, 25, 26], 100);
        assert_eq!(chunks, [(5..8, vec![5, 6]), (12..20, vec![12, 13]), (25..27, vec![25, 26])]);
        // Nothing of a delivered range is read where compaction took it: the ranges still adjoin.
        let chunks = cut(&mut cutter(5, &ranges), &[30], 100);
        assert_eq!(chunks, [(5..8, vec![]), (12..20, vec![]), (25..31, vec![30])]);
    }

    #[test]
    fn a_position_does_not_reach_into_what_is_delivered_already() {
        let mut cutter = cutter(5, &[(8, 10)]);
        cutter.read_to(9);
        assert_eq!(cutter.close().unwrap().range, 5..8);
    }

    /// One chunk that waits for a lock lets the ledger grow above it, as long as it waits.
    #[test]
    fn a_hundred_thousand_ranges_are_stepped_over_at_once() {
        let ranges: Vec<(u64, u64)> = (1..100_000).map(|n| (n * 10, n * 10 + 10)).collect();
        let chunks = cut(&mut cutter(0, &ranges), &[3, 1_000_000], 100);
        assert_eq!(chunks, [(0..10, vec![3]), (1_000_000..1_000_001, vec![1_000_000])]);
    }

    #[test]
    fn a_record_that_comes_twice_is_taken_once() {
        let chunks = cut(&mut cutter(0, &[]), &[0, 1, 0, 1, 2], 100);
        assert_eq!(chunks, [(0..3, vec![0, 1, 2])]);
    }
}
