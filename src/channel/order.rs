//! Whose each sequence of a channel is: free, held by a lease, or settled. What the memory and the file channel share.
//!
//! Only ranges are kept, so that a million events cost what one does. The oldest free events are always handed out first:
//! so holes are few, and what was put back comes before what came later (R11).

use crate::event::Sequence;
use crate::ranges::RangeSet;
use std::ops::Range;

/// The account of a channel's sequences.
#[derive(Clone, Debug, Default)]
pub struct Order {
    next: Sequence,
    settled: RangeSet,
    /// Held or settled: everything that is not free.
    taken: RangeSet,
    settled_count: u64,
    taken_count: u64,
}

impl Order {
    /// An account that goes on where another ended: nothing is held.
    #[must_use]
    pub fn resume(next: Sequence, settled: RangeSet) -> Self {
        let settled_count = settled.count();
        Self { next, taken: settled.clone(), settled, settled_count, taken_count: settled_count }
    }

    /// The sequence of the next event to come.
    #[must_use]
    pub fn next(&self) -> Sequence {
        self.next
    }

    /// What is settled.
    #[must_use]
    pub fn settled(&self) -> &RangeSet {
        &self.settled
    }

    /// Everything before this is settled.
    #[must_use]
    pub fn settled_to(&self) -> Sequence {
        self.settled.contiguous_from(0)
    }

    /// Events that are not settled.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.next - self.settled_count
    }

    /// Events that leases hold.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.taken_count - self.settled_count
    }

    /// Gives the next `events` events their sequences; they are free.
    pub fn append(&mut self, events: u64) -> Range<Sequence> {
        let start = self.next;
        self.next += events;
        start..self.next
    }

    /// The oldest free events up to the first that is not (R11).
    #[must_use]
    pub fn first_free(&self) -> Option<Range<Sequence>> {
        self.taken.gaps(self.settled_to()..self.next).next()
    }

    /// A lease takes these, which must be free.
    pub fn hold(&mut self, range: Range<Sequence>) {
        debug_assert!(self.taken.gaps(range.clone()).eq([range.clone()]), "held twice: {range:?}");
        self.taken_count += range.end - range.start;
        self.taken.insert(range);
    }

    /// What was held is free again, in its old place; but not what was settled meanwhile, by somebody else or because it
    /// cannot be read any more.
    pub fn put_back(&mut self, range: Range<Sequence>) {
        debug_assert!(self.taken.contains_range(&range), "not held: {range:?}");
        for held in self.settled.gaps(range) {
            self.taken_count -= held.end - held.start;
            self.taken.remove(held);
        }
    }

    /// These are done with, whether they were held, free, or settled before.
    pub fn settle(&mut self, range: Range<Sequence>) {
        let new: u64 = self.settled.gaps(range.clone()).map(|gap| gap.end - gap.start).sum();
        let not_taken: u64 = self.taken.gaps(range.clone()).map(|gap| gap.end - gap.start).sum();
        self.settled_count += new;
        self.taken_count += not_taken;
        self.taken.insert(range.clone());
        self.settled.insert(range);
    }
}

/// What remains of `leased` without `done`, ascending: what goes back when a lease is settled in part.
#[must_use]
pub fn rest(leased: &Range<Sequence>, done: &[Range<Sequence>]) -> Vec<Range<Sequence>> {
    let done: RangeSet = done.iter().cloned().collect();
    done.gaps(leased.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Order, rest};

    #[test]
    fn what_is_put_back_comes_before_what_came_later() {
        let mut order = Order::default();
        assert_eq!(order.first_free(), None);
        assert_eq!(order.append(10), 0..10);
        assert_eq!(order.first_free(), Some(0..10));
        order.hold(0..4);
        order.hold(4..6);
        assert_eq!(order.first_free(), Some(6..10));
        order.put_back(0..4);
        assert_eq!(order.first_free(), Some(0..4), "a lease stops at a hole");
        assert_eq!((order.unsettled(), order.held()), (10, 2));
    }

    #[test]
    fn settling_in_any_order_counts_each_event_once() {
        let mut order = Order::default();
        order.append(10);
        order.hold(0..10);
        order.settle(7..9);
        order.settle(2..3);
        order.settle(2..8);
        assert_eq!((order.unsettled(), order.held(), order.settled_to()), (3, 3, 0));
        assert_eq!(rest(&(0..10), &[7..9, 2..3, 2..8]), [0..2, 9..10]);
        order.put_back(0..2);
        order.put_back(9..10);
        assert_eq!(order.first_free(), Some(0..2));
        order.settle(0..2);
        assert_eq!((order.settled_to(), order.first_free()), (9, Some(9..10)));
        order.hold(9..10);
        order.settle(9..10);
        order.put_back(9..10);
        assert_eq!((order.held(), order.first_free()), (0, None), "what is settled stays so");
        let resumed = Order::resume(order.next(), std::iter::once(0..9).collect());
        assert_eq!(
            (resumed.unsettled(), resumed.held(), resumed.first_free()),
            (1, 0, Some(9..10))
        );
    }
}
