//! Reading dead letters back, and looking through the files of a directory: what opening, listing and replaying share.

use super::line::{Glance, Joiner, Kept};
use crate::ranges::RangeSet;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The longest line that is read, in bytes: a part of a body in base64 and the most that headers and reason may be.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The files of a directory, oldest first, with their numbers; none where there is no directory.
pub fn files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("dead-letters-")?.strip_suffix(".jsonl"))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The file of that number.
pub(super) fn file_name(number: u64) -> String {
    format!("dead-letters-{number:06}.jsonl")
}

/// The ids that are kept, in ranges: letters of one component are mostly neighbours.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<String, RangeSet>);

impl Ids {
    pub(super) fn insert(&mut self, id: &super::Id) {
        let numbers = self.0.entry(id.space.clone()).or_default();
        numbers.insert(id.number..id.number.saturating_add(1));
    }

    pub(super) fn contains(&self, id: &super::Id) -> bool {
        self.0.get(&id.space).is_some_and(|numbers| numbers.contains(id.number))
    }
}

/// What a file was found to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the last whole letter ends, in bytes.
    pub good: u64,
    /// Where the file ends.
    pub end: u64,
    /// Lines before `good` that are part of no whole letter.
    pub damaged: u64,
}

/// Looks through one file and notes the id of every whole letter.
pub(super) fn look_through(path: &Path, ids: &mut Ids) -> io::Result<Extent> {
    let mut extent = Extent::default();
    let mut open: Option<(String, u32, u32)> = None;
    let (mut at, mut suspect) = (0_u64, 0);
    for_each_line(path, |line, whole| {
        at += u64::try_from(line.len()).unwrap_or(u64::MAX);
        suspect += 1;
        let glance: Option<Glance> = if whole { serde_json::from_slice(line).ok() } else { None };
        open = match (glance, open.take()) {
            (Some(Glance { id, part: 0, parts: Some(parts) }), _) => Some((id, 1, parts)),
            (Some(glance), Some((id, next, parts))) if glance.id == id && glance.part == next => {
                Some((id, next + 1, parts))
            }
            _ => None,
        };
        if let Some((id, _, parts)) = open.take_if(|(_, next, parts)| next >= parts) {
            if let Ok(id) = id.parse() {
                ids.insert(&id);
                suspect -= u64::from(parts);
            }
            extent.good = at;
            extent.damaged += suspect;
            suspect = 0;
        }
        true
    })?;
    extent.end = at;
    Ok(extent)
}

/// Every whole letter of a directory, oldest first, until `each` answers false. What is damaged goes to `damaged` with
/// its file and the reason.
pub fn letters(
    dir: &Path,
    mut each: impl FnMut(Kept) -> bool,
    mut damaged: impl FnMut(&Path, String),
) -> io::Result<()> {
    let mut seen = Ids::default();
    for (_, path) in files(dir)? {
        let mut joiner = Joiner::default();
        let mut more = true;
        for_each_line(&path, |line, whole| {
            if !whole {
                return false;
            }
            match joiner.line(line) {
                Ok(Some(kept)) if !seen.contains(&kept.id) => {
                    seen.insert(&kept.id);
                    more = each(kept);
                }
                Ok(_) => {}
                Err(why) => damaged(&path, why),
            }
            more
        })?;
        if !more {
            break;
        }
    }
    Ok(())
}

/// Hands over each line with its newline, and whether it has one; until `each` answers false.
fn for_each_line(path: &Path, mut each: impl FnMut(&[u8], bool) -> bool) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = io::Read::take(&mut reader, limit).read_until(b'\n', &mut line)?;
        if read == 0 || !each(&line, line.last() == Some(&b'\n')) {
            return Ok(());
        }
    }
}
