//! A segment's bytes, a window at a time: what opening, lagging sinks and inspection read frames through.
//!
//! A live map counts as resident memory; so no more than a window is mapped, unless one frame is larger.

use super::frame::{ALIGN, HEADER, Header};
use super::segments::Slot;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are mapped at once.
const WINDOW_BYTES: u64 = 4 << 20;
/// Bytes that are passed over when the disk cannot read them.
const UNREADABLE_STEP: u64 = 4 << 10;

/// The frames of one life of a segment, up to an offset.
pub(super) struct Pages {
    pub(super) slot: Arc<Slot>,
    pub(super) generation: u64,
    /// Nothing at or behind this offset is looked at.
    pub(super) end: u64,
    window: Bytes,
    window_at: u64,
}

/// A frame whose checksums hold.
pub(super) struct Frame {
    pub(super) header: Header,
    pub(super) offset: u64,
    pub(super) payload: Bytes,
}

impl Frame {
    /// Where the next frame begins.
    pub(super) fn next(&self) -> u64 {
        self.offset + self.header.stride()
    }
}

impl Pages {
    pub(super) fn new(slot: Arc<Slot>, generation: u64, end: u64) -> Self {
        Self { slot, generation, end, window: Bytes::new(), window_at: 0 }
    }

    /// These bytes, from the window if they are in it.
    pub(super) fn get(&mut self, range: Range<u64>) -> io::Result<Bytes> {
        let within = |at: u64| usize::try_from(at).expect("a window fits in memory");
        let window = self.window_at..self.window_at + wide(self.window.len());
        if range.start < window.start || range.end > window.end {
            let end = range.end.max((range.start + WINDOW_BYTES).min(self.end));
            self.window = self.slot.view(range.start..end)?;
            self.window_at = range.start;
        }
        let at = self.window_at;
        Ok(self.window.slice(within(range.start - at)..within(range.end - at)))
    }

    /// The header at `offset`, if it is one of this life.
    pub(super) fn header(&mut self, offset: u64) -> Option<Header> {
        if offset + wide(HEADER) > self.end {
            return None;
        }
        let header = Header::decode(&self.get(offset..offset + wide(HEADER)).ok()?)?;
        (header.generation == self.generation && offset + header.stride() <= self.end)
            .then_some(header)
    }

    /// The frame at `offset`, if it is whole, good and of this life. Bytes that cannot be read are no frame.
    pub(super) fn frame(&mut self, offset: u64) -> Option<Frame> {
        let header = self.header(offset)?;
        let begin = offset + wide(HEADER);
        let payload = self.get(begin..begin + u64::from(header.payload)).ok()?;
        let good = crc32c::crc32c(&payload) == header.payload_crc;
        good.then_some(Frame { header, offset, payload })
    }

    /// The first good frame at or behind `from`. Nearly always it is right there; looking further is for torn ends and
    /// damage.
    pub(super) fn next_frame(&mut self, from: u64) -> Option<Frame> {
        if let Some(frame) = self.frame(from) {
            return Some(frame);
        }
        let mut at = from.next_multiple_of(ALIGN);
        while at < self.end {
            let mut end = self.end.min(at + WINDOW_BYTES);
            let bytes = self.get(at..end).or_else(|_| {
                end = self.end.min(at + UNREADABLE_STEP);
                self.get(at..end)
            });
            let found = bytes.ok().and_then(|bytes| self.first_good(&bytes, at));
            if found.is_some() {
                return found;
            }
            at = end;
        }
        None
    }

    /// The first good frame that begins within `bytes`, which lie at `at`.
    fn first_good(&mut self, bytes: &Bytes, at: u64) -> Option<Frame> {
        memchr::memmem::find_iter(bytes, &Header::MAGIC)
            .map(|found| at + wide(found))
            .filter(|offset| offset.is_multiple_of(ALIGN))
            .find_map(|offset| self.frame(offset))
    }
}

pub(super) fn wide(n: usize) -> u64 {
    u64::try_from(n).expect("an offset fits 64 bits")
}
