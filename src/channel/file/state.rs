//! What the ends of a file channel and its committer share: whose each event is, what is vouched for, where it lies.

use super::frame::stride;
use super::payload::Snapshot;
use super::reader::{Place, Reader};
use super::segments::{Life, Segments, Slot};
use crate::channel::order::Order;
use crate::channel::{ChannelError, ChannelGauges};
use crate::event::{Batch, ComponentName, Origin, Positions, Sequence};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of bodies that are handed from put to take in memory; what comes beyond is read from the file.
pub(super) const HOT_BYTES_MAX: u64 = 8 << 20;

/// Bytes of a segment that are kept for its snapshot at least.
const SNAPSHOT_ROOM: u64 = 8 << 10;

/// Ranges of settled events with holes between them at most; and never so many that a snapshot of them takes more than an
/// eighth of a segment. Each lease makes one hole at most, unless it is settled in pieces.
const HOLES_MAX: usize = 1 << 16;
const HOLES_PART: u64 = 8;
/// Bytes that an input adds to a snapshot, besides its name and evidence.
const MARK_BYTES: u64 = 64;
/// Inputs are vouched for until a snapshot of them takes one part of so many of a segment.
const MARKS_PART: u64 = 4;

/// Shared by all.
pub(super) struct Shared {
    pub(super) name: ComponentName,
    state: Mutex<State>,
    /// Something became free to take, or the channel ended.
    pub(super) available: Condvar,
    /// Something was settled, or the channel ended.
    pub(super) room: Condvar,
    /// Whoever reads what memory no longer has.
    pub(super) reader: Mutex<Reader>,
    /// Frames below this number are durable.
    durable: AtomicU64,
}

/// Under the lock.
pub(super) struct State {
    pub(super) id: uuid::Uuid,
    pub(super) order: Order,
    pub(super) segments: Segments,
    pub(super) marks: BTreeMap<ComponentName, Positions>,
    /// Committed batches nobody has taken yet, by the sequence of their first event.
    pub(super) hot: BTreeMap<Sequence, Batch>,
    pub(super) hot_bytes: u64,
    /// Events and bytes on their way to the committer.
    pub(super) coming_events: u64,
    pub(super) coming_bytes: u64,
    /// Moments of puts, one now and then: what the age of the oldest event is read from.
    pub(super) put_at: BTreeMap<Sequence, i64>,
    pub(super) damaged: u64,
    /// Ranges on their way to the committer.
    pub(super) coming_ranges: usize,
    /// Bytes of the newest snapshot.
    pub(super) snapshot_bytes: u64,
    /// Bytes by which inputs that it does not have will make the next one longer.
    pub(super) new_marks_bytes: u64,
    pub(super) end: Option<End>,
}

/// Why nothing goes on.
#[derive(Clone, Debug)]
pub(super) enum End {
    Closed,
    Broken(String),
}

impl Shared {
    pub(super) fn new(name: ComponentName, state: State) -> Self {
        let (available, room) = (Condvar::new(), Condvar::new());
        let (reader, durable) = (Mutex::default(), AtomicU64::new(0));
        Self { name, state: Mutex::new(state), available, room, reader, durable }
    }

    /// Frames below this number are durable: what the next frame says of those before it (R1).
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Notes that frames below `index` are durable.
    pub(super) fn know_durable(&self, index: u64) {
        self.durable.store(index, Ordering::Release);
    }

    /// Lets the reader's pages of segments go that nobody wants any more. One that is being read just now is kept.
    pub(super) fn forget_spent(&self, state: &State) {
        let settled = state.order.settled();
        let wanted = |life: &Life| !settled.contains_range(&(life.first..life.end));
        let has = |generation| {
            let lives = &mut state.segments.lives.iter();
            lives.find(|life| life.generation == generation).is_some_and(wanted)
        };
        if let Ok(mut reader) = self.reader.try_lock() {
            reader.forget(has);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses everything from now on, and wakes whoever waits.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        drop(state);
        self.available.notify_all();
        self.room.notify_all();
    }

    /// The error of whoever comes after the end.
    pub(super) fn ended(&self, state: &State) -> Option<ChannelError> {
        let channel = self.name.clone();
        state.end.as_ref().map(|end| match end {
            End::Closed => ChannelError::Closed { channel },
            End::Broken(why) => ChannelError::Broken { channel, why: why.clone() },
        })
    }
}

impl State {
    /// The batch in memory that has the event, and the sequence of its first event.
    pub(super) fn hot_with(&self, sequence: Sequence) -> Option<(Batch, Sequence)> {
        let (first, batch) = self.hot.range(..=sequence).next_back()?;
        let end = first + u64::try_from(batch.len()).unwrap_or(0);
        (sequence < end).then(|| (batch.clone(), *first))
    }

    /// Where to look for an event on disk.
    pub(super) fn place_of(&self, sequence: Sequence) -> Option<Place> {
        let life = self.segments.with(sequence)?;
        let offset = life.index.range(..=sequence).next_back().map_or(0, |(_, offset)| *offset);
        let (slot, generation) = (life.slot.clone(), life.generation);
        Some(Place { slot, generation, offset, length: life.length, end: life.end })
    }

    /// The state as a snapshot has it; the segments it lists are still to be filled in.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            id: self.id,
            next: self.order.next(),
            settled: self.order.settled().clone(),
            marks: self.marks.clone(),
            segments: Vec::new(),
        };
        snapshot.segments = self.segments.needed(&snapshot);
        snapshot
    }

    /// Bytes of a frame that a new segment has room for: behind a snapshot that may have grown, and before a seal.
    pub(super) fn frame_bytes_max(&self) -> u64 {
        let size = self.segments.current().slot.size;
        size.saturating_sub((2 * self.snapshot_bytes).max(SNAPSHOT_ROOM) + stride(0))
    }

    /// How many ranges `done` adds to what must be remembered, if they are too many. Those that adjoin what is settled add
    /// nothing, so that the oldest events can always be settled.
    pub(super) fn too_scattered(&self, done: &[Range<Sequence>]) -> Option<usize> {
        let settled = self.order.settled();
        let adjoins = |range: &&Range<Sequence>| {
            range.start.checked_sub(1).is_none_or(|before| settled.contains(before))
                || settled.contains(range.end)
        };
        let added = done.iter().filter(|range| !adjoins(range)).count();
        let entry = HOLES_PART * 16;
        let most = usize::try_from(self.segments.current().slot.size / entry).unwrap_or(HOLES_MAX);
        let known = settled.iter().len() + self.coming_ranges;
        (added > 0 && known + added > most.min(HOLES_MAX)).then_some(known)
    }

    /// Whether the marks of a batch's inputs would make a snapshot too long for its segment.
    pub(super) fn too_many_inputs(&self, origin: &Origin) -> bool {
        let most = self.segments.current().slot.size / MARKS_PART;
        let known = origin.source.as_ref().and_then(|source| self.marks.get(&source.name));
        let is_new = |input: &str| known.is_none_or(|known| known.get(input).is_none());
        self.snapshot_bytes + self.new_marks_bytes > most
            && origin.parts.iter().any(|part| is_new(&part.input))
    }

    /// How many segments there are to begin the next lives in.
    pub(super) fn spare(&self) -> usize {
        self.segments.spare(self.order.settled())
    }

    /// Whether one of them waits for its last view to go.
    pub(super) fn is_spare_viewed(&self) -> bool {
        self.segments.is_spare_viewed(self.order.settled())
    }

    /// A file to begin the next life in, while more than `leave` are spare.
    pub(super) fn take_spare(&mut self, leave: usize) -> Option<Arc<Slot>> {
        if self.spare() <= leave {
            return None;
        }
        self.segments.take_free(self.order.settled())
    }

    /// Counts ranges as settled and lets go of what they held in memory.
    pub(super) fn settle(&mut self, ranges: &[Range<Sequence>]) {
        for range in ranges {
            self.order.settle(range.clone());
        }
        let to = self.order.settled_to();
        while let Some((&first, batch)) = self.hot.first_key_value() {
            let bytes = batch.body_bytes();
            if first + u64::try_from(batch.len()).unwrap_or(u64::MAX) > to {
                break;
            }
            self.hot_bytes -= bytes;
            self.hot.remove(&first);
        }
        // The last moment at or below the oldest event stays: it is that event's age.
        if let Some((&oldest, _)) = self.put_at.range(..=to).next_back() {
            self.put_at = self.put_at.split_off(&oldest);
        }
    }

    /// Notes a batch that is durable. True if there is something new to take.
    pub(super) fn publish(&mut self, batch: Batch, wall_ms: i64) -> bool {
        /// Moments that are kept at most; the age of the oldest event is then that of a somewhat older one.
        const MOMENTS_MAX: usize = 4096;
        let events = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if let Some(source) = &batch.origin.source {
            let marks = self.marks.entry(source.name.clone()).or_default();
            for part in &batch.origin.parts {
                if marks.get(&part.input).is_none() {
                    let named = part.input.len() + part.evidence.len();
                    self.new_marks_bytes += MARK_BYTES + u64::try_from(named).unwrap_or(0);
                }
            }
            marks.add(&batch.origin);
        }
        if events == 0 {
            return false;
        }
        let first = self.order.append(events).start;
        let newer = self.put_at.last_key_value().is_none_or(|(_, at)| wall_ms - at >= 1000);
        if newer && self.put_at.len() < MOMENTS_MAX || self.put_at.is_empty() {
            self.put_at.insert(first, wall_ms);
        }
        let bytes = batch.body_bytes();
        if self.hot_bytes + bytes <= HOT_BYTES_MAX || self.hot.is_empty() {
            self.hot_bytes += bytes;
            self.hot.insert(first, batch);
        }
        true
    }

    /// Fill and capacity, now.
    pub(super) fn gauges(&self, capacity_events: Option<u64>) -> ChannelGauges {
        let sizes = |slots: &mut dyn Iterator<Item = u64>| slots.sum::<u64>();
        let used = sizes(&mut self.segments.lives.iter().map(|life| life.length));
        let lives = sizes(&mut self.segments.lives.iter().map(|life| life.slot.size));
        let free = sizes(&mut self.segments.free.iter().map(|slot| slot.size));
        let events = self.order.unsettled();
        ChannelGauges {
            events,
            leased: self.order.held(),
            bytes: if events == 0 { 0 } else { used },
            capacity_events,
            capacity_bytes: lives + free,
            oldest_ms: (events > 0)
                .then(|| self.put_at.first_key_value().map(|(_, at)| *at))
                .flatten(),
            next_sequence: self.order.next(),
            damaged: self.damaged,
        }
    }
}
