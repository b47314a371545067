//! The real disk.

use super::mmap;
use super::{Directory, File, Held, Storage, lock};
use bytes::Bytes;
use rustix::fs::{FallocateFlags, OFlags};
use std::fs;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The real disk.
#[derive(Debug)]
pub struct Disk;

impl Storage for Disk {
    fn directory(&self, path: PathBuf) -> io::Result<Arc<dyn Directory>> {
        fs::create_dir_all(&path)?;
        Ok(Arc::new(DiskDirectory { path }))
    }
}

struct DiskDirectory {
    path: PathBuf,
}

impl Directory for DiskDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
        let path = self.path.join(name);
        let file = fs::File::options().read(true).write(true).create_new(true).open(&path)?;
        let reserved = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes);
        let reserved = match reserved {
            // A file system that cannot reserve: write the zeros, which comes to the same.
            Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&file, bytes),
            other => other.map_err(io::Error::from),
        };
        if let Err(error) = reserved {
            // A half-made file would be taken for a segment at the next start.
            drop(fs::remove_file(&path));
            return Err(error);
        }
        file.sync_all()?;
        Ok(Arc::new(DiskFile { file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options().read(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(DiskFile { file }))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, aside) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let file = fs::File::create(&aside)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        #[allow(clippy::disallowed_methods, reason = "this is the storage")]
        fs::rename(aside, path)?;
        self.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn lock(&self, name: &str) -> io::Result<Held> {
        Ok(Box::new(lock::take(&self.path, name)?))
    }

    fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&self.path, flags, rustix::fs::Mode::empty())?;
        Ok(rustix::fs::fsync(directory)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn write_zeros(file: &fs::File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_all_at(&zeros[..piece], at)?;
        at += u64::try_from(piece).expect("a piece is a megabyte at most");
    }
    Ok(())
}

struct DiskFile {
    file: fs::File,
}

/// Pieces in one call; Linux takes 1,024.
const PIECES_MAX: usize = 1024;

impl File for DiskFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn write_at(&self, pieces: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            let now = left.len().min(PIECES_MAX);
            let written = match rustix::io::pwritev(&self.file, &left[..now], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += u64::try_from(written).expect("a length fits 64 bits");
            // Takes away the slices that were written whole, and empty ones behind them.
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn view(&self, range: Range<u64>) -> io::Result<Bytes> {
        mmap::read_only(&self.file, range)
    }
}
