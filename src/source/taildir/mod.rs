//! TAILDIR: reads lines from files as they grow, and follows the files through every rotation.
//!
//! A batch carries which bytes of which file it is, so that one frame of the channel has the lines and the position, or
//! neither. Where a file goes on after a restart is what the channels vouch for (`begin`); what makes it the same file is its
//! inode and its content, not its name (`identity`). A look at everything (`sweep`) finds files that are new, renamed or
//! gone; in between the kernel says which were written to (`watch`). `turn` reads one file while it is its turn, `copies`
//! knows copytruncate, `sidecar` and `position_file` keep what real Flume can go on from.

mod begin;
mod buffers;
mod config;
mod copies;
mod files;
mod group;
mod identity;
mod lines;
mod position_file;
mod sidecar;
mod sweep;
mod tail;
mod turn;
mod watch;

use super::processor::ChannelProcessor;
use super::{BackOff, PollableSource, Source, SourceKind, StartSource};
use crate::clock::Stop;
use crate::component::{Context, Failure, Pass, StartError};
use crate::event::Origin;
use crate::status::happening::Happening;
use begin::{Begun, begin, memory_of, remembered};
use buffers::Buffers;
use config::{Settings, TaildirConfig};
use files::{Files, vouched_to};
use position_file::Entry;
use sidecar::{Memory, PositionFiles};
use std::sync::Arc;
use std::time::Duration;
use tail::Place;
use watch::Watch;

/// The row in the registry.
pub const KIND: SourceKind = SourceKind {
    names: &[TaildirConfig::TYPE, "TAILDIR"],
    about: TaildirConfig::ABOUT,
    keys: TaildirConfig::KEYS,
    read: |scope| {
        let settings = Settings::read(scope)?;
        Some(Box::new(Taildir { settings: Arc::new(settings) }))
    },
};

/// A look at everything that the kernel asks for takes at most this part of the time.
const SWEEP_SHARE: u32 = 10;

/// TAILDIR with its keys read.
#[derive(Debug)]
struct Taildir {
    settings: Arc<Settings>,
}

impl StartSource for Taildir {
    fn start(&self, context: &Context, mut out: ChannelProcessor) -> Result<Source, StartError> {
        context.teller.register(out.counters().clone());
        let watch = watch(context);
        let Begun { files, position_files, memory } = begin(&self.settings, context, &mut out)?;
        let write_at = context.clock.now();
        Ok(Source::Pollable(Box::new(TaildirSource {
            settings: self.settings.clone(),
            context: context.clone(),
            out,
            files,
            buffers: Buffers::default(),
            watch,
            sweep_at: Duration::ZERO,
            sweep_not_before: Duration::ZERO,
            position_files,
            memory,
            write_at,
            unwritten: true,
        })))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.settings.batch_size).ok()
    }
}

/// The kernel's hints, where it gives them.
fn watch(context: &Context) -> Option<Watch> {
    Watch::new()
        .map_err(|error| {
            context.teller.tell(
                Happening::warning("no-inotify", format!("inotify: {error}"))
                    .effect("changes are found by polling, up to `maxBackoffSleep` later")
                    .next("raise fs.inotify.max_user_instances and restart the agent"),
            );
        })
        .ok()
}

/// TAILDIR while it runs.
struct TaildirSource {
    settings: Arc<Settings>,
    context: Context,
    out: ChannelProcessor,
    files: Files,
    buffers: Buffers,
    watch: Option<Watch>,
    /// When the next look at everything is due.
    sweep_at: Duration,
    /// It is not due before, whatever the kernel says.
    sweep_not_before: Duration,
    position_files: PositionFiles,
    /// What counts of a channel that has not taken yet what it was told at the start.
    memory: Memory,
    /// When positions are written next, if there is something to write.
    write_at: Duration,
    /// Whether a channel may vouch for more than was written.
    unwritten: bool,
}

impl PollableSource for TaildirSource {
    fn process(&mut self) -> Result<Pass, Failure> {
        self.heed_changes();
        let mut moved = false;
        if self.now() >= self.sweep_at {
            self.sweep();
            moved |= self.put_aside_idle()?;
        }
        for _ in 0..self.files.waiting() {
            if self.context.stop.is_requested() {
                break;
            }
            let Some(key) = self.files.next() else { break };
            self.put_parts()?;
            moved |= self.turn(key)?;
        }
        self.put_parts()?;
        self.unwritten |= !self.files.finished.is_empty();
        if self.unwritten && self.now() >= self.write_at {
            self.write_positions()?;
        }
        if self.files.holds_back {
            self.sweep_at = self.sweep_at.min(self.now().saturating_add(copies::HOLD));
        }
        let again = self.files.waiting() > 0;
        Ok(if moved || again { Pass::Ready } else { Pass::Backoff })
    }

    fn idle(&mut self, stop: &Stop, at_most: Duration) {
        self.buffers.rest();
        let now = self.now();
        let mut until = now.saturating_add(at_most);
        if self.unwritten {
            until = until.min(self.write_at);
        }
        let woken = match &self.watch {
            Some(watch) => watch.wait(stop, until.min(self.sweep_at).saturating_sub(now)),
            None => stop.wait(until.saturating_sub(now)),
        };
        debug_assert!(!woken || self.watch.is_some() || stop.is_requested());
    }

    fn back_off(&self) -> BackOff {
        self.settings.back_off
    }

    fn close(&mut self, bound: Duration) {
        let closed = self.read_what_goes_with_us().and_then(|()| self.out.flush_within(bound));
        if let Ok(true) = closed {
            // Whatever fails here was told, and the channels know better.
            drop(self.write_positions());
            return;
        }
        let why = match closed {
            Err(failure) => failure.to_string(),
            Ok(_) => format!("not all was durable within {} s", bound.as_secs()),
        };
        self.context.teller.tell(
            Happening::warning("stopped-in-flight", why)
                .effect("nothing is lost: what no channel vouches for is read again")
                .next("the next start goes on from what the channels have"),
        );
    }
}

impl TaildirSource {
    fn now(&self) -> Duration {
        self.context.clock.now()
    }

    /// Looks at everything, and says when to do so again.
    fn sweep(&mut self) {
        let began = self.now();
        if let Some(watch) = &mut self.watch {
            for folder in &self.files.folders {
                // A directory that is not there, or cannot be watched, is polled.
                drop(watch.add(&folder.path));
            }
        }
        self.files.sweep();
        let now = self.now();
        self.sweep_not_before = now.saturating_add(now.saturating_sub(began) * SWEEP_SHARE);
        self.sweep_at = match self.watch {
            Some(_) => self.sweep_not_before.max(began + self.settings.back_off.max),
            // Nobody says what has changed: every pass looks.
            None => began,
        };
    }

    /// Takes the kernel's hints: what was written to has its turn, what came or went is looked for.
    fn heed_changes(&mut self) {
        let Some(changes) = self.watch.as_mut().map(Watch::changes) else { return };
        let mut look = changes.missed;
        if changes.missed {
            self.files.folders.iter_mut().for_each(group::Folder::has_changed);
        }
        for (folder, name) in changes.written {
            let path = folder.join(&name);
            match self.files.at(&path) {
                Some(key) => self.files.enqueue(key),
                None => look |= self.files.is_news(&folder, &name),
            }
        }
        for (folder, name) in changes.names {
            let path = folder.join(&name);
            if self.files.at(&path).is_some() {
                self.files.folder_changed(&path);
                look = true;
            } else {
                look |= self.files.is_news(&folder, &name);
            }
        }
        if look {
            self.sweep_at = self.sweep_at.min(self.sweep_not_before);
        }
    }

    /// Tells the channels what they must know before any events.
    fn put_parts(&mut self) -> Result<(), Failure> {
        if self.files.parts.is_empty() {
            return Ok(());
        }
        let parts = std::mem::take(&mut self.files.parts);
        self.unwritten = true;
        self.put_position(Origin { parts, ..Origin::default() })
    }

    fn put_position(&mut self, origin: Origin) -> Result<(), Failure> {
        let source = Some(self.out.source().clone());
        self.out.put_position(&Origin { source, ..origin })
    }

    /// Writes what the channels vouch for, and lets them forget what is read to its end and gone.
    fn write_positions(&mut self) -> Result<(), Failure> {
        self.write_at = self.now() + self.settings.write_interval;
        let vouched = remembered(self.out.vouched(), Some(&self.memory));
        let mut entries: Vec<Entry> = Vec::new();
        let mut behind = false;
        for tail in self.files.tails.values() {
            let pos = vouched_to(&vouched, &tail.input);
            behind |= pos < tail.pos;
            if tail.place == Place::Matching {
                let file = tail.path.to_string_lossy().into_owned();
                entries.push(Entry { inode: tail.key.ino, pos, file });
            }
        }
        entries.sort_by(|a, b| a.file.cmp(&b.file));
        let gone = |f: &files::Finished| vouched_to(&vouched, &f.input) >= f.pos;
        let (forgotten, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.files.finished).into_iter().partition(gone);
        self.files.finished = kept;
        self.unwritten = behind || !self.files.finished.is_empty();
        let memory = memory_of(&vouched);
        if let Err(error) = self.position_files.write(entries, &memory) {
            self.unwritten = true;
            let shown = self.settings.position_file.display();
            self.context.teller.tell(
                Happening::error("position-file-unwritable", format!("{shown}: {error}"))
                    .effect("positions are not written; a file channel has them all the same")
                    .next("it is tried again; make room, or let the agent's user write there"),
            );
        }
        let mut parts = vouched.joined();
        for part in &mut parts {
            // What a channel vouches for may be older than a copy that was taken over since.
            let now = |tail: &&tail::Tail| tail.input == part.input && tail.pos == part.range.end;
            if let Some(tail) = self.files.tails.values().find(now) {
                part.evidence = tail.evidence();
            }
        }
        if parts.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let forgotten = forgotten.into_iter().map(|finished| finished.input).collect();
        self.put_position(Origin { parts, forgotten, source: None })
    }
}
