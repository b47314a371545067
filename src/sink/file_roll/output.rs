//! One file while it is written: events go in as a whole lease or not at all, and count when they are synced.

use super::names::Names;
use crate::event::Event;
use crate::sink::serializer::Serializer;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const PIECE: usize = 1 << 20;
/// Names that are tried when files of that name are there already.
const NAMES_MAX: usize = 10_000;

/// A file that takes events.
pub(super) struct Output {
    path: PathBuf,
    file: File,
    /// Bytes that are synced.
    synced: u64,
    /// Recycled from lease to lease.
    buffer: Vec<u8>,
}

/// Why a lease could not be written, and whether the file may take the next one.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) what: String,
    pub(super) usable: bool,
}

impl Output {
    /// Makes the next file of `directory`. One that is there already is never written into: it may hold events.
    pub(super) fn create(directory: &Path, names: &mut Names, now_ms: i64) -> io::Result<Self> {
        for _ in 0..NAMES_MAX {
            let path = directory.join(names.next(now_ms));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    // What the file will hold is durable only if the directory knows of it.
                    File::open(directory)?.sync_all()?;
                    return Ok(Self { path, file, synced: 0, buffer: Vec::new() });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("the next {NAMES_MAX} names are taken")))
    }

    /// Writes and syncs events: all of them, or none.
    pub(super) fn write<'e>(
        &mut self,
        events: impl Iterator<Item = Event<'e>>,
        serializer: &dyn Serializer,
    ) -> Result<(), Failed> {
        let length = match self.append(events, serializer) {
            Ok(length) => length,
            Err(error) => return Err(self.cut_back(&error)),
        };
        // After a failed sync nobody knows what the file holds, so it is left alone and the events go into another.
        self.file.sync_data().map_err(|error| Failed {
            what: format!("{} cannot be synced: {error}", self.path.display()),
            usable: false,
        })?;
        self.synced = length;
        Ok(())
    }

    fn append<'e>(
        &mut self,
        events: impl Iterator<Item = Event<'e>>,
        serializer: &dyn Serializer,
    ) -> io::Result<u64> {
        let mut length = self.synced;
        self.buffer.clear();
        for event in events {
            serializer.write(event, &mut self.buffer);
            if self.buffer.len() >= PIECE {
                length += self.flush()?;
            }
        }
        length += self.flush()?;
        self.buffer.shrink_to(PIECE);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<u64> {
        self.file.write_all(&self.buffer)?;
        let written = self.buffer.len();
        self.buffer.clear();
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }

    /// Takes back what was written of a lease that could not be written whole.
    fn cut_back(&mut self, error: &io::Error) -> Failed {
        let path = self.path.display();
        let what = format!("{path} cannot be written: {error}");
        let cut = self
            .file
            .set_len(self.synced)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.synced)).map(|_| ()));
        match cut {
            Ok(()) => Failed { what, usable: true },
            Err(cut) => {
                let what = format!("{what}; a part of a batch stays behind in it: {cut}");
                Failed { what, usable: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, Serializer};
    use crate::event::{Event, Headers};
    use std::fs::OpenOptions;
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    #[derive(Debug)]
    struct Body;

    impl Serializer for Body {
        fn write(&self, event: Event<'_>, out: &mut Vec<u8>) {
            out.extend_from_slice(event.body);
        }
    }

    fn output(path: PathBuf) -> Output {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).unwrap();
        Output { path, file, synced: 0, buffer: Vec::new() }
    }

    fn write(output: &mut Output, bodies: &[&[u8]]) -> Result<(), super::Failed> {
        let headers = Arc::new(Headers::new());
        output.write(bodies.iter().map(|body| Event { headers: &headers, body }), &Body)
    }

    #[test]
    fn what_cannot_be_written_whole_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut output = output(path.clone());
        write(&mut output, &[b"one\n", b"two\n"]).unwrap();
        output.buffer.extend_from_slice(b"half of a ba");
        output.flush().unwrap();
        let failed = output.cut_back(&io::Error::from(io::ErrorKind::StorageFull));
        assert!(failed.usable, "{failed:?}");
        write(&mut output, &[b"three\n"]).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let mut output = output("/dev/full".into());
        let failed = write(&mut output, &[b"one\n"]).unwrap_err();
        assert!(
            failed.what.starts_with("/dev/full cannot be written: No space left"),
            "{failed:?}"
        );
    }

    #[test]
    fn a_body_larger_than_the_buffer_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut output = output(path.clone());
        let large = vec![b'x'; 3 << 20];
        write(&mut output, &[b"a", &large, b"b"]).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), (3 << 20) + 2);
        assert!(output.buffer.capacity() <= 2 << 20);
    }
}
