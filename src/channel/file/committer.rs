//! The one who writes: everything that has arrived in one group, one write, one sync, then publish, then answer.
//!
//! Puts and settlements ride in the same groups. What settles is placed first and may use the reserve (R4); a put that
//! finds no room waits here, in order, and never fails for want of it: it was promised room when it was let in. While more
//! is waiting, a second thread syncs one group as the next is written.

use super::finish::{Done, Finisher};
use super::frame::Kind;
use super::open::remember_published;
use super::payload::{Encoded, encode_ranges};
use super::segments::RESERVE;
use super::state::{End, Shared};
use super::writer::{Group, Writer, Written};
use crate::channel::{ChannelError, Promise};
use crate::event::{Batch, Sequence};
use crate::ranges::RangeSet;
use crate::status::happening::{Happening, Teller};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are written and synced together, about. Measured: 2× of 256 KB, and no better at 16 MB.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// Groups that are written and wait for the second thread's sync at most.
const UNSYNCED_MAX: usize = 4;
/// How soon a free segment that somebody still has a view of is looked at again.
const VIEWED_WAIT: Duration = Duration::from_millis(10);

/// What is asked of the committer.
pub(super) enum Request {
    Put { batch: Batch, encoded: Encoded, promise: Promise },
    Settle { ranges: Vec<Range<Sequence>>, promise: Promise },
    Close { promise: Promise },
}

/// The committer: made by opening, and run on its own thread.
pub struct Committer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    teller: Teller,
    writer: Writer,
    /// Puts that were let in and are not written.
    waiting: VecDeque<(Batch, Encoded, Promise)>,
    /// Settlements that are not written.
    settling: Settling,
    closing: Option<Promise>,
    /// Groups that are written and not synced.
    unsynced: Vec<Written>,
    syncer: Option<Syncer>,
    /// Names the channel among those of this process (R5).
    checkpoint_dir: PathBuf,
}

/// Settlements, merged, and who waits for them.
#[derive(Default)]
struct Settling {
    ranges: RangeSet,
    /// How many ranges they were when they were asked for.
    asked: usize,
    promises: Vec<Promise>,
}

/// The second thread.
struct Syncer {
    groups: Sender<Written>,
    /// How many groups were finished, or why the disk failed.
    finished: Receiver<Result<usize, String>>,
    /// Groups it was given and has not finished.
    outstanding: usize,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        requests: Receiver<Request>,
        teller: Teller,
        writer: Writer,
        checkpoint_dir: PathBuf,
    ) -> Self {
        Self {
            shared,
            requests,
            teller,
            writer,
            waiting: VecDeque::new(),
            settling: Settling::default(),
            closing: None,
            unsynced: Vec::new(),
            syncer: None,
            checkpoint_dir,
        }
    }

    /// Runs until closed or broken. Whoever still has a promise then hears it.
    pub fn run(mut self) {
        let (groups, to_sync) = bounded(UNSYNCED_MAX);
        let (tell_finished, finished) = bounded(UNSYNCED_MAX + 1);
        let publisher = Finisher::new(self.shared.clone());
        let name = format!("sync-{}", self.shared.name);
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || keep_syncing(&publisher, &to_sync, &tell_finished));
        // Without a second thread the first does it all.
        if thread.is_ok() {
            self.syncer = Some(Syncer { groups, finished, outstanding: 0 });
        }
        let served = self.serve();
        self.end(&served);
        if let Ok(thread) = thread {
            drop(thread.join());
        }
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            if self.await_request()? {
                return self.sync();
            }
            while self.write()? {
                let more = !self.requests.is_empty() || !self.waiting.is_empty();
                self.hand_over(more)?;
            }
            if self.closing.is_some() {
                self.sync()?;
                return self.write_last();
            }
        }
    }

    /// An orderly end: a frame that says of all others that they are durable, so that damage among the last of them is
    /// told from a torn end.
    fn write_last(&mut self) -> Result<(), String> {
        let mut group = Group::default();
        let meta = encode_ranges(std::iter::empty());
        let encoded = Encoded { crc: crc32c::crc32c(&meta), meta, bodies: Bytes::new() };
        if !self.writer.fits(&group, encoded.length()) {
            return self.writer.seal();
        }
        let done = Done::Settled { ranges: Vec::new(), asked: 0, promises: Vec::new() };
        self.writer.place(&mut group, Kind::Settled, 0, encoded, done);
        self.write_group(group)?;
        self.sync()
    }

    fn write_group(&mut self, group: Group) -> Result<(), String> {
        match self.writer.write(group) {
            Ok(written) => {
                self.unsynced.push(written);
                Ok(())
            }
            Err((group, why)) => {
                group.refuse(&self.broken(&why));
                Err(why)
            }
        }
    }

    /// Waits for something to do. True when there will be nothing any more.
    fn await_request(&mut self) -> Result<bool, String> {
        let wants_segment = !self.waiting.is_empty() || !self.settling.promises.is_empty();
        if wants_segment && self.shared.lock().is_spare_viewed() {
            return match self.requests.recv_timeout(VIEWED_WAIT) {
                Ok(request) => Ok(self.accept(request)),
                Err(RecvTimeoutError::Timeout) => Ok(false),
                Err(RecvTimeoutError::Disconnected) => Ok(true),
            };
        }
        let never = crossbeam_channel::never();
        let finished = match &self.syncer {
            Some(syncer) if syncer.outstanding > 0 => &syncer.finished,
            _ => &never,
        };
        select! {
            recv(self.requests) -> request => match request {
                Ok(request) => { self.accept(request); Ok(false) }
                Err(_) => Ok(true),
            },
            recv(finished) -> finished => {
                let finished = finished.map_err(|_| "the syncing thread is gone".to_owned())??;
                if let Some(syncer) = &mut self.syncer {
                    syncer.outstanding -= finished;
                }
                Ok(false)
            }
        }
    }

    fn accept(&mut self, request: Request) -> bool {
        match request {
            Request::Put { batch, encoded, promise } => {
                self.waiting.push_back((batch, encoded, promise));
            }
            Request::Settle { ranges, promise } => {
                // Merged, so that a thousand acknowledgements of neighbours are one range.
                self.settling.asked += ranges.len();
                for range in ranges {
                    self.settling.ranges.insert(range);
                }
                self.settling.promises.push(promise);
            }
            Request::Close { promise } => self.closing = Some(promise),
        }
        false
    }

    /// Takes what has arrived, as much as one group has room for, and writes it. False if nothing was written.
    pub fn write(&mut self) -> Result<bool, String> {
        let mut bytes: u64 = self.waiting.iter().map(|(_, encoded, _)| encoded.length()).sum();
        while bytes < GROUP_BYTES_MAX && self.closing.is_none() {
            let Ok(request) = self.requests.try_recv() else { break };
            if let Request::Put { encoded, .. } = &request {
                bytes += encoded.length();
            }
            self.accept(request);
        }
        let mut group = Group::default();
        self.place_settled(&mut group)?;
        self.place_puts(&mut group)?;
        if group.is_empty() {
            return Ok(false);
        }
        self.write_group(group)?;
        Ok(true)
    }

    /// Syncs, publishes and answers everything that is written.
    pub fn sync(&mut self) -> Result<(), String> {
        if let Some(syncer) = &mut self.syncer {
            while syncer.outstanding > 0 {
                let finished = syncer
                    .finished
                    .recv()
                    .map_err(|_| "the syncing thread is gone".to_owned())??;
                syncer.outstanding -= finished;
            }
        }
        Finisher::new(self.shared.clone()).finish(std::mem::take(&mut self.unsynced))
    }

    /// Gives what is written to the second thread while more is waiting; else handing over costs more than it saves
    /// (measured: 276 against 199 MB/s with one frame in flight).
    fn hand_over(&mut self, more: bool) -> Result<(), String> {
        let Some(syncer) = self.syncer.as_mut().filter(|syncer| more || syncer.outstanding > 0)
        else {
            return self.sync();
        };
        for group in std::mem::take(&mut self.unsynced) {
            syncer.outstanding += 1;
            if let Err(refused) = syncer.groups.send(group) {
                let why = "the syncing thread is gone".to_owned();
                refused.into_inner().refuse(&self.broken(&why));
                return Err(why);
            }
        }
        while let Some(syncer) = self.syncer.as_mut()
            && let Ok(finished) = syncer.finished.try_recv()
        {
            syncer.outstanding -= finished?;
        }
        Ok(())
    }

    fn place_settled(&mut self, group: &mut Group) -> Result<(), String> {
        if self.settling.promises.is_empty() {
            return Ok(());
        }
        let meta = encode_ranges(self.settling.ranges.iter());
        let encoded = Encoded { crc: crc32c::crc32c(&meta), meta, bodies: Bytes::new() };
        // R4: it may use the reserve.
        if !self.writer.fits(group, encoded.length()) && !self.next_segment(group, 0)? {
            return Ok(());
        }
        let Settling { ranges, asked, promises } = std::mem::take(&mut self.settling);
        let done = Done::Settled { ranges: ranges.iter().collect(), asked, promises };
        self.writer.place(group, Kind::Settled, 0, encoded, done);
        Ok(())
    }

    fn place_puts(&mut self, group: &mut Group) -> Result<(), String> {
        while let Some((batch, encoded, _)) = self.waiting.front() {
            let (length, alone) = (encoded.length(), batch.is_empty());
            if !group.is_empty() && group.bytes + length > GROUP_BYTES_MAX {
                break;
            }
            // R4: events leave the reserve alone; positions alone, which are small, may use it.
            let leave = if alone { 0 } else { RESERVE };
            if self.shared.lock().spare() < leave {
                break;
            }
            if !self.writer.fits(group, length) && !self.next_segment(group, leave)? {
                break;
            }
            let Some((batch, encoded, promise)) = self.waiting.pop_front() else { break };
            if !self.writer.fits(group, length) {
                // The snapshot has grown since it was let in.
                self.refuse_too_large(&batch, &encoded, promise);
                continue;
            }
            let count = u32::try_from(batch.len()).expect("a batch's table has 32-bit offsets");
            self.writer.place(group, Kind::Batch, count, encoded, Done::Put(batch, promise));
        }
        Ok(())
    }

    fn refuse_too_large(&self, batch: &Batch, encoded: &Encoded, promise: Promise) {
        let mut state = self.shared.lock();
        state.coming_events -= u64::try_from(batch.len()).unwrap_or(0);
        state.coming_bytes -= super::frame::stride(encoded.length());
        let limit = state.frame_bytes_max();
        drop(state);
        let channel = self.shared.name.clone();
        let bytes = encoded.length();
        promise.answer(Err(ChannelError::TooLarge { channel, bytes, limit, key: "segmentBytes" }));
    }

    /// Begins another segment, while more than `leave` are free. What is placed belongs before the seal; everything that
    /// is written must be durable before it.
    fn next_segment(&mut self, group: &mut Group, leave: usize) -> Result<bool, String> {
        let slot = {
            let mut state = self.shared.lock();
            self.shared.forget_spent(&state);
            state.take_spare(leave)
        };
        let Some(slot) = slot else { return Ok(false) };
        if !group.is_empty() {
            self.write_group(std::mem::take(group))?;
        }
        self.sync()?;
        self.writer.roll(slot)?;
        Ok(true)
    }

    fn broken(&self, why: &str) -> ChannelError {
        ChannelError::Broken { channel: self.shared.name.clone(), why: why.to_owned() }
    }

    /// Refuses everything from now on, and answers what is still open. The error is why the disk failed.
    pub fn end(mut self, served: &Result<(), String>) {
        let error = match served {
            Ok(()) => {
                self.shared.end(End::Closed);
                ChannelError::Closed { channel: self.shared.name.clone() }
            }
            Err(why) => {
                self.tell_broken(why);
                self.shared.end(End::Broken(why.clone()));
                self.broken(why)
            }
        };
        // The second thread ends when nobody can give it anything.
        self.syncer = None;
        self.unsynced.drain(..).for_each(|group| group.refuse(&error));
        let puts = self.waiting.drain(..).map(|(.., promise)| promise);
        for promise in puts.chain(self.settling.promises.drain(..)) {
            promise.answer(Err(error.clone()));
        }
        for request in self.requests.try_iter() {
            match request {
                Request::Put { promise, .. } | Request::Settle { promise, .. } => {
                    promise.answer(Err(error.clone()));
                }
                Request::Close { promise } => promise.answer(Ok(())),
            }
        }
        if let Some(promise) = self.closing.take() {
            promise.answer(Ok(()));
        }
    }

    fn tell_broken(&self, why: &str) {
        // R5: what was not published is not believed when the channel is opened again.
        let published = {
            let state = self.shared.lock();
            (state.segments.current().generation, state.segments.current().length)
        };
        remember_published(&self.checkpoint_dir, published.0, published.1);
        let what = format!("the disk failed: {why}");
        let effect = "nothing is put or taken; what was not answered is put again by its source";
        let happening = Happening::error("channel-broken", what).effect(effect);
        self.teller.tell(happening.next("the channel is reopened up to what was durable"));
    }
}

/// Syncs one group after the other, all that wait with one sync, until nobody gives any more.
fn keep_syncing(
    publisher: &Finisher,
    groups: &Receiver<Written>,
    finished: &Sender<Result<usize, String>>,
) {
    while let Ok(group) = groups.recv() {
        let together: Vec<_> = std::iter::once(group).chain(groups.try_iter()).collect();
        let count = together.len();
        let result = publisher.finish(together).map(|()| count);
        let failed = result.is_err();
        if finished.send(result).is_err() {
            return;
        }
        if failed {
            // R5: never tried again. What is still given is dropped, which says that the channel is gone.
            return;
        }
    }
}
