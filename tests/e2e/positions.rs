//! `taildir_position.json` passes between real Flume and Tailwater: each goes on where the other stopped.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::program::{self, Program};
use crate::scene::{self, Scene, shown};
use crate::wait::until;

const LINES: usize = 1_000;
const STEP: Duration = Duration::from_mins(1);

/// A log, the position file, and the folder into which whoever runs rolls what it read.
struct Relay {
    scene: Scene,
    log: PathBuf,
    positions: PathBuf,
    written: usize,
    runs: usize,
}

#[test]
fn flume_and_tailwater_go_on_from_each_other_s_positions_through_a_memory_channel() {
    let Some(scene) = scene::enter("positions_memory") else { return };
    there_and_back_twice(Relay::new(scene), "memory");
}

#[test]
fn flume_and_tailwater_go_on_from_each_other_s_positions_past_what_the_file_channel_remembers() {
    let Some(scene) = scene::enter("positions_file") else { return };
    there_and_back_twice(Relay::new(scene), "file");
}

fn there_and_back_twice(mut relay: Relay, channel: &str) {
    for _ in 0..2 {
        let flume = relay.flume();
        relay.passes_new_lines_on(&flume.1, LINES);
        // A JVM ends with 128 + 15 on SIGTERM.
        flume.0.terminate();
        relay.positions_cover_the_log();

        let tailwater = relay.tailwater(channel);
        relay.passes_new_lines_on(&tailwater.1, LINES);
        tailwater.0.stop();
        relay.positions_cover_the_log();
    }
    assert_eq!(relay.seen(), (0..relay.written).map(|n| (format!("line {n}"), 1)).collect());
}

#[test]
fn a_position_file_removed_by_hand_has_everything_read_again() {
    for channel in ["memory", "file"] {
        let Some(scene) = scene::enter(&format!("positions_removed_{channel}")) else { return };
        let mut relay = Relay::new(scene);
        let first = relay.tailwater(channel);
        relay.passes_new_lines_on(&first.1, LINES);
        first.0.stop();
        std::fs::remove_file(&relay.positions).unwrap();

        let (mut again, out) = relay.tailwater(channel);
        relay.passes_new_lines_on(&out, 2 * LINES);
        again.says("taildir_position.json");
        again.stop();
        let twice = |n| if n < LINES { 2 } else { 1 };
        let expected = (0..relay.written).map(|n| (format!("line {n}"), twice(n))).collect();
        assert_eq!(relay.seen(), expected, "{channel}");
    }
}

impl Relay {
    fn new(scene: Scene) -> Self {
        let log = scene.folder("logs").join("app.log");
        let positions = scene.path("taildir_position.json");
        Self { scene, log, positions, written: 0, runs: 0 }
    }

    fn flume(&mut self) -> (Program, PathBuf) {
        let (conf, out) = self.conf("memory");
        (program::flume(&self.scene, &format!("flume-{}", self.runs), &conf), out)
    }

    fn tailwater(&mut self, channel: &str) -> (Program, PathBuf) {
        let (conf, out) = self.conf(channel);
        (program::agent(&self.scene, &format!("tailwater-{}", self.runs), &conf, &[]), out)
    }

    /// The next run's configuration, and the folder it writes what it read into.
    fn conf(&mut self, channel: &str) -> (PathBuf, PathBuf) {
        self.runs += 1;
        let out = self.scene.folder(&format!("out-{}", self.runs));
        let home = shown(&self.scene.path("channel"));
        let text = format!(
            r"
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = TAILDIR
a1.sources.r1.channels = c1
a1.sources.r1.positionFile = {positions}
a1.sources.r1.filegroups = f1
a1.sources.r1.filegroups.f1 = {logs}/.*\\.log
a1.channels.c1.type = {channel}
a1.channels.c1.transactionCapacity = 1000
a1.channels.c1.capacity = 100000
a1.channels.c1.checkpointDir = {home}/checkpoint
a1.channels.c1.dataDirs = {home}/data
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = {out}
",
            positions = shown(&self.positions),
            logs = shown(self.log.parent().unwrap()),
            out = shown(&out),
        );
        (self.scene.file(&format!("run-{}.conf", self.runs), &text), out)
    }

    /// Writes new lines and waits until the run's folder has so many.
    fn passes_new_lines_on(&mut self, out: &Path, expected: usize) {
        let mut log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let lines = self.written..self.written + LINES;
        self.written = lines.end;
        for n in lines {
            writeln!(log, "line {n}").unwrap();
        }
        until(&format!("run {} passes on {expected} lines", self.runs), STEP, || {
            match lines_in(out).len() {
                count if count >= expected => Ok(()),
                count => Err(format!("{count}")),
            }
        });
    }

    fn positions_cover_the_log(&self) {
        let text = std::fs::read_to_string(&self.positions).unwrap();
        let positions: serde_json::Value = serde_json::from_str(&text).unwrap();
        let end = std::fs::metadata(&self.log).unwrap().len();
        assert_eq!(positions[0]["pos"], end, "{text}");
        assert_eq!(positions[0]["file"], shown(&self.log), "{text}");
    }

    /// How often each line came out of all runs together.
    fn seen(&self) -> HashMap<String, usize> {
        let mut seen = HashMap::new();
        for run in 1..=self.runs {
            for line in lines_in(&self.scene.path(&format!("out-{run}"))) {
                *seen.entry(line).or_insert(0) += 1;
            }
        }
        seen
    }
}

fn lines_in(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
