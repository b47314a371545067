//! The files an agent is made from: read, judged, watched.
//!
//! A file counts as changed when its length, time or identity is another than at the last reading, and has then stood still
//! for one look: an editor that is still writing is not read half-way. Flume looks for a later time only, and misses an older
//! file that is put in place.

use super::backup;
use crate::clock::Clock;
use crate::config::diagnostic::Severity;
use crate::config::files::Text;
use crate::config::kind::Kinds;
use crate::config::plan::{AgentPlan, ConsumerPlan, Plans, Program, plan};
use crate::config::render;
use crate::config::surroundings::Surroundings;
use crate::event::ComponentName;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// What the language calls a configuration without a single property.
const EMPTY: &str = "empty-file";

/// Which files, which name in them, and what they may ask about the process.
#[derive(Clone)]
pub struct Configuration {
    /// The agent's name.
    pub name: ComponentName,
    /// In order: later ones lie over earlier ones.
    pub files: Vec<PathBuf>,
    /// What a relative path starts from.
    pub directory: PathBuf,
    /// Environment and system properties.
    pub surroundings: Surroundings,
    /// Where a copy of what is in force is kept, if anywhere.
    pub backup: Option<PathBuf>,
    /// The components there are.
    pub kinds: Kinds,
    /// The time, for values that ask for it.
    pub clock: Arc<dyn Clock>,
}

/// What the files came to.
#[derive(Debug)]
pub struct Reading {
    /// What is to run under the name, if anything.
    pub found: Found,
    /// Whether the name is that of consumers, startable or not.
    pub is_consumer: bool,
    /// What is to be said, drawn in full, in the order of the files.
    pub remarks: Vec<(Severity, String)>,
}

/// What is to run.
#[derive(Debug)]
pub enum Found {
    /// An agent.
    Agent(AgentPlan),
    /// Programs that read topics and write tables.
    Consumers(ConsumerPlan),
    /// Nothing that could be started; the remarks say why.
    Nothing,
}

impl Reading {
    /// Whether something is left out.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.remarks.iter().any(|(severity, _)| *severity == Severity::Error)
    }
}

impl Configuration {
    /// Reads and judges the files. Opens nothing else, but runs the external filters that the name needs.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut plans = self.plans(&self.files);
        let is_empty = plans.diagnostics.iter().any(|remark| remark.code == EMPTY);
        if let Some(copy) = self.copy().filter(|_| is_empty) {
            log::warn!("Unable to access primary configuration. Trying backup {}", copy.display());
            plans = self.plans(&[copy]);
        }
        let said = plans.all_diagnostics();
        let remarks =
            said.iter().map(|said| (said.severity, render::full(said, &plans.sources))).collect();
        let judged = plans.programs.remove(self.name.as_str());
        let is_consumer = judged.as_ref().is_some_and(|judged| judged.is_consumer);
        let program = judged.and_then(|judged| judged.program);
        let found = match program.filter(|_| !plans.fatal) {
            Some(Program::Agent(plan)) => Found::Agent(plan),
            Some(Program::Consumers(plan)) => Found::Consumers(plan),
            None => Found::Nothing,
        };
        Reading { found, is_consumer, remarks }
    }

    fn plans(&self, files: &[PathBuf]) -> Plans {
        let now_ms = self.clock.wall_ms();
        let surroundings = Surroundings { now_ms, ..self.surroundings.clone() };
        let texts: Vec<_> = files.iter().map(|path| Text::read(path, &self.directory)).collect();
        plan(&texts, &surroundings, &self.kinds, Some(self.name.as_str()), true)
    }

    /// The copy that is kept, if there is one.
    fn copy(&self) -> Option<PathBuf> {
        let path = backup::path(self.backup.as_ref()?, &self.name);
        path.is_file().then_some(path)
    }

    /// Watches the files from how they are now.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let mut watch = Watch { files: self.files.clone(), seen: Vec::new(), moving: None };
        watch.take();
        watch
    }
}

/// How the files were when they were last looked at.
#[derive(Debug)]
pub struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    /// How they were at the last look, where that was a change.
    moving: Option<Vec<Option<Stamp>>>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &PathBuf) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// What a look at the files showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They are as they were.
    Same,
    /// They are being changed: look again soon.
    Moving,
    /// They have changed, and stand still.
    Changed,
}

impl Watch {
    /// Looks at the files. A file that is gone is no change: it is being replaced, or somebody will miss it.
    pub fn look(&mut self) -> Look {
        let now: Vec<_> = self.files.iter().map(Stamp::of).collect();
        if now == self.seen || now.iter().any(Option::is_none) {
            self.moving = None;
            return Look::Same;
        }
        if self.moving.as_ref() != Some(&now) {
            self.moving = Some(now);
            return Look::Moving;
        }
        self.moving = None;
        self.seen = now;
        Look::Changed
    }

    /// Takes the files as they are: somebody is about to read them.
    pub fn take(&mut self) {
        self.seen = self.files.iter().map(Stamp::of).collect();
        self.moving = None;
    }

    /// What was read was not used: the next look finds it changed.
    pub fn forget(&mut self) {
        self.seen = vec![None; self.files.len()];
    }

    /// Which files.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Watch};
    use std::fs;
    use std::path::PathBuf;

    fn watch(files: Vec<PathBuf>) -> Watch {
        let mut watch = Watch { files, seen: Vec::new(), moving: None };
        watch.take();
        watch
    }

    #[test]
    fn a_file_is_read_again_only_once_it_stands_still() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flume.conf");
        fs::write(&path, "a1.sources = r1").unwrap();
        let mut watch = watch(vec![path.clone()]);
        assert_eq!(watch.look(), Look::Same);
        fs::write(&path, "a1.sources = r1 r").unwrap();
        assert_eq!(watch.look(), Look::Moving);
        fs::write(&path, "a1.sources = r1 r2").unwrap();
        assert_eq!(watch.look(), Look::Moving, "it has moved since the last look");
        assert_eq!(watch.look(), Look::Changed);
        assert_eq!(watch.look(), Look::Same);
    }

    #[test]
    fn a_file_that_is_gone_changes_nothing_and_its_older_successor_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("flume.conf"), directory.path().join("other"));
        fs::write(&other, "the same length").unwrap();
        fs::write(&path, "THE SAME LENGTH").unwrap();
        let mut watch = watch(vec![path.clone()]);
        fs::remove_file(&path).unwrap();
        assert_eq!((watch.look(), watch.look()), (Look::Same, Look::Same));
        #[allow(clippy::disallowed_methods, reason = "as an operator does")]
        fs::rename(&other, &path).unwrap();
        assert_eq!((watch.look(), watch.look()), (Look::Moving, Look::Changed));
    }
}
