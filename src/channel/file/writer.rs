//! Where frames come to lie: the end of the current segment, and the step to the next one.
//!
//! What is written is not durable, not published and not answered: that is `finish.rs`, after the sync.

use super::finish::{Done, Finisher};
use super::frame::{HEADER, Header, Kind, stride};
use super::payload::Encoded;
use super::segments::Slot;
use super::state::Shared;
use crate::clock::Clock;
use crate::event::Sequence;
use crate::storage::at;
use bytes::Bytes;
use std::sync::Arc;

/// The writer of a channel: one, and only the committer has it.
pub(super) struct Writer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    slot: Arc<Slot>,
    generation: u64,
    /// Where the next frame goes.
    offset: u64,
    /// Sequence of the next event.
    next: Sequence,
    /// Number of the next frame.
    index: u64,
}

/// Frames that are written together.
#[derive(Default)]
pub(super) struct Group {
    frames: Vec<Placed>,
    pub(super) bytes: u64,
    events: u64,
}

/// A frame, and what becomes true when it is durable.
struct Placed {
    header: Header,
    offset: u64,
    bytes: [u8; HEADER],
    meta: Vec<u8>,
    bodies: Bytes,
    done: Done,
}

/// A group that was written and not synced.
pub(super) struct Written {
    pub(super) slot: Arc<Slot>,
    /// Frames below this number are durable once the slot is synced.
    pub(super) index: u64,
    pub(super) frames: Vec<(Header, u64, Done)>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl Writer {
    /// A writer that goes on at the end of the current segment, or begins one where there is none to go on in.
    pub(super) fn open(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        index: u64,
        sealed: bool,
    ) -> Result<Self, String> {
        let (current, next, free) = {
            let mut state = shared.lock();
            let current = state.segments.lives.last();
            let current = current.map(|life| (life.slot.clone(), life.generation, life.length));
            let go_on = current.is_some() && !sealed;
            let free = if go_on { None } else { state.take_spare(0) };
            (current, state.order.next(), free)
        };
        shared.know_durable(index);
        let none = || "it has no free segment to go on in".to_owned();
        let Some((slot, generation, offset)) = current.filter(|_| free.is_none() && !sealed) else {
            let slot = free.ok_or_else(none)?;
            let mut new =
                Self { shared, clock, slot: slot.clone(), generation: 0, offset: 0, next, index };
            new.generation = new.shared.lock().segments.generation;
            new.begin(slot)?;
            return Ok(new);
        };
        Ok(Self { shared, clock, slot, generation, offset, next, index })
    }

    /// Whether a frame fits in the current segment behind `group`, and a seal behind it.
    pub(super) fn fits(&self, group: &Group, payload: u64) -> bool {
        self.offset + group.bytes + stride(payload) + stride(0) <= self.slot.size
    }

    /// Adds a frame to a group, for which it fits.
    pub(super) fn place(
        &self,
        group: &mut Group,
        kind: Kind,
        count: u32,
        encoded: Encoded,
        done: Done,
    ) {
        let frames = u64::try_from(group.frames.len()).expect("a group has few frames");
        let header = Header {
            kind,
            payload: u32::try_from(encoded.length())
                .expect("what is larger than a segment was refused"),
            payload_crc: encoded.crc,
            index: self.index + frames,
            synced: self.shared.durable(),
            first: self.next + group.events,
            count,
            wall_ms: self.clock.wall_ms(),
            generation: self.generation,
        };
        let offset = self.offset + group.bytes;
        group.bytes += header.stride();
        group.events += u64::from(count);
        let Encoded { meta, bodies, .. } = encoded;
        group.frames.push(Placed { header, offset, bytes: header.encode(), meta, bodies, done });
    }

    /// Writes a group with one call.
    pub(super) fn write(&mut self, group: Group) -> Result<Written, (Group, String)> {
        const PADDING: [u8; 8] = [0; 8];
        let mut pieces: Vec<&[u8]> = Vec::with_capacity(group.frames.len() * 4);
        for placed in &group.frames {
            let length = HEADER + placed.meta.len() + placed.bodies.len();
            let padding = &PADDING[..length.next_multiple_of(PADDING.len()) - length];
            pieces.extend([placed.bytes.as_slice(), &placed.meta, &placed.bodies, padding]);
        }
        pieces.retain(|piece| !piece.is_empty());
        if let Err(error) = self.slot.file.write_at(&pieces, self.offset) {
            drop(pieces);
            return Err((group, at(&self.slot.path, &error)));
        }
        self.offset += group.bytes;
        self.next += group.events;
        self.index += u64::try_from(group.frames.len()).expect("a group has few frames");
        let frames = group.frames.into_iter().map(|p| (p.header, p.offset, p.done)).collect();
        Ok(Written { slot: self.slot.clone(), index: self.index, frames })
    }

    /// Seals the current segment and begins the next. Everything written must be finished. R1: no frame goes into the new
    /// one before the seal is synced; R3: nor before its own snapshot is.
    pub(super) fn roll(&mut self, slot: Arc<Slot>) -> Result<(), String> {
        self.seal()?;
        self.begin(slot)
    }

    /// Ends the current segment, durably.
    pub(super) fn seal(&mut self) -> Result<(), String> {
        let seal = self.header(Kind::Seal, b"");
        let sealed = self.slot.file.write_at(&[&seal.encode()], self.offset);
        let sealed = sealed.and_then(|()| self.slot.file.sync());
        sealed.map_err(|error| at(&self.slot.path, &error))?;
        self.shared.know_durable(self.index);
        Ok(())
    }

    /// Begins a segment with the channel's state as it is.
    fn begin(&mut self, slot: Arc<Slot>) -> Result<(), String> {
        let snapshot = self.shared.lock().snapshot();
        self.generation += 1;
        let payload = snapshot.encode();
        let header = self.header(Kind::Snapshot, &payload);
        let length = header.stride();
        if length + stride(0) > slot.size {
            let why =
                format!("a snapshot of {length} bytes does not fit a segment of {}", slot.size);
            return Err(why);
        }
        let written = slot.file.write_at(&[&header.encode(), &payload], 0);
        let written = written.and_then(|()| slot.file.sync());
        written.map_err(|error| at(&slot.path, &error))?;
        self.shared.know_durable(self.index);
        Finisher::new(self.shared.clone()).begun(&slot, &snapshot, length);
        (self.slot, self.offset) = (slot, length);
        Ok(())
    }

    /// The header of a frame that is written alone.
    fn header(&mut self, kind: Kind, payload: &[u8]) -> Header {
        let index = self.index;
        self.index += 1;
        Header {
            kind,
            payload: u32::try_from(payload.len()).expect("marks and holes are bounded"),
            payload_crc: crc32c::crc32c(payload),
            index,
            synced: self.shared.durable(),
            first: self.next,
            count: 0,
            wall_ms: self.clock.wall_ms(),
            generation: self.generation,
        }
    }
}

impl Written {
    /// Tells everyone who waits for it that it will not be durable.
    pub(super) fn refuse(self, error: &crate::channel::ChannelError) {
        self.frames.into_iter().for_each(|(.., done)| done.refuse(error));
    }
}

impl Group {
    /// Tells everyone who waits for it that it will not be durable.
    pub(super) fn refuse(self, error: &crate::channel::ChannelError) {
        self.frames.into_iter().for_each(|placed| placed.done.refuse(error));
    }
}
