//! Copies: what copytruncate makes of a file, and files that only look like one (R10).
//!
//! A file that no longer has what was read of it was emptied. Where another file of the directory has it, that one is the
//! copy: it is the same input from then on, and the emptied file begins anew. A copy exists before its original is emptied,
//! so a new file that has what another one has is held back for a moment: either the other is emptied, or this is a file of
//! its own.

use super::files::{Files, Finished};
use super::identity::{FileKey, HEAD, TAIL, read_at};
use super::tail::{Place, Suspect, Tail};
use crate::event::Part;
use crate::status::happening::Happening;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a file that looks like a copy is held back after it last changed. Between copying and emptying there is no
/// more than a few system calls.
pub(super) const HOLD: Duration = Duration::from_secs(2);

/// A copy that was found.
pub(super) struct Copy {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) metadata: Metadata,
}

/// What a file that nothing was read of turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A file of its own.
    Own,
    /// It is held back.
    Held,
    /// It was the copy of a file that was emptied, and has been taken over.
    TakenOver,
}

impl Files {
    /// Decides whether a file that nothing was read of may be a copy of another.
    pub(super) fn judge(&mut self, key: FileKey) -> io::Result<Verdict> {
        let Some(tail) = self.tails.get_mut(&key) else { return Ok(Verdict::TakenOver) };
        if tail.suspect == Suspect::No {
            return Ok(Verdict::Own);
        }
        let file = tail.open()?.try_clone()?;
        let verdict = match self.original_of(key, &file)? {
            Some(original) => self.judge_beside(key, original, &file)?,
            None => Verdict::Own,
        };
        self.holds_back |= verdict == Verdict::Held;
        if let Some(tail) = self.tails.get_mut(&key) {
            tail.suspect = if verdict == Verdict::Held { Suspect::Held } else { Suspect::No };
        }
        Ok(verdict)
    }

    /// As [`Self::judge`], of a file that has what `original` has.
    fn judge_beside(
        &mut self,
        key: FileKey,
        original: FileKey,
        file: &File,
    ) -> io::Result<Verdict> {
        let Some(other) = self.tails.get_mut(&original) else { return Ok(Verdict::Own) };
        if !other.is_intact().unwrap_or(true) {
            self.lost(original);
            let taken = self.tails.get(&key).is_none_or(|tail| tail.pos > 0);
            return Ok(if taken { Verdict::TakenOver } else { Verdict::Own });
        }
        let (pos, drained) = (other.pos, other.is_drained());
        let removed_at = other.open_metadata().transpose()?.filter(|m| m.nlink() == 0);
        let Some(tail) = self.tails.get(&key) else { return Ok(Verdict::TakenOver) };
        if let Some(removed) = removed_at {
            // Copied and removed: what was there before the removal is the copy; what came later is a new file.
            let removed_ns =
                i128::from(removed.ctime()) * 1_000_000_000 + i128::from(removed.ctime_nsec());
            let was_there = tail.born != 0 && i128::from(tail.born) < removed_ns;
            if !was_there && tail.suspect != Suspect::Held {
                return Ok(Verdict::Own);
            }
            if drained {
                return self.begin_behind(key, pos.min(file.metadata()?.len()));
            }
        }
        let waited = self.clock.now().saturating_sub(tail.changed_at) >= HOLD;
        Ok(if waited { Verdict::Own } else { Verdict::Held })
    }

    /// The copy of a removed file is read from where that one was read to.
    fn begin_behind(&mut self, key: FileKey, pos: u64) -> io::Result<Verdict> {
        let Some(tail) = self.take_out(key) else { return Ok(Verdict::TakenOver) };
        let (Some(group), Some(metadata)) = (self.group_of(&tail.path), Self::regular(&tail.path)?)
        else {
            return Ok(Verdict::TakenOver);
        };
        self.admit(tail.path, group, &metadata, pos, Suspect::No)?;
        self.enqueue(key);
        Ok(Verdict::TakenOver)
    }

    /// The file whose content this one has, as far as it goes.
    fn original_of(&mut self, key: FileKey, file: &File) -> io::Result<Option<FileKey>> {
        let size = file.metadata()?.len();
        let head = read_at(file, 0, HEAD)?;
        let mut checksums: BTreeMap<u16, u32> = BTreeMap::new();
        let mut alike = Vec::new();
        for (other, tail) in &self.tails {
            let (length, checksum) = tail.fingerprint_head();
            let Some(begin) = head.get(..usize::from(length)) else { continue };
            let own = *checksums.entry(length).or_insert_with(|| crc32c::crc32c(begin));
            if *other != key && tail.pos > 0 && own == checksum {
                alike.push(*other);
            }
        }
        for other in alike {
            let Some(tail) = self.tails.get_mut(&other) else { continue };
            if size >= tail.pos {
                if tail.fingerprint().fits(file, tail.pos)? {
                    return Ok(Some(other));
                }
                continue;
            }
            // A copy in the making is the beginning of its original.
            let Ok(original) = tail.open() else { continue };
            let length = usize::try_from(size).unwrap_or(usize::MAX).min(TAIL);
            let from = size - u64::try_from(length).unwrap_or(0);
            if read_at(original, from, length)? == read_at(file, from, length)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// A file no longer has what was read of it. R10
    pub(super) fn lost(&mut self, key: FileKey) {
        let Some(mut tail) = self.take_out(key) else { return };
        let path = tail.path.clone();
        match self.find_copy(&tail) {
            Some(copy) => {
                let (from, to) = (path.display().to_string(), copy.path.display().to_string());
                self.take_over(&mut tail, copy);
                self.put_in_queue(tail);
                self.teller.tell(Happening::info(
                    "file-copied",
                    format!("{from} was copied to {to} and emptied; reading on in the copy"),
                ));
            }
            None => self.tell_emptied(&tail),
        }
        if let Ok(Some(metadata)) = Self::regular(&path)
            && FileKey::of(&metadata) == key
            && let Some(group) = self.group_of(&path)
        {
            // From its beginning it is admitted without being read.
            if let Err(error) = self.admit(path, group, &metadata, 0, Suspect::No) {
                self.trouble(key, &error);
            }
        }
    }

    fn put_in_queue(&mut self, tail: Tail) {
        let key = tail.key;
        // Nothing was read of the copy: what stood for it until here has no mark.
        self.take_out(key);
        self.put_in(tail);
        self.enqueue(key);
    }

    /// The copy is the same input from here on.
    fn take_over(&mut self, tail: &mut Tail, copy: Copy) {
        let matches = self.group_of(&copy.path).is_some();
        tail.move_to(&copy.metadata, copy.path, copy.file);
        tail.place = if matches { Place::Matching } else { Place::Renamed };
        tail.suspect = Suspect::No;
        tail.queued = false;
        self.parts.push(Part {
            input: tail.input.clone(),
            range: tail.pos..tail.pos,
            evidence: tail.evidence(),
        });
    }

    fn tell_emptied(&mut self, tail: &Tail) {
        let unread = tail.unread();
        let what = format!("{} was emptied or replaced at byte {}", tail.path.display(), tail.pos);
        let happening = if unread == 0 {
            Happening::info("file-emptied", what).effect("all that was seen of it had been read")
        } else {
            Happening::warning("file-emptied", what).effect(format!("{unread} bytes are lost"))
        };
        self.teller.tell(happening.next("reading it from its beginning"));
        self.finished.push(Finished { input: tail.input.clone(), pos: tail.pos });
    }

    /// The file of the same directory, matching or not, that has all that was read of `tail`; the longest of several.
    fn find_copy(&self, tail: &Tail) -> Option<Copy> {
        let folder = tail.path.parent()?;
        let print = tail.fingerprint();
        let mut best: Option<Copy> = None;
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            let Ok(Some(metadata)) = Self::regular(&path) else { continue };
            let key = FileKey::of(&metadata);
            let is_read = self.tails.get(&key).is_some_and(|other| other.pos > 0);
            let is_longer = best.as_ref().is_none_or(|b| b.metadata.len() < metadata.len());
            if key == tail.key || is_read || !is_longer || metadata.len() < tail.pos {
                continue;
            }
            let Ok(file) = File::open(&path) else { continue };
            if print.fits(&file, tail.pos).unwrap_or(false) {
                best = Some(Copy { path, file, metadata });
            }
        }
        best
    }
}
