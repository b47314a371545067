//! Files read in place: one of the two files with `unsafe` in them.

#![allow(unsafe_code, reason = "a map of a file is memory that somebody else could change")]

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Bytes of the file as they are, for reading. They are unmapped when the last slice of them is dropped.
///
/// A page that the disk cannot read would arrive as SIGBUS, which no `Result` can carry. So every page is asked for here,
/// where it is an error. Where the kernel does not know how to be asked (before 5.14), the bytes are copied instead.
pub fn read_only(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    if length == 0 {
        return Ok(Bytes::new());
    }
    let mut options = MmapOptions::new();
    options.offset(range.start).len(length);
    let map = mapped(&options, file)?;
    match map.advise(Advice::PopulateRead) {
        Ok(()) => Ok(Bytes::from_owner(map)),
        Err(unknown) if unknown.kind() == io::ErrorKind::InvalidInput => {
            let mut copy = vec![0; length];
            file.read_exact_at(&mut copy, range.start)?;
            Ok(Bytes::from(copy))
        }
        Err(error) => Err(error),
    }
}

fn mapped(options: &MmapOptions, file: &File) -> io::Result<Mmap> {
    // SAFETY: the file is a segment of a channel. Its blocks are reserved and it is never truncated while the channel's
    // lock is held, so every page exists. Only bytes below the published end are viewed; those change only after the
    // segment was given a new generation, which waits until no view of it lives.
    unsafe { options.map(file) }
}

#[cfg(test)]
mod tests {
    use super::read_only;
    use std::io::Write as _;

    #[test]
    fn a_view_is_the_bytes_asked_for_wherever_they_begin() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        file.write_all(&bytes).unwrap();
        assert_eq!(read_only(&file, 5000..17_001).unwrap(), bytes[5000..17_001]);
        assert_eq!(read_only(&file, 7..7).unwrap(), bytes[7..7]);
        assert!(
            read_only(&file, 0..40_000).is_err(),
            "a page that is not there is an error and no signal"
        );
    }
}
