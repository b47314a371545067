//! Which records of which shipment were delivered, and which were not: written by delivery reports, in any order.
//!
//! A shipment is what the sink hands over at once (a lease's records); it has a slot until each of its records is
//! reported. A record's opaque, which librdkafka carries and gives back, is slot and index in one number.

use crate::event::Sequence;
use crate::ranges::RangeSet;
use rdkafka::error::RDKafkaErrorCode;

/// Shipments that may be under way at once.
pub const SHIPMENTS_MAX: usize = 1 << SLOT_BITS;
/// Records of one shipment.
pub const RECORDS_MAX: usize = 1 << INDEX_BITS;

// Together at most 32 bits, so that a pointer of any machine holds them.
const SLOT_BITS: u32 = 10;
const INDEX_BITS: u32 = 22;

/// A record that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its place in the shipment.
    pub index: usize,
    /// Why.
    pub code: RDKafkaErrorCode,
}

/// What came of one shipment.
#[derive(Debug)]
pub struct Outcome {
    /// The slot it had, as `Outbox::ship` gave it.
    pub slot: usize,
    /// How many records it had.
    pub records: usize,
    /// What was not delivered, in the order of the reports.
    pub undelivered: Vec<Undelivered>,
    delivered: Vec<u64>,
}

impl Outcome {
    /// The records that were delivered, counted from `first`.
    #[must_use]
    pub fn delivered(&self, first: Sequence) -> RangeSet {
        let mut ranges = RangeSet::new();
        if self.undelivered.is_empty() {
            ranges.insert(first..first + number(self.records));
            return ranges;
        }
        for index in 0..self.records {
            if self.delivered[index / 64] & (1 << (index % 64)) != 0 {
                let at = first + number(index);
                ranges.insert(at..at + 1);
            }
        }
        ranges
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).expect("a shipment has fewer than 2^22 records")
}

/// All shipments that are under way.
#[derive(Debug, Default)]
pub(super) struct Board {
    slots: Vec<Option<Shipment>>,
    free: Vec<usize>,
    finished: Vec<Outcome>,
}

#[derive(Debug)]
struct Shipment {
    records: usize,
    left: usize,
    delivered: Vec<u64>,
    undelivered: Vec<Undelivered>,
}

impl Board {
    /// A slot for a shipment of so many records; `None` when all are taken.
    pub(super) fn open(&mut self, records: usize) -> Option<usize> {
        assert!(records <= RECORDS_MAX, "a shipment has fewer than 2^22 records");
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < SHIPMENTS_MAX => {
                self.slots.push(None);
                self.slots.len() - 1
            }
            None => return None,
        };
        let delivered = vec![0; records.div_ceil(64)];
        self.slots[slot] =
            Some(Shipment { records, left: records, delivered, undelivered: Vec::new() });
        self.finish(slot);
        Some(slot)
    }

    /// What a record carries.
    pub(super) fn opaque(slot: usize, index: usize) -> usize {
        slot << INDEX_BITS | index
    }

    /// A record was reported. A number nobody gave out is ignored: nothing is settled by it.
    pub(super) fn report(&mut self, opaque: usize, error: Option<RDKafkaErrorCode>) {
        let (slot, index) = (opaque >> INDEX_BITS, opaque & (RECORDS_MAX - 1));
        let Some(Some(shipment)) = self.slots.get_mut(slot) else { return };
        if index >= shipment.records {
            return;
        }
        match error {
            None => shipment.delivered[index / 64] |= 1 << (index % 64),
            Some(code) => shipment.undelivered.push(Undelivered { index, code }),
        }
        shipment.left -= 1;
        self.finish(slot);
    }

    /// The shipments whose every record was reported, since the last call.
    pub(super) fn take_finished(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.finished)
    }

    /// Ends every shipment that is open: what has no report counts as purged.
    pub(super) fn abandon(&mut self) -> Vec<Outcome> {
        for slot in 0..self.slots.len() {
            let Some(Some(shipment)) = self.slots.get(slot) else { continue };
            let reported: Vec<usize> = shipment.undelivered.iter().map(|u| u.index).collect();
            let silent: Vec<usize> = (0..shipment.records)
                .filter(|i| shipment.delivered[i / 64] & (1 << (i % 64)) == 0)
                .filter(|i| !reported.contains(i))
                .collect();
            for index in silent {
                self.report(Self::opaque(slot, index), Some(RDKafkaErrorCode::PurgeInflight));
            }
        }
        self.take_finished()
    }

    fn finish(&mut self, slot: usize) {
        let Some(shipment) = self.slots[slot].take_if(|shipment| shipment.left == 0) else {
            return;
        };
        let Shipment { records, delivered, undelivered, .. } = shipment;
        self.finished.push(Outcome { slot, records, undelivered, delivered });
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, SHIPMENTS_MAX, Undelivered};
    use rdkafka::error::RDKafkaErrorCode;

    #[test]
    fn a_shipment_is_finished_by_its_last_report_in_whatever_order_they_come() {
        let mut board = Board::default();
        let (a, b) = (board.open(130).unwrap(), board.open(2).unwrap());
        for index in (0..130).rev().filter(|index| *index != 64) {
            board.report(Board::opaque(a, index), None);
        }
        board.report(Board::opaque(b, 0), None);
        assert!(board.take_finished().is_empty());
        board.report(Board::opaque(a, 64), Some(RDKafkaErrorCode::MessageSizeTooLarge));
        board.report(Board::opaque(b, 1), None);
        let finished = board.take_finished();
        let delivered: Vec<_> = finished[0].delivered(1000).iter().collect();
        assert_eq!(delivered, [1000..1064, 1065..1130]);
        let code = RDKafkaErrorCode::MessageSizeTooLarge;
        assert_eq!(finished[0].undelivered, [Undelivered { index: 64, code }]);
        assert_eq!(finished[1].delivered(7).iter().collect::<Vec<_>>(), vec![7..9]);
        assert_eq!((finished[0].slot, finished[1].slot), (a, b));
    }

    #[test]
    fn slots_are_bounded_and_come_back_when_their_shipment_is_finished() {
        let mut board = Board::default();
        let slots: Vec<usize> = (0..SHIPMENTS_MAX).map(|_| board.open(1).unwrap()).collect();
        assert_eq!(board.open(1), None);
        board.report(Board::opaque(slots[5], 0), None);
        assert_eq!(board.open(1), Some(slots[5]));
        board.report(Board::opaque(slots[7], 1), None);
        board.report(usize::MAX, None);
        assert_eq!(board.take_finished().len(), 1, "numbers nobody gave out settle nothing");
    }

    #[test]
    fn what_has_no_report_at_the_end_was_not_delivered() {
        let mut board = Board::default();
        let slot = board.open(4).unwrap();
        board.report(Board::opaque(slot, 1), None);
        board.report(Board::opaque(slot, 2), Some(RDKafkaErrorCode::MessageTimedOut));
        let outcome = board.abandon().remove(0);
        assert_eq!(outcome.delivered(0).iter().collect::<Vec<_>>(), vec![1..2]);
        assert_eq!(outcome.undelivered.len(), 3);
        assert!(board.abandon().is_empty());
    }

    #[test]
    fn nothing_shipped_is_finished_at_once() {
        let mut board = Board::default();
        board.open(0).unwrap();
        assert!(board.take_finished()[0].delivered(3).is_empty());
    }
}
