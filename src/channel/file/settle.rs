//! The channel's side of a lease: what is settled, and what goes back.

use super::committer::Request;
use super::state::Shared;
use crate::channel::order::rest;
use crate::channel::{ChannelError, Receipt, Settle};
use crate::event::Sequence;
use crate::status::counters::ChannelCounters;
use crossbeam_channel::Sender;
use std::ops::Range;
use std::sync::Arc;

/// The channel's side of a lease.
pub(super) struct Settling {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Sender<Request>,
    pub(super) counters: Arc<ChannelCounters>,
}

impl Settle for Settling {
    fn settle(
        &mut self,
        leased: Range<Sequence>,
        done: &[Range<Sequence>],
    ) -> Result<Receipt, ChannelError> {
        for range in rest(&leased, done) {
            self.put_back(range);
        }
        let events: u64 = done.iter().map(|range| range.end - range.start).sum();
        let requested = self.shared.request_settle(&self.requests, done.to_vec());
        if let Err(ChannelError::Full { .. }) = &requested {
            // They are delivered again: what cannot be remembered cannot be settled.
            for range in done {
                self.put_back(range.clone());
            }
        }
        let receipt = requested?;
        self.counters.event_take_success.add(usize::try_from(events).unwrap_or(usize::MAX));
        Ok(receipt)
    }

    fn put_back(&mut self, leased: Range<Sequence>) {
        self.shared.lock().order.put_back(leased);
        self.shared.available.notify_one();
    }
}

impl Shared {
    /// Asks the committer to make it durable that `ranges` are settled.
    pub(super) fn request_settle(
        &self,
        requests: &Sender<Request>,
        ranges: Vec<Range<Sequence>>,
    ) -> Result<Receipt, ChannelError> {
        let closed = ChannelError::Closed { channel: self.name.clone() };
        let mut state = self.lock();
        if let Some(error) = self.ended(&state) {
            return Err(error);
        }
        if let Some(known) = state.too_scattered(&ranges) {
            let detail = format!(
                "it remembers {known} settled ranges with others between them; settle those first"
            );
            return Err(ChannelError::Full { channel: self.name.clone(), detail });
        }
        state.coming_ranges += ranges.len();
        drop(state);
        let (promise, receipt) = Receipt::pending(closed.clone());
        requests.send(Request::Settle { ranges, promise }).map_err(|_| closed)?;
        Ok(receipt)
    }
}
