//! The channel's files: found by name, made where the capacity asks for more, and written down, so that one that is not
//! there is missed.
//!
//! A disk that is not mounted looks like an empty directory. A channel that took it for one would begin anew and strand what
//! it holds; so `channel.json` beside the lock says which segments there are.

use super::segments::Slot;
use crate::component::StartError;
use crate::storage::{Directory, at};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The file's name.
const LIST: &str = "channel.json";
/// The only version there is.
const FORMAT: u32 = 1;

/// What a channel's files are.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    format: u32,
    /// The channel's identity (R7).
    channel: uuid::Uuid,
    /// Numbers of its segments.
    segments: Vec<u32>,
}

/// The files that are there, by number.
pub(super) struct Files<'a> {
    /// Where the list is.
    pub(super) check: &'a dyn Directory,
    pub(super) data: &'a [Arc<dyn Directory>],
    listed: Option<List>,
    slots: BTreeMap<u32, Arc<Slot>>,
}

impl<'a> Files<'a> {
    /// Opens the segments that are there; all that are listed must be.
    pub(super) fn find(
        check: &'a dyn Directory,
        data: &'a [Arc<dyn Directory>],
    ) -> Result<Self, StartError> {
        let mut files = Self { check, data, listed: listed(check)?, slots: BTreeMap::new() };
        for dir in data {
            for (number, name) in segments_in(dir.as_ref())? {
                let path = dir.path().join(&name);
                let slot = dir.open(&name).and_then(|file| Slot::new(number, path.clone(), file));
                let slot = slot.map_err(|error| {
                    StartError::transient(at(&path, &error), "give this user the right to write it")
                })?;
                if let Some(other) = files.slots.insert(number, Arc::new(slot)) {
                    let what =
                        format!("{} and {} are one segment", other.path.display(), path.display());
                    return Err(StartError::transient(
                        what,
                        "name the directories of one channel only",
                    ));
                }
            }
        }
        for number in files.listed.iter().flat_map(|list| &list.segments) {
            if !files.slots.contains_key(number) {
                return Err(files.missing(*number));
            }
        }
        Ok(files)
    }

    fn missing(&self, number: u32) -> StartError {
        let list = self.check.path().join(LIST);
        let what = format!("segment-{number}.tw is not there, though {} lists it", list.display());
        let next = format!(
            "mount its disk; an empty file of that name in one of `dataDirs` gives up what was in it, and without {} the \
             channel begins anew with what is there",
            list.display()
        );
        StartError::transient(what, next)
    }

    /// All of them.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.values().cloned().collect()
    }

    /// The identity that is written down.
    pub(super) fn channel(&self) -> Option<uuid::Uuid> {
        self.listed.as_ref().map(|list| list.channel)
    }

    /// Whether they may be the files of the channel with this identity.
    pub(super) fn belong_to(&self, channel: uuid::Uuid) -> Result<(), StartError> {
        let Some(list) = self.listed.as_ref().filter(|list| list.channel != channel) else {
            return Ok(());
        };
        let what = format!(
            "{} is of channel {}, and the segments are of {channel}",
            self.check.path().join(LIST).display(),
            list.channel
        );
        let next = "name the `checkpointDir` and `dataDirs` of one channel, or remove the former's channel.json";
        Err(StartError::transient(what, next))
    }

    /// Makes segments up to the capacity, their blocks reserved, so that a full disk is an error now and never while the
    /// channel runs. The answer is those that are new.
    pub(super) fn make(
        &mut self,
        segment_bytes: u64,
        capacity_bytes: u64,
    ) -> Result<Vec<Arc<Slot>>, StartError> {
        let mut have: u64 = self.slots.values().map(|slot| slot.size).sum();
        let (mut number, mut made) = (0, Vec::new());
        while have.saturating_add(segment_bytes) <= capacity_bytes {
            while self.slots.contains_key(&number) {
                number += 1;
            }
            let dir = &self.data[usize::try_from(number).unwrap_or(0) % self.data.len()];
            let name = format!("segment-{number}.tw");
            let path = dir.path().join(&name);
            let file = dir.create(&name, segment_bytes);
            let slot =
                file.and_then(|file| Slot::new(number, path.clone(), file)).map_err(|error| {
                    let why = at(&path, &error);
                    let what =
                        format!("the channel's {capacity_bytes} bytes cannot be reserved: {why}");
                    StartError::transient(what, "make room, or lower `capacityBytes`")
                })?;
            have += slot.size;
            let slot = Arc::new(slot);
            made.push(slot.clone());
            self.slots.insert(number, slot);
        }
        for dir in self.data {
            dir.sync()
                .map_err(|error| StartError::transient(at(dir.path(), &error), "mend the disk"))?;
        }
        Ok(made)
    }

    /// Writes down what there is, if that is new.
    pub(super) fn list(&self, channel: uuid::Uuid) -> Result<(), StartError> {
        let list = List { format: FORMAT, channel, segments: self.slots.keys().copied().collect() };
        if self.listed.as_ref() == Some(&list) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&list).expect("numbers and a name are JSON");
        self.check.replace(LIST, &text).map_err(|error| {
            let what = at(&self.check.path().join(LIST), &error);
            StartError::transient(what, "mend the disk, or make room")
        })
    }
}

/// The list, if there is one that can be read. One that cannot is written anew.
fn listed(check: &dyn Directory) -> Result<Option<List>, StartError> {
    let unreadable = |error: std::io::Error| {
        let what = at(&check.path().join(LIST), &error);
        StartError::transient(what, "give this user the right to read it")
    };
    let file = match check.open(LIST) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let length = file.length().map_err(unreadable)?.min(1 << 20);
    let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_at(&mut text, 0).map_err(unreadable)?;
    let list = serde_json::from_slice::<List>(&text).ok();
    Ok(list.filter(|list| list.format == FORMAT))
}

/// The segments of a directory, by number and name.
fn segments_in(dir: &dyn Directory) -> Result<Vec<(u32, String)>, StartError> {
    let names = dir.list().map_err(|error| {
        StartError::transient(at(dir.path(), &error), "give this user the right to read it")
    })?;
    let number = |name: &str| {
        let number = name.strip_prefix("segment-")?.strip_suffix(".tw")?.parse().ok()?;
        // `segment-007.tw` is not ours.
        (name == format!("segment-{number}.tw")).then_some(number)
    };
    Ok(names.into_iter().filter_map(|name| Some((number(&name)?, name))).collect())
}
