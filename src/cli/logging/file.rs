//! A log file that rolls as Flume's did: at 100 MB `flume.log` becomes `flume.log.1`, ten of them are kept.
//!
//! Writing never fails: an agent does not stop because its log's disk is full. The lines go to stderr meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Size in bytes at which the file rolls (Log4j's `MaxFileSize=100MB`).
const FILE_BYTES_MAX: u64 = 100 << 20;
/// How many rolled files are kept (`MaxBackupIndex=10`).
const ROLLED_MAX: u32 = 10;

pub(super) struct RollingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    failed: bool,
}

impl RollingFile {
    /// Opens the file to append, and makes its directory.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.into(), file, bytes, bytes_max: FILE_BYTES_MAX, failed: false })
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes >= self.bytes_max {
            self.roll()?;
        }
        self.file.write_all(line)?;
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// `flume.log.9` → `flume.log.10`, …, `flume.log` → `flume.log.1`; the oldest is overwritten.
    fn roll(&mut self) -> io::Result<()> {
        let rolled = |index: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{index}"));
            PathBuf::from(name)
        };
        #[allow(clippy::disallowed_methods, reason = "a log file is nobody's durable state")]
        let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        for index in (1..ROLLED_MAX).rev() {
            rename(&rolled(index), &rolled(index + 1))?;
        }
        rename(&self.path, &rolled(1))?;
        self.file = File::options().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for RollingFile {
    /// Takes the whole line, whatever happens to the file.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let result = self.write_line(line);
        let mut stderr = io::stderr().lock();
        match result {
            Ok(()) => self.failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    let path = self.path.display();
                    writeln!(
                        stderr,
                        "cannot write to the log file {path}: {error}; lines follow here"
                    )?;
                }
                stderr.write_all(line)?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{ROLLED_MAX, RollingFile};
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_log_rolls_at_its_size_keeps_ten_and_splits_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/flume.log");
        let mut log = RollingFile { bytes_max: 20, ..RollingFile::open(&path).unwrap() };
        for line in 0..40 {
            log.write_all(format!("line {line:04}\n").as_bytes()).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), usize::try_from(ROLLED_MAX).unwrap() + 1, "{names:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0038\nline 0039\n");
        let newest = path.with_file_name("flume.log.1");
        assert_eq!(fs::read_to_string(newest).unwrap(), "line 0036\nline 0037\n");
        drop(log);
        let mut again = RollingFile::open(&path).unwrap();
        again.write_all(b"after a restart\n").unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("line 0038\n"));
    }
}
