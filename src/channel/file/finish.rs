//! What becomes of a group that was written: sync → publish → answer, in this order and in no other.

use super::payload::Snapshot;
use super::segments::Slot;
use super::state::Shared;
use super::writer::Written;
use crate::channel::{ChannelError, Promise};
use crate::event::{Batch, Sequence};
use crate::storage::at;
use std::ops::Range;
use std::sync::Arc;

/// What becomes true when a frame is durable.
pub(super) enum Done {
    Put(Batch, Promise),
    Settled {
        ranges: Vec<Range<Sequence>>,
        /// How many ranges they were when they were asked for.
        asked: usize,
        promises: Vec<Promise>,
    },
}

/// Makes what was written durable, and only then visible and answered.
pub(super) struct Finisher {
    shared: Arc<Shared>,
}

impl Finisher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// One sync for all groups, which lie in one segment. A failure is final (R5): the promises hear it.
    pub(super) fn finish(&self, groups: Vec<Written>) -> Result<(), String> {
        let Some(last) = groups.last() else { return Ok(()) };
        if let Err(error) = last.slot.file.sync() {
            let why = at(&last.slot.path, &error);
            let channel = self.shared.name.clone();
            let broken = ChannelError::Broken { channel, why: why.clone() };
            for group in groups {
                group.refuse(&broken);
            }
            return Err(why);
        }
        self.shared.know_durable(last.index);
        for promise in self.publish(groups) {
            promise.answer(Ok(()));
        }
        Ok(())
    }

    /// Lets takers see it, and putters the room it made. What is to be answered is handed back.
    fn publish(&self, groups: Vec<Written>) -> Vec<Promise> {
        let mut answers = Vec::new();
        let mut available = false;
        let mut state = self.shared.lock();
        for (header, offset, done) in groups.into_iter().flat_map(|group| group.frames) {
            state.segments.current_mut().note(&header, offset);
            match done {
                Done::Put(batch, promise) => {
                    state.coming_events -= u64::from(header.count);
                    state.coming_bytes -= header.stride();
                    available |= state.publish(batch, header.wall_ms);
                    answers.push(promise);
                }
                Done::Settled { ranges, asked, promises } => {
                    state.settle(&ranges);
                    state.coming_ranges -= asked;
                    answers.extend(promises);
                }
            }
        }
        drop(state);
        if available {
            self.shared.available.notify_all();
        }
        // What was coming is there, or something was settled: either may make room.
        self.shared.room.notify_all();
        answers
    }

    /// A new segment's snapshot is durable: it is the current one, and what it does not list is free (R3).
    pub(super) fn begun(&self, slot: &Arc<Slot>, snapshot: &Snapshot, length: u64) {
        let mut state = self.shared.lock();
        (state.snapshot_bytes, state.new_marks_bytes) = (length, 0);
        state.segments.begin(slot.clone(), &snapshot.segments, snapshot.next, length);
        self.shared.forget_spent(&state);
        drop(state);
        self.shared.room.notify_all();
    }
}

impl Done {
    pub(super) fn refuse(self, error: &ChannelError) {
        match self {
            Self::Put(_, promise) => promise.answer(Err(error.clone())),
            Self::Settled { promises, .. } => {
                for promise in promises {
                    promise.answer(Err(error.clone()));
                }
            }
        }
    }
}
