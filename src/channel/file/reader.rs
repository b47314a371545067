//! Reading back what a sink that lags wants: frames in place, checksums verified.

use super::frame::{HEADER, Header, Kind};
use super::payload::decode_batch;
use super::segments::Slot;
use crate::event::{Batch, Sequence};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// Where to begin to look for an event: at a frame at or before it.
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    pub(super) generation: u64,
    /// Where a frame begins.
    pub(super) offset: u64,
    /// Bytes of the segment that are published.
    pub(super) length: u64,
}

/// What was found for an event.
pub(super) enum Found {
    /// The batch that has it, the sequence of its first event, and where the next frame begins.
    Batch { batch: Batch, first: Sequence, next: u64 },
    /// Bytes that are not what was written.
    Damage { path: PathBuf, offset: u64, why: &'static str },
}

/// Finds the batch frame that has `sequence`.
pub(super) fn find(place: &Place, sequence: Sequence) -> Result<Found, String> {
    let view = place.slot.view().map_err(|e| crate::storage::at(&place.slot.path, &e))?;
    let mut offset = place.offset;
    let damage = |offset, why| Ok(Found::Damage { path: place.slot.path.clone(), offset, why });
    while offset < place.length {
        let at = usize::try_from(offset).expect("a mapped file's offsets fit");
        let Some(header) = view.get(at..).and_then(Header::decode) else {
            return damage(offset, "its header's checksum does not hold");
        };
        if header.generation != place.generation {
            return damage(offset, "it is a frame of an earlier life of the segment");
        }
        let next = offset + header.stride();
        let has = header.kind == Kind::Batch
            && header.first <= sequence
            && sequence < header.first + u64::from(header.count);
        if !has {
            offset = next;
            continue;
        }
        let begin = at + HEADER;
        let length = usize::try_from(header.payload).expect("usize has 32 bits or more");
        if begin + length > view.len() {
            return damage(offset, "it reaches beyond the segment");
        }
        let payload: Bytes = view.slice(begin..begin + length);
        if crc32c::crc32c(&payload) != header.payload_crc {
            return damage(offset, "its payload's checksum does not hold");
        }
        let Some(batch) = decode_batch(&payload, header.count) else {
            return damage(offset, "its payload has another shape");
        };
        return Ok(Found::Batch { batch, first: header.first, next });
    }
    damage(offset, "the frame with the next event is not there")
}
