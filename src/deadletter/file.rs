//! Dead letters in files: `dead-letters-000001.jsonl` and so on below one directory of one component.
//!
//! Opened at the first letter, so that an agent without any leaves nothing behind. Every call ends with one sync. What a
//! crash tore is cut at the next opening; after a failed write or sync the file is cut back to what was durable and the
//! next letter begins a new one, because a sync that failed is never tried again and believed.

use super::line::{self, FILE_PART_BYTES, Sender};
use super::read::{self, Ids};
use super::{DeadLetters, Letter, LetterError};
use crate::clock::Clock;
use crate::status::happening::{Happening, Teller};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a new file is begun, in bytes: so that old ones can be taken away while the agent runs.
const FILE_BYTES: u64 = 256 << 20;
/// Bytes of a line beside body, reason, origin and headers, at most.
const LINE_OVERHEAD: u64 = 512;

/// Where files go and how much they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// `deadletter.dir`.
    pub dir: PathBuf,
    /// `deadletter.maxBytes`: all files together, in bytes.
    pub max_bytes: u64,
}

/// Dead letters of one component, in files.
pub struct FileLetters {
    settings: FileSettings,
    sender: Sender,
    clock: Arc<dyn Clock>,
    teller: Teller,
    open: Option<Open>,
}

struct Open {
    ids: Ids,
    /// The number of the file that is written now, or of the last one.
    number: u64,
    /// `None` before the first letter of a file, and after a failure.
    current: Option<Current>,
    /// Held as long as this is open; let go of by the system when the process dies.
    _lock: File,
}

struct Current {
    file: File,
    path: PathBuf,
    /// Bytes that are durable.
    durable: u64,
}

impl FileLetters {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(
        settings: FileSettings,
        sender: Sender,
        clock: Arc<dyn Clock>,
        teller: Teller,
    ) -> Self {
        Self { settings, sender, clock, teller, open: None }
    }

    fn unavailable(&self, what: &str, error: &io::Error) -> LetterError {
        let place = self.place();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                LetterError::NoRoom { place, detail: "the disk is full".to_owned() }
            }
            _ => LetterError::Unavailable { place, why: format!("{what}: {error}") },
        }
    }

    /// Takes the directory, and reads which letters are there.
    fn open(&self) -> Result<Open, LetterError> {
        let dir = &self.settings.dir;
        let fail = |what: &'static str| move |error| self.unavailable(what, &error);
        create_dir(dir).map_err(fail("the directory cannot be made"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("in_use.lock"))
            .map_err(fail("in_use.lock cannot be made"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            LetterError::Unavailable {
                place: self.place(),
                why: "another process or component writes there".to_owned(),
            }
        })?;
        let mut open = Open { ids: Ids::default(), number: 0, current: None, _lock: lock };
        let files = read::files(dir).map_err(fail("the directory cannot be read"))?;
        for (index, (number, path)) in files.iter().enumerate() {
            let extent =
                read::look_through(path, &mut open.ids).map_err(fail("a file cannot be read"))?;
            open.number = *number;
            if extent.damaged > 0 {
                self.tell_damage(path, extent.damaged);
            }
            if index + 1 == files.len() {
                let current = take_up(path, extent.good, extent.end);
                open.current = Some(current.map_err(fail("a file cannot be opened"))?);
            }
        }
        Ok(open)
    }

    fn tell_damage(&self, path: &Path, lines: u64) {
        self.teller.tell(
            Happening::warning(
                "dead-letters-damaged",
                format!("{} has {lines} lines that are part of no dead letter", path.display()),
            )
            .effect("those letters cannot be shown or replayed; the lines are left as they are")
            .next("look at them with a text editor"),
        );
    }

    /// Bytes that all files have now: read each time, because an operator may take files away.
    fn used(&self) -> io::Result<u64> {
        let mut used = 0;
        for (_, path) in read::files(&self.settings.dir)? {
            used += std::fs::metadata(path)?.len();
        }
        Ok(used)
    }

    fn check_room(&self, letters: &[&Letter<'_>]) -> Result<(), LetterError> {
        let needed: u64 = letters.iter().map(|letter| size_bound(letter)).sum();
        let used = self.used().map_err(|e| self.unavailable("the directory cannot be read", &e))?;
        if used.saturating_add(needed) <= self.settings.max_bytes {
            return Ok(());
        }
        let detail = format!(
            "{used} bytes are used and {needed} more are needed; `deadletter.maxBytes` is {}",
            self.settings.max_bytes
        );
        Err(LetterError::NoRoom { place: self.place(), detail })
    }

    fn write(&self, open: &mut Open, letters: &[&Letter<'_>]) -> io::Result<()> {
        if open.current.as_ref().is_none_or(|current| current.durable >= FILE_BYTES) {
            open.number += 1;
            let path = self.settings.dir.join(read::file_name(open.number));
            open.current = Some(begin(&self.settings.dir, path)?);
        }
        let current = open.current.as_mut().expect("one is there or was begun just now");
        let at_ms = self.clock.wall_ms();
        let mut written = 0;
        let mut out = BufWriter::with_capacity(64 << 10, &current.file);
        for letter in letters {
            for mut line in line::lines(letter, &self.sender, at_ms, FILE_PART_BYTES) {
                line.push(b'\n');
                out.write_all(&line)?;
                written += u64::try_from(line.len()).unwrap_or(u64::MAX);
            }
        }
        out.flush()?;
        drop(out);
        current.file.sync_data()?;
        current.durable += written;
        Ok(())
    }
}

impl DeadLetters for FileLetters {
    fn keep(&mut self, letters: &[Letter<'_>]) -> Result<usize, LetterError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        // R18: after a crash the same letters come again, and are here already.
        let new: Vec<&Letter<'_>> = letters.iter().filter(|l| !open.ids.contains(&l.id)).collect();
        let kept = self.check_room(&new).and_then(|()| {
            self.write(&mut open, &new).map_err(|error| {
                if let Some(current) = open.current.take() {
                    current.cut_back();
                }
                self.unavailable("a file cannot be written", &error)
            })
        });
        if kept.is_ok() {
            for letter in &new {
                open.ids.insert(&letter.id);
            }
        }
        self.open = Some(open);
        kept.map(|()| new.len())
    }

    fn place(&self) -> String {
        self.settings.dir.display().to_string()
    }
}

impl Current {
    /// Cuts off what may or may not be on the disk: the letters are offered again. Where even that fails the next opening
    /// finds whole letters twice, and ids tell them apart.
    fn cut_back(self) {
        if let Err(error) = self.file.set_len(self.durable) {
            log::warn!("{}: cannot be cut back: {error}", self.path.display());
        }
    }
}

/// No letter takes more than this, in bytes of the file.
fn size_bound(letter: &Letter<'_>) -> u64 {
    let length = |n: usize| u64::try_from(n).unwrap_or(u64::MAX / 8);
    let texts = letter.origin.iter().map(|(name, value)| name.len() + value.len());
    let headers = letter.headers.iter().map(|(name, value)| name.len() + value.len() + 6);
    // A control character of a text becomes six characters in JSON.
    let text = letter.reason.len() + texts.sum::<usize>() + headers.sum::<usize>();
    let parts = length(letter.body.len() / FILE_PART_BYTES + 1);
    length(text) * 6
        + length(letter.key.map_or(0, <[u8]>::len)) * 2
        + length(letter.body.len()) / 3 * 4
        + parts * (LINE_OVERHEAD + length(letter.id.space().len()))
}

/// The file that was written last, without its torn end.
fn take_up(path: &Path, good: u64, end: u64) -> io::Result<Current> {
    let file = OpenOptions::new().append(true).open(path)?;
    if good < end {
        file.set_len(good)?;
    }
    // What a crash left may be in memory only: made durable before an id in it is believed.
    file.sync_all()?;
    Ok(Current { file, path: path.to_owned(), durable: good })
}

fn begin(dir: &Path, path: PathBuf) -> io::Result<Current> {
    let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
    File::open(dir)?.sync_all()?;
    Ok(Current { file, path, durable: 0 })
}

/// Makes a directory and those above it, each durable in its own.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_dir(parent)?;
    }
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests;
