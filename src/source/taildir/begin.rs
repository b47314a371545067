//! Where a source goes on when it starts: what the channels vouch for, the sidecar, and the position file, in that order; unless
//! somebody else has written the position file, which then wins (R10).

use super::config::Settings;
use super::files::{Files, path_of};
use super::identity::{FileKey, Fingerprint, Witness, born, modified_ns};
use super::position_file::{Content, Entry};
use super::sidecar::{Found, Memory, PositionFiles};
use super::sweep::Met;
use super::tail::{Place, Suspect, Tail};
use crate::component::{Context, StartError};
use crate::event::{InputId, Origin};
use crate::selector::Marks;
use crate::source::processor::ChannelProcessor;
use crate::source::resume::{ChannelMarks, Vouched};
use crate::status::happening::Happening;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files named in one line that tells what another hand moved.
const NAMED_MAX: usize = 5;

/// What is decided while a source begins.
struct Beginning<'a> {
    files: Files,
    vouched: &'a Vouched,
    /// What the position file says, by inode and path.
    entries: HashMap<(u64, String), u64>,
    /// Whether the position file is as we left it.
    ours: bool,
    /// When we last wrote, in nanoseconds since 1970.
    wrote_ns: u64,
    forgotten: Vec<InputId>,
    /// What another hand moved: path, from, to.
    moved: Vec<(PathBuf, u64, u64)>,
}

/// A source that has begun.
pub(super) struct Begun {
    pub(super) files: Files,
    pub(super) position_files: PositionFiles,
    /// What counts of a channel until it has taken what it was told at the start.
    pub(super) memory: Memory,
}

/// Finds where every file goes on, tells the channels what they lack, and accepts the position file.
pub(super) fn begin(
    settings: &Arc<Settings>,
    context: &Context,
    out: &mut ChannelProcessor,
) -> Result<Begun, StartError> {
    let shown = settings.position_file.display();
    let unusable = |error: io::Error| {
        StartError::transient(
            format!("position file {shown}: {error}"),
            "let the agent's user read and write it and its directory",
        )
    };
    let name = context.name.as_str();
    let (mut position_files, found) =
        PositionFiles::open(&settings.position_file, name).map_err(unusable)?;
    let taken = out.taken();
    let mut vouched = remembered(taken.clone(), found.memory.as_ref());
    let entries = entries(settings, context, &found)?;
    let mut beginning = Beginning {
        files: Files::new(settings.clone(), context.clock.clone(), context.teller.clone()),
        vouched: &vouched,
        entries: entries.into_iter().map(|e| ((e.inode, e.file), e.pos)).collect(),
        ours: found.ours,
        wrote_ns: found.wrote_ns,
        forgotten: Vec::new(),
        moved: Vec::new(),
    };
    beginning.find_inputs();
    beginning.find_files();
    beginning.tell();
    let Beginning { mut files, forgotten, .. } = beginning;
    let not_durable = |failure: crate::component::Failure| {
        StartError::transient(failure.to_string(), "see the channel")
    };
    out.resume(&vouched);
    let mut parts = vouched.catch_up(&taken);
    parts.append(&mut files.parts);
    // What is forgotten must not be told as done.
    parts.retain(|part| !forgotten.contains(&part.input));
    if !parts.is_empty() || !forgotten.is_empty() {
        let origin = Origin { source: Some(out.source().clone()), parts, forgotten };
        out.put_position(&origin).map_err(not_durable)?;
        // The position file is accepted only when what follows from it is durable.
        out.flush().map_err(not_durable)?;
        vouched.channels.iter_mut().for_each(|channel| channel.positions.add(&origin));
    }
    let memory = memory_of(&vouched);
    position_files.accept(&memory).map_err(unusable)?;
    Ok(Begun { files, position_files, memory })
}

/// What a sidecar is to remember of what the channels vouch for.
pub(super) fn memory_of(vouched: &Vouched) -> Memory {
    let of = |c: &ChannelMarks| (c.channel.as_str().to_owned(), c.positions.clone());
    let channels = vouched.channels.iter().map(of).collect();
    Memory { marks: Some(vouched.marks), channels }
}

/// What the channels have, with what the sidecar remembers of those that forget.
pub(super) fn remembered(mut vouched: Vouched, memory: Option<&Memory>) -> Vouched {
    let Some(memory) = memory else { return vouched };
    vouched.marks_before = memory.marks;
    for channel in vouched.channels.iter_mut().filter(|channel| !channel.is_known()) {
        if let Some(positions) = memory.channels.get(channel.channel.as_str()) {
            channel.positions = positions.clone();
        }
    }
    if memory.marks == Some(Marks::Union) {
        // What went to a channel that the source no longer has is done all the same.
        let has = |name: &str| vouched.channels.iter().any(|c| c.channel.as_str() == name);
        let left = memory.channels.iter().filter(|(name, _)| !has(name));
        let gone: Vec<_> = left.map(|(_, positions)| positions.clone()).collect();
        if let Some(first) = vouched.channels.iter_mut().find(|c| c.is_known()) {
            for (input, mark) in gone.iter().flat_map(crate::event::Positions::iter) {
                let mut joined = first.positions.get(input).cloned().unwrap_or_default();
                mark.ranges.iter().for_each(|range| joined.ranges.insert(range));
                joined.evidence.extend(mark.evidence.clone());
                joined.plan = mark.plan;
                first.positions.set(input.clone(), joined);
            }
        }
    }
    vouched
}

/// What the position file says. One that Flume would not start with does not start us either.
fn entries(
    settings: &Settings,
    context: &Context,
    found: &Found,
) -> Result<Vec<Entry>, StartError> {
    let shown = settings.position_file.display();
    match &found.position_file {
        None => Ok(Vec::new()),
        Some(Content::Entries(entries)) => Ok(entries.clone()),
        Some(Content::Cut) => {
            context.teller.tell(
                Happening::warning("position-file-cut", format!("{shown} is empty or cut"))
                    .effect("it counts as removed, as in Flume: files are read as if for the first time")
                    .next("to prevent that, stop the agent and put a good one in its place"),
            );
            Ok(Vec::new())
        }
        Some(Content::Wrong(why)) => Err(StartError::transient(
            format!("position file {shown} is not one: {why}"),
            "mend it, or remove it to read all files as if for the first time",
        )),
    }
}

impl Beginning<'_> {
    /// Finds the file of every input that some channel has a mark of.
    fn find_inputs(&mut self) {
        let mut folders: HashMap<PathBuf, Option<Listing>> = HashMap::new();
        for input in self.vouched.inputs() {
            let again = self.vouched.offered_again(&input);
            if again > 0 {
                self.tell_offered_again(&input, again);
            }
            let path = path_of(&input).to_owned();
            let (Some(folder), Some(group)) = (path.parent(), self.files.group_of(&path)) else {
                // Its group is no longer in the configuration.
                self.forgotten.push(input);
                continue;
            };
            let listing = folders.entry(folder.to_owned()).or_insert_with(|| list(folder).ok());
            let witnesses = self.witnesses(&input);
            let found = match listing {
                Some(listing) => find(listing, &witnesses),
                // A directory that cannot be looked into may come back: nothing is forgotten.
                None => witnesses
                    .first()
                    .map(|(end, witness)| (path, (witness.key, witness.born), *end, witness.print)),
            };
            if !found.is_some_and(|found| self.resume(&input, group, found)) {
                self.tell_gone(&input, &witnesses);
                self.forgotten.push(input);
            }
        }
    }

    /// What recognises an input, at its position first.
    fn witnesses(&self, input: &InputId) -> Vec<(u64, Witness)> {
        let position = self.vouched.position(input);
        let marks = self.vouched.channels.iter().filter_map(|c| c.positions.get(input));
        let all = marks.flat_map(|mark| mark.evidence.iter());
        let mut witnesses: Vec<_> =
            all.filter_map(|(end, e)| Some((*end, Witness::read(e)?))).collect();
        witnesses.sort_by_key(|(end, _)| (*end != position, std::cmp::Reverse(*end)));
        witnesses
    }

    /// Goes on with an input in a file that was found. What was read of it is checked when it is opened.
    fn resume(&mut self, input: &InputId, group: usize, found: FoundFile) -> bool {
        let position = self.vouched.position(input);
        let (path, of, end, print) = found;
        let matches = self.files.group_of(&path).is_some();
        let headers = self.files.headers(group, path_of(input));
        let now = self.files.clock.now();
        let mut tail = Tail::new(input.clone(), of, path, headers, now);
        tail.place = if matches { Place::Matching } else { Place::Renamed };
        tail.suspect = Suspect::No;
        tail.done = self.vouched.done(input);
        tail.expect(end, print);
        if end != position {
            // Only another channel has something to recognise it by, at another place.
            let there = matches!(tail.is_intact(), Ok(true)) && tail.go_to(position).is_ok();
            tail.close();
            if !there {
                return false;
            }
        }
        if let Some(other) = self.files.tails.get(&of.0) {
            // Two lives of one file: the one that the position file means, else the one that is further.
            let entry = self.entry(&tail.path, of.0.ino);
            let means = |pos: u64| (entry == Some(pos), pos);
            if means(other.pos) >= means(position) {
                return false;
            }
            self.forgotten.extend(self.files.take_out(of.0).map(|other| other.input));
        }
        self.files.put_in(tail);
        true
    }

    fn entry(&self, path: &Path, inode: u64) -> Option<u64> {
        self.entries.get(&(inode, path.to_string_lossy().into_owned())).copied()
    }

    /// Decides for every file that is there where it is read from.
    fn find_files(&mut self) {
        for Met { path, group, metadata } in self.files.look() {
            let key = FileKey::of(&metadata);
            let own = self.files.tails.get(&key).map(|tail| tail.pos);
            let entry = self.entry(&path, key.ino);
            let start = match entry {
                // In a file of ours, what has a position and no mark is a file that was emptied, or of which nothing was read.
                Some(_) if self.ours => 0,
                Some(pos) => pos,
                None => self.without_entry(&metadata),
            };
            match own {
                Some(_) if self.ours => self.files.enqueue(key),
                Some(pos) if pos == start => self.files.enqueue(key),
                Some(pos) => {
                    self.forgotten.extend(self.files.take_out(key).map(|tail| tail.input));
                    self.moved.push((path.clone(), pos, start));
                    self.admit(path, group, &metadata, start);
                }
                // A second name of a file that is followed would have been `Some`.
                None => self.admit(path, group, &metadata, start),
            }
        }
    }

    /// Where a file is read from that nothing is known of.
    fn without_entry(&self, metadata: &fs::Metadata) -> u64 {
        // What came while we were away is read from its beginning, as what comes while we are here.
        let came_later = self.ours && self.wrote_ns > 0 && born(metadata) >= self.wrote_ns;
        if self.files.settings.skip_to_end && !came_later { metadata.len() } else { 0 }
    }

    fn admit(&mut self, path: PathBuf, group: usize, metadata: &fs::Metadata, start: u64) {
        let shown = path.display().to_string();
        let size = metadata.len();
        let start = if start > size {
            self.files.teller.tell(
                Happening::warning(
                    "position-beyond-end",
                    format!("{shown} has {size} bytes, and its position is {start}"),
                )
                .effect("it was emptied since; what it had beyond that position is lost")
                .next("reading it from its beginning, as Flume does"),
            );
            0
        } else {
            start
        };
        // Of what is there at a first start, nothing is taken for a copy: nothing was read yet.
        let suspect = if self.ours { Suspect::Unjudged } else { Suspect::No };
        if let Err(error) = self.files.admit(path, group, metadata, start, suspect) {
            self.files.teller.tell(
                Happening::error("file-unreadable", format!("{shown}: {error}"))
                    .effect("it will be read from its beginning when it can be read")
                    .next("let the agent's user read it, and restart the agent to go on at its position"),
            );
        }
    }

    fn tell(&self) {
        let positions = self.entries.values().filter(|pos| **pos > 0).count();
        let shown = self.files.settings.position_file.display();
        if self.vouched.is_new() {
            if positions > 0 {
                let what =
                    format!("going on from {shown}, which has positions of {positions} files");
                self.files.teller.tell(Happening::info("position-file-taken", what));
            }
        } else if !self.moved.is_empty() {
            let named = self.moved.iter().take(NAMED_MAX);
            let named: Vec<_> =
                named.map(|(path, from, to)| format!("{} {from} → {to}", path.display())).collect();
            let more = self.moved.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = format!("{shown} is not as this agent left it: {}{more}", named.join(", "));
            self.files.teller.tell(
                Happening::warning("position-file-changed", what)
                    .effect("what lies before a position that was moved back is read again; what lies before one that was moved on is skipped")
                    .next("reading from the positions in the file, because somebody wrote them"),
            );
        }
    }

    fn tell_offered_again(&self, input: &InputId, bytes: u64) {
        let what = format!(
            "interceptors or selector have changed, and the channels are not equally far in {}",
            path_of(input).display()
        );
        self.files.teller.tell(
            Happening::warning("plan-changed", what)
                .effect(format!(
                    "{bytes} bytes of it are offered to all channels again: doubled, never lost"
                ))
                .next("going on"),
        );
    }

    fn tell_gone(&self, input: &InputId, witnesses: &[(u64, Witness)]) {
        let position = self.vouched.position(input);
        if position == 0 || witnesses.is_empty() {
            return;
        }
        let path = path_of(input);
        let is_there = |w: &Witness| fs::metadata(path).is_ok_and(|m| FileKey::of(&m) == w.key);
        let happening = if witnesses.iter().any(|(_, witness)| is_there(witness)) {
            let what =
                format!("{} was emptied or replaced while the agent was away", path.display());
            Happening::warning("file-emptied", what)
                .effect(format!("what it had beyond byte {position} is lost, if it had more"))
                .next("reading it from its beginning")
        } else {
            let what = format!("{} is gone since it was read to byte {position}", path.display());
            Happening::info("file-gone", what)
        };
        self.files.teller.tell(happening);
    }
}

/// The regular files of a directory.
type Listing = Vec<(PathBuf, fs::Metadata)>;
/// A file that was found: its path, what it is, and what must be before which byte of it.
type FoundFile = (PathBuf, (FileKey, u64), u64, Fingerprint);

fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Ok(Some(metadata)) = Files::regular(&path) {
            listing.push((path, metadata));
        }
    }
    listing.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(listing)
}

/// The file that an input was read of, under any name: by its inode, if it has what was read. If it has not, it was emptied or
/// replaced, and another file that has it is the copy. Where the inode is gone altogether, only a copy that kept its times
/// counts: a file made anew may begin as the old one did. R10
fn find(listing: &Listing, witnesses: &[(u64, Witness)]) -> Option<FoundFile> {
    let found = |path: &Path, metadata: &fs::Metadata, end: u64, print: Fingerprint| {
        (path.to_owned(), (FileKey::of(metadata), born(metadata)), end, print)
    };
    let mut unreadable = None;
    let mut was_emptied = false;
    for (end, Witness { key, born: made, print }) in witnesses {
        let same = |m: &fs::Metadata| {
            m.ino() == key.ino && (*made == 0 || born(m) == 0 || born(m) == *made)
        };
        for (path, metadata) in listing.iter().filter(|(_, m)| same(m)) {
            let here = || found(path, metadata, *end, *print);
            match File::open(path).and_then(|file| print.fits(&file, *end)) {
                Ok(true) => return Some(here()),
                // Nothing was read of it: there is nothing to recognise, and nothing to lose.
                Ok(false) if *end == 0 => return Some(here()),
                // A device's number may be another after a restart of the machine.
                Ok(false) => was_emptied |= metadata.dev() == key.dev,
                // It is looked at again when it can be opened.
                Err(_) => unreadable = unreadable.or_else(|| Some(here())),
            }
        }
    }
    if unreadable.is_some() {
        return unreadable;
    }
    for (end, Witness { print, .. }) in witnesses {
        let fits =
            |path: &Path| File::open(path).and_then(|f| print.fits(&f, *end)).unwrap_or(false);
        let candidates = listing.iter().filter(|(_, metadata)| {
            metadata.len() >= *end && (was_emptied || kept_its_times(metadata))
        });
        let fitting = candidates.filter(|(path, _)| fits(path)).max_by_key(|(_, m)| m.len());
        if let Some((path, metadata)) = fitting {
            return Some(found(path, metadata, *end, *print));
        }
    }
    None
}

/// Whether a file's content is older than its inode: it was copied with its times, as to another disk.
fn kept_its_times(metadata: &fs::Metadata) -> bool {
    let (born, modified) = (born(metadata), modified_ns(metadata));
    born != 0 && modified != 0 && modified < born
}
