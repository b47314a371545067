//! A group of files: a directory, a pattern for names, headers. And what a directory holds of it.

use crate::config::pattern::Pattern;
use crate::event::Headers;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A listing is trusted while the directory's time of change is the same, if that lay so far back when it was listed: two
/// changes within a tick of the file system's clock have the same time.
const SETTLED: Duration = Duration::from_secs(2);

/// One of `filegroups`.
#[derive(Clone, Debug)]
pub(super) struct FileGroup {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) pattern: Pattern,
    pub(super) headers: Headers,
}

impl FileGroup {
    /// Whether a file of this name in the group's directory belongs to it. A pattern that takes for ever on a name does not
    /// match it.
    pub(super) fn has(&self, name: &OsStr) -> bool {
        self.pattern.is_all_of(&name.to_string_lossy()).unwrap_or(false)
    }
}

/// The first group that a path belongs to.
pub(super) fn group_of(groups: &[FileGroup], path: &Path) -> Option<usize> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    groups.iter().position(|group| group.folder == folder && group.has(name))
}

/// A directory that groups look into.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The groups, in the order of the configuration.
    groups: Vec<usize>,
    /// The names that match, and the first group that each belongs to.
    matching: HashMap<OsString, usize>,
    /// Names that are known not to match.
    others: HashSet<OsString>,
    /// When the directory had changed when it was listed, if that can be trusted.
    listed_at: Option<Duration>,
    /// Whether it was there when it was last looked for.
    pub(super) is_there: bool,
}

/// Names that do not match and are remembered as such: beyond, they are judged again at each listing.
const OTHERS_MAX: usize = 100_000;

impl Folder {
    /// One for each directory of the groups.
    pub(super) fn all(groups: &[FileGroup]) -> Vec<Self> {
        let mut folders: Vec<Self> = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            match folders.iter_mut().find(|folder| folder.path == group.folder) {
                Some(folder) => folder.groups.push(index),
                None => folders.push(Self {
                    path: group.folder.clone(),
                    groups: vec![index],
                    matching: HashMap::new(),
                    others: HashSet::new(),
                    listed_at: None,
                    is_there: true,
                }),
            }
        }
        folders
    }

    /// The next look lists it again, whatever its time of change.
    pub(super) fn has_changed(&mut self) {
        self.listed_at = None;
    }

    /// Whether the name is worth a listing: it matches, or is not known yet.
    pub(super) fn may_match(&self, groups: &[FileGroup], name: &OsStr) -> bool {
        self.matching.contains_key(name)
            || (!self.others.contains(name) && self.groups.iter().any(|g| groups[*g].has(name)))
    }

    /// Lists it if it may have changed. `wall` is the time since 1970.
    pub(super) fn look(&mut self, groups: &[FileGroup], wall: Duration) -> io::Result<()> {
        let metadata = fs::metadata(&self.path)?;
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.listed_at == Some(changed) {
            return Ok(());
        }
        let mut matching = HashMap::with_capacity(self.matching.len());
        let mut others = HashSet::with_capacity(self.others.len());
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if let Some(group) = self.matching.get(&name) {
                matching.insert(name, *group);
            } else if self.others.contains(&name) {
                others.insert(name);
            } else if let Some(group) = self.groups.iter().find(|g| groups[**g].has(&name)) {
                matching.insert(name, *group);
            } else if others.len() < OTHERS_MAX {
                others.insert(name);
            }
        }
        self.matching = matching;
        self.others = others;
        let settled = changed.saturating_add(SETTLED) < wall;
        self.listed_at = settled.then_some(changed);
        Ok(())
    }

    /// The matching names, each with its group.
    pub(super) fn matching(&self) -> impl Iterator<Item = (&OsString, usize)> {
        self.matching.iter().map(|(name, group)| (name, *group))
    }

    /// It is gone.
    pub(super) fn vanished(&mut self) {
        self.matching.clear();
        self.others.clear();
        self.listed_at = None;
        self.is_there = false;
    }
}

/// Every file of a directory by its inode, as the directory says it: to find one again under another name.
pub(super) fn names_by_inode(folder: &Path) -> io::Result<HashMap<u64, Vec<OsString>>> {
    let mut names: HashMap<u64, Vec<OsString>> = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        names.entry(entry.ino()).or_default().push(entry.file_name());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{FileGroup, Folder, group_of};
    use crate::config::pattern::Pattern;
    use crate::config::value::Value;
    use crate::event::Headers;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    fn group(folder: &Path, pattern: &str) -> FileGroup {
        FileGroup {
            name: pattern.into(),
            folder: folder.into(),
            pattern: Pattern::parse(pattern).unwrap(),
            headers: Headers::new(),
        }
    }

    fn names(folder: &Folder) -> Vec<(String, usize)> {
        let all = folder.matching().map(|(n, g)| (n.to_string_lossy().into_owned(), g));
        let mut all: Vec<_> = all.collect();
        all.sort();
        all
    }

    #[test]
    fn a_pattern_is_for_the_whole_name_and_the_first_group_has_the_file() {
        let groups = [group(Path::new("/l"), r"a\.log"), group(Path::new("/l"), "a.*")];
        assert_eq!(group_of(&groups, Path::new("/l/a.log")), Some(0));
        assert_eq!(group_of(&groups, Path::new("/l/a.log.1")), Some(1));
        assert_eq!(group_of(&groups, Path::new("/l/ba.log")), None);
        assert_eq!(group_of(&groups, Path::new("/m/a.log")), None);
    }

    #[test]
    fn a_directory_is_listed_again_only_when_it_may_have_changed() {
        let temp = tempfile::tempdir().unwrap();
        let groups = [group(temp.path(), "a.*")];
        let mut folder = Folder::all(&groups).remove(0);
        let later = Duration::from_secs(1 << 40);
        fs::write(temp.path().join("a1"), "").unwrap();
        fs::write(temp.path().join("b1"), "").unwrap();
        folder.look(&groups, later).unwrap();
        assert_eq!(names(&folder), [("a1".into(), 0)]);
        assert!(folder.listed_at.is_some());
        fs::write(temp.path().join("a2"), "").unwrap();
        let before = fs::metadata(temp.path()).unwrap().modified().unwrap();
        folder.listed_at = Some(before.duration_since(std::time::UNIX_EPOCH).unwrap());
        folder.look(&groups, later).unwrap();
        assert_eq!(names(&folder).len(), 1, "the same time of change is the same directory");
        folder.has_changed();
        folder.look(&groups, Duration::ZERO).unwrap();
        assert_eq!(names(&folder).len(), 2);
        assert_eq!(folder.listed_at, None, "a change of this moment may be followed by another");
    }
}
