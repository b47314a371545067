//! A file's turn: its new lines, put into the channels in batches; and its end, when nobody will write to it any more.

use super::TaildirSource;
use super::copies::Verdict;
use super::identity::FileKey;
use super::lines::{Limit, split};
use super::tail::{Chunk, LINE_MAX, Place, Step, Tail};
use crate::component::Failure;
use crate::event::{Batch, Entry, Headers, Origin, Part};
use crate::source::processor::ChannelProcessor;
use crate::status::happening::Happening;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

/// Flume's name for the header that has the offset of an event's line.
const BYTE_OFFSET: &str = "byteoffset";
/// How long the last line of a file that is there may be without its end. Flume gives it out after `idleTimeout`, and thereby
/// cuts the lines of slow writers in two.
const UNFINISHED: Duration = Duration::from_hours(1);
/// How long a file that was renamed and does not change is remembered after it was read to its end.
const RENAMED: Duration = Duration::from_hours(24);

/// What a turn's reading came to.
enum Read {
    /// So many lines were put.
    Put(u64),
    Nothing,
    Lost,
    /// The file could not be read.
    Trouble(io::Error),
}

impl TaildirSource {
    /// Reads what a file has when its turn comes. True if something was put.
    pub(super) fn turn(&mut self, key: FileKey) -> Result<bool, Failure> {
        let upto = match self.ready(key) {
            Ok(Some(upto)) => upto,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.out.counters().event_read_fail.add(1);
                self.files.trouble(key, &error);
                return Ok(false);
            }
        };
        let mut left = self.settings.turn_lines.unwrap_or(u64::MAX);
        let mut moved = false;
        loop {
            match self.read_some(key, upto, left)? {
                Read::Put(lines) => {
                    moved = true;
                    left = left.saturating_sub(lines);
                    let more = self.files.tails.get(&key).is_some_and(|tail| tail.pos < upto);
                    if !more {
                        break;
                    }
                    if left == 0 || self.context.stop.is_requested() {
                        self.files.enqueue(key);
                        break;
                    }
                }
                Read::Nothing => break,
                Read::Lost => {
                    self.files.lost(key);
                    break;
                }
                Read::Trouble(error) => {
                    self.out.counters().event_read_fail.add(1);
                    self.files.trouble(key, &error);
                    break;
                }
            }
        }
        Ok(moved)
    }

    /// Opens a file and makes sure that it is what it was: up to where it is to be read, if it is to be read.
    fn ready(&mut self, key: FileKey) -> io::Result<Option<u64>> {
        let Some(tail) = self.files.tails.get_mut(&key) else { return Ok(None) };
        let was_open = tail.is_open();
        if !was_open {
            self.files.limit_open();
        }
        let now = self.context.clock.now();
        let Some(tail) = self.files.tails.get_mut(&key) else { return Ok(None) };
        let metadata = tail.open()?.metadata()?;
        tail.look(&metadata, now);
        let is_shorter = metadata.len() < tail.pos;
        // R10: the content is compared when a file is opened; while it is open, with each read.
        if is_shorter || (!tail.is_recognised() && !tail.is_intact()?) {
            self.files.lost(key);
            return Ok(None);
        }
        if tail.pos == 0 && metadata.len() > 0 && self.files.judge(key)? != Verdict::Own {
            return Ok(None);
        }
        Ok(Some(metadata.len()))
    }

    /// Reads a block and puts it.
    fn read_some(&mut self, key: FileKey, upto: u64, lines: u64) -> Result<Read, Failure> {
        let Some(tail) = self.files.tails.get_mut(&key) else { return Ok(Read::Nothing) };
        let step = tail.skip_done().and_then(|_| tail.read(&self.buffers, upto));
        self.put_step(key, step, lines)
    }

    fn put_step(
        &mut self,
        key: FileKey,
        step: io::Result<Step>,
        lines: u64,
    ) -> Result<Read, Failure> {
        match step {
            Ok(Step::Lines(chunk)) => Ok(Read::Put(self.put_chunk(key, chunk, lines)?)),
            Ok(Step::Nothing) => Ok(Read::Nothing),
            Ok(Step::Lost) => Ok(Read::Lost),
            Err(error) => Ok(Read::Trouble(error)),
        }
    }

    /// Puts lines in batches, up to so many; says how many.
    fn put_chunk(&mut self, key: FileKey, chunk: Chunk, lines: u64) -> Result<u64, Failure> {
        let Some(tail) = self.files.tails.get_mut(&key) else { return Ok(0) };
        let Chunk { buffer, begin, end } = chunk;
        let bytes = self.buffers.lend(buffer);
        let limit = self.out.batch_limit(self.settings.batch_size);
        let mut put = 0;
        let mut at = begin;
        self.unwritten = true;
        while at < end && put < lines {
            let left = usize::try_from(lines - put).unwrap_or(usize::MAX);
            let boundary = boundary(&self.out, tail).map_or(usize::MAX, |to| {
                usize::try_from(to - tail.pos).unwrap_or(usize::MAX).saturating_add(at)
            });
            let limit = Limit {
                lines: limit.events.min(left),
                bytes: usize::try_from(limit.bytes).unwrap_or(usize::MAX),
                at: boundary,
            };
            let (table, behind) = split(&bytes, at, end, limit);
            let Some(data) = bytes.get(at..behind).filter(|data| !data.is_empty()) else { break };
            put += u64::try_from(table.len()).unwrap_or(u64::MAX);
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            if length >= LINE_MAX && data.last() != Some(&b'\n') {
                tell_cut(&self.context.teller, tail);
            }
            let part = Part {
                input: tail.input.clone(),
                range: tail.pos..tail.pos + length,
                evidence: tail.evidence_after(data),
            };
            let source = Some(self.out.source().clone());
            let origin = Origin { source, parts: vec![part], forgotten: Vec::new() };
            let batch = if self.settings.byte_offset_header {
                with_offsets(bytes.clone(), table, tail, at, origin)
            } else {
                Batch::new(bytes.clone(), table, vec![tail.headers.clone()], origin)
            };
            self.out.put(batch)?;
            tail.advance(data);
            at = behind;
            if tail.done.contains(tail.pos) {
                // What follows a channel has: it is skipped with the next read.
                break;
            }
        }
        Ok(put)
    }

    /// Closes files that have not changed for `idleTimeout`, and puts the last line of those that nobody will complete.
    pub(super) fn put_aside_idle(&mut self) -> Result<bool, Failure> {
        let now = self.context.clock.now();
        let wall_ms = self.context.clock.wall_ms();
        let unchanged_ms = |tail: &Tail| wall_ms.saturating_sub(tail.changed_ms());
        let longer =
            |ms: i64, than: Duration| u128::try_from(ms).is_ok_and(|ms| ms >= than.as_millis());
        let mut moved = false;
        let idle_timeout = self.settings.idle_timeout;
        let idle =
            |tail: &Tail| now.saturating_sub(tail.changed_at) >= idle_timeout && !tail.queued;
        let keys: Vec<FileKey> =
            self.files.tails.values().filter(|tail| idle(tail)).map(|tail| tail.key).collect();
        for key in keys {
            let Some(tail) = self.files.tails.get_mut(&key) else { continue };
            let place = tail.place;
            let is_over = match place {
                Place::Gone | Place::Renamed => true,
                Place::Matching => longer(unchanged_ms(tail), UNFINISHED),
            };
            if is_over && !tail.is_drained() && tail.seen_size() != u64::MAX {
                moved |= self.put_rest(key)?;
            }
            let Some(tail) = self.files.tails.get_mut(&key) else { continue };
            let forget = match place {
                Place::Gone => !self.files_is_out_of_reach(key),
                Place::Renamed => tail.is_drained() && longer(unchanged_ms(tail), RENAMED),
                Place::Matching => false,
            };
            if forget {
                self.files.finish(key);
            } else if let Some(tail) = self.files.tails.get_mut(&key)
                && tail.is_open()
                && tail.is_drained()
                && place != Place::Gone
            {
                // One that has more stays open: should it be removed, the rest can still be read.
                tail.close();
            }
        }
        Ok(moved)
    }

    fn files_is_out_of_reach(&self, key: FileKey) -> bool {
        let tail = self.files.tails.get(&key);
        tail.is_some_and(|tail| !tail.is_open() && self.files.is_out_of_reach(&tail.path))
    }

    /// Puts a last line that has no end.
    fn put_rest(&mut self, key: FileKey) -> Result<bool, Failure> {
        let was_moved = self.turn(key)?;
        let Some(tail) = self.files.tails.get_mut(&key) else { return Ok(was_moved) };
        if !tail.is_recognised() {
            return Ok(was_moved);
        }
        let step = tail.read_rest(&self.buffers);
        match self.put_step(key, step, u64::MAX)? {
            Read::Put(_) => Ok(true),
            Read::Trouble(error) => {
                self.files.trouble(key, &error);
                Ok(was_moved)
            }
            Read::Nothing | Read::Lost => Ok(was_moved),
        }
    }

    /// Reads files that have no name any more to their end: nobody can open them again.
    pub(super) fn read_what_goes_with_us(&mut self) -> Result<(), Failure> {
        let nameless = |tail: &&mut Tail| {
            tail.open_metadata().is_some_and(|m| m.is_ok_and(|metadata| metadata.nlink() == 0))
        };
        let keys: Vec<FileKey> =
            self.files.tails.values_mut().filter(nameless).map(|tail| tail.key).collect();
        for key in keys {
            self.put_rest(key)?;
        }
        Ok(())
    }
}

/// Where a batch of `tail` must end at the latest: where a channel's mark lies, or what need not be read begins.
fn boundary(out: &ChannelProcessor, tail: &Tail) -> Option<u64> {
    let done = tail.done.iter().map(|range| range.start).find(|start| *start > tail.pos);
    out.boundary(&tail.input, tail.pos).into_iter().chain(done).min()
}

/// A batch whose events each have the offset of their line.
fn with_offsets(
    bytes: bytes::Bytes,
    mut table: Vec<Entry>,
    tail: &Tail,
    at: usize,
    origin: Origin,
) -> Batch {
    let base = u64::try_from(at).unwrap_or(0);
    let mut sets = Vec::with_capacity(table.len());
    for (index, entry) in (0..).zip(&mut table) {
        let mut headers: Headers = (*tail.headers).clone();
        let offset = tail.pos + u64::from(entry.start) - base;
        headers.insert(BYTE_OFFSET.into(), offset.to_string());
        entry.headers = index;
        sets.push(Arc::new(headers));
    }
    Batch::new(bytes, table, sets, origin)
}

fn tell_cut(teller: &crate::status::happening::Teller, tail: &Tail) {
    let what = format!(
        "{} has a line of more than {LINE_MAX} bytes at byte {}",
        tail.path.display(),
        tail.pos
    );
    teller.tell(
        Happening::warning("line-cut", what)
            .effect("it becomes several events; nothing of it is lost")
            .next("going on"),
    );
}
