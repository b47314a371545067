//! Whether there is room for a batch, and what is said where there is none.

use super::FileChannel;
use super::frame::stride;
use super::pages::wide;
use super::segments::RESERVE;
use super::state::State;
use crate::channel::ChannelError;
use crate::event::Origin;
use std::time::Duration;

/// What the channel holds at most.
pub(super) struct Limits {
    pub(super) events: Option<u64>,
    pub(super) keep_alive: Duration,
    /// Bytes that must be free on the file systems.
    pub(super) free_bytes: u64,
}

impl FileChannel {
    /// Why there is no room for a frame of `bytes` with `events`, if there is none.
    pub(super) fn lacks_room(
        &self,
        state: &State,
        origin: &Origin,
        events: u64,
        bytes: u64,
    ) -> Option<String> {
        if state.too_many_inputs(origin) {
            let inputs: usize = state.marks.values().map(|marks| marks.iter().len()).sum();
            return Some(format!(
                "it vouches for {inputs} inputs, as many as a segment has room for"
            ));
        }
        // Positions alone are small, and a source that is held up must still be able to say where.
        if events == 0 {
            return None;
        }
        if let Some(capacity) = self.limits.events {
            let held = state.order.unsettled() + state.coming_events;
            if held > 0 && held + events > capacity {
                return Some(format!("it holds {held} of {capacity} events (`capacity`)"));
            }
        }
        let current = state.segments.current();
        // R4: the reserve is not for puts. The end of each segment may stay empty, if the next frame is large.
        let spare = state.spare();
        let free = wide(spare.saturating_sub(RESERVE));
        let here = if spare < RESERVE { 0 } else { current.slot.size - current.length };
        let here = here.saturating_sub(stride(0));
        let largest = state.frame_bytes_max();
        let room = here.saturating_sub(bytes) + free * (largest - bytes.min(largest / 2));
        let fits = if state.coming_bytes == 0 {
            bytes <= here || free > 0
        } else {
            state.coming_bytes + bytes <= here.max(room)
        };
        (!fits).then(|| {
            let capacity = state.gauges(None).capacity_bytes;
            format!(
                "{} events take all of its {capacity} bytes (`capacityBytes`) but for the reserve",
                state.order.unsettled()
            )
        })
    }

    /// Below `minimumRequiredSpace` puts are refused; takes go on, so that the channel can be emptied.
    pub(super) fn lacks_space(&self) -> Option<String> {
        let needed = self.limits.free_bytes;
        self.data.iter().find_map(|dir| {
            let free = dir.free_bytes().ok()?;
            (free < needed).then(|| {
                format!(
                    "{} has {free} bytes free, less than {needed} (`minimumRequiredSpace`)",
                    dir.path().display()
                )
            })
        })
    }

    pub(super) fn refuse_too_large(&self, bytes: u64) -> Result<(), ChannelError> {
        let limit = self.shared.lock().frame_bytes_max();
        if bytes <= limit {
            return Ok(());
        }
        let channel = self.name.clone();
        Err(ChannelError::TooLarge { channel, bytes, limit, key: "segmentBytes" })
    }
}
