//! Reading back what a sink that lags wants: batches in place, checksums verified.
//!
//! What was read last is remembered: a sink that takes a batch in several leases has it checked once.

use super::frame::Kind;
use super::pages::{Pages, wide};
use super::payload::decode_batch;
use super::segments::Slot;
use crate::event::{Batch, Sequence};
use std::ops::Range;
use std::sync::Arc;

/// The one who reads for all sinks of a channel.
#[derive(Default)]
pub(super) struct Reader {
    pages: Option<Pages>,
    /// Where to go on: the frame at this offset has this event or a later one.
    cursor: Option<(Sequence, u64)>,
    /// The batch that was read last, and the sequence of its first event.
    last: Option<(Sequence, Batch)>,
}

/// Where to look for an event.
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    pub(super) generation: u64,
    /// Where a frame at or before it begins.
    pub(super) offset: u64,
    /// Bytes of the segment that are published.
    pub(super) length: u64,
    /// Sequence behind the last event of the segment.
    pub(super) end: Sequence,
}

/// What was found for an event.
pub(super) enum Found {
    /// The batch that has it, and the sequence of its first event.
    Batch(Batch, Sequence),
    /// Bytes that are not what was written, and the events that are lost with them.
    Damage { bytes: Range<u64>, lost: Range<Sequence> },
}

impl Reader {
    /// The batch that was read last, if it has the event.
    pub(super) fn last_with(&self, sequence: Sequence) -> Option<(Batch, Sequence)> {
        let (first, batch) = self.last.as_ref()?;
        (*first..*first + wide(batch.len())).contains(&sequence).then(|| (batch.clone(), *first))
    }

    /// Lets go of what lies in segments that `keep` answers false for, so that they can be used again.
    pub(super) fn forget(&mut self, keep: impl Fn(u64) -> bool) {
        if self.pages.as_ref().is_some_and(|pages| !keep(pages.generation)) {
            *self = Self::default();
        }
    }

    /// Finds the batch frame that has `sequence`.
    pub(super) fn find(&mut self, place: &Place, sequence: Sequence) -> Found {
        let mut offset = self.begin(place, sequence);
        loop {
            let pages = self.pages.as_mut().expect("begin has made it");
            let header = pages.header(offset);
            let wanted = header.is_none_or(|header| {
                header.kind == Kind::Batch
                    && (header.first..header.first + u64::from(header.count)).contains(&sequence)
            });
            if let Some(passed) = header.filter(|_| !wanted) {
                offset += passed.stride();
                continue;
            }
            let batch = pages.frame(offset).and_then(|frame| {
                let batch = decode_batch(&frame.payload, frame.header.count)?;
                Some((batch, frame.header.first, frame.next()))
            });
            let Some((batch, first, next)) = batch else {
                return self.damage(place, offset, sequence);
            };
            self.cursor = Some((first + wide(batch.len()), next));
            self.last = Some((first, batch.clone()));
            return Found::Batch(batch, first);
        }
    }

    /// Opens the segment's pages, and says where to begin.
    fn begin(&mut self, place: &Place, sequence: Sequence) -> u64 {
        let pages = self.pages.take().filter(|pages| pages.generation == place.generation);
        if pages.is_none() {
            (self.cursor, self.last) = (None, None);
        }
        let new = || Pages::new(place.slot.clone(), place.generation, place.length);
        let pages = self.pages.insert(pages.unwrap_or_else(new));
        pages.end = place.length;
        let known = self.cursor.filter(|(from, _)| *from <= sequence).map(|(_, offset)| offset);
        known.unwrap_or(0).max(place.offset)
    }

    /// From a bad frame to the next good one. What lies between is lost; it may be nothing that is wanted.
    fn damage(&mut self, place: &Place, offset: u64, sequence: Sequence) -> Found {
        let pages = self.pages.as_mut().expect("begin has made it");
        let behind = pages.next_frame(offset + 1);
        let (end, next) = behind.map_or((place.length, place.end), |frame| {
            (frame.offset, frame.header.first.max(sequence))
        });
        self.cursor = Some((next, end));
        // Where no good frame of the segment follows, it has nothing more: one event at least, or it would be met again.
        let lost =
            if end == place.length { sequence..next.max(sequence + 1) } else { sequence..next };
        Found::Damage { bytes: offset..end, lost }
    }
}
