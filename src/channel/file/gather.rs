//! What a lease is filled with: batches still at hand, batches read back, and what cannot be read any more.

use super::FileChannel;
use super::pages::wide;
use super::quarantine::Damage;
use super::reader::Found;
use crate::channel::{BatchLimit, ChannelError};
use crate::event::{Batch, Sequence};
use crate::status::happening::Happening;
use std::ops::Range;
use std::sync::PoisonError;

/// Events that cannot be read.
pub(super) struct Lost {
    damage: Option<Damage>,
    events: Range<Sequence>,
}

impl FileChannel {
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
    pub(super) fn gather(
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
    pub(super) fn give_up(&self, lost: Lost) -> Result<(), ChannelError> {
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
