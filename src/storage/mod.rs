//! The disk behind a trait, so that the tests can be the disk.
//!
//! What a caller may rely on is what a disk gives and no more: bytes written are safe after [`File::sync`], names after
//! [`Directory::sync`], and until then each sector and each name may be old or new, whatever the order of the calls.

pub mod disk;
mod lock;
pub mod mmap;

use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, as far as it survives power loss. No folders in it are looked at.
pub trait Directory: Send + Sync {
    /// Where it is, for messages.
    fn path(&self) -> &Path;
    /// Makes a file of `bytes` zeros **with its blocks reserved**, so that a full disk is an error here and never one in
    /// the middle of a write.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Puts a small file in place whole: written aside, synced, renamed, directory synced.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of the files, sorted.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Keeps others out until the answer is dropped; the error says who has it.
    fn lock(&self, name: &str) -> io::Result<Held>;
    /// Makes creations, renames and removals durable.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that are free on the file system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Writes the pieces one after the other at `offset`, all of them or an error.
    fn write_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Fills `into` from `offset`, all of it or an error.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable. An error is final: what was written since the last success may be gone, and a
    /// later success does not bring it back (R5).
    fn sync(&self) -> io::Result<()>;
    /// These bytes of the file as they are, to be read in place. The view must be dropped before they are written over.
    fn view(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// A lock of a directory, held until it is dropped.
pub type Held = Box<dyn std::any::Any + Send + Sync>;

/// A path and what the disk said about it.
#[must_use]
pub fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Opens directories: the real disk, or a test's.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes the directory if it is not there, with its parents.
    fn directory(&self, path: PathBuf) -> io::Result<Arc<dyn Directory>>;
}
