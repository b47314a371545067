//! What makes a file the same file, whatever it is called (R10).
//!
//! Device and inode, and when the inode was made where the file system says so; and what was read of it: a checksum of its
//! first bytes, and one of the last bytes before the position. An inode is reused, a file is emptied and written again; its
//! content tells.

use crate::event::Evidence;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// Bytes at the beginning that are remembered.
pub(super) const HEAD: usize = 1024;
/// Bytes before the position that are remembered.
pub(super) const TAIL: usize = super::buffers::LOOK_BACK;
/// First byte of an evidence: how the rest is written.
const FORM: u8 = 1;

/// Which file, by its place in a file system. Inodes are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileKey {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

impl FileKey {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// When the inode was made, in nanoseconds since 1970; 0 where the file system does not say.
pub(super) fn born(metadata: &Metadata) -> u64 {
    let since = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// When its content last changed, in nanoseconds since 1970; 0 where nobody knows.
pub(super) fn modified_ns(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// Checksums of what lies before a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// Bytes of the beginning, and their checksum.
    pub(super) head: (u16, u32),
    /// Bytes right before the position, and their checksum.
    pub(super) tail: (u16, u32),
}

impl Fingerprint {
    /// Whether `file` has what this remembers at `pos`. A position of 0 remembers nothing and fits nothing.
    pub(super) fn fits(&self, file: &File, pos: u64) -> io::Result<bool> {
        if pos == 0 || file.metadata()?.len() < pos {
            return Ok(false);
        }
        Ok(self.head_fits(file)? && self.tail_fits(file, pos)?)
    }

    fn head_fits(&self, file: &File) -> io::Result<bool> {
        let head = read_at(file, 0, usize::from(self.head.0))?;
        Ok(head.len() == usize::from(self.head.0) && crc32c::crc32c(&head) == self.head.1)
    }

    fn tail_fits(&self, file: &File, pos: u64) -> io::Result<bool> {
        let length = usize::from(self.tail.0);
        let tail = read_at(file, pos.saturating_sub(u64::from(self.tail.0)), length)?;
        Ok(tail.len() == length && crc32c::crc32c(&tail) == self.tail.1)
    }
}

/// Up to `length` bytes at `offset`; fewer where the file ends before.
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; length];
    let mut have = 0;
    while have < length {
        let at = offset.saturating_add(u64::try_from(have).unwrap_or(u64::MAX));
        match file.read_at(&mut bytes[have..], at) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// What is remembered while a file is read on: its beginning as a checksum, its last bytes as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    head: (u16, u32),
    tail: Vec<u8>,
}

impl Trail {
    /// Reads it from the file, for a position one has come to in another way than by reading.
    pub(super) fn read(file: &File, pos: u64) -> io::Result<Self> {
        let head_length = usize::try_from(pos).unwrap_or(HEAD).min(HEAD);
        let tail_length = usize::try_from(pos).unwrap_or(TAIL).min(TAIL);
        let head = read_at(file, 0, head_length)?;
        let tail_from = pos.saturating_sub(u64::try_from(tail_length).unwrap_or(0));
        let tail = read_at(file, tail_from, tail_length)?;
        if head.len() < head_length || tail.len() < tail_length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = u16::try_from(head.len()).unwrap_or(0);
        Ok(Self { head: (length, crc32c::crc32c(&head)), tail })
    }

    /// The bytes right before the position.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// How much of the beginning is remembered, and its checksum.
    pub(super) fn head(&self) -> (u16, u32) {
        self.head
    }

    /// The position has moved from `pos` over `data`.
    pub(super) fn advance(&mut self, pos: u64, data: &[u8]) {
        let known = usize::from(self.head.0);
        if known < HEAD && usize::try_from(pos) == Ok(known) {
            let more = data.get(..data.len().min(HEAD - known)).unwrap_or_default();
            let length = u16::try_from(known + more.len()).unwrap_or(self.head.0);
            self.head = (length, crc32c::crc32c_append(self.head.1, more));
        }
        if data.len() >= TAIL {
            self.tail.clear();
        } else {
            let surplus = (self.tail.len() + data.len()).saturating_sub(TAIL);
            self.tail.drain(..surplus);
        }
        let last = data.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(data.get(last..).unwrap_or_default());
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let length = u16::try_from(self.tail.len()).unwrap_or(0);
        Fingerprint { head: self.head, tail: (length, crc32c::crc32c(&self.tail)) }
    }
}

/// What an origin carries to recognise a file at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) key: FileKey,
    pub(super) born: u64,
    pub(super) print: Fingerprint,
}

impl Witness {
    pub(super) fn evidence(&self) -> Evidence {
        let mut bytes = Vec::with_capacity(37);
        bytes.push(FORM);
        for number in [self.key.dev, self.key.ino, self.born] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for (length, checksum) in [self.print.head, self.print.tail] {
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&checksum.to_le_bytes());
        }
        Evidence::from(bytes)
    }

    /// What an evidence says; nothing where another version wrote it.
    pub(super) fn read(evidence: &[u8]) -> Option<Self> {
        let mut rest = evidence.strip_prefix(&[FORM])?;
        let key = FileKey { dev: number(&mut rest)?, ino: number(&mut rest)? };
        let born = number(&mut rest)?;
        let head = print(&mut rest)?;
        let tail = print(&mut rest)?;
        rest.is_empty().then_some(Self { key, born, print: Fingerprint { head, tail } })
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn print(rest: &mut &[u8]) -> Option<(u16, u32)> {
    let (length, after) = rest.split_first_chunk()?;
    let (checksum, after) = after.split_first_chunk()?;
    *rest = after;
    Some((u16::from_le_bytes(*length), u32::from_le_bytes(*checksum)))
}

#[cfg(test)]
mod tests {
    use super::{FileKey, Fingerprint, HEAD, TAIL, Trail, Witness};
    use std::fs::File;
    use std::io::Write;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
    }

    // R10
    #[test]
    fn a_trail_is_the_same_whether_followed_or_read() {
        let content = content(5000);
        let file = file(&content);
        for steps in [1, 7, TAIL - 1, TAIL, 1000, HEAD, 3000] {
            let mut trail = Trail::default();
            let mut pos = 0;
            for data in content.chunks(steps) {
                trail.advance(u64::try_from(pos).unwrap(), data);
                pos += data.len();
                assert_eq!(trail, Trail::read(&file, u64::try_from(pos).unwrap()).unwrap());
            }
        }
    }

    // R10
    #[test]
    fn a_file_that_differs_in_its_beginning_or_before_the_position_is_another_one() {
        let original = content(5000);
        let trail = Trail::read(&file(&original), 4000).unwrap();
        let print = trail.fingerprint();
        assert!(print.fits(&file(&original), 4000).unwrap());
        assert!(print.fits(&file(&original[..4000]), 4000).unwrap());
        assert!(!print.fits(&file(&original[..3999]), 4000).unwrap(), "too short");
        for (changed, same) in
            [(0, false), (1023, false), (3744, false), (3999, false), (2000, true)]
        {
            let mut other = original.clone();
            other[changed] ^= 1;
            assert_eq!(print.fits(&file(&other), 4000).unwrap(), same, "byte {changed}");
        }
    }

    // R10
    #[test]
    fn an_empty_file_matches_nothing() {
        assert!(!Fingerprint::default().fits(&file(b""), 0).unwrap());
        assert!(!Fingerprint::default().fits(&file(b"something"), 0).unwrap());
    }

    #[test]
    fn evidence_comes_back_as_it_was_and_what_is_not_ours_is_nothing() {
        let print = Trail::read(&file(&content(300)), 299).unwrap().fingerprint();
        let witness = Witness { key: FileKey { dev: 1, ino: u64::MAX }, born: 3, print };
        assert_eq!(Witness::read(&witness.evidence()), Some(witness));
        let evidence = witness.evidence();
        assert_eq!(Witness::read(&evidence[..evidence.len() - 1]), None);
        assert_eq!(Witness::read(&[]), None);
        assert_eq!(Witness::read(&[2; 37]), None);
    }
}
