//! One file while it is followed: where it is, how far it was given out, and how the next lines are read.
//!
//! Lines end in `\n`; what follows the last one is held back until its end is written. Only new bytes are searched for it, and
//! bytes of a line that is not complete are not kept: a slow writer's line of 40 MB costs two reads of each byte and no
//! memory while it grows. Every read begins with the bytes before the position, which must be those that were read before
//! (R10): a file that was emptied and has grown beyond the position again is noticed.

use super::buffers::{BLOCK, Buffers};
use super::identity::{FileKey, Fingerprint, Trail, Witness, born};
use crate::event::{Evidence, Headers, InputId};
use crate::ranges::RangeSet;
use rustix::buffer::spare_capacity;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A line that has grown to so many bytes is no longer kept while its end is looked for.
const KEEP_MAX: u64 = 64 << 20;
/// Bytes of one event at most: what a longer line has is given out in pieces of this size, told, and nothing of it is lost.
pub(super) const LINE_MAX: u64 = 256 << 20;

/// Where a file stands to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has a name that matches.
    Matching,
    /// It has a name in its directory that does not match: it was renamed.
    Renamed,
    /// It has no name in its directory: it was removed, or moved elsewhere.
    Gone,
}

/// Whether a file that nothing was read of may be the copy that copytruncate makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspect {
    /// Nobody has looked.
    Unjudged,
    /// It has what another file has: that one will be emptied, or this one is no copy.
    Held,
    /// It is a file of its own.
    No,
}

/// A file that is followed.
pub(super) struct Tail {
    /// This life of it, for origins.
    pub(super) input: InputId,
    pub(super) key: FileKey,
    pub(super) born: u64,
    /// Where it is, as far as is known.
    pub(super) path: PathBuf,
    pub(super) place: Place,
    /// Shared by its events.
    pub(super) headers: Arc<Headers>,
    /// The first byte that was not given out.
    pub(super) pos: u64,
    /// What lies before `pos`, while the file is open.
    trail: Trail,
    /// What must lie before `pos` when the file is opened.
    expected: Option<Fingerprint>,
    /// There is no line end between `pos` and here.
    scanned: u64,
    file: Option<File>,
    /// Size and time of change as they were last seen.
    seen: (u64, i128),
    /// The longest it was seen.
    longest: u64,
    /// When it was last seen to change, or was first seen, by the clock.
    pub(super) changed_at: Duration,
    /// What lies beyond `pos` and need not be read: channels have it.
    pub(super) done: RangeSet,
    /// It waits for its turn.
    pub(super) queued: bool,
    /// Whether it may be a copy of another file.
    pub(super) suspect: Suspect,
}

/// What came of a read.
pub(super) enum Step {
    /// Complete lines, or one piece of a line that is too long.
    Lines(Chunk),
    /// No complete line.
    Nothing,
    /// The file is not what was read before.
    Lost,
}

/// Bytes of a file that end in a line end.
pub(super) struct Chunk {
    /// What lies before them, and they.
    pub(super) buffer: Vec<u8>,
    /// Where they begin in the buffer.
    pub(super) begin: usize,
    /// Where they end in the buffer.
    pub(super) end: usize,
}

impl Tail {
    /// A file that is to be read from its beginning.
    pub(super) fn new(
        input: InputId,
        (key, born): (FileKey, u64),
        path: PathBuf,
        headers: Arc<Headers>,
        now: Duration,
    ) -> Self {
        Self {
            input,
            key,
            born,
            path,
            place: Place::Matching,
            headers,
            pos: 0,
            trail: Trail::default(),
            expected: None,
            scanned: 0,
            file: None,
            seen: (0, 0),
            longest: 0,
            changed_at: now,
            done: RangeSet::new(),
            queued: false,
            suspect: Suspect::Unjudged,
        }
    }

    /// Goes to `pos`, which one has come to in another way than by reading.
    pub(super) fn go_to(&mut self, pos: u64) -> io::Result<()> {
        let trail = if pos == 0 { Trail::default() } else { Trail::read(self.open()?, pos)? };
        self.trail = trail;
        self.expected = None;
        self.pos = pos;
        self.scanned = pos;
        Ok(())
    }

    /// Goes to `pos` without opening the file: whether it has what it must have is seen when it is opened.
    pub(super) fn expect(&mut self, pos: u64, print: Fingerprint) {
        self.expected = Some(print);
        self.pos = pos;
        self.scanned = pos;
    }

    /// Takes another file for this one, which has all that was read: the copy that was made of it.
    pub(super) fn move_to(&mut self, metadata: &Metadata, path: PathBuf, file: File) {
        self.key = FileKey::of(metadata);
        self.born = born(metadata);
        self.path = path;
        self.file = Some(file);
        self.expected = Some(self.fingerprint());
        self.scanned = self.pos;
        self.seen = (0, 0);
        self.longest = 0;
    }

    /// What recognises it at `pos`.
    pub(super) fn evidence(&self) -> Evidence {
        Witness { key: self.key, born: self.born, print: self.fingerprint() }.evidence()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.expected.unwrap_or_else(|| self.trail.fingerprint())
    }

    /// How much of the beginning is remembered, and its checksum.
    pub(super) fn fingerprint_head(&self) -> (u16, u32) {
        self.expected.map_or_else(|| self.trail.head(), |print| print.head)
    }

    /// The file, opened if it is not. An error where the path has another file by then.
    pub(super) fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let file = File::open(&self.path)?;
            if FileKey::of(&file.metadata()?) != self.key {
                return Err(io::ErrorKind::NotFound.into());
            }
            self.file = Some(file);
        }
        Ok(self.file.as_ref().expect("it was opened"))
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it is open and what lies before `pos` was compared.
    pub(super) fn is_recognised(&self) -> bool {
        self.file.is_some() && self.expected.is_none()
    }

    /// Closes it; what lies before `pos` is remembered as checksums.
    pub(super) fn close(&mut self) {
        self.expected = Some(self.fingerprint());
        self.trail = Trail::default();
        self.file = None;
    }

    /// What is to be known of the open file, if it is open.
    pub(super) fn open_metadata(&self) -> Option<io::Result<Metadata>> {
        self.file.as_ref().map(File::metadata)
    }

    /// Notes how it looks. True if it looks other than before.
    pub(super) fn look(&mut self, metadata: &Metadata, now: Duration) -> bool {
        let changed =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let looks = (metadata.len(), changed);
        if looks == self.seen {
            return false;
        }
        self.seen = looks;
        self.longest = self.longest.max(metadata.len());
        self.changed_at = now;
        true
    }

    /// The next look finds it changed, whatever it looks like.
    pub(super) fn forget_look(&mut self) {
        self.seen = (u64::MAX, 0);
    }

    /// Its size when it was last looked at.
    pub(super) fn seen_size(&self) -> u64 {
        self.seen.0
    }

    /// Bytes that were seen of it and not given out.
    pub(super) fn unread(&self) -> u64 {
        self.longest.saturating_sub(self.pos)
    }

    /// When it last changed, in milliseconds since 1970, as the file system said when it was last looked at.
    pub(super) fn changed_ms(&self) -> i64 {
        i64::try_from(self.seen.1 / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Whether all that was seen of it has been given out.
    pub(super) fn is_drained(&self) -> bool {
        self.pos >= self.seen.0
    }

    /// Whether what lies before `pos` is still what was read. Opens the file if it is not open. R10
    pub(super) fn is_intact(&mut self) -> io::Result<bool> {
        let (pos, print) = (self.pos, self.fingerprint());
        if pos > 0 && !print.fits(self.open()?, pos)? {
            return Ok(false);
        }
        if self.expected.is_some() {
            let scanned = self.scanned;
            self.go_to(pos)?;
            self.scanned = scanned;
        }
        Ok(true)
    }

    /// Skips what the channels have. True if it did.
    pub(super) fn skip_done(&mut self) -> io::Result<bool> {
        let to = self.done.contiguous_from(self.pos);
        if to == self.pos {
            return Ok(false);
        }
        self.go_to(to)?;
        Ok(true)
    }

    /// Reads complete lines from `pos`, a block or one line if that is longer, and looks hardly further than `upto`.
    pub(super) fn read(&mut self, buffers: &Buffers, upto: u64) -> io::Result<Step> {
        let begin = self.trail.tail().len();
        let mut want = upto.saturating_sub(self.pos).min(u64_of(BLOCK));
        let mut buffer = if self.scanned - self.pos >= u64_of(BLOCK) {
            // A long line, most of it searched before: its end first, and then the whole of it.
            let Some(end) = self.scan(buffers, upto)? else { return Ok(Step::Nothing) };
            want = end - self.pos;
            buffers.take_large(begin + usize_of(want))
        } else {
            buffers.take()
        };
        loop {
            let at = self.pos - u64_of(begin) + u64_of(buffer.len());
            let at_end = fill(self.open()?, &mut buffer, at, begin + usize_of(want))?;
            if buffer.get(..begin) != Some(self.trail.tail()) {
                buffers.give_back(buffer);
                return Ok(Step::Lost);
            }
            let searched = begin + usize_of(self.scanned - self.pos);
            let unsearched = buffer.get(searched..).unwrap_or_default();
            if let Some(newest) = memchr::memrchr(b'\n', unsearched) {
                let end = searched + newest + 1;
                return Ok(Step::Lines(Chunk { buffer, begin, end }));
            }
            let length = u64_of(buffer.len() - begin);
            self.scanned = self.scanned.max(self.pos + length);
            if length >= LINE_MAX {
                return Ok(Step::Lines(Chunk { buffer, begin, end: begin + usize_of(LINE_MAX) }));
            }
            if at_end || self.scanned >= upto || length >= KEEP_MAX {
                buffers.give_back(buffer);
                let more = self.scanned < upto && !at_end;
                return if more { self.read(buffers, upto) } else { Ok(Step::Nothing) };
            }
            // Twice as much each time: linear, and exact at the end of what there is.
            want = (length * 2).min(upto - self.pos).min(KEEP_MAX);
            buffer = grown(buffers, buffer, begin + usize_of(want));
        }
    }

    /// Looks for a line end from `scanned` on and keeps nothing. Where there is none within what one event may have, the
    /// end of that.
    fn scan(&mut self, buffers: &Buffers, upto: u64) -> io::Result<Option<u64>> {
        let cut = self.pos + LINE_MAX;
        let mut buffer = buffers.take();
        let found = loop {
            if self.scanned >= cut {
                break Some(cut);
            }
            let from = self.scanned;
            if from >= upto {
                break None;
            }
            buffer.clear();
            fill(self.open()?, &mut buffer, from, BLOCK)?;
            if let Some(at) = memchr::memchr(b'\n', &buffer) {
                break Some(from + u64_of(at) + 1);
            }
            if buffer.is_empty() {
                break None;
            }
            self.scanned += u64_of(buffer.len());
        };
        buffers.give_back(buffer);
        Ok(found)
    }

    /// What is left without a line end, as one event: for a file that nobody will complete.
    pub(super) fn read_rest(&mut self, buffers: &Buffers) -> io::Result<Step> {
        let size = self.open()?.metadata()?.len();
        let begin = self.trail.tail().len();
        if size <= self.pos {
            return Ok(if size < self.pos { Step::Lost } else { Step::Nothing });
        }
        let length = usize_of((size - self.pos).min(LINE_MAX));
        let mut buffer = buffers.take_large(begin + length);
        let at = self.pos - u64_of(begin);
        fill(self.open()?, &mut buffer, at, begin + length)?;
        if buffer.get(..begin) != Some(self.trail.tail()) {
            buffers.give_back(buffer);
            return Ok(Step::Lost);
        }
        let end = buffer.len().min(begin + length);
        Ok(Step::Lines(Chunk { buffer, begin, end }))
    }

    /// `data`, which lay at `pos`, was given out.
    pub(super) fn advance(&mut self, data: &[u8]) {
        self.trail.advance(self.pos, data);
        self.pos += u64_of(data.len());
        self.scanned = self.scanned.max(self.pos);
    }

    /// As [`Self::advance`], without having done so: what recognises the file after `data`.
    pub(super) fn evidence_after(&self, data: &[u8]) -> Evidence {
        let mut trail = self.trail.clone();
        trail.advance(self.pos, data);
        debug_assert!(self.expected.is_none(), "read before it was recognised");
        Witness { key: self.key, born: self.born, print: trail.fingerprint() }.evidence()
    }
}

/// The first bytes of `buffer` in one with room for `room` bytes.
fn grown(buffers: &Buffers, buffer: Vec<u8>, room: usize) -> Vec<u8> {
    if buffer.capacity() >= room {
        return buffer;
    }
    let mut larger = buffers.take_large(room);
    larger.extend_from_slice(&buffer);
    buffers.give_back(buffer);
    larger
}

/// Reads at `at` behind what is in `buffer` until it has `length` bytes or more. True if the file ended before.
fn fill(file: &File, buffer: &mut Vec<u8>, at: u64, length: usize) -> io::Result<bool> {
    let mut at = at;
    buffer.reserve(length.saturating_sub(buffer.len()));
    while buffer.len() < length {
        match rustix::io::pread(file, spare_capacity(buffer), at) {
            Ok(0) => return Ok(true),
            Ok(n) => at += u64_of(n),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn u64_of(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
