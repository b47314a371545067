//! Bytes that are not what was written: copied to a file of their own and told, never skipped unsaid.

use super::segments::Slot;
use crate::status::happening::{Happening, Teller};
use crate::storage::{Directory, at};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of one piece of damage that are kept at most; there is little to see in more of it.
const KEPT_BYTES_MAX: u64 = 16 << 20;
/// Files of kept damage in a directory at most.
const KEPT_FILES_MAX: usize = 64;

/// Bytes that are not what was written.
pub(super) struct Damage {
    pub(super) slot: Arc<Slot>,
    pub(super) generation: u64,
    pub(super) bytes: Range<u64>,
}

impl Damage {
    /// Keeps the bytes aside and tells; `lost` says what it means for the events.
    pub(super) fn tell(&self, data: &[Arc<dyn Directory>], lost: &str, teller: &Teller) {
        let what = format!(
            "{} bytes at {} of {} are not what was written there",
            self.bytes.end - self.bytes.start,
            self.bytes.start,
            self.slot.path.display(),
        );
        let happening = Happening::error("channel-damage", what).effect(lost);
        teller.tell(happening.next(format!("{}; look at the disk", self.keep_aside(data))));
    }

    /// Copies the bytes; says where, or why not.
    fn keep_aside(&self, data: &[Arc<dyn Directory>]) -> String {
        let dir = data.iter().find(|dir| self.slot.path.starts_with(dir.path()));
        let Some(dir) = dir.or(data.first()) else { return "their bytes are not kept".to_owned() };
        let name = format!("quarantine-{}-{}.tw", self.generation, self.bytes.start);
        let path = dir.path().join(&name);
        let kept = dir.list().and_then(|names| {
            if names.iter().filter(|name| name.starts_with("quarantine-")).count() >= KEPT_FILES_MAX
            {
                let why = format!("there are {KEPT_FILES_MAX} such files already");
                return Err(std::io::Error::other(why));
            }
            let length = (self.bytes.end - self.bytes.start).min(KEPT_BYTES_MAX);
            let bytes = self.slot.view(self.bytes.start..self.bytes.start + length)?;
            dir.replace(&name, &bytes)
        });
        match kept {
            Ok(()) => format!("they are kept in {}", path.display()),
            Err(error) => format!("they could not be kept: {}", at(&path, &error)),
        }
    }
}
