//! Opening a file channel: locks, files reserved, what they say replayed, the committer started.

use super::committer::Committer;
use super::payload::Snapshot;
use super::replay::{Replayed, replay, settled_below};
use super::segments::{Life, Segments, Slot};
use super::state::{Shared, State};
use super::{FileChannel, Limits};
use crate::channel::order::Order;
use crate::component::{Context, StartError};
use crate::status::counters::ChannelCounters;
use crate::status::happening::Happening;
use crate::storage::{Directory, Held, Storage, at};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What opening needs to know.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Where the lock is kept.
    pub checkpoint_dir: PathBuf,
    /// Where segments are kept.
    pub data_dirs: Vec<PathBuf>,
    /// Events at most.
    pub capacity_events: Option<u64>,
    /// Bytes on disk.
    pub capacity_bytes: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// How long a put waits for room.
    pub keep_alive: Duration,
    /// Bytes that must be free on the file systems for a put.
    pub minimum_required_space: u64,
}

/// R5: of channels whose sync failed in this process, the generation and offset up to which they were published.
static PUBLISHED: Mutex<BTreeMap<PathBuf, (u64, u64)>> = Mutex::new(BTreeMap::new());

/// The lock's file, under Flume's name: an operator knows it. Flume's own lock proves nothing, as it is lost right after
/// its start; so Flume is recognised by its files.
const LOCK: &str = "in_use.lock";

/// Requests on their way to the committer at most; each is a batch or a settlement.
const REQUESTS_MAX: usize = 1024;

impl Opening {
    /// Opens the channel, or makes it if its directories are empty.
    pub fn open(
        &self,
        storage: &dyn Storage,
        context: &Context,
    ) -> Result<Arc<FileChannel>, StartError> {
        let check = Self::directory(storage, &self.checkpoint_dir)?;
        let mut data = Vec::new();
        for dir in &self.data_dirs {
            data.push(Self::directory(storage, dir)?);
        }
        let locks = lock(std::iter::once(&check).chain(&data))?;
        let slots = self.slots(&data)?;
        let cut = PUBLISHED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&self.checkpoint_dir)
            .copied();
        let replayed = replay(slots.clone(), cut).map_err(|why| {
            StartError::transient(
                format!("the channel cannot be read: {why}"),
                "mend the disk; nothing was changed",
            )
        })?;
        let fresh = replayed.is_none();
        let replayed = replayed.unwrap_or_else(|| Replayed::blank(slots));
        let (state, index, sealed) = state_of(replayed, &data, context);
        let shared = Arc::new(Shared::new(context.name.clone(), state));
        let (sender, requests) = crossbeam_channel::bounded(REQUESTS_MAX);
        let mut committer = Committer {
            shared: shared.clone(),
            requests,
            clock: context.clock.clone(),
            teller: context.teller.clone(),
            index,
            synced: index,
            waiting: VecDeque::new(),
            settling: (crate::ranges::RangeSet::new(), Vec::new()),
            checkpoint_dir: self.checkpoint_dir.clone(),
        };
        if fresh || sealed {
            committer
                .begin_segment()
                .map_err(|why| StartError::transient(why, "mend the disk, or make room"))?;
        }
        PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.checkpoint_dir);
        let counters = Arc::new(ChannelCounters::default());
        context.teller.register(counters.clone());
        let thread = std::thread::Builder::new().name(format!("commit-{}", context.name));
        let thread = thread.spawn(move || committer.run());
        let thread = thread.map_err(|e| {
            StartError::transient(
                format!("no thread for the committer: {e}"),
                "raise the limit of threads",
            )
        })?;
        let limits = Limits {
            events: self.capacity_events,
            keep_alive: self.keep_alive,
            free_bytes: self.minimum_required_space,
            frame: self.segment_bytes,
        };
        Ok(Arc::new(FileChannel::new(
            context, shared, sender, thread, counters, limits, data, locks,
        )))
    }

    fn directory(
        storage: &dyn Storage,
        path: &std::path::Path,
    ) -> Result<Arc<dyn Directory>, StartError> {
        storage.directory(path.to_path_buf()).map_err(|e| {
            StartError::transient(at(path, &e), "make the directory for this user, or name another")
        })
    }

    /// The channel's files: those that are there, and new ones up to the capacity. All blocks are reserved here, so that
    /// a full disk is an error now and never while the channel runs.
    fn slots(&self, data: &[Arc<dyn Directory>]) -> Result<Vec<Arc<Slot>>, StartError> {
        let mut slots = BTreeMap::new();
        for dir in data {
            let names = dir.list().map_err(|e| {
                StartError::transient(at(dir.path(), &e), "give this user the right to read it")
            })?;
            for name in names {
                let number = name
                    .strip_prefix("segment-")
                    .and_then(|n| n.strip_suffix(".tw"))
                    .and_then(|n| n.parse::<u32>().ok());
                let Some(number) = number else { continue };
                let path = dir.path().join(&name);
                let slot = dir.open(&name).and_then(|file| Slot::new(number, path.clone(), file));
                let slot = slot.map_err(|e| {
                    StartError::transient(at(&path, &e), "give this user the right to write it")
                })?;
                slots.insert(number, Arc::new(slot));
            }
        }
        let mut have: u64 = slots.values().map(|slot| slot.size).sum();
        let mut number = 0;
        while have + self.segment_bytes <= self.capacity_bytes {
            while slots.contains_key(&number) {
                number += 1;
            }
            let dir = &data[usize::try_from(number).unwrap_or(0) % data.len()];
            let name = format!("segment-{number}.tw");
            let path = dir.path().join(&name);
            let made = dir
                .create(&name, self.segment_bytes)
                .and_then(|file| Slot::new(number, path.clone(), file));
            let slot = made.map_err(|e| {
                let what = format!(
                    "the channel's {} bytes cannot be reserved: {}",
                    self.capacity_bytes,
                    at(&path, &e)
                );
                StartError::transient(what, "make room, or lower `capacityBytes`")
            })?;
            have += slot.size;
            slots.insert(number, Arc::new(slot));
        }
        for dir in data {
            dir.sync().map_err(|e| StartError::transient(at(dir.path(), &e), "mend the disk"))?;
        }
        Ok(slots.into_values().collect())
    }
}

/// Locks each directory once, though it may be named twice.
fn lock<'a>(dirs: impl Iterator<Item = &'a Arc<dyn Directory>>) -> Result<Vec<Held>, StartError> {
    let mut locks = BTreeMap::new();
    for dir in dirs {
        if locks.contains_key(dir.path()) {
            continue;
        }
        let held = dir.lock(LOCK).map_err(|e| {
            let what = format!("{} cannot be locked: {e}", dir.path().display());
            StartError::transient(what, "stop the process that uses it, or name another directory")
        })?;
        locks.insert(dir.path().to_path_buf(), held);
        refuse_flumes(dir.as_ref())?;
    }
    Ok(locks.into_values().collect())
}

fn refuse_flumes(dir: &dyn Directory) -> Result<(), StartError> {
    let names = dir.list().map_err(|e| {
        StartError::transient(at(dir.path(), &e), "give this user the right to read it")
    })?;
    let Some(name) = flumes_file(&names) else { return Ok(()) };
    let what = format!(
        "{} has the files of Flume's own file channel ({name}), whose events would be stranded",
        dir.path().display()
    );
    let next = "let Flume drain it and move its files away, or name other directories";
    Err(StartError::fatal(what, next))
}

impl Replayed {
    /// A channel that never was.
    fn blank(slots: Vec<Arc<Slot>>) -> Self {
        let snapshot = Snapshot { id: uuid::Uuid::new_v4(), ..Snapshot::default() };
        Self {
            snapshot,
            lives: Vec::new(),
            free: slots,
            index: 0,
            sealed: false,
            damage: Vec::new(),
            last_ms: None,
        }
    }
}

/// The state that the files add up to; damage is kept aside and told.
fn state_of(
    replayed: Replayed,
    data: &[Arc<dyn Directory>],
    context: &Context,
) -> (State, u64, bool) {
    let damaged = u64::try_from(replayed.damage.len()).unwrap_or(u64::MAX);
    for damage in &replayed.damage {
        let kept = keep_aside(damage, data);
        let what = format!(
            "{} has {} bytes at {} that are not what was written",
            damage.slot.path.display(),
            damage.bytes.end - damage.bytes.start,
            damage.bytes.start
        );
        let happening = Happening::error("channel-damage", what)
            .effect("the events in them cannot be delivered");
        context.teller.tell(happening.next(kept));
    }
    let snapshot = replayed.snapshot;
    let settled = settled_below(&snapshot.settled, snapshot.next);
    let generation = replayed.lives.last().map_or(0, |life: &Life| life.generation);
    let order = Order::resume(snapshot.next, settled);
    let mut put_at = BTreeMap::new();
    if order.unsettled() > 0 {
        put_at.insert(
            order.settled_to(),
            replayed.last_ms.unwrap_or_else(|| context.clock.wall_ms()),
        );
    }
    let segments = Segments { lives: replayed.lives, free: replayed.free, generation };
    let state = State {
        id: snapshot.id,
        order,
        segments,
        marks: snapshot.marks,
        hot: BTreeMap::new(),
        hot_bytes: 0,
        coming_events: 0,
        coming_bytes: 0,
        put_at,
        damaged,
        end: None,
    };
    (state, replayed.index, replayed.sealed)
}

/// Copies damaged bytes to a file of their own; says where, or why not.
fn keep_aside(damage: &super::replay::Damage, data: &[Arc<dyn Directory>]) -> String {
    let length = usize::try_from(damage.bytes.end - damage.bytes.start).unwrap_or(0);
    let mut bytes = vec![0; length];
    let name = format!("quarantine-{}-{}.tw", damage.slot.number, damage.bytes.start);
    let dir = data.iter().find(|dir| damage.slot.path.starts_with(dir.path())).unwrap_or(&data[0]);
    let kept = damage
        .slot
        .file
        .read_at(&mut bytes, damage.bytes.start)
        .and_then(|()| dir.replace(&name, &bytes));
    match kept {
        Ok(()) => format!("their bytes are kept in {}", dir.path().join(name).display()),
        Err(error) => {
            format!("their bytes could not be kept: {}", at(&dir.path().join(name), &error))
        }
    }
}

/// Notes what a channel had published when its disk failed (R5).
pub(super) fn remember_published(checkpoint_dir: &std::path::Path, generation: u64, offset: u64) {
    let mut published = PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    published.insert(checkpoint_dir.to_path_buf(), (generation, offset));
}

impl Committer {
    /// Begins a segment at opening: the first of a new channel, or the next after a sealed one.
    fn begin_segment(&mut self) -> Result<(), String> {
        let slot = self.shared.lock().segments.take_free();
        self.begin(slot.ok_or("the channel has no free segment to go on in")?)
    }
}

/// The first file of Flume's own channel among `names`, if there is one.
fn flumes_file(names: &[String]) -> Option<&String> {
    let log = |name: &str| {
        name.strip_prefix("log-")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    names.iter().find(|name| log(name) || *name == "checkpoint" || *name == "inflightputs")
}

#[cfg(test)]
mod tests {
    use super::flumes_file;

    #[test]
    fn flumes_own_files_are_known_by_name() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        for name in ["log-1", "log-1729", "checkpoint", "inflightputs"] {
            assert!(flumes_file(&names(&["in_use.lock", name])).is_some(), "{name}");
        }
        assert!(flumes_file(&names(&["in_use.lock", "segment-0.tw", "log-x", "log-"])).is_none());
    }
}
