//! A look at everything: which files are there, which are new, which have another name or none.

use super::files::Files;
use super::group::names_by_inode;
use super::identity::{FileKey, born};
use super::tail::{Place, Suspect};
use crate::status::happening::Happening;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that matches, as it was found.
pub(super) struct Met {
    pub(super) path: PathBuf,
    pub(super) group: usize,
    pub(super) metadata: Metadata,
}

/// Names of directories by inode, listed at most once a sweep.
type Names = HashMap<PathBuf, HashMap<u64, Vec<OsString>>>;

impl Files {
    /// Looks at everything, and puts what has changed in the queue.
    pub(super) fn sweep(&mut self) {
        self.holds_back = false;
        let met = self.look();
        let seen: HashSet<FileKey> = met.iter().map(|met| FileKey::of(&met.metadata)).collect();
        let away: Vec<FileKey> =
            self.tails.keys().filter(|key| !seen.contains(key)).copied().collect();
        let mut names = Names::new();
        // Renamed files first: what was written before the rename comes before what was written after.
        for key in away {
            self.look_for(key, &mut names);
        }
        let mut left = seen;
        for met in met {
            // The same file under a second name (a hard or symbolic link) is the same file.
            if left.remove(&FileKey::of(&met.metadata)) {
                self.meet(met);
            }
        }
    }

    /// The files that match: groups in the order of the configuration, in each the longest unchanged first, as Flume.
    pub(super) fn look(&mut self) -> Vec<Met> {
        let mut met = Vec::with_capacity(self.tails.len());
        let wall = self.wall();
        for index in 0..self.folders.len() {
            if !self.settings.cache_pattern_matching {
                self.folders[index].has_changed();
            }
            let looked = self.folders[index].look(&self.settings.groups, wall);
            self.tell_folder(index, looked);
            let mut went = false;
            let folder = &self.folders[index];
            for (name, group) in folder.matching() {
                let path = folder.path.join(name);
                match Self::regular(&path) {
                    Ok(Some(metadata)) => met.push(Met { path, group, metadata }),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => went = true,
                    Err(error) => tell_unreadable(self, &path, &error),
                }
            }
            if went {
                self.folders[index].has_changed();
            }
        }
        met.sort_by(|a, b| {
            let changed = |m: &Met| (m.metadata.mtime(), m.metadata.mtime_nsec());
            (a.group, changed(a), &a.path).cmp(&(b.group, changed(b), &b.path))
        });
        met
    }

    fn tell_folder(&mut self, index: usize, looked: io::Result<()>) {
        let folder = &mut self.folders[index];
        let path = folder.path.display().to_string();
        match looked {
            Ok(()) if folder.is_there => {}
            Ok(()) => {
                folder.is_there = true;
                let what = format!("directory {path} is there now");
                self.teller.tell(Happening::info("directory-found", what));
            }
            Err(error) => {
                let was_there = folder.is_there;
                folder.vanished();
                if was_there {
                    let what = format!("directory {path}: {error}");
                    self.teller.tell(
                        Happening::warning("directory-missing", what)
                            .effect("nothing in it is read")
                            .next("it is looked for again and again; make it, or mend the path"),
                    );
                }
            }
        }
    }

    fn meet(&mut self, met: Met) {
        let key = FileKey::of(&met.metadata);
        let Some(tail) = self.tails.get_mut(&key) else { return self.discover(met) };
        let other = born(&met.metadata);
        if tail.born != 0 && other != 0 && tail.born != other {
            // The inode was made anew: the file that had it is gone.
            self.finish(key);
            return self.discover(met);
        }
        let now = self.clock.now();
        let changed = tail.look(&met.metadata, now) || tail.suspect == Suspect::Held;
        let was = (tail.path.clone(), tail.place);
        if was != (met.path.clone(), Place::Matching) && !keeps_name(&was, key) {
            self.renamed(key, Some(met.path), Place::Matching);
        }
        if changed {
            self.enqueue(key);
        }
    }

    fn discover(&mut self, met: Met) {
        let Met { path, group, metadata } = met;
        let (key, born) = (FileKey::of(&metadata), born(&metadata));
        if let Some(old) = self.at(&path)
            && old.ino == key.ino
            && self.tails.get(&old).is_some_and(|tail| born != 0 && tail.born == born)
            && let Some(mut tail) = self.take_out(old)
        {
            // Its file system was mounted again, as another device.
            tail.key = key;
            self.put_in(tail);
            return self.enqueue(key);
        }
        let shown = path.display().to_string();
        if let Err(error) = self.admit(path, group, &metadata, 0, Suspect::Unjudged) {
            // Only where a file is begun in the middle is it read to be admitted.
            tell_unreadable(self, Path::new(&shown), &error);
        }
    }

    /// Looks for a file that is not among those that match: through its handle, or by its inode in its directory.
    fn look_for(&mut self, key: FileKey, names: &mut Names) {
        let now = self.clock.now();
        let Some(tail) = self.tails.get_mut(&key) else { return };
        let path = tail.path.clone();
        match tail.open_metadata() {
            Some(Ok(metadata)) => {
                let changed = tail.look(&metadata, now);
                let name = if metadata.nlink() == 0 { None } else { name_of(&path, key, names) };
                match name {
                    Some((path, _)) => self.renamed(key, Some(path), Place::Renamed),
                    None => self.renamed(key, None, Place::Gone),
                }
                if changed {
                    self.enqueue(key);
                }
            }
            Some(Err(error)) => self.trouble(key, &error),
            None => match name_of(&path, key, names) {
                Some((path, metadata)) if tail.born == 0 || tail.born == born(&metadata) => {
                    let changed = tail.look(&metadata, now);
                    self.renamed(key, Some(path), Place::Renamed);
                    if changed {
                        self.enqueue(key);
                    }
                }
                // Its file system may come back.
                None if self.is_out_of_reach(&path) => {}
                // Whatever was to be read was read before it was closed.
                _ => self.finish(key),
            },
        }
    }
}

/// Whether a file that also has another name keeps the one it is known by.
fn keeps_name((path, place): &(PathBuf, Place), key: FileKey) -> bool {
    *place == Place::Matching && fs::metadata(path).is_ok_and(|m| FileKey::of(&m) == key)
}

/// The name that a file has now in the directory where it was.
fn name_of(path: &Path, key: FileKey, names: &mut Names) -> Option<(PathBuf, Metadata)> {
    let is_it = |path: &Path| fs::metadata(path).ok().filter(|m| FileKey::of(m) == key);
    if let Some(metadata) = is_it(path) {
        return Some((path.to_owned(), metadata));
    }
    let folder = path.parent()?;
    if !names.contains_key(folder) {
        // A directory that cannot be listed has no names.
        names.insert(folder.to_owned(), names_by_inode(folder).unwrap_or_default());
    }
    let found = names.get(folder)?.get(&key.ino)?;
    found
        .iter()
        .map(|name| folder.join(name))
        .find_map(|path| Some((is_it(&path)?, path)))
        .map(|(m, p)| (p, m))
}

fn tell_unreadable(files: &Files, path: &Path, error: &io::Error) {
    files.teller.tell(
        Happening::error("file-unreadable", format!("{}: {error}", path.display()))
            .effect("nothing of it is read; nothing of it is lost while it is there")
            .next("it is tried again by itself"),
    );
}
