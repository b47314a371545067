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
mod keys;
pub mod open;
mod pages;
mod payload;
mod quarantine;
mod reader;
mod replay;
mod segments;
mod state;
mod wire;
mod writer;

use crate::channel::order::rest;
use crate::channel::{BatchLimit, Channel, ChannelError, ChannelGauges, Lease, Receipt, Settle};
use crate::component::Context;
use crate::event::{Batch, ComponentName, Origin, Positions, Sequence};
use crate::status::counters::ChannelCounters;
use crate::status::happening::{Happening, Teller};
use crate::storage::{Directory, Held};
use committer::Request;
use crossbeam_channel::Sender;
use frame::stride;
use pages::wide;
use quarantine::Damage;
use reader::Found;
use segments::RESERVE;
use state::{Shared, State};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use committer::Committer;
pub use keys::FileChannelConfig;

/// What the channel holds at most.
struct Limits {
    events: Option<u64>,
    keep_alive: Duration,
    /// Bytes that must be free on the file systems.
    free_bytes: u64,
}

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

    /// Why there is no room for a frame of `bytes` with `events`, if there is none.
    fn lacks_room(
        &self,
        state: &State,
        origin: &Origin,
        events: u64,
        bytes: u64,
    ) -> Option<String> {
        if state.too_many_inputs(origin) {
            let inputs: usize = state.marks.values().map(|marks| marks.iter().len()).sum();
            return Some(format!(
                "it vouches for {inputs} inputs, as many as a segment has room for"
            ));
        }
        // Positions alone are small, and a source that is held up must still be able to say where.
        if events == 0 {
            return None;
        }
        if let Some(capacity) = self.limits.events {
            let held = state.order.unsettled() + state.coming_events;
            if held > 0 && held + events > capacity {
                return Some(format!("it holds {held} of {capacity} events (`capacity`)"));
            }
        }
        let current = state.segments.current();
        // R4: the reserve is not for puts. The end of each segment may stay empty, if the next frame is large.
        let spare = state.spare();
        let free = wide(spare.saturating_sub(RESERVE));
        let here = if spare < RESERVE { 0 } else { current.slot.size - current.length };
        let here = here.saturating_sub(stride(0));
        let largest = state.frame_bytes_max();
        let room = here.saturating_sub(bytes) + free * (largest - bytes.min(largest / 2));
        let fits = if state.coming_bytes == 0 {
            bytes <= here || free > 0
        } else {
            state.coming_bytes + bytes <= here.max(room)
        };
        (!fits).then(|| {
            let capacity = state.gauges(None).capacity_bytes;
            format!(
                "{} events take all of its {capacity} bytes (`capacityBytes`) but for the reserve",
                state.order.unsettled()
            )
        })
    }

    /// Below `minimumRequiredSpace` puts are refused; takes go on, so that the channel can be emptied.
    fn lacks_space(&self) -> Option<String> {
        let needed = self.limits.free_bytes;
        self.data.iter().find_map(|dir| {
            let free = dir.free_bytes().ok()?;
            (free < needed).then(|| {
                format!(
                    "{} has {free} bytes free, less than {needed} (`minimumRequiredSpace`)",
                    dir.path().display()
                )
            })
        })
    }

    fn refuse_too_large(&self, bytes: u64) -> Result<(), ChannelError> {
        let limit = self.shared.lock().frame_bytes_max();
        if bytes <= limit {
            return Ok(());
        }
        let channel = self.name.clone();
        Err(ChannelError::TooLarge { channel, bytes, limit, key: "segmentBytes" })
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

    /// The batch that has `sequence`, from that event on; or the damage in its place.
    fn batch_with(&self, sequence: Sequence) -> Result<Batch, Lost> {
        let from = |(batch, first): (Batch, Sequence)| {
            let skip = usize::try_from(sequence - first).unwrap_or(usize::MAX);
            batch.slice(skip..batch.len())
        };
        if let Some(found) = self.shared.lock().hot_with(sequence) {
            return Ok(from(found));
        }
        let mut reader = self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = reader.last_with(sequence) {
                return Ok(from(found));
            }
            let Some(place) = self.shared.lock().place_of(sequence) else {
                return Err(Lost { damage: None, events: sequence..sequence + 1 });
            };
            match reader.find(&place, sequence) {
                Found::Batch(batch, first) => return Ok(from((batch, first))),
                Found::Damage { bytes, lost } => {
                    let (slot, generation) = (place.slot.clone(), place.generation);
                    let damage = Damage { slot, generation, bytes };
                    if !lost.is_empty() {
                        return Err(Lost { damage: Some(damage), events: lost });
                    }
                    self.tell_damage(&damage, "no event is lost: it was none of theirs");
                }
            }
        }
    }

    /// The batches of `held` up to `limit`, at least one event, and where they end.
    fn gather(
        &self,
        held: &Range<Sequence>,
        limit: BatchLimit,
    ) -> Result<(Vec<Batch>, Sequence), Lost> {
        let (mut batches, mut at, mut bytes) = (Vec::new(), held.start, 0_u64);
        while at < held.end {
            let batch = match self.batch_with(at) {
                Ok(batch) => batch,
                // What was found so far is handed out; the next take meets the same again.
                Err(_) if !batches.is_empty() => break,
                Err(lost) => return Err(lost),
            };
            let most = usize::try_from(held.end - at).unwrap_or(usize::MAX).min(batch.len());
            let mut taken = 0;
            for entry in batch.table().iter().take(most) {
                let more = bytes + u64::from(entry.length);
                if more > limit.bytes && !(batches.is_empty() && taken == 0) {
                    break;
                }
                bytes = more;
                taken += 1;
            }
            if taken == 0 {
                break;
            }
            at += wide(taken);
            let whole = taken == batch.len();
            batches.push(if whole { batch } else { batch.slice(0..taken) });
            if !whole {
                break;
            }
        }
        Ok((batches, at))
    }

    /// Events that cannot be read any more: told, and settled, or they would stand in the way for ever.
    fn give_up(&self, lost: Lost) -> Result<(), ChannelError> {
        self.counters.take_error.add(1);
        let Lost { damage, events } = lost;
        let (first, end) = (events.start, events.end);
        let effect =
            format!("events {first} to {end} (exclusive) of the channel cannot be delivered");
        match damage {
            Some(damage) => self.tell_damage(&damage, &effect),
            None => self.teller.tell(
                Happening::error("channel-damage", format!("no segment has event {first}"))
                    .effect(effect)
                    .next("delivery goes on behind it"),
            ),
        }
        // It is waited for, or the next take would meet the same damage.
        self.shared.request_settle(&self.requests, std::iter::once(events).collect())?.wait()
    }

    fn tell_damage(&self, damage: &Damage, effect: &str) {
        self.shared.lock().damaged += 1;
        damage.tell(&self.data, effect, &self.teller);
    }
}

/// Events that cannot be read.
struct Lost {
    damage: Option<Damage>,
    events: Range<Sequence>,
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

/// The channel's side of a lease.
struct Settling {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    counters: Arc<ChannelCounters>,
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
    fn request_settle(
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

#[cfg(test)]
mod tests;
