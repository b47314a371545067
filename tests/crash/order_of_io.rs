//! The order of operations on the disk, as golden files: whoever moves an answer above a sync must change one and defend it.

use crate::disk::SimDisk;
use crate::run::{Run, opening};
use std::path::Path;
use tailwater::channel::Channel as _;

/// What the disk was asked to do, and after each step what takers see and what was answered.
struct Script {
    run: Run,
    lines: Vec<String>,
}

impl Script {
    fn new() -> Self {
        let mut script =
            Self { run: Run::new(SimDisk::new(), opening(4, 1), 0), lines: Vec::new() };
        script.run.open().unwrap();
        script.note("open a channel that is new");
        script
    }

    fn note(&mut self, step: &str) {
        self.run.hear();
        self.lines.push(format!("{step}\n----"));
        self.lines.append(&mut self.run.disk.take_notes());
        let gauges = self.run.channel().gauges();
        let answered = self.run.model.answered();
        self.lines.push(format!(
            "published {}, answered {answered}, in the channel {}\n",
            gauges.next_sequence, gauges.events
        ));
    }

    fn compare(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/io").join(name);
        let found = self.lines.join("\n");
        if std::env::var_os("TAILWATER_REWRITE").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(golden, found, "{} says otherwise", path.display());
    }
}

#[test]
fn a_put_is_written_synced_published_and_then_answered() {
    let mut script = Script::new();
    script.run.put(&[100, 20]);
    script.note("put 2 events");
    script.run.write();
    script.note("the committer writes");
    script.run.put(&[1]);
    script.run.write();
    script.note("put 1 event more, and the committer writes before the first is synced");
    script.run.sync();
    script.note("the committer syncs both");
    script.compare("put.txt");
}

#[test]
fn a_settlement_is_written_synced_and_then_answered() {
    let mut script = Script::new();
    script.run.put(&[100, 20, 3]);
    script.run.commit();
    script.note("put 3 events, commit");
    script.run.take(3);
    script.run.settle(0, |place| place != 1);
    script.note("settle the first and the last of them");
    script.run.write();
    script.note("the committer writes");
    script.run.sync();
    script.note("the committer syncs");
    script.compare("settle.txt");
}

#[test]
fn the_next_segment_is_begun_after_the_seal_and_used_after_its_snapshot() {
    let mut script = Script::new();
    script.run.put(&[40_000]);
    script.run.commit();
    script.note("put 1 event of 40,000 bytes, commit");
    script.run.put(&[40_000]);
    script.run.commit();
    script.note("put another, for which the segment has no room");
    script.compare("next-segment.txt");
}
