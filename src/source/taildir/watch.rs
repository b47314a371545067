//! Woken by the kernel: inotify on the directories of the groups, with polling behind it.
//!
//! One watch for each directory, not for each file. Events are only hints where to look first: what is lost with a full queue,
//! on another machine's mount or behind a symbolic link is found by the next look at everything.

use crate::clock::Stop;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often somebody who waits for the kernel looks whether to stop: the kernel does not know of it.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of one read of the queue.
const QUEUE: usize = 8 << 10;

/// Directories that are watched.
pub(super) struct Watch {
    queue: OwnedFd,
    folders: BTreeMap<i32, PathBuf>,
}

/// What has happened since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Something was missed: look at everything.
    pub(super) missed: bool,
    /// Files that were written to.
    pub(super) written: BTreeSet<(PathBuf, OsString)>,
    /// Names that came, went, or became something else.
    pub(super) names: BTreeSet<(PathBuf, OsString)>,
}

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { queue, folders: BTreeMap::new() })
    }

    /// Watches a directory. Doing it again is cheap, and right where it was removed and made anew.
    pub(super) fn add(&mut self, folder: &Path) -> io::Result<()> {
        let what = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.queue, folder, what)?;
        self.folders.insert(watch, folder.to_owned());
        Ok(())
    }

    /// Takes what there is in the queue, and does not wait.
    pub(super) fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let mut room = [MaybeUninit::<u8>::uninit(); QUEUE];
        let mut reader = Reader::new(&self.queue, &mut room);
        loop {
            match reader.next() {
                Ok(event) => {
                    let flags = event.events();
                    let Some(folder) = self.folders.get(&event.wd()) else {
                        changes.missed |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
                        continue;
                    };
                    let Some(name) = event.file_name() else {
                        // The directory itself: gone, or no longer watched.
                        changes.missed = true;
                        continue;
                    };
                    let name = OsStr::from_bytes(name.to_bytes()).to_owned();
                    let kind = if flags.contains(ReadFlags::MODIFY) {
                        &mut changes.written
                    } else {
                        &mut changes.names
                    };
                    kind.insert((folder.clone(), name));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return changes,
                Err(_) => {
                    changes.missed = true;
                    return changes;
                }
            }
        }
    }

    /// Waits until something happens, at most so long or until asked to stop. True if something did.
    pub(super) fn wait(&self, stop: &Stop, at_most: Duration) -> bool {
        let mut left = at_most;
        while !left.is_zero() && !stop.is_requested() {
            let slice = left.min(LOOK);
            let timeout = Timespec {
                tv_sec: i64::try_from(slice.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(slice.subsec_nanos()),
            };
            let mut fds = [PollFd::new(&self.queue, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => left -= slice,
                Ok(_) => return true,
                Err(_) => return stop.wait(slice),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::clock::Stop;
    use std::ffi::OsString;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_write_ends_the_wait_and_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut watch = Watch::new().unwrap();
        watch.add(folder.path()).unwrap();
        watch.add(folder.path()).unwrap();
        assert!(!watch.wait(&Stop::new(), Duration::ZERO));
        fs::write(&path, "x\n").unwrap();
        assert!(watch.wait(&Stop::new(), Duration::from_mins(1)));
        let changes = watch.changes();
        let place = (folder.path().to_owned(), OsString::from("a.log"));
        assert!(changes.written.contains(&place) && changes.names.contains(&place));
        rustix::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        let names: Vec<_> = watch.changes().names.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a.log", "a.log.1"]);
        assert_eq!(watch.changes(), super::Changes::default());
    }

    #[test]
    fn a_wait_ends_when_asked_to_stop() {
        let watch = Watch::new().unwrap();
        let stop = Stop::new();
        stop.request();
        assert!(!watch.wait(&stop, Duration::from_hours(1)));
    }

    #[test]
    fn a_directory_that_goes_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(folder.path()).unwrap();
        folder.close().unwrap();
        assert!(watch.changes().missed);
        assert!(watch.add(std::path::Path::new("/nonexistent")).is_err());
    }
}
