//! The segments of a channel: files of one size, reserved once, each in one of many lives.
//!
//! A segment that holds no event which somebody may still want is free and is given a new generation when its turn comes.
//! It keeps its written blocks: writing over them is what a disk does fastest.

use super::frame::{Header, Kind};
use super::open::SEGMENT_BYTES_MIN;
use super::payload::{Listed, Snapshot};
use crate::event::Sequence;
use crate::ranges::RangeSet;
use crate::storage::File;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// One file of the channel.
pub(super) struct Slot {
    /// Its number, which is in its name.
    pub(super) number: u32,
    /// Where it is, for messages.
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Held by every view, so that the last one's end is seen.
    viewed: Arc<()>,
}

/// A view that is counted.
struct Counted {
    bytes: Bytes,
    _viewed: Arc<()>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Slot {
    pub(super) fn new(number: u32, path: PathBuf, file: Arc<dyn File>) -> io::Result<Self> {
        let size = file.length()?;
        Ok(Self { number, path, file, size, viewed: Arc::default() })
    }

    /// These bytes in place. What is viewed is not written over, however long somebody keeps it.
    pub(super) fn view(&self, range: Range<u64>) -> io::Result<Bytes> {
        let counted = Counted { bytes: self.file.view(range)?, _viewed: self.viewed.clone() };
        Ok(Bytes::from_owner(counted))
    }

    /// Whether somebody still has a view of it.
    pub(super) fn is_viewed(&self) -> bool {
        Arc::strong_count(&self.viewed) > 1
    }
}

/// A segment in its present life.
pub(super) struct Life {
    pub(super) slot: Arc<Slot>,
    pub(super) generation: u64,
    /// Sequence of its first event.
    pub(super) first: Sequence,
    /// Sequence behind its last event.
    pub(super) end: Sequence,
    /// Where the next frame goes; bytes below are published.
    pub(super) length: u64,
    /// Now and then a frame: sequence → offset, so that reading does not begin at the begin.
    pub(super) index: BTreeMap<Sequence, u64>,
}

/// Bytes between two entries of a segment's index.
const INDEX_EVERY: u64 = 256 << 10;

impl Life {
    /// Notes a frame that was published.
    pub(super) fn note(&mut self, header: &Header, offset: u64) {
        self.length = offset + header.stride();
        if header.kind != Kind::Batch {
            return;
        }
        let end = header.first + u64::from(header.count);
        let last = self.index.last_key_value().map(|(_, offset)| *offset);
        if header.count > 0 && last.is_none_or(|last| offset - last >= INDEX_EVERY) {
            self.index.insert(header.first, offset);
        }
        self.end = self.end.max(end);
    }

    /// A life that is beginning: nothing is in it yet.
    pub(super) fn begun(slot: Arc<Slot>, generation: u64, next: Sequence) -> Self {
        Self { slot, generation, first: next, end: next, length: 0, index: BTreeMap::new() }
    }

    /// A life as a later snapshot lists it.
    pub(super) fn listed_as(listed: &Listed, slot: Arc<Slot>) -> Self {
        let Listed { generation, first, end, length, .. } = *listed;
        let length = length.min(slot.size);
        Self { slot, generation, first, end, length, index: BTreeMap::new() }
    }

    fn listed(&self) -> Listed {
        Listed {
            slot: self.slot.number,
            generation: self.generation,
            first: self.first,
            end: self.end,
            length: self.length,
        }
    }
}

/// All segments: the lives that matter, oldest first, and the free files.
pub(super) struct Segments {
    /// Oldest first; the last one is written to.
    pub(super) lives: Vec<Life>,
    /// Files without a life that matters.
    pub(super) free: Vec<Arc<Slot>>,
    /// Generation of the newest life.
    pub(super) generation: u64,
}

/// R4: spare segments below which nothing is put, so that settling, which writes too, can always go on: one to write in when
/// the current one is full, one to go on to from there, which leaves the one before without events and so spare.
pub(super) const RESERVE: usize = 2;

impl Segments {
    /// The segment that is written to.
    pub(super) fn current(&self) -> &Life {
        self.lives.last().expect("a channel has a current segment from its opening on")
    }

    /// The segment that is written to.
    pub(super) fn current_mut(&mut self) -> &mut Life {
        self.lives.last_mut().expect("a channel has a current segment from its opening on")
    }

    /// A file to begin the next life in, which nobody has a view of (R11): the one that was freed last, whose pages are in
    /// memory and whose blocks are written; else that of a life whose events are all settled, though the newest snapshot
    /// still lists it (F3).
    pub(super) fn take_free(&mut self, settled: &RangeSet) -> Option<Arc<Slot>> {
        if let Some(at) = self.free.iter().rposition(|slot| !slot.is_viewed()) {
            return Some(self.free.remove(at));
        }
        let usable = |life: &&Life| !life.slot.is_viewed() && life.slot.size >= SEGMENT_BYTES_MIN;
        let at = self.spent(settled).find(|(_, life)| usable(life)).map(|(at, _)| at)?;
        Some(self.lives.remove(at).slot)
    }

    /// The older lives whose events are all settled, and where they are among the lives.
    fn spent(&self, settled: &RangeSet) -> impl Iterator<Item = (usize, &Life)> {
        let older = self.lives.split_last().map_or(&[][..], |(_, older)| older);
        let is_spent = |life: &Life| settled.contains_range(&(life.first..life.end));
        older.iter().enumerate().filter(move |(_, life)| is_spent(life))
    }

    /// How many segments there are to begin the next lives in.
    pub(super) fn spare(&self, settled: &RangeSet) -> usize {
        self.free.len() + self.spent(settled).count()
    }

    /// Whether one of them waits for its last view to go.
    pub(super) fn is_spare_viewed(&self, settled: &RangeSet) -> bool {
        let free = self.free.iter().any(|slot| slot.is_viewed());
        free || self.spent(settled).any(|(_, life)| life.slot.is_viewed())
    }

    /// The segments that a snapshot must list: those with events that `settled` does not have.
    pub(super) fn needed(&self, snapshot: &Snapshot) -> Vec<Listed> {
        let needed = |life: &&Life| !snapshot.settled.contains_range(&(life.first..life.end));
        self.lives.iter().filter(needed).map(Life::listed).collect()
    }

    /// Begins a life in `slot`: its snapshot is durable, `length` bytes long, and lists what `needed` says. Whatever it
    /// does not list is free from now on (R3).
    pub(super) fn begin(
        &mut self,
        slot: Arc<Slot>,
        needed: &[Listed],
        next: Sequence,
        length: u64,
    ) {
        let kept = |life: &Life| needed.iter().any(|listed| listed.generation == life.generation);
        let (kept, freed): (Vec<_>, Vec<_>) = self.lives.drain(..).partition(kept);
        self.lives = kept;
        let slots = freed.into_iter().map(|life| life.slot);
        self.free.extend(slots.filter(|slot| slot.size >= SEGMENT_BYTES_MIN));
        self.generation += 1;
        self.lives.push(Life { length, ..Life::begun(slot, self.generation, next) });
    }

    /// The life that has the event, if any does.
    pub(super) fn with(&self, sequence: Sequence) -> Option<&Life> {
        self.lives.iter().find(|life| life.first <= sequence && sequence < life.end)
    }
}
