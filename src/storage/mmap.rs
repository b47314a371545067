//! Files read in place: one of the two files with `unsafe` in them.

#![allow(unsafe_code, reason = "a map of a file is memory that somebody else could change")]

use bytes::Bytes;
use std::fs::File;
use std::io;

/// The file as it is, for reading. It is unmapped when the last slice of it is dropped.
///
/// A page that the disk cannot read arrives as SIGBUS, which no `Result` can carry; so opening a channel reads with
/// ordinary calls, and only a sink that lags reads through the map.
pub fn read_only(file: &File) -> io::Result<Bytes> {
    // SAFETY: the file is a segment of a channel. Its blocks are reserved and it is never truncated while the channel's
    // lock is held, so every page exists. Its bytes change only above the published end, where nobody reads, or after
    // the segment was given a new generation, which waits until no view of it lives.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}
