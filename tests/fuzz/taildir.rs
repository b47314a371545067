//! Numbered lines, written while their file is renamed, copied, emptied, removed and linked at random, and the agent stopped
//! and killed in between: each line once in every channel that keeps its marks, none missing from one that forgets.
//!
//! What no reader can get does not happen here, by rule: a file is renamed away, or emptied after a copy, to a name that
//! nobody looks for only after something of it was read and is durable; a file is removed only when all of it is durable; a
//! line is not cut by the rotation itself.

use crate::random::Random;
use crate::support::channels::{ListChannel, Rules};
use crate::support::sources::Choose;
use crate::support::taildir::Scene;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Seeds that once found something: they come first.
const FOUND: &[u64] = &[120, 153, 1463];
/// What happens in one round.
const STEPS: usize = 60;
/// Not yet durable bytes that a channel may be left with: beyond, a source would wait.
const UNSYNCED_MAX: usize = 2 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OneChannel,
    TwoChannels,
    InTurn,
    Forgets,
}

/// Somebody who writes to a file, whatever it is called by now.
struct Writer {
    file: File,
    name: String,
    /// The end of a line whose beginning is written.
    rest: Option<String>,
}

#[allow(clippy::struct_excessive_bools, reason = "what is true of the world at one moment")]
struct World {
    scene: Scene,
    random: Random,
    kind: Kind,
    /// Whether rotated files have names that are looked for.
    all_match: bool,
    active: Writer,
    /// Rotated files: somebody may still write to them.
    old: Vec<Writer>,
    next: usize,
    named: usize,
    running: bool,
    /// Whether something of the active file's life was read and is durable.
    known: bool,
    /// Whether the active file's life has a whole line.
    begun: bool,
    unsynced: usize,
    /// What a forgetful channel's sinks have delivered.
    delivered: Vec<String>,
    trace: Vec<String>,
}

/// One round.
pub(crate) fn run(seed: u64) {
    let seed = match usize::try_from(seed).ok().and_then(|n| FOUND.get(n)) {
        Some(found) => *found,
        None => seed,
    };
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
    world.check(seed);
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kind = *random.one_of(&[
            Kind::OneChannel,
            Kind::OneChannel,
            Kind::TwoChannels,
            Kind::InTurn,
            Kind::Forgets,
        ]);
        let all_match = random.once_in(2);
        let rules = Rules { by_hand: true, forgets: kind == Kind::Forgets, ..Rules::default() };
        let count = if matches!(kind, Kind::TwoChannels | Kind::InTurn) { 2 } else { 1 };
        let channels: Vec<Arc<ListChannel>> =
            (1..=count).map(|n| ListChannel::new(&format!("c{n}"), rules.clone())).collect();
        let pattern = if all_match { "a.*" } else { r"a\.log" };
        let batch_size = ["1", "3", "100"][random.below(3)];
        let turn = ["2", "9223372036854775807"][random.below(2)];
        let keys = [("batchSize", batch_size), ("maxBatchCount", turn)];
        let mut scene = Scene::with(pattern, &keys, channels);
        if kind == Kind::InTurn {
            scene = scene.choose(Choose::InTurn);
        }
        let active = Writer::open(&scene, "a.log");
        Self {
            scene,
            random,
            kind,
            all_match,
            active,
            old: Vec::new(),
            next: 0,
            named: 0,
            running: false,
            known: false,
            begun: false,
            unsynced: 0,
            delivered: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(24) {
            0..=7 => self.write(),
            8..=12 => self.pass(),
            13 => self.sync(),
            14 | 15 => self.rename(),
            16 | 17 => self.copy_and_empty(),
            18 => self.remove_old(),
            19 => self.write_old(),
            20 => self.crash(),
            21 => self.stop_or_start(),
            22 => self.idle(),
            _ => self.odd_names(),
        }
        if self.unsynced > UNSYNCED_MAX {
            self.sync();
        }
    }

    fn told(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    /// Some lines, the last perhaps without its end.
    fn write(&mut self) {
        let lines = 1 + self.random.below(6);
        let rest = self.active.rest.take();
        let mut text = rest.clone().unwrap_or_default();
        for _ in 0..lines {
            let long = if self.random.once_in(40) { 300_000 } else { self.random.below(80) };
            let end = if self.random.once_in(4) { "\r\n" } else { "\n" };
            write!(text, "{:06} {}{end}", self.next, "x".repeat(long)).expect("a String takes it");
            self.next += 1;
        }
        if self.random.once_in(3) {
            let cut = text.len() - 1 - self.random.below(5.min(text.len() - 1));
            self.active.rest = Some(text.split_off(cut));
        }
        self.begun |= text.contains('\n');
        self.unsynced += text.len();
        let first = self.next - lines;
        self.told(format!("write {first}.. {} bytes, rest {:?}", text.len(), self.active.rest));
        self.active.file.write_all(text.as_bytes()).unwrap();
    }

    fn complete_active(&mut self) {
        if let Some(rest) = self.active.rest.take() {
            self.active.file.write_all(rest.as_bytes()).unwrap();
            self.begun = true;
        }
    }

    fn pass(&mut self) {
        if !self.running {
            return;
        }
        if self.random.once_in(2) {
            self.told("pass");
            self.scene.pass();
        } else {
            self.told("pass at once");
            self.scene.pass_at_once();
        }
        if self.random.once_in(2) {
            self.sync();
        }
    }

    /// Everything put is durable, or delivered where the channel forgets.
    fn sync(&mut self) {
        self.told("sync");
        for channel in &self.scene.channels {
            channel.sync();
        }
        if self.kind == Kind::Forgets {
            let channel = &self.scene.channels[0];
            self.delivered.extend(channel.bodies().split_off(channel.settle_all()));
        }
        self.unsynced = 0;
    }

    /// Makes sure that something of the active file is read and durable, where that matters.
    fn may_become(&mut self, name: &str) -> bool {
        let is_looked_for = self.all_match && name.starts_with('a');
        if is_looked_for || self.known {
            return true;
        }
        if !self.running || !self.begun {
            return false;
        }
        self.scene.pass();
        self.sync();
        // A forgetful channel's marks are durable when the sidecar is written.
        self.scene.pass();
        self.known = true;
        true
    }

    fn fresh(&mut self, stem: &str) -> String {
        self.named += 1;
        format!("{stem}{}", self.named)
    }

    fn rename(&mut self) {
        let to = self.fresh("a.log.");
        if !self.begun || !self.may_become(&to) {
            return;
        }
        self.told(format!("rename {} to {to}", self.active.name));
        self.scene.rename(&self.active.name, &to);
        let new = Writer::open(&self.scene, "a.log");
        let mut old = std::mem::replace(&mut self.active, new);
        old.name = to;
        self.old.push(old);
        (self.known, self.begun) = (false, false);
    }

    fn copy_and_empty(&mut self) {
        self.complete_active();
        let stem = ["a.copy.", "z.copy."][self.random.below(2)];
        let to = self.fresh(stem);
        if !self.begun || !self.may_become(&to) {
            return;
        }
        self.told(format!("copy to {to} and empty"));
        fs::copy(self.scene.path("a.log"), self.scene.path(&to)).unwrap();
        if self.running && self.random.once_in(3) {
            self.told("pass between copying and emptying");
            self.scene.pass_at_once();
        }
        self.scene.empty("a.log");
        let old = Writer::open(&self.scene, &to);
        self.old.push(old);
        (self.known, self.begun) = (false, false);
    }

    /// Somebody writes to a file after it was rotated.
    fn write_old(&mut self) {
        if self.old.is_empty() {
            return;
        }
        let index = self.random.below(self.old.len());
        let mut text = self.old[index].rest.take().unwrap_or_default();
        writeln!(text, "{:06} late", self.next).expect("a String takes it");
        self.next += 1;
        self.unsynced += text.len();
        let name = self.old[index].name.clone();
        self.told(format!("write {} late to {name}", self.next - 1));
        self.old[index].file.write_all(text.as_bytes()).unwrap();
    }

    fn complete_old(&mut self) {
        for writer in &mut self.old {
            if let Some(rest) = writer.rest.take() {
                writer.file.write_all(rest.as_bytes()).unwrap();
            }
        }
    }

    fn remove_old(&mut self) {
        if self.old.is_empty() || !self.running {
            return;
        }
        self.complete_old();
        self.scene.pass();
        self.scene.pass();
        self.sync();
        self.scene.pass();
        let index = self.random.below(self.old.len());
        let gone = self.old.swap_remove(index);
        self.told(format!("remove {}", gone.name));
        self.scene.remove(&gone.name);
    }

    fn crash(&mut self) {
        if !self.running {
            return;
        }
        for index in 0..self.scene.channels.len() {
            let frames = self.random.below(6);
            self.told(format!("{frames} more frames of {index} are durable"));
            self.scene.channels[index].sync_some(frames);
        }
        self.told("crash");
        self.scene.crash();
        self.running = false;
        self.unsynced = 0;
        if self.random.once_in(2) {
            self.start();
        }
    }

    fn start(&mut self) {
        self.told("start");
        // What is told at the start must be durable before the source goes on: nobody would sync it here.
        self.scene.channels.iter().for_each(|c| c.state_rules(|rules| rules.by_hand = false));
        self.scene.start();
        self.scene.channels.iter().for_each(|c| c.state_rules(|rules| rules.by_hand = true));
        self.running = true;
    }

    fn stop_or_start(&mut self) {
        if !self.running {
            return self.start();
        }
        self.sync();
        self.told("stop");
        self.scene.channels.iter().for_each(|c| c.state_rules(|rules| rules.by_hand = false));
        self.scene.stop();
        self.scene.channels.iter().for_each(|c| c.state_rules(|rules| rules.by_hand = true));
        self.sync();
        self.running = false;
    }

    fn idle(&mut self) {
        if !self.running {
            return;
        }
        // A rotated file's last line is given out when the file is idle, and could not be completed after that.
        self.complete_old();
        self.told("idle");
        self.scene.clock.turn(Duration::from_mins(3));
        self.scene.pass();
    }

    /// Names that come and go.
    fn odd_names(&mut self) {
        let name = self.fresh("a.odd.");
        self.told(format!("odd name {name}"));
        if self.random.once_in(2) {
            drop(File::create(self.scene.path(&name)).unwrap());
            if self.running && self.random.once_in(2) {
                self.scene.pass_at_once();
            }
            self.scene.remove(&name);
        } else {
            fs::hard_link(self.scene.path("a.log"), self.scene.path(&name)).unwrap();
            if self.running && self.random.once_in(2) {
                self.scene.pass();
            }
            self.scene.remove(&name);
        }
    }

    fn finish(&mut self) {
        self.complete_old();
        self.complete_active();
        if !self.running {
            self.start();
        }
        for _ in 0..3 {
            self.scene.pass();
            self.sync();
        }
        self.scene.clock.turn(Duration::from_mins(3));
        self.scene.pass();
        self.sync();
    }

    fn check(&self, seed: u64) {
        let columns: Vec<Vec<String>> = match self.kind {
            Kind::OneChannel | Kind::TwoChannels => {
                self.scene.channels.iter().map(|channel| channel.bodies()).collect()
            }
            Kind::InTurn => {
                vec![self.scene.channels.iter().flat_map(|channel| channel.bodies()).collect()]
            }
            Kind::Forgets => vec![self.delivered.clone()],
        };
        for bodies in columns {
            let mut counts: BTreeMap<usize, usize> = (0..self.next).map(|n| (n, 0)).collect();
            for body in &bodies {
                let number = body.get(..6).and_then(|digits| digits.parse().ok());
                let number: usize =
                    number.unwrap_or_else(|| self.fail(seed, &format!("a piece: {body:.80}")));
                *counts.entry(number).or_default() += 1;
            }
            let lost: Vec<_> = counts.iter().filter(|(_, n)| **n == 0).map(|(l, _)| *l).collect();
            let doubled: Vec<_> = counts.iter().filter(|(_, n)| **n > 1).map(|(l, _)| *l).collect();
            if !lost.is_empty() || (!doubled.is_empty() && self.kind != Kind::Forgets) {
                self.fail(seed, &format!("lost {lost:?}, doubled {doubled:?}"));
            }
        }
    }

    fn fail(&self, seed: u64, what: &str) -> ! {
        let told = self.scene.around.telling.newest();
        let told: Vec<_> =
            told.iter().map(|t| format!("{}: {}", t.happening.code, t.happening.what)).collect();
        panic!(
            "seed {seed}, {:?}, all match {}: {what}\n{}\n\n{}",
            self.kind,
            self.all_match,
            self.trace.join("\n"),
            told.join("\n")
        );
    }
}

impl Writer {
    fn open(scene: &Scene, name: &str) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(scene.path(name)).unwrap();
        Self { file, name: name.into(), rest: None }
    }
}
