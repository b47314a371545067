//! Opening a file channel: locks, files reserved, what they say replayed, the committer started.

use super::FileChannel;
use super::committer::Committer;
use super::files::Files;
use super::payload::Snapshot;
use super::replay::{Cut, Replayed, replay, settled_below};
use super::room::Limits;
use super::segments::{Life, Segments};
use super::state::{Shared, State};
use super::writer::Writer;
use crate::channel::order::Order;
use crate::component::{Context, StartError};
use crate::status::counters::ChannelCounters;
use crate::storage::{Directory, Held, Storage, at};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where the list is kept, where the segments are, and the locks of all.
type Directories = (Arc<dyn Directory>, Vec<Arc<dyn Directory>>, Vec<Held>);

/// The smallest segment, in bytes: what a snapshot needs, many times.
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 << 10;

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
    /// Opens the channel, or makes it if its directories are empty, and runs it.
    pub fn open(
        &self,
        storage: &dyn Storage,
        context: &Context,
    ) -> Result<Arc<FileChannel>, StartError> {
        let (mut channel, committer) = self.prepare(storage, context)?;
        let thread = std::thread::Builder::new().name(format!("commit-{}", context.name));
        let thread = thread.spawn(move || committer.run()).map_err(|error| {
            let what = format!("no thread for the committer: {error}");
            StartError::transient(what, "raise the limit of threads")
        })?;
        channel.run_by(thread);
        Ok(Arc::new(channel))
    }

    /// Opens the channel, or makes it. Nothing is durable before somebody runs the committer.
    pub fn prepare(
        &self,
        storage: &dyn Storage,
        context: &Context,
    ) -> Result<(FileChannel, Committer), StartError> {
        let (check, data, locks) = self.directories(storage)?;
        let mut files = Files::find(check.as_ref(), &data)?;
        let cut = published(&self.checkpoint_dir);
        let unreadable = |why| {
            let what = format!("the channel cannot be read: {why}");
            StartError::transient(what, "mend or mount the disk; nothing was changed")
        };
        let replayed = replay(files.slots(), cut, files.channel()).map_err(unreadable)?;
        if let Some(replayed) = &replayed {
            files.belong_to(replayed.snapshot.id)?;
        }
        let made = files.make(self.segment_bytes, self.capacity_bytes)?;
        let replayed = match replayed {
            Some(replayed) => Replayed { free: [replayed.free, made].concat(), ..replayed },
            None => Replayed {
                free: files.slots(),
                ..Replayed::from(Snapshot::new(files.channel()), 0)
            },
        };
        let (index, sealed) = (replayed.index, replayed.sealed);
        let state = state_of(replayed, &data, context);
        let shared = Arc::new(Shared::new(context.name.clone(), state));
        let writer = Writer::open(shared.clone(), context.clock.clone(), index, sealed);
        let writer = writer.map_err(|why| {
            let what = format!("the channel cannot be written: {why}");
            StartError::transient(what, "mend the disk, or make room")
        })?;
        files.list(shared.lock().id)?;
        forget_published(&self.checkpoint_dir);
        let counters = Arc::new(ChannelCounters::default());
        context.teller.register(counters.clone());
        let (sender, requests) = crossbeam_channel::bounded(REQUESTS_MAX);
        let (teller, lock_dir) = (context.teller.clone(), self.checkpoint_dir.clone());
        let committer = Committer::new(shared.clone(), requests, teller, writer, lock_dir);
        let limits = Limits {
            events: self.capacity_events,
            keep_alive: self.keep_alive,
            free_bytes: self.minimum_required_space,
        };
        let channel = FileChannel::new(context, shared, sender, counters, limits, data, locks);
        Ok((channel, committer))
    }

    /// The directories, each locked, and none of them Flume's.
    fn directories(&self, storage: &dyn Storage) -> Result<Directories, StartError> {
        let check = Self::directory(storage, &self.checkpoint_dir)?;
        let data: Result<Vec<_>, _> =
            self.data_dirs.iter().map(|dir| Self::directory(storage, dir)).collect();
        let data = data?;
        let mut locks = Vec::new();
        let mut locked = BTreeSet::new();
        for dir in std::iter::once(&check).chain(&data) {
            if !locked.insert(dir.path().to_path_buf()) {
                continue;
            }
            let held = dir.lock(LOCK).map_err(|error| {
                let what = format!("{} cannot be locked: {error}", dir.path().display());
                let next = "stop the process that uses it, or name another directory";
                StartError::transient(what, next)
            })?;
            locks.push(held);
            refuse_flumes(dir.as_ref())?;
        }
        Ok((check, data, locks))
    }

    fn directory(storage: &dyn Storage, path: &Path) -> Result<Arc<dyn Directory>, StartError> {
        storage.directory(path.to_path_buf()).map_err(|e| {
            StartError::transient(at(path, &e), "make the directory for this user, or name another")
        })
    }
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

/// The state that the files add up to; damage is kept aside and told.
fn state_of(replayed: Replayed, data: &[Arc<dyn Directory>], context: &Context) -> State {
    let damaged = u64::try_from(replayed.damage.len()).unwrap_or(u64::MAX);
    for damage in &replayed.damage {
        damage.tell(data, "the events in them cannot be delivered", &context.teller);
    }
    let snapshot = replayed.snapshot;
    let settled = settled_below(&snapshot.settled, snapshot.next);
    let generation = replayed.lives.last().map_or(0, |life: &Life| life.generation);
    let order = Order::resume(snapshot.next, settled);
    let mut put_at = BTreeMap::new();
    if order.unsettled() > 0 {
        put_at.insert(
            order.settled_to(),
            replayed.oldest_ms.unwrap_or_else(|| context.clock.wall_ms()),
        );
    }
    // The one to be used next is last. A file that is too small was put there to give up what its namesake had.
    let mut free = replayed.free;
    free.retain(|slot| slot.size >= SEGMENT_BYTES_MIN);
    free.sort_by_key(|slot| Reverse(slot.number));
    let segments = Segments { lives: replayed.lives, free, generation };
    State {
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
        coming_ranges: 0,
        snapshot_bytes: 0,
        new_marks_bytes: 0,
        end: None,
    }
}

fn published(checkpoint_dir: &Path) -> Cut {
    PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner).get(checkpoint_dir).copied()
}

fn forget_published(checkpoint_dir: &Path) {
    PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner).remove(checkpoint_dir);
}

/// Notes what a channel had published when its disk failed (R5).
pub(super) fn remember_published(checkpoint_dir: &Path, generation: u64, offset: u64) {
    let mut published = PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    published.insert(checkpoint_dir.to_path_buf(), (generation, offset));
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
