//! Opening: what the files say, and what is believed of it. `FORMAT.md` §7 argues each case.
//!
//! The newest segment with a good snapshot says what was settled and vouched for when it began, and which older segments
//! are still needed; its own frames say the rest. So a bounded amount is read, whatever the backlog. The torn end is cut,
//! and everything behind it (R1); a bad frame below what was known durable is damage: its bytes are kept, it is counted
//! and told, and reading goes on behind it.

use super::frame::{ALIGN, HEADER, Header, Kind};
use super::payload::{Snapshot, decode_origin_of_batch, decode_ranges};
use super::segments::{Life, Slot};
use crate::event::Sequence;
use crate::ranges::RangeSet;
use std::collections::BTreeMap;
use std::ops::Range;
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
    /// When the last frame was made, in milliseconds since 1970.
    pub(super) last_ms: Option<i64>,
}

/// Bytes that are not what was written.
pub(super) struct Damage {
    pub(super) slot: Arc<Slot>,
    pub(super) bytes: Range<u64>,
}

/// A segment, read through.
struct Scan {
    frames: Vec<(Header, u64)>,
    /// Unreadable stretches that have good frames behind them, or lie below what was known durable.
    damage: Vec<Range<u64>>,
    /// Where the good part ends.
    end: u64,
    bytes: Vec<u8>,
}

/// Reads the snapshot at a segment's begin, if it is good.
fn snapshot_of(slot: &Slot) -> std::io::Result<Option<(Header, Snapshot)>> {
    let mut head = [0; HEADER];
    slot.file.read_at(&mut head, 0)?;
    let Some(header) = Header::decode(&head).filter(|h| h.kind == Kind::Snapshot) else {
        return Ok(None);
    };
    if header.stride() > slot.size {
        return Ok(None);
    }
    let mut payload = vec![0; usize::try_from(header.payload).expect("usize has 32 bits or more")];
    slot.file.read_at(&mut payload, u64::try_from(HEADER).expect("64 fits"))?;
    let good = crc32c::crc32c(&payload) == header.payload_crc;
    Ok(good.then(|| Snapshot::decode(&payload)).flatten().map(|snapshot| (header, snapshot)))
}

/// What the files add up to; `None` when none of them was ever used. `cut` is, after a failed sync in this process, the
/// generation and offset of what was published: nothing behind it is believed (R5).
pub(super) fn replay(
    slots: Vec<Arc<Slot>>,
    cut: Option<(u64, u64)>,
) -> Result<Option<Replayed>, String> {
    let mut began = Vec::new();
    let mut blank = Vec::new();
    for slot in slots {
        let found = snapshot_of(&slot).map_err(|e| crate::storage::at(&slot.path, &e))?;
        match found {
            Some((header, _))
                if cut.is_some_and(|(generation, _)| header.generation > generation) =>
            {
                blank.push(slot);
            }
            Some((header, snapshot)) => began.push((header, snapshot, slot)),
            None => blank.push(slot),
        }
    }
    began.sort_by_key(|(header, ..)| header.generation);
    let Some((header, snapshot, slot)) = began.pop() else { return Ok(None) };
    let mut replayed = Replayed {
        snapshot,
        lives: Vec::new(),
        free: Vec::new(),
        index: header.index + 1,
        sealed: false,
        damage: Vec::new(),
        last_ms: None,
    };
    replayed.older(began);
    replayed.follow(&slot, header.generation, cut)?;
    // A segment that was begun after the newest good snapshot, whose own snapshot is bad though frames follow it.
    while let Some(at) =
        blank.iter().position(|slot| has_frames_of(slot, replayed.generation() + 1))
    {
        let slot = blank.remove(at);
        let generation = replayed.generation() + 1;
        replayed.follow(&slot, generation, cut)?;
    }
    replayed.free.extend(blank);
    Ok(Some(replayed))
}

/// Whether any frame of this generation is in the file. Only asked of files without a good snapshot.
fn has_frames_of(slot: &Slot, generation: u64) -> bool {
    let mut head = [0; HEADER];
    // A segment that was never written to has nothing but zeros, and most of a new channel's are such.
    let written =
        slot.file.read_at(&mut head, 0).is_ok_and(|()| head.iter().any(|byte| *byte != 0));
    written && scan(slot, generation).is_ok_and(|scan| !scan.frames.is_empty())
}

impl Replayed {
    fn generation(&self) -> u64 {
        self.lives.last().map_or(0, |life| life.generation)
    }

    /// The older segments that the snapshot lists; what it does not list is free.
    fn older(&mut self, began: Vec<(Header, Snapshot, Arc<Slot>)>) {
        for (header, _, slot) in began {
            let size = slot.size;
            let listed = |l: &&super::payload::Listed| {
                l.generation == header.generation && l.slot == slot.number
            };
            match self.snapshot.segments.iter().find(listed) {
                Some(l) => self.lives.push(Life {
                    slot,
                    generation: l.generation,
                    first: l.first,
                    end: l.end,
                    length: l.length.min(size),
                    index: BTreeMap::new(),
                }),
                None => self.free.push(slot),
            }
        }
        self.lives.sort_by_key(|life| life.generation);
    }

    /// Takes in the frames of a segment.
    fn follow(
        &mut self,
        slot: &Arc<Slot>,
        generation: u64,
        cut: Option<(u64, u64)>,
    ) -> Result<(), String> {
        let mut scanned = scan(slot, generation)?;
        if let Some((_, end)) = cut.filter(|(cut, _)| *cut == generation) {
            scanned.frames.retain(|(_, offset)| *offset < end);
            scanned.damage.retain(|range| range.end <= end);
            scanned.end = scanned.end.min(end);
            self.sealed = true;
        }
        let next = self.snapshot.next;
        let mut life = Life {
            slot: slot.clone(),
            generation,
            first: next,
            end: next,
            length: 0,
            index: BTreeMap::new(),
        };
        for (header, offset) in &scanned.frames {
            life.note(header, *offset);
            self.take_in(header, *offset, &scanned.bytes);
        }
        life.length = scanned.end;
        if !self.sealed {
            // R1: a frame behind the cut is whole and of this life; it must not be found again when a shorter one has
            // taken the place of the torn one before it.
            wipe(slot, &scanned)?;
        }
        // R6: what was replayed is made durable before it is believed.
        slot.file.sync().map_err(|e| crate::storage::at(&slot.path, &e))?;
        let damage = scanned.damage.into_iter().map(|bytes| Damage { slot: slot.clone(), bytes });
        self.damage.extend(damage);
        self.lives.push(life);
        Ok(())
    }

    fn take_in(&mut self, header: &Header, offset: u64, bytes: &[u8]) {
        self.index = self.index.max(header.index + 1);
        self.last_ms = Some(header.wall_ms);
        let begin = usize::try_from(offset).expect("what was read fits in memory") + HEADER;
        let payload = &bytes
            [begin..begin + usize::try_from(header.payload).expect("usize has 32 bits or more")];
        match header.kind {
            Kind::Batch => {
                self.lost(header.first);
                self.snapshot.next = header.first + u64::from(header.count);
                if let Some(origin) = decode_origin_of_batch(payload)
                    && let Some(source) = &origin.source
                {
                    self.snapshot.marks.entry(source.name.clone()).or_default().add(&origin);
                }
            }
            Kind::Settled => {
                for range in decode_ranges(payload).unwrap_or_default() {
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
        }
    }
}

/// Zeros what lies behind the good part.
fn wipe(slot: &Slot, scanned: &Scan) -> Result<(), String> {
    let end = usize::try_from(scanned.end).expect("what was read fits in memory");
    let Some(last) = scanned.bytes[end..].iter().rposition(|byte| *byte != 0) else {
        return Ok(());
    };
    let zeros = vec![0; last + 1];
    slot.file.write_at(&[&zeros], scanned.end).map_err(|e| crate::storage::at(&slot.path, &e))
}

/// Reads a segment through, with ordinary reads: a page that the disk cannot read is an error here and no signal.
fn scan(slot: &Slot, generation: u64) -> Result<Scan, String> {
    let size =
        usize::try_from(slot.size).map_err(|_| format!("{} is too large", slot.path.display()))?;
    let mut bytes = vec![0; size];
    slot.file.read_at(&mut bytes, 0).map_err(|e| crate::storage::at(&slot.path, &e))?;
    let mut scan = Scan { frames: Vec::new(), damage: Vec::new(), end: 0, bytes: Vec::new() };
    let mut at = 0;
    let mut index_before = None;
    while let Some(found) = next_frame(&bytes, at, generation) {
        let (header, offset) = found;
        let gap = offset > at;
        // R1: behind a bad frame only what was written after it was known durable is believed: there the bad frame is
        // damage. Else it is the torn end, and this one, though whole, was never answered.
        let missing = index_before.map_or(0, |index: u64| index + 1);
        if gap && !later_frame_knows(&bytes, offset, generation, missing) {
            break;
        }
        if gap {
            scan.damage.push(wide(at)..wide(offset));
        }
        index_before = Some(header.index);
        scan.frames.push((header, wide(offset)));
        at = offset + usize::try_from(header.stride()).expect("a frame fits its segment");
        scan.end = wide(at);
    }
    scan.bytes = bytes;
    Ok(scan)
}

/// Whether a good frame at or behind `offset` says that frame `missing` was durable when it was written.
fn later_frame_knows(bytes: &[u8], offset: usize, generation: u64, missing: u64) -> bool {
    let mut at = offset;
    while let Some((header, found)) = next_frame(bytes, at, generation) {
        if header.synced > missing {
            return true;
        }
        at = found + usize::try_from(header.stride()).expect("a frame fits its segment");
    }
    false
}

/// The next good frame of this generation at or behind `from`.
fn next_frame(bytes: &[u8], from: usize, generation: u64) -> Option<(Header, usize)> {
    let step = usize::try_from(ALIGN).expect("8 fits");
    let good = |at: usize| {
        let (header, _) = Header::decode_whole(bytes.get(at..)?)?;
        (header.generation == generation).then_some((header, at))
    };
    // Nearly always the frame is right there; looking further is for torn ends and damage.
    good(from).or_else(|| {
        let magic = memchr::memmem::Finder::new(b"TAW1");
        let mut at = from.next_multiple_of(step);
        loop {
            at += magic.find(bytes.get(at..)?)?;
            if at.is_multiple_of(step)
                && let Some(found) = good(at)
            {
                return Some(found);
            }
            at += 1;
        }
    })
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).expect("an offset fits 64 bits")
}

/// The ranges that are settled, and nothing beyond the last event: what a damaged acknowledgement cannot claim.
pub(super) fn settled_below(settled: &RangeSet, next: Sequence) -> RangeSet {
    settled.iter().map(|range| range.start.min(next)..range.end.min(next)).collect()
}
