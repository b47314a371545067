//! Receipts a source has not seen answered: how far ahead of the disk it may run.
//!
//! Bounded by bytes, not by count: it is the bytes in flight that hide a sync. The bound begins small, which keeps memory
//! small, and grows only where answers are slow, because there it is worth a factor of nine and more.

use crate::channel::{ChannelError, Receipt};
use crate::clock::{Clock, Stop};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of bodies in flight at first: enough for a disk that syncs in a millisecond or two.
const BYTES_AT_FIRST: u64 = 4 << 20;
/// Bytes of bodies in flight at most, on a disk that takes 5 ms and more: what it writes in 20 ms at 400 MB/s.
const BYTES_MAX: u64 = 8 << 20;
/// So many batches are let out whatever their size, so that one record of 40 MB is read while the last is being synced.
const BATCHES_MIN: usize = 2;
/// An answer that takes longer than this is slow: twice as much may be in flight from then on.
const SLOW: Duration = Duration::from_millis(4);
/// How often somebody who waits for an answer looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Receipts in the order of their puts.
pub(super) struct InFlight {
    receipts: VecDeque<(Receipt, u64)>,
    bytes: u64,
    bytes_max: u64,
    clock: Arc<dyn Clock>,
}

impl InFlight {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { receipts: VecDeque::new(), bytes: 0, bytes_max: BYTES_AT_FIRST, clock }
    }

    /// One more, for a batch of so many bytes.
    pub(super) fn push(&mut self, receipt: Receipt, bytes: u64) {
        self.receipts.push_back((receipt, bytes));
        self.bytes += bytes;
    }

    /// Waits until there is room for another batch, or for somebody to stop; takes every answer that is there.
    pub(super) fn make_room(&mut self, stop: &Stop) -> Result<(), ChannelError> {
        self.collect()?;
        if !self.is_full() {
            return Ok(());
        }
        let since = self.clock.now();
        while self.is_full() && !stop.is_requested() {
            self.wait_for_first(LOOK)?;
            self.collect()?;
        }
        if self.clock.now().saturating_sub(since) > SLOW {
            self.bytes_max = (self.bytes_max * 2).min(BYTES_MAX);
        }
        Ok(())
    }

    /// Waits for all answers, at most so long. True if all are there.
    pub(super) fn settle(&mut self, at_most: Duration) -> Result<bool, ChannelError> {
        let until = self.clock.now().saturating_add(at_most);
        loop {
            self.collect()?;
            let left = until.saturating_sub(self.clock.now());
            if self.receipts.is_empty() || left.is_zero() {
                return Ok(self.receipts.is_empty());
            }
            self.wait_for_first(left)?;
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > self.bytes_max && self.receipts.len() > BATCHES_MIN
    }

    /// Takes the answers that are there, from the front: a later one is worth nothing without those before it.
    fn collect(&mut self) -> Result<(), ChannelError> {
        while let Some(answer) = self.receipts.front_mut().and_then(|(receipt, _)| receipt.poll()) {
            self.pop();
            answer?;
        }
        Ok(())
    }

    fn wait_for_first(&mut self, at_most: Duration) -> Result<(), ChannelError> {
        let first = self.receipts.front_mut();
        let Some(answer) = first.and_then(|(receipt, _)| receipt.wait_for(at_most)) else {
            return Ok(());
        };
        self.pop();
        answer
    }

    fn pop(&mut self) {
        if let Some((_, bytes)) = self.receipts.pop_front() {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_AT_FIRST, BYTES_MAX, InFlight};
    use crate::channel::{ChannelError, Promise, Receipt};
    use crate::clock::{Stop, SystemClock};
    use std::time::Duration;

    fn closed() -> ChannelError {
        ChannelError::Closed { channel: "c1".into() }
    }

    fn put(in_flight: &mut InFlight, bytes: u64) -> Promise {
        let (promise, receipt) = Receipt::pending(closed());
        in_flight.push(receipt, bytes);
        promise
    }

    #[test]
    fn a_source_waits_when_too_many_bytes_are_not_durable_and_goes_on_when_they_are() {
        let mut in_flight = InFlight::new(SystemClock::shared());
        let stop = Stop::new();
        let promises: Vec<_> = (0..3).map(|_| put(&mut in_flight, BYTES_AT_FIRST / 2)).collect();
        assert!(in_flight.is_full());
        let answering = std::thread::spawn(move || {
            for promise in promises {
                promise.answer(Ok(()));
            }
        });
        in_flight.make_room(&stop).unwrap();
        answering.join().unwrap();
        assert!(in_flight.settle(Duration::from_mins(1)).unwrap());
        assert_eq!((in_flight.bytes, in_flight.receipts.len()), (0, 0));
    }

    #[test]
    fn two_batches_are_in_flight_however_large() {
        let mut in_flight = InFlight::new(SystemClock::shared());
        let _promises = [put(&mut in_flight, BYTES_MAX * 2), put(&mut in_flight, BYTES_MAX * 2)];
        in_flight.make_room(&Stop::new()).unwrap();
        assert_eq!(in_flight.receipts.len(), 2);
    }

    #[test]
    fn whoever_waits_for_room_stops_when_asked_and_a_broken_promise_is_an_error() {
        let mut in_flight = InFlight::new(SystemClock::shared());
        let stop = Stop::new();
        let promises: Vec<_> = (0..3).map(|_| put(&mut in_flight, BYTES_AT_FIRST)).collect();
        stop.request();
        in_flight.make_room(&stop).unwrap();
        assert!(!in_flight.settle(Duration::ZERO).unwrap());
        drop(promises);
        assert_eq!(in_flight.settle(Duration::from_mins(1)), Err(closed()));
    }
}
