//! The files that are followed, and whose turn it is.

use super::config::Settings;
use super::group::{Folder, group_of};
use super::identity::{FileKey, born};
use super::tail::{Place, Suspect, Tail};
use crate::clock::Clock;
use crate::event::{Headers, InputId, Part};
use crate::source::resume::began;
use crate::status::happening::{Happening, Teller};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Part of the process's file handles that files of one source may have open.
const HANDLES_SHARE: u64 = 2;
/// Files of one source open at once at most.
const OPEN_MAX: u64 = 8192;

/// An input that is read to its end and gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) input: InputId,
    /// Where it ended: its mark is dropped once every channel vouches for all of it.
    pub(super) pos: u64,
}

/// All files of a source.
pub(super) struct Files {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) teller: Teller,
    pub(super) folders: Vec<Folder>,
    pub(super) tails: HashMap<FileKey, Tail>,
    by_path: HashMap<PathBuf, FileKey>,
    queue: VecDeque<FileKey>,
    /// What channels are to be told before any events: beginnings in the middle of a file, copies that were taken over.
    pub(super) parts: Vec<Part>,
    pub(super) finished: Vec<Finished>,
    /// Whether a file is held back because it may be a copy.
    pub(super) holds_back: bool,
    open_max: usize,
    /// Files opened since they were last counted, and those that were open then.
    opened: usize,
}

impl Files {
    pub(super) fn new(settings: Arc<Settings>, clock: Arc<dyn Clock>, teller: Teller) -> Self {
        let handles = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let open_max = (handles.unwrap_or(u64::MAX) / HANDLES_SHARE).clamp(16, OPEN_MAX);
        Self {
            folders: Folder::all(&settings.groups),
            settings,
            clock,
            teller,
            tails: HashMap::new(),
            by_path: HashMap::new(),
            queue: VecDeque::new(),
            parts: Vec::new(),
            finished: Vec::new(),
            holds_back: false,
            open_max: usize::try_from(open_max).unwrap_or(usize::MAX),
            opened: 0,
        }
    }

    /// The headers of a file's events: its group's, and its path where that is wanted.
    pub(super) fn headers(&self, group: usize, path: &Path) -> Arc<Headers> {
        let mut headers = self.settings.groups[group].headers.clone();
        if let Some(key) = &self.settings.file_header {
            headers.insert(key.clone(), path.to_string_lossy().into_owned());
        }
        Arc::new(headers)
    }

    /// Follows a file from `pos`, as a new life. Where that is not its beginning, the channels are to be told.
    pub(super) fn admit(
        &mut self,
        path: PathBuf,
        group: usize,
        metadata: &Metadata,
        pos: u64,
        suspect: Suspect,
    ) -> io::Result<()> {
        let headers = self.headers(group, &path);
        let input = new_input(&path, pos);
        let of = (FileKey::of(metadata), born(metadata));
        let mut tail = Tail::new(input, of, path, headers, self.clock.now());
        tail.suspect = suspect;
        if pos > 0 {
            tail.go_to(pos)?;
            tail.close();
            self.parts.push(Part {
                input: tail.input.clone(),
                range: 0..pos,
                evidence: tail.evidence(),
            });
        }
        tail.look(metadata, self.clock.now());
        let key = tail.key;
        let has_more = metadata.len() != pos;
        self.put_in(tail);
        if has_more {
            self.enqueue(key);
        }
        Ok(())
    }

    /// Follows a file that is known.
    pub(super) fn put_in(&mut self, tail: Tail) {
        if tail.place != Place::Gone {
            self.by_path.insert(tail.path.clone(), tail.key);
        }
        self.tails.insert(tail.key, tail);
    }

    /// Follows it no longer.
    pub(super) fn take_out(&mut self, key: FileKey) -> Option<Tail> {
        let tail = self.tails.remove(&key)?;
        if self.by_path.get(&tail.path) == Some(&key) {
            self.by_path.remove(&tail.path);
        }
        Some(tail)
    }

    /// It is read to its end and gone.
    pub(super) fn finish(&mut self, key: FileKey) {
        if let Some(tail) = self.take_out(key) {
            self.finished.push(Finished { input: tail.input, pos: tail.pos });
        }
    }

    /// It has another name now, or none.
    pub(super) fn renamed(&mut self, key: FileKey, path: Option<PathBuf>, place: Place) {
        let Some(mut tail) = self.take_out(key) else { return };
        if let Some(path) = path {
            let (old, new) = (tail.path.display(), path.display());
            if tail.path != path {
                self.teller.tell(Happening::info(
                    "file-renamed",
                    format!("{old} is {new} now; reading on at byte {}", tail.pos),
                ));
            }
            tail.path = path;
        }
        tail.place = place;
        self.put_in(tail);
    }

    /// The file that has this path, as far as is known.
    pub(super) fn at(&self, path: &Path) -> Option<FileKey> {
        self.by_path.get(path).copied()
    }

    /// It has something to read, perhaps.
    pub(super) fn enqueue(&mut self, key: FileKey) {
        if let Some(tail) = self.tails.get_mut(&key)
            && !tail.queued
        {
            tail.queued = true;
            self.queue.push_back(key);
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<FileKey> {
        loop {
            let key = self.queue.pop_front()?;
            if let Some(tail) = self.tails.get_mut(&key) {
                tail.queued = false;
                return Some(key);
            }
        }
    }

    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// One more file is about to be opened. When too many are, those that have nothing to read are closed; they are opened
    /// again when they change.
    pub(super) fn limit_open(&mut self) {
        self.opened += 1;
        if self.opened >= self.open_max {
            let open = self.tails.values().filter(|tail| tail.is_open()).count();
            self.close_idle(open.saturating_sub(self.open_max / 2));
            self.opened = self.tails.values().filter(|tail| tail.is_open()).count();
        }
    }

    /// Closes so many files that have nothing to read, those that changed longest ago first. Files without a name stay open:
    /// nobody could open them again.
    pub(super) fn close_idle(&mut self, count: usize) {
        let idle = |t: &&mut Tail| t.is_open() && t.is_drained() && t.place != Place::Gone;
        let mut tails: Vec<_> = self.tails.values_mut().filter(idle).collect();
        tails.sort_by_key(|tail| tail.changed_at);
        for tail in tails.into_iter().take(count) {
            tail.close();
        }
    }

    /// A file cannot be read just now: told, and tried again at the next look at everything.
    pub(super) fn trouble(&mut self, key: FileKey, error: &io::Error) {
        let Some(tail) = self.tails.get_mut(&key) else { return };
        tail.close();
        tail.forget_look();
        let path = tail.path.clone();
        match error.kind() {
            // It went between the look and the reading: the next look says where to.
            io::ErrorKind::NotFound => self.folder_changed(&path),
            _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
                let open = self.tails.values().filter(|tail| tail.is_open()).count();
                self.close_idle(open / 2 + 1);
                self.enqueue(key);
            }
            kind => {
                let next = match kind {
                    io::ErrorKind::PermissionDenied => "let the agent's user read it",
                    _ => "it is tried again by itself",
                };
                self.teller.tell(
                    Happening::error("file-unreadable", format!("{}: {error}", path.display()))
                        .effect("nothing of it is read; nothing of it is lost while it is there")
                        .next(next),
                );
            }
        }
    }

    /// Whether a name in a directory that changed is worth a look: it belongs to a group, and is not known.
    pub(super) fn is_news(&mut self, folder: &Path, name: &OsStr) -> bool {
        let Some(folder) = self.folders.iter_mut().find(|f| f.path == folder) else { return false };
        let is_news = folder.may_match(&self.settings.groups, name);
        if is_news {
            folder.has_changed();
        }
        is_news
    }

    /// Whether the directory of `path` is one that is looked into and cannot be, just now.
    pub(super) fn is_out_of_reach(&self, path: &Path) -> bool {
        let parent = path.parent();
        self.folders.iter().any(|f| Some(f.path.as_path()) == parent && !f.is_there)
    }

    /// The directory of `path` is to be listed again.
    pub(super) fn folder_changed(&mut self, path: &Path) {
        let parent = path.parent();
        for folder in self.folders.iter_mut().filter(|f| Some(f.path.as_path()) == parent) {
            folder.has_changed();
        }
    }

    /// The group of a path, if it belongs to one.
    pub(super) fn group_of(&self, path: &Path) -> Option<usize> {
        group_of(&self.settings.groups, path)
    }

    /// A file as the file system has it: a regular one, or a symbolic link to one.
    pub(super) fn regular(path: &Path) -> io::Result<Option<Metadata>> {
        let metadata = fs::metadata(path)?;
        Ok(metadata.is_file().then_some(metadata))
    }

    /// The time since 1970.
    pub(super) fn wall(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.clock.wall_ms()).unwrap_or(0))
    }
}

/// A name for one life of one file: the path it has at first, something that is never used again, and where it begins.
pub(super) fn new_input(path: &Path, pos: u64) -> InputId {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let short = random.get(..12).unwrap_or(&random);
    format!("{}#{short}@{pos}", path.display()).into()
}

/// The path in an input's name.
pub(super) fn path_of(input: &str) -> &Path {
    Path::new(input.rsplit_once('#').map_or(input, |(path, _)| path))
}

/// Where an input is vouched for to, if some channel has heard of it; else where it began.
pub(super) fn vouched_to(vouched: &crate::source::resume::Vouched, input: &str) -> u64 {
    vouched.position(input).max(began(input))
}

#[cfg(test)]
mod tests {
    use super::{began, new_input, path_of};
    use std::path::Path;

    #[test]
    fn an_inputs_name_has_path_and_beginning_and_is_never_used_again() {
        let path = Path::new("/logs/a#b@7");
        let (one, other) = (new_input(path, 600), new_input(path, 600));
        assert_ne!(one, other);
        assert_eq!((path_of(&one), began(&one)), (path, 600));
    }
}
