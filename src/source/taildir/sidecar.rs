//! What Flume's position file has no room for, in a file beside it (R10): how it looked when we wrote it last, and the marks of
//! channels that forget.
//!
//! A position file that is not as we wrote it was written by somebody else (Flume ran, an operator edited or removed it), and
//! wins. The sidecar says how the position file is about to look, and goes first; what it looked like before counts only while
//! the new one lies aside: so a crash between the two is not taken for somebody else, and an older file put back is. Any
//! source's sidecar counts, because Flume's default path is the same for all of them.

use super::identity::modified_ns;
use super::position_file::{self, Entry};
use crate::event::{Evidence, Mark, Positions};
use crate::selector::Marks;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How a sidecar is written: another number is not read.
const FORM: u32 = 1;
/// How a sidecar's name ends.
const ENDING: &str = ".tailwater";
/// What stands for a position file that is not there.
const MISSING: &str = "missing";

/// A source's position file and its sidecar.
pub(super) struct PositionFiles {
    path: PathBuf,
    /// Where the next position file lies until it is whole.
    aside: PathBuf,
    sidecar: PathBuf,
    /// How the position file looks, as far as we know.
    looks: String,
}

/// What was found at the start.
pub(super) struct Found {
    /// What the position file says, if it is there.
    pub(super) position_file: Option<position_file::Content>,
    /// Whether it is as we left it.
    pub(super) ours: bool,
    /// When the sidecar was written, as its file system says, in nanoseconds since 1970; 0 where there is none.
    pub(super) wrote_ns: u64,
    /// What the source's own sidecar says.
    pub(super) memory: Option<Memory>,
}

/// What a sidecar remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// How the channels' marks were made.
    pub(super) marks: Option<Marks>,
    /// What each channel vouched for, by its name.
    pub(super) channels: BTreeMap<String, Positions>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    form: u32,
    /// How the position file is about to look, or looks.
    looks: String,
    /// How it looked before.
    looked: String,
    union: Option<bool>,
    channels: BTreeMap<String, BTreeMap<String, WrittenMark>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenMark {
    plan: u64,
    ranges: Vec<(u64, u64)>,
    evidence: Vec<(u64, String)>,
}

impl PositionFiles {
    /// Reads what is there. An error is the disk's; what is in the files is judged by the caller.
    pub(super) fn open(path: &Path, source: &str) -> io::Result<(Self, Found)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let looks = look(bytes.as_deref());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sidecar = path.with_file_name(format!("{name}.{}{ENDING}", source.replace('/', "_")));
        let own = read_sidecar(&sidecar);
        // A symbolic link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let aside = aside_of(&path, source);
        let ours = own.as_ref().is_some_and(|written| {
            written.looks == looks
                || (written.looked == looks && aside.exists())
                || others_know(&sidecar, &name, &looks)
        });
        let found = Found {
            position_file: bytes.as_deref().map(position_file::read),
            ours,
            wrote_ns: fs::metadata(&sidecar).map_or(0, |metadata| modified_ns(&metadata)),
            memory: own.map(Memory::from),
        };
        Ok((Self { path, aside, sidecar, looks }, found))
    }

    /// Accepts the position file as it is: from this moment it is as we know it.
    pub(super) fn accept(&mut self, memory: &Memory) -> io::Result<()> {
        self.write_sidecar(memory, &self.looks)?;
        match fs::remove_file(&self.aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes positions and what there is to remember.
    pub(super) fn write(&mut self, entries: Vec<Entry>, memory: &Memory) -> io::Result<()> {
        let text = position_file::write(entries);
        let looks = look(Some(text.as_bytes()));
        if looks == self.looks {
            return self.write_sidecar(memory, &looks);
        }
        write_synced(&self.aside, text.as_bytes(), &self.path)?;
        self.write_sidecar(memory, &looks)?;
        put_in_place(&self.aside, &self.path)?;
        self.looks = looks;
        Ok(())
    }

    fn write_sidecar(&self, memory: &Memory, looks: &str) -> io::Result<()> {
        let written = Written {
            form: FORM,
            looks: looks.to_owned(),
            looked: self.looks.clone(),
            union: memory.marks.map(|marks| marks == Marks::Union),
            channels: memory.channels.iter().map(|(n, p)| (n.clone(), write_marks(p))).collect(),
        };
        let aside = self.sidecar.with_extension("tailwater.aside");
        write_synced(&aside, &serde_json::to_vec(&written)?, &self.sidecar)?;
        put_in_place(&aside, &self.sidecar)
    }
}

impl From<Written> for Memory {
    fn from(written: Written) -> Self {
        let marks = written.union.map(|union| if union { Marks::Union } else { Marks::Each });
        let channels = written.channels.into_iter().map(|(name, m)| (name, read_marks(m)));
        Self { marks, channels: channels.collect() }
    }
}

fn write_marks(positions: &Positions) -> BTreeMap<String, WrittenMark> {
    let of = |mark: &Mark| WrittenMark {
        plan: mark.plan,
        ranges: mark.ranges.iter().map(|r| (r.start, r.end)).collect(),
        evidence: mark.evidence.iter().map(|(end, e)| (*end, BASE64.encode(e))).collect(),
    };
    positions.iter().map(|(input, mark)| (input.to_string(), of(mark))).collect()
}

fn read_marks(written: BTreeMap<String, WrittenMark>) -> Positions {
    let mut positions = Positions::new();
    for (input, mark) in written {
        let decode =
            |(end, text): (u64, String)| Some((end, Evidence::from(BASE64.decode(text).ok()?)));
        let mark = Mark {
            plan: mark.plan,
            ranges: mark.ranges.into_iter().map(|(start, end)| start..end).collect(),
            evidence: mark.evidence.into_iter().filter_map(decode).collect(),
        };
        positions.set(input.into(), mark);
    }
    positions
}

/// How a position file looks: its length and checksum.
fn look(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| MISSING.into(), |b| format!("{}-{:08x}", b.len(), crc32c::crc32c(b)))
}

/// A sidecar that cannot be read is as good as none: then the position file wins, as Flume's would.
fn read_sidecar(path: &Path) -> Option<Written> {
    let written: Written = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (written.form == FORM).then_some(written)
}

/// Whether another source of ours wrote the position file, which it shares with this one.
fn others_know(own: &Path, name: &str, looks: &str) -> bool {
    let Some(Ok(entries)) = own.parent().map(fs::read_dir) else { return false };
    let begin = format!("{name}.");
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_sidecar = name.starts_with(&begin) && name.ends_with(ENDING);
        is_sidecar
            && entry.path() != own
            && read_sidecar(&entry.path()).is_some_and(|written| written.looks == looks)
    })
}

fn aside_of(path: &Path, source: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{}.aside", source.replace('/', "_")))
}

/// Writes a file that is to take another's place, with that one's rights.
fn write_synced(aside: &Path, bytes: &[u8], place_of: &Path) -> io::Result<()> {
    let mut file = File::create(aside)?;
    if let Ok(metadata) = fs::metadata(place_of) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// The file is there whole or not at all, also after a power cut.
fn put_in_place(aside: &Path, path: &Path) -> io::Result<()> {
    rustix::fs::rename(aside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, PositionFiles};
    use crate::event::{Mark, Positions};
    use crate::selector::Marks;
    use crate::source::taildir::position_file::{Content, Entry};
    use std::fs;

    fn entry(pos: u64) -> Vec<Entry> {
        vec![Entry { inode: 7, pos, file: "/a".into() }]
    }

    fn memory() -> Memory {
        let mut positions = Positions::new();
        let mark = Mark {
            ranges: [0..7, 9..12].into_iter().collect(),
            evidence: [(7, vec![1, 2].into()), (12, vec![].into())].into(),
            plan: u64::MAX,
        };
        positions.set("/a#1@0".into(), mark);
        let channels = [("c1".into(), positions)].into();
        Memory { marks: Some(Marks::Union), channels }
    }

    // R10
    #[test]
    fn what_we_wrote_is_ours_and_whatever_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/taildir_position.json");
        let open = || PositionFiles::open(&path, "r1").unwrap();
        let (mut files, found) = open();
        assert!(!found.ours && found.position_file.is_none() && found.memory.is_none());
        files.accept(&Memory::default()).unwrap();
        assert!(open().1.ours, "missing, as we knew it");

        files.write(entry(2), &memory()).unwrap();
        let earlier = fs::read(&path).unwrap();
        files.write(entry(3), &memory()).unwrap();
        let (_, found) = open();
        assert!(found.ours);
        assert_eq!(found.position_file, Some(Content::Entries(entry(3))));
        assert_eq!(found.memory, Some(memory()));

        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(":3,", ":4,")).unwrap();
        assert!(!open().1.ours, "edited");
        fs::write(&path, earlier).unwrap();
        assert!(!open().1.ours, "an older one put back");
        fs::write(&path, "").unwrap();
        assert!(!open().1.ours, "emptied");
        fs::remove_file(&path).unwrap();
        assert!(!open().1.ours, "removed");
        fs::write(&path, text).unwrap();
        assert!(open().1.ours);
        fs::remove_file(path.with_file_name("taildir_position.json.r1.tailwater")).unwrap();
        assert!(!open().1.ours, "nobody remembers");
    }

    // R10
    #[test]
    fn a_crash_between_sidecar_and_position_file_is_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let (mut files, _) = PositionFiles::open(&path, "r1").unwrap();
        files.write(entry(3), &memory()).unwrap();
        let before = fs::read(&path).unwrap();
        files.write(entry(4), &memory()).unwrap();
        let open = || PositionFiles::open(&path, "r1").unwrap();
        rustix::fs::rename(&path, &files.aside).unwrap();
        fs::write(&path, before).unwrap();
        let (mut files, found) = open();
        assert!(found.ours, "the new one lies aside still");
        files.accept(&memory()).unwrap();
        assert!(open().1.ours);
        files.write(entry(5), &memory()).unwrap();
        assert!(open().1.ours);
    }

    #[test]
    fn two_sources_that_share_flumes_default_path_do_not_take_each_other_for_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let (mut first, _) = PositionFiles::open(&path, "r1").unwrap();
        let (mut second, _) = PositionFiles::open(&path, "r2").unwrap();
        first.write(entry(3), &memory()).unwrap();
        second.write(entry(9), &memory()).unwrap();
        assert!(PositionFiles::open(&path, "r1").unwrap().1.ours);
        assert!(!PositionFiles::open(&path, "r3").unwrap().1.ours, "new here: the file counts");
    }

    #[test]
    fn a_linked_position_file_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&real, "[]").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let (mut files, _) = PositionFiles::open(&link, "r1").unwrap();
        files.write(entry(3), &memory()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().contains("\"pos\":3"));
    }
}
