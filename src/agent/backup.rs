//! `--backup-directory`: a copy of the configuration that was last in force, taken where the files say nothing at all.
//!
//! Flume keeps the resolved values, secrets in clear. Here it is the files themselves, one after the other: what they refer
//! to stays a reference, and a later key lies over an earlier one as before.

use crate::event::ComponentName;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the copy lies: Flume's name for it.
pub(super) fn path(directory: &Path, agent: &ComponentName) -> PathBuf {
    directory.join(format!(".{agent}.properties"))
}

/// Keeps a copy, readable by its owner alone, put in place whole.
pub(super) fn keep(path: &Path, files: &[PathBuf]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let aside = path.with_extension("properties.new");
    let mut copy =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&aside)?;
    for file in files {
        // Two line ends: a file may end in a line that goes on.
        writeln!(copy, "# {}", file.display())?;
        copy.write_all(&fs::read(file)?)?;
        copy.write_all(b"\n\n")?;
    }
    copy.sync_all()?;
    #[allow(
        clippy::disallowed_methods,
        reason = "a copy, of which the original is somebody else's"
    )]
    fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use super::{keep, path};
    use std::fs;

    #[test]
    fn a_copy_holds_every_file_and_a_line_that_goes_on_does_not_swallow_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let files = [directory.path().join("a"), directory.path().join("b")];
        fs::write(&files[0], "a1.sources = r1 \\").unwrap();
        fs::write(&files[1], "a1.sinks = k1").unwrap();
        let path = path(&directory.path().join("kept"), &"a1".into());
        keep(&path, &files).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let entries =
            crate::config::syntax::parse(crate::config::span::FileIndex::default(), &text);
        let keys: Vec<_> = entries.entries.iter().map(|e| (&*e.key, e.value.trim())).collect();
        assert_eq!(keys, [("a1.sources", "r1"), ("a1.sinks", "k1")]);
    }
}
