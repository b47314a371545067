//! The one thread that writes: everything that has arrived in one group, one write, one sync, then publish, then answer.
//!
//! Puts and settlements ride in the same groups. What settles is placed first and may use the reserve (R4); a put that
//! finds no room waits here, in order, and never fails for want of it: it was promised room when it was let in.

use super::frame::{HEADER, Header, Kind, stride};
use super::open::remember_published;
use super::payload::{Encoded, encode_ranges};
use super::segments::{Life, RESERVE, Slot};
use super::state::{End, Shared};
use crate::channel::{ChannelError, Promise};
use crate::clock::Clock;
use crate::event::{Batch, Sequence};
use crate::ranges::RangeSet;
use crate::status::happening::{Happening, Teller};
use crate::storage::at;
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are written and synced together, about.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// How soon a settlement that found no segment without a reader is tried again.
const READERS_WAIT: Duration = Duration::from_millis(10);

/// What is asked of the committer.
pub(super) enum Request {
    Put { batch: Batch, encoded: Encoded, promise: Promise },
    Settle { ranges: Vec<Range<Sequence>>, promise: Promise },
    Close { promise: Promise },
}

/// The committer: made by opening, run on its own thread.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Receiver<Request>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) teller: Teller,
    /// Number of the next frame.
    pub(super) index: u64,
    /// Frames below this number are durable.
    pub(super) synced: u64,
    /// Puts that wait for a segment to become free.
    pub(super) waiting: VecDeque<Waiting>,
    /// Settlements that are not written yet, and who waits for them.
    pub(super) settling: (RangeSet, Vec<Promise>),
    /// Names the channel among those of this process (R5).
    pub(super) checkpoint_dir: PathBuf,
}

/// A put that was let in.
pub(super) struct Waiting {
    batch: Batch,
    encoded: Encoded,
    promise: Promise,
}

/// A frame of the group that is being written.
struct Placed {
    header: Header,
    offset: u64,
    bytes: [u8; HEADER],
    meta: Vec<u8>,
    bodies: Bytes,
    done: Done,
}

/// What becomes true when a frame is durable.
enum Done {
    Put(Batch, Promise),
    Settled(Vec<Range<Sequence>>, Vec<Promise>),
}

/// What ended the loop.
enum Ended {
    Closed(Option<Promise>),
    Failed(String),
}

impl Committer {
    /// Runs until closed or broken. Whoever still has a promise then hears it.
    pub(super) fn run(mut self) {
        let ended = self.serve();
        let error = match &ended {
            Ended::Closed(_) => {
                self.shared.end(End::Closed);
                ChannelError::Closed { channel: self.shared.name.clone() }
            }
            Ended::Failed(why) => {
                let happening =
                    Happening::error("channel-broken", format!("the disk failed: {why}"));
                let effect =
                    "nothing is put or taken; what was not answered is put again by its source";
                self.teller.tell(
                    happening.effect(effect).next("the channel is reopened up to what was durable"),
                );
                let published = {
                    let state = self.shared.lock();
                    (state.segments.current().generation, state.segments.current().length)
                };
                remember_published(&self.checkpoint_dir, published.0, published.1);
                self.shared.end(End::Broken(why.clone()));
                ChannelError::Broken { channel: self.shared.name.clone(), why: why.clone() }
            }
        };
        let (_, settling) = std::mem::take(&mut self.settling);
        for promise in self.waiting.drain(..).map(|waiting| waiting.promise).chain(settling) {
            promise.answer(Err(error.clone()));
        }
        for request in self.requests.try_iter() {
            match request {
                Request::Put { promise, .. } | Request::Settle { promise, .. } => {
                    promise.answer(Err(error.clone()));
                }
                Request::Close { promise } => promise.answer(Ok(())),
            }
        }
        if let Ended::Closed(Some(promise)) = ended {
            promise.answer(Ok(()));
        }
    }

    fn serve(&mut self) -> Ended {
        loop {
            let mut next = match self.next() {
                Ok(next) => next,
                Err(ended) => return ended,
            };
            let mut close = None;
            let mut bytes = 0;
            while let Some(request) = next.take() {
                match request {
                    Request::Put { batch, encoded, promise } => {
                        bytes += encoded.length();
                        self.waiting.push_back(Waiting { batch, encoded, promise });
                    }
                    Request::Settle { ranges, promise } => {
                        // Merged, so that a thousand acknowledgements of neighbours are one range.
                        for range in ranges {
                            self.settling.0.insert(range);
                        }
                        self.settling.1.push(promise);
                    }
                    Request::Close { promise } => close = Some(promise),
                }
                if bytes < GROUP_BYTES_MAX && close.is_none() {
                    next = self.requests.try_recv().ok();
                }
            }
            if let Err(error) = self.commit() {
                return Ended::Failed(error);
            }
            if let Some(promise) = close {
                return Ended::Closed(Some(promise));
            }
        }
    }

    /// Waits for the next request; shortly, while something waits for readers to let go of a segment.
    fn next(&self) -> Result<Option<Request>, Ended> {
        if self.settling.1.is_empty() {
            return self.requests.recv().map(Some).map_err(|_| Ended::Closed(None));
        }
        match self.requests.recv_timeout(READERS_WAIT) {
            Ok(request) => Ok(Some(request)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Ended::Closed(None)),
        }
    }

    /// Writes what settles, and of the waiting puts all that find room.
    fn commit(&mut self) -> Result<(), String> {
        let mut group = Vec::new();
        if !self.settling.1.is_empty() {
            let payload = encode_ranges(self.settling.0.iter());
            let crc = crc32c::crc32c(&payload);
            let encoded = Encoded { meta: payload, bodies: Bytes::new(), crc };
            if self.room_for(encoded.length(), 0, &mut group)? {
                let (ranges, promises) = std::mem::take(&mut self.settling);
                let done = Done::Settled(ranges.iter().collect(), promises);
                self.place(&mut group, Kind::Settled, 0, encoded, done);
            }
        }
        let mut placed = 0;
        while let Some(waiting) = self.waiting.front() {
            let length = waiting.encoded.length();
            if placed > 0 && placed + length > GROUP_BYTES_MAX {
                self.write(&mut group)?;
                placed = 0;
            }
            if !self.room_for(length, RESERVE, &mut group)? {
                break;
            }
            let Waiting { batch, encoded, promise } =
                self.waiting.pop_front().expect("the front was just looked at");
            let count = u32::try_from(batch.len()).expect("a batch's table has 32-bit offsets");
            self.place(&mut group, Kind::Batch, count, encoded, Done::Put(batch, promise));
            placed += length;
        }
        self.write(&mut group)
    }

    /// Makes room for a frame in the current segment, or begins another while more than `leave` are free. False if there
    /// is none.
    fn room_for(
        &mut self,
        payload: u64,
        leave: usize,
        group: &mut Vec<Placed>,
    ) -> Result<bool, String> {
        let placed: u64 = group.iter().map(|p| p.header.stride()).sum();
        if self.shared.lock().segments.fits(placed + stride(payload)) {
            return Ok(true);
        }
        // What is placed belongs before the seal.
        self.write(group)?;
        let slot = {
            let mut state = self.shared.lock();
            if state.spare() <= leave { None } else { state.segments.take_free() }
        };
        let Some(slot) = slot else { return Ok(false) };
        self.roll(slot)?;
        Ok(self.shared.lock().segments.fits(stride(payload)))
    }

    /// Seals the current segment and begins the next. R1: no frame goes into the new one before the seal is synced; R3:
    /// nor before its own snapshot is.
    fn roll(&mut self, slot: Arc<Slot>) -> Result<(), String> {
        let (old, offset, generation, next) = {
            let state = self.shared.lock();
            let Life { slot, length, generation, .. } = state.segments.current();
            (slot.clone(), *length, *generation, state.order.next())
        };
        let seal = self.header(Kind::Seal, 0, &[], crc32c::crc32c(b""), next, generation);
        let sealed = old.file.write_at(&[&seal.encode()], offset).and_then(|()| old.file.sync());
        sealed.map_err(|e| at(&old.path, &e))?;
        self.synced = self.index;
        self.begin(slot)
    }

    /// Begins a segment with the channel's state as it is.
    pub(super) fn begin(&mut self, slot: Arc<Slot>) -> Result<(), String> {
        let (snapshot, generation) = {
            let state = self.shared.lock();
            (state.snapshot(), state.segments.generation + 1)
        };
        let payload = snapshot.encode();
        let header = self.header(
            Kind::Snapshot,
            0,
            &payload,
            crc32c::crc32c(&payload),
            snapshot.next,
            generation,
        );
        let length = header.stride();
        if length + stride(0) > slot.size {
            return Err(format!(
                "a snapshot of {length} bytes does not fit a segment of {} bytes",
                slot.size
            ));
        }
        let written =
            slot.file.write_at(&[&header.encode(), &payload], 0).and_then(|()| slot.file.sync());
        written.map_err(|e| at(&slot.path, &e))?;
        self.synced = self.index;
        self.shared.lock().segments.begin(slot, &snapshot.segments, snapshot.next, length);
        self.shared.room.notify_all();
        Ok(())
    }

    fn header(
        &mut self,
        kind: Kind,
        count: u32,
        payload: &[u8],
        crc: u32,
        first: u64,
        generation: u64,
    ) -> Header {
        let index = self.index;
        self.index += 1;
        Header {
            kind,
            payload: u32::try_from(payload.len()).expect("what is written here is small"),
            payload_crc: crc,
            index,
            synced: self.synced,
            first,
            count,
            wall_ms: self.clock.wall_ms(),
            generation,
        }
    }

    fn place(
        &mut self,
        group: &mut Vec<Placed>,
        kind: Kind,
        count: u32,
        encoded: Encoded,
        done: Done,
    ) {
        let state = self.shared.lock();
        let current = state.segments.current();
        let placed: u64 = group.iter().map(|p| p.header.stride()).sum();
        let events: u64 = group.iter().map(|p| u64::from(p.header.count)).sum();
        let (offset, generation) = (current.length + placed, current.generation);
        let first = state.order.next() + events;
        drop(state);
        let mut header = self.header(kind, count, &[], encoded.crc, first, generation);
        header.payload =
            u32::try_from(encoded.length()).expect("what is larger than a segment was refused");
        let bytes = header.encode();
        group.push(Placed {
            header,
            offset,
            bytes,
            meta: encoded.meta,
            bodies: encoded.bodies,
            done,
        });
    }

    /// Put → sync → publish → answer, for the whole group.
    fn write(&mut self, group: &mut Vec<Placed>) -> Result<(), String> {
        const PADDING: [u8; 8] = [0; 8];
        let Some(first) = group.first() else { return Ok(()) };
        let slot = self.shared.lock().segments.current().slot.clone();
        let mut pieces: Vec<&[u8]> = Vec::with_capacity(group.len() * 4);
        for placed in group.iter() {
            let length = HEADER + placed.meta.len() + placed.bodies.len();
            let padding = length.next_multiple_of(8) - length;
            pieces.extend([
                placed.bytes.as_slice(),
                &placed.meta,
                &placed.bodies,
                &PADDING[..padding],
            ]);
        }
        pieces.retain(|piece| !piece.is_empty());
        let done = slot.file.write_at(&pieces, first.offset).and_then(|()| slot.file.sync());
        if let Err(error) = done {
            // R5: final. The promises are answered by `run`'s end: dropping them here says the same.
            let why = at(&slot.path, &error);
            let error =
                ChannelError::Broken { channel: self.shared.name.clone(), why: why.clone() };
            group.drain(..).for_each(|placed| placed.done.refuse(&error));
            return Err(why);
        }
        self.synced = self.index;
        let mut answers = Vec::with_capacity(group.len());
        let (mut available, mut room) = (false, false);
        let mut state = self.shared.lock();
        for placed in group.drain(..) {
            state.segments.current_mut().note(&placed.header, placed.offset);
            match placed.done {
                Done::Put(batch, promise) => {
                    state.coming_events -= u64::from(placed.header.count);
                    state.coming_bytes -= placed.header.stride();
                    available |= state.publish(batch, placed.header.wall_ms);
                    answers.push(promise);
                }
                Done::Settled(ranges, promises) => {
                    state.settle(&ranges);
                    room = true;
                    answers.extend(promises);
                }
            }
        }
        drop(state);
        if available {
            self.shared.available.notify_all();
        }
        if room {
            self.shared.room.notify_all();
        }
        for promise in answers {
            promise.answer(Ok(()));
        }
        Ok(())
    }
}

impl Done {
    fn refuse(self, error: &ChannelError) {
        match self {
            Self::Put(_, promise) => promise.answer(Err(error.clone())),
            Self::Settled(_, promises) => {
                for promise in promises {
                    promise.answer(Err(error.clone()));
                }
            }
        }
    }
}
