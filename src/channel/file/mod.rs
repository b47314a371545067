//! The file channel: what was accepted survives `kill -9` and a power cut, at the disk's speed.
//!
//! Putters encode their batches and take checksums on their own threads and hand them to one [`committer`], which writes
//! all that has arrived with one write and one sync, and then answers. A frame is a transaction: events and the position
//! they were read up to lie under one checksum. Acknowledgements of sinks ride in the same groups.
//!
//! Each segment begins with the channel's whole state (R3), so that opening reads the newest one and no more. `FORMAT.md`
//! has every byte and the argument for each half-written state.

mod committer;
mod files;
mod finish;
mod frame;
mod gather;
mod keys;
pub mod open;
mod pages;
mod payload;
mod quarantine;
mod reader;
mod replay;
mod room;
mod segments;
mod settle;
mod state;
mod wire;
mod writer;

use crate::channel::{BatchLimit, Channel, ChannelError, ChannelGauges, Lease, Receipt};
use crate::component::Context;
use crate::event::{Batch, ComponentName, Origin, Positions, Sequence};
use crate::status::counters::ChannelCounters;
use crate::status::happening::{Happening, Teller};
use crate::storage::{Directory, Held};
use committer::Request;
use crossbeam_channel::Sender;
use frame::stride;
use pages::wide;
use room::Limits;
use settle::Settling;
use state::{Shared, State};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use committer::Committer;
pub use keys::FileChannelConfig;

/// A file channel that runs.
pub struct FileChannel {
    name: ComponentName,
    id: uuid::Uuid,
    shared: Arc<Shared>,
    requests: Sender<Request>,
    committer: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<ChannelCounters>,
    teller: Teller,
    limits: Limits,
    data: Vec<Arc<dyn Directory>>,
    locks: Mutex<Vec<Held>>,
}

impl FileChannel {
    fn new(
        context: &Context,
        shared: Arc<Shared>,
        requests: Sender<Request>,
        counters: Arc<ChannelCounters>,
        limits: Limits,
        data: Vec<Arc<dyn Directory>>,
        locks: Vec<Held>,
    ) -> Self {
        let id = shared.lock().id;
        Self {
            name: context.name.clone(),
            id,
            shared,
            requests,
            committer: Mutex::new(None),
            counters,
            teller: context.teller.clone(),
            limits,
            data,
            locks: Mutex::new(locks),
        }
    }

    /// Notes the thread that runs the committer: closing waits for it.
    fn run_by(&mut self, thread: JoinHandle<()>) {
        self.committer = Mutex::new(Some(thread));
    }

    fn closed(&self) -> ChannelError {
        ChannelError::Closed { channel: self.name.clone() }
    }

    /// A batch that takes more than a segment is put in pieces, the origin with the last: what of it is there without
    /// the rest is put again.
    fn put_in_halves(&self, batch: &Batch) -> Result<Receipt, ChannelError> {
        let half = batch.len() / 2;
        let mut first = batch.slice(0..half);
        first.origin = Origin::default();
        self.put(first)?.wait()?;
        self.put(batch.slice(half..batch.len()))
    }
}

impl Channel for FileChannel {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn put(&self, batch: Batch) -> Result<Receipt, ChannelError> {
        let encoded = payload::encode_batch(&batch);
        let bytes = stride(encoded.length());
        if let Err(too_large) = self.refuse_too_large(bytes) {
            return if batch.len() > 1 { self.put_in_halves(&batch) } else { Err(too_large) };
        }
        self.counters.event_put_attempt.add(batch.len());
        let events = wide(batch.len());
        let starved = if events > 0 { self.lacks_space() } else { None };
        let blocked = |state: &mut State| {
            state.end.is_none()
                && (starved.is_some()
                    || self.lacks_room(state, &batch.origin, events, bytes).is_some())
        };
        let (mut state, _) = self
            .shared
            .room
            .wait_timeout_while(self.shared.lock(), self.limits.keep_alive, blocked)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.shared.ended(&state) {
            return Err(error);
        }
        if let Some(detail) =
            starved.or_else(|| self.lacks_room(&state, &batch.origin, events, bytes))
        {
            self.counters.put_error.add(1);
            let waited = self.limits.keep_alive.as_secs();
            let detail = format!("{detail}, and nothing changed within {waited} s (`keep-alive`)");
            return Err(ChannelError::Full { channel: self.name.clone(), detail });
        }
        state.coming_events += events;
        state.coming_bytes += bytes;
        let (promise, receipt) = Receipt::pending(self.closed());
        // Sent under the lock, so that frames keep the order of the calls. The queue is bounded and its reader takes this
        // lock too, so a full queue is waited for without it.
        let request = match self.requests.try_send(Request::Put { batch, encoded, promise }) {
            Ok(()) => None,
            Err(full) => Some(full.into_inner()),
        };
        drop(state);
        if let Some(request) = request {
            self.requests.send(request).map_err(|_| self.closed())?;
        }
        self.counters.event_put_success.add(usize::try_from(events).unwrap_or(usize::MAX));
        Ok(receipt)
    }

    fn take(&self, limit: BatchLimit, wait: Duration) -> Result<Option<Lease>, ChannelError> {
        self.counters.event_take_attempt.add(1);
        let empty = |state: &mut State| state.end.is_none() && state.order.first_free().is_none();
        let (mut state, _) = self
            .shared
            .available
            .wait_timeout_while(self.shared.lock(), wait, empty)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.shared.ended(&state) {
            return Err(error);
        }
        let Some(free) = state.order.first_free() else { return Ok(None) };
        let most = u64::try_from(limit.events.max(1)).unwrap_or(u64::MAX);
        let held = free.start..free.end.min(free.start.saturating_add(most));
        state.order.hold(held.clone());
        drop(state);
        let gathered = self.gather(&held, limit);
        let end = gathered.as_ref().map_or(held.start, |(_, end)| *end);
        if end < held.end {
            self.shared.lock().order.put_back(end..held.end);
            self.shared.available.notify_one();
        }
        match gathered {
            Ok((batches, end)) => {
                let settle = Settling {
                    shared: self.shared.clone(),
                    requests: self.requests.clone(),
                    counters: self.counters.clone(),
                };
                Ok(Some(Lease::new(batches, held.start..end, Box::new(settle))))
            }
            Err(lost) => self.give_up(lost).map(|()| None),
        }
    }

    fn vouched(&self, source: &ComponentName) -> Positions {
        self.shared.lock().marks.get(source).cloned().unwrap_or_default()
    }

    fn settled_elsewhere(&self, done: &[Range<Sequence>]) -> Result<Receipt, ChannelError> {
        let end = self.shared.lock().order.next();
        if let Some(beyond) = done.iter().find(|range| range.end > end) {
            let why = format!("{} events were settled elsewhere of {end} put (R7)", beyond.end);
            return Err(ChannelError::Broken { channel: self.name.clone(), why });
        }
        self.shared.request_settle(&self.requests, done.to_vec())
    }

    fn id(&self) -> uuid::Uuid {
        self.id
    }

    fn gauges(&self) -> ChannelGauges {
        self.shared.lock().gauges(self.limits.events)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn close(&self) {
        let (promise, receipt) = Receipt::pending(self.closed());
        if self.requests.send(Request::Close { promise }).is_ok() {
            // Closed either way; a broken channel has told why.
            drop(receipt.wait());
        }
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if committer.is_some_and(|thread| thread.join().is_err()) {
            self.teller.tell(Happening::error("committer-panicked", "the committer panicked"));
        }
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.teller.stopped();
    }
}

impl Drop for FileChannel {
    fn drop(&mut self) {
        if self.committer.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests;
