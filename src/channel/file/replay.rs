//! Opening: what the files say, and what is believed of it. `FORMAT.md` §7 argues each case.
//!
//! The newest segment with a good snapshot says what was settled and vouched for when it began, and which older segments
//! are still needed; its own frames say the rest. So a bounded amount is read, whatever the backlog. The torn end is cut,
//! and everything behind it (R1); a bad frame below what was known durable is damage: its bytes are kept, it is counted
//! and told, and reading goes on behind it.

use super::frame::{HEADER, Header, Kind};
use super::pages::{Frame, Pages, wide};
use super::payload::{Listed, Snapshot, decode_origin_of_batch, decode_ranges};
use super::quarantine::Damage;
use super::segments::{Life, Slot};
use crate::event::Sequence;
use crate::ranges::RangeSet;
use crate::storage::at;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What the files of a channel add up to.
pub(super) struct Replayed {
    pub(super) snapshot: Snapshot,
    /// Oldest first.
    pub(super) lives: Vec<Life>,
    pub(super) free: Vec<Arc<Slot>>,
    /// Number of the next frame.
    pub(super) index: u64,
    /// The last segment is sealed, or must not be written again.
    pub(super) sealed: bool,
    pub(super) damage: Vec<Damage>,
    /// When the oldest segment that is still needed began, as far as is known, in milliseconds since 1970.
    pub(super) oldest_ms: Option<i64>,
}

/// Up to where a channel whose disk failed in this process had published, by generation and offset (R5).
pub(super) type Cut = Option<(u64, u64)>;

/// A segment with a good snapshot.
struct Began {
    header: Header,
    snapshot: Snapshot,
    slot: Arc<Slot>,
}

/// A segment that is listed and not there.
struct Gone {
    listed: Listed,
    slot: Option<Arc<Slot>>,
}

/// What the files add up to; `None` when none of them was ever used. Nothing behind `cut` is
/// believed. `channel` is the identity that the list of files has.
pub(super) fn replay(
    slots: Vec<Arc<Slot>>,
    cut: Cut,
    channel: Option<uuid::Uuid>,
) -> Result<Option<Replayed>, String> {
    let (mut began, mut blank) = (Vec::new(), Vec::new());
    for slot in slots {
        let behind =
            |header: &Header| cut.is_some_and(|(generation, _)| header.generation > generation);
        match snapshot_of(&slot) {
            Some((header, snapshot)) if !behind(&header) => {
                began.push(Began { header, snapshot, slot });
            }
            _ => blank.push(slot),
        }
    }
    began.sort_by_key(|began| began.header.generation);
    let Some(newest) = began.pop() else { return without_snapshot(blank, channel) };
    let mut replayed = Replayed::from(newest.snapshot, newest.header.index + 1);
    let gone = replayed.older(began, &mut blank, newest.header.generation);
    replayed.follow(&newest.slot, newest.header.generation, cut)?;
    // A segment that was begun after the newest good snapshot, whose own snapshot is bad though frames follow it.
    while cut.is_none() {
        let generation = replayed.generation() + 1;
        let Some(at) = blank.iter().position(|slot| has_frames_of(slot, generation)) else { break };
        let slot = blank.remove(at);
        replayed.follow(&slot, generation, None)?;
    }
    replayed.without(gone)?;
    replayed.free.extend(blank);
    Ok(Some(replayed))
}

/// The snapshot at a segment's begin, if it is good. One that cannot be read is not.
fn snapshot_of(slot: &Arc<Slot>) -> Option<(Header, Snapshot)> {
    let mut head = [0; HEADER];
    slot.file.read_at(&mut head, 0).ok()?;
    let header = Header::decode(&head).filter(|header| header.kind == Kind::Snapshot)?;
    let frame = Pages::new(slot.clone(), header.generation, slot.size).frame(0)?;
    Some((header, Snapshot::decode(&frame.payload)?))
}

/// No snapshot is good: a channel that was never used, or was cut off in the very beginning; or damage in every segment.
/// Then all frames that can be found are taken in, under the identity that is known, or else a new one (R7).
fn without_snapshot(
    slots: Vec<Arc<Slot>>,
    channel: Option<uuid::Uuid>,
) -> Result<Option<Replayed>, String> {
    let (mut used, mut free): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for slot in slots {
        match first_generation(&slot)? {
            Some(generation) => used.push((generation, slot)),
            None => free.push(slot),
        }
    }
    if used.is_empty() {
        return Ok(None);
    }
    used.sort_by_key(|(generation, _)| *generation);
    let mut replayed = Replayed::from(Snapshot::new(channel), 0);
    for (generation, slot) in used {
        replayed.follow(&slot, generation, None)?;
        replayed.snapshot.segments.clear();
    }
    replayed.free = free;
    Ok(Some(replayed))
}

/// The generation of the first good frame in a file without a good snapshot.
fn first_generation(slot: &Arc<Slot>) -> Result<Option<u64>, String> {
    let mut head = vec![0; HEADER];
    let mut offset = 0;
    let finder = memchr::memmem::Finder::new(&Header::MAGIC);
    let step = wide(1 << 20);
    let mut chunk = Vec::new();
    while offset < slot.size {
        chunk.resize(usize::try_from(step.min(slot.size - offset)).expect("a chunk is small"), 0);
        slot.file.read_at(&mut chunk, offset).map_err(|error| at(&slot.path, &error))?;
        for found in finder.find_iter(&chunk).map(|found| offset + wide(found)) {
            if found + wide(HEADER) > slot.size {
                continue;
            }
            slot.file.read_at(&mut head, found).map_err(|error| at(&slot.path, &error))?;
            let Some(header) = Header::decode(&head) else { continue };
            let whole = Pages::new(slot.clone(), header.generation, slot.size).frame(found);
            if whole.is_some() {
                return Ok(Some(header.generation));
            }
        }
        offset += step;
    }
    Ok(None)
}

/// Whether any good frame of this generation is in the file. Only asked of files without a good snapshot.
fn has_frames_of(slot: &Arc<Slot>, generation: u64) -> bool {
    // A segment that was never written to has nothing but zeros, and most of a new channel's are such.
    let mut head = [0; HEADER];
    let blank = slot.file.read_at(&mut head, 0).is_ok_and(|()| head.iter().all(|byte| *byte == 0));
    !blank && Pages::new(slot.clone(), generation, slot.size).next_frame(0).is_some()
}

impl Replayed {
    pub(super) fn from(snapshot: Snapshot, index: u64) -> Self {
        Self {
            snapshot,
            lives: Vec::new(),
            free: Vec::new(),
            index,
            sealed: false,
            damage: Vec::new(),
            oldest_ms: None,
        }
    }

    fn generation(&self) -> u64 {
        self.lives.last().map_or(0, |life| life.generation)
    }

    /// The older segments that the snapshot lists; what it does not list is free. One whose own snapshot is damaged is
    /// taken at the word of the newer one, and its frames are read from behind the damage. The answer is what is listed and
    /// not there, with the file that has something else in it.
    fn older(&mut self, began: Vec<Began>, blank: &mut Vec<Arc<Slot>>, newest: u64) -> Vec<Gone> {
        let mut gone = Vec::new();
        let mut times = BTreeMap::new();
        let mut slots = BTreeMap::new();
        for began in began {
            times.insert(began.header.generation, began.header.wall_ms);
            slots.insert(began.slot.number, (Some(began.header.generation), began.slot));
        }
        for listed in self.snapshot.segments.clone() {
            // One whose events were all settled may have been begun anew since.
            let is_it =
                |slot: &Arc<Slot>| slot.number == listed.slot && !has_frames_of(slot, newest + 1);
            let at = blank.iter().position(is_it);
            let known = slots.remove(&listed.slot).or(at.map(|at| (None, blank.remove(at))));
            match known {
                Some((found, slot)) if found.is_none_or(|g| g == listed.generation) => {
                    self.lives.push(Life::listed_as(&listed, slot));
                }
                other => gone.push(Gone { listed, slot: other.map(|(_, slot)| slot) }),
            }
            let began_ms = times.get(&listed.generation).copied();
            self.oldest_ms = self.oldest_ms.or(began_ms);
        }
        self.free.extend(slots.into_values().map(|(_, slot)| slot));
        self.lives.sort_by_key(|life| life.generation);
        gone
    }

    /// Goes on without segments that are not there, if nobody wants their events. A file that is not there may be on a
    /// disk that is not mounted: that is waited for. One with something else in it is lost.
    fn without(&mut self, gone: Vec<Gone>) -> Result<(), String> {
        for Gone { listed, slot } in gone {
            let wanted = !self.snapshot.settled.contains_range(&(listed.first..listed.end));
            match slot {
                None if wanted => return Err(missing(&listed)),
                None => {}
                Some(slot) if wanted => {
                    self.snapshot.settled.insert(listed.first..listed.end);
                    let bytes = 0..listed.length.min(slot.size);
                    self.free.push(slot.clone());
                    self.damage.push(Damage { slot, generation: listed.generation, bytes });
                }
                Some(slot) => self.free.push(slot),
            }
        }
        Ok(())
    }

    /// Takes in the frames of a segment, in order.
    fn follow(&mut self, slot: &Arc<Slot>, generation: u64, cut: Cut) -> Result<(), String> {
        let cut = cut.filter(|(cut, _)| *cut == generation).map(|(_, end)| end);
        self.sealed = cut.is_some();
        let mut life = Life::begun(slot.clone(), generation, self.snapshot.next);
        let mut pages = Pages::new(slot.clone(), generation, cut.unwrap_or(slot.size));
        let mut unsure = Unsure::default();
        let mut index_before = None;
        while let Some(frame) = pages.next_frame(life.length) {
            // F4. A frame with an earlier number is what a former end left behind.
            if index_before.is_some_and(|before| frame.header.index <= before) {
                break;
            }
            if frame.offset > life.length {
                // R1: behind a bad frame only what was written after it was known durable is believed: there the bad
                // frame is damage. Else it is the torn end, and this one, though whole, was never answered.
                let missing = index_before.map_or(0, |index| index + 1);
                if !later_frame_knows(&mut pages, &frame, missing) {
                    break;
                }
                let bytes = life.length..frame.offset;
                self.damage.push(Damage { slot: slot.clone(), generation, bytes });
            }
            index_before = Some(frame.header.index);
            unsure.add(&frame);
            self.take_in(&frame);
            life.note(&frame.header, frame.offset);
        }
        if cut.is_none() {
            wipe(&mut pages, life.length)?;
            unsure.make_durable(slot, life.length).map_err(|error| at(&slot.path, &error))?;
        }
        self.lives.push(life);
        Ok(())
    }

    fn take_in(&mut self, frame: &Frame) {
        let header = &frame.header;
        self.index = self.index.max(header.index + 1);
        self.lost(header.first);
        match header.kind {
            Kind::Batch => {
                self.snapshot.next = header.first + u64::from(header.count);
                self.oldest_ms = self.oldest_ms.or(Some(header.wall_ms));
                if let Some(origin) = decode_origin_of_batch(&frame.payload)
                    && let Some(source) = &origin.source
                {
                    self.snapshot.marks.entry(source.name.clone()).or_default().add(&origin);
                }
            }
            Kind::Settled => {
                for range in decode_ranges(&frame.payload).unwrap_or_default() {
                    self.snapshot.settled.insert(range);
                }
            }
            Kind::Snapshot => {}
            Kind::Seal => self.sealed = true,
        }
    }

    /// Sequences that lay in damaged frames are nobody's any more: they count as settled, and the damage is told.
    fn lost(&mut self, first: Sequence) {
        if first > self.snapshot.next {
            self.snapshot.settled.insert(self.snapshot.next..first);
            self.snapshot.next = first;
        }
    }
}

fn missing(listed: &Listed) -> String {
    format!(
        "segment-{}.tw, which has events {} to {}, is not there; is its disk mounted? An empty file of that name gives \
         them up",
        listed.slot,
        listed.first,
        listed.end.saturating_sub(1),
    )
}

/// Whether `frame` or a later one says that frame number `missing` was durable when it was written.
fn later_frame_knows(pages: &mut Pages, frame: &Frame, missing: u64) -> bool {
    let (mut header, mut next) = (frame.header, frame.next());
    loop {
        if header.synced > missing {
            return true;
        }
        let Some(later) = pages.next_frame(next).filter(|later| later.header.index > header.index)
        else {
            return false;
        };
        (header, next) = (later.header, later.next());
    }
}

/// R1: a frame behind the cut is whole and of this life. It is made unrecognisable, or it would be found again when a
/// shorter one has taken the place of the torn one before it.
fn wipe(pages: &mut Pages, end: u64) -> Result<(), String> {
    let slot = pages.slot.clone();
    let mut from = end;
    while let Some(frame) = pages.next_frame(from) {
        let wiped = slot.file.write_at(&[&[0; HEADER]], frame.offset);
        wiped.map_err(|error| at(&slot.path, &error))?;
        from = frame.offset + wide(HEADER);
    }
    Ok(())
}

/// The frames at the end of which no later one says that they are durable.
#[derive(Default)]
struct Unsure {
    frames: VecDeque<(u64, u64)>,
    synced: u64,
}

impl Unsure {
    fn add(&mut self, frame: &Frame) {
        self.synced = self.synced.max(frame.header.synced);
        self.frames.push_back((frame.header.index, frame.offset));
        while self.frames.pop_front_if(|(index, _)| *index < self.synced).is_some() {}
    }

    /// R6: what was replayed is made durable before it is believed. It is written again and not only synced: after a sync
    /// that failed in a process that is gone, the kernel holds these pages for clean and would sync nothing (R5).
    fn make_durable(&self, slot: &Slot, end: u64) -> std::io::Result<()> {
        /// Bytes that are copied at once.
        const PIECE: u64 = 1 << 20;
        let mut from = self.frames.front().map_or(end, |(_, offset)| *offset);
        let mut copy = Vec::new();
        while from < end {
            let length = PIECE.min(end - from);
            copy.resize(usize::try_from(length).expect("a piece is small"), 0);
            slot.file.read_at(&mut copy, from)?;
            slot.file.write_at(&[&copy], from)?;
            from += length;
        }
        slot.file.sync()
    }
}

/// The ranges that are settled, and nothing beyond the last event: what a damaged acknowledgement cannot claim.
pub(super) fn settled_below(settled: &RangeSet, next: Sequence) -> RangeSet {
    settled.iter().map(|range| range.start.min(next)..range.end.min(next)).collect()
}
