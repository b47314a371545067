//! A TAILDIR source over a temporary directory, driven pass by pass.

use super::channels::{ListChannel, Rules};
use super::clock::HandClock;
use super::sources::{Around, Choose};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tailwater::component::{Failure, Pass, StartError};
use tailwater::config::component::{Component, Property};
use tailwater::config::kind::Family;
use tailwater::config::span::Span;
use tailwater::config::surroundings::Surroundings;
use tailwater::source::{PollableSource, Source, StartSource, taildir};

/// The longest that the source waits between looks at everything, by its keys' defaults.
const SWEEP: Duration = Duration::from_secs(5);

/// One source, its files, its channels.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub clock: Arc<HandClock>,
    pub around: Around,
    pub channels: Vec<Arc<ListChannel>>,
    pub keys: Vec<(String, String)>,
    source: Option<Box<dyn PollableSource>>,
}

impl Scene {
    /// A source of one group, whose pattern is for names in the scene's directory `logs`, with one durable channel.
    pub fn new(pattern: &str) -> Self {
        Self::with(pattern, &[], vec![ListChannel::new("c1", Rules::default())])
    }

    pub fn with(pattern: &str, keys: &[(&str, &str)], channels: Vec<Arc<ListChannel>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let clock = Arc::new(HandClock::default());
        clock.follow_the_world();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut all = vec![
            ("filegroups".to_owned(), "g".to_owned()),
            ("filegroups.g".to_owned(), path(&format!("logs/{pattern}"))),
            ("positionFile".to_owned(), path("positions/taildir_position.json")),
        ];
        all.extend(keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let around = Around::new(clock.clone());
        Self { folder, clock, around, channels, keys: all, source: None }
    }

    pub fn choose(mut self, choose: Choose) -> Self {
        self.around.choose = choose;
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    pub fn position_file(&self) -> PathBuf {
        self.folder.path().join("positions/taildir_position.json")
    }

    pub fn positions(&self) -> String {
        fs::read_to_string(self.position_file()).unwrap_or_default()
    }

    pub fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text.as_bytes());
    }

    pub fn rename(&self, from: &str, to: &str) {
        rustix::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// As logrotate: a copy, and then the original emptied.
    pub fn copytruncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.empty(from);
    }

    pub fn empty(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    pub fn try_start(&mut self) -> Result<(), StartError> {
        let start = read_keys(&self.keys).unwrap();
        let out = self.around.processor(&self.channels);
        match start.start(&self.around.context(), out)? {
            Source::Pollable(source) => self.source = Some(source),
            Source::EventDriven(_) => panic!("TAILDIR is polled"),
        }
        Ok(())
    }

    pub fn start(&mut self) {
        self.try_start().unwrap();
    }

    /// One pass, whatever the time.
    pub fn step(&mut self) -> Result<Pass, Failure> {
        self.source.as_mut().unwrap().process()
    }

    /// Looks at everything, and passes until there is nothing to do.
    pub fn pass(&mut self) {
        self.clock.turn(SWEEP);
        self.pass_at_once();
    }

    /// Passes until there is nothing to do, without turning the clock: what the kernel told of is found.
    pub fn pass_at_once(&mut self) {
        for _ in 0..10_000 {
            if self.step().unwrap() == Pass::Backoff {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// As `kill -9`: nobody is asked, and the channels keep what they had made durable.
    pub fn crash(&mut self) {
        self.source = None;
        self.channels = self.channels.iter().map(|channel| channel.after_crash()).collect();
    }

    pub fn stop(&mut self) {
        if let Some(mut source) = self.source.take() {
            source.close(Duration::from_secs(5));
        }
    }

    /// The bodies in the first channel.
    pub fn bodies(&self) -> Vec<String> {
        self.channels[0].bodies()
    }

    /// How often the source told `code`.
    pub fn told(&self, code: &'static str) -> u64 {
        self.around.told(code)
    }
}

/// Reads TAILDIR's keys as the agent does.
pub fn read_keys(keys: &[(String, String)]) -> Option<Box<dyn StartSource>> {
    let property = |(key, value): &(String, String)| Property {
        key: key.clone(),
        value: value.clone(),
        key_span: Span::default(),
        value_span: Span::default(),
        pending: false,
    };
    let component = Component {
        family: Family::Source,
        agent: "a1".into(),
        name: "r1".into(),
        path: "a1.sources.r1".into(),
        type_name: "TAILDIR".into(),
        connected: vec!["c1".into()],
        place: Span::default(),
        properties: keys.iter().map(property).collect(),
    };
    component.read(&Surroundings::default(), taildir::KIND.read).value
}

pub fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
