//! A channel under test, turned by hand on one thread: who puts, takes, writes and syncs when is the test's to say.

use crate::disk::{SimDisk, Unsynced};
use crate::model::{Known, Model};
use crate::random::Random;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tailwater::channel::file::open::Opening;
use tailwater::channel::file::{Committer, FileChannel};
use tailwater::channel::{BatchLimit, Channel, ChannelError, Lease, Receipt};
use tailwater::clock::{Clock, Stop};
use tailwater::component::{Context, StartError};
use tailwater::event::{Batch, BatchBuilder, ComponentName, Headers, Origin, Part, SourceId};
use tailwater::ranges::RangeSet;
use tailwater::status::happening::Telling;

pub const SEGMENT: u64 = 64 << 10;
const ALL: BatchLimit = BatchLimit { events: 1 << 20, bytes: 1 << 40 };

/// A clock that counts its askers.
struct Counting(AtomicU64);

impl Clock for Counting {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn wall_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) as i64
    }
}

pub fn context() -> Context {
    let clock: Arc<dyn Clock> = Arc::new(Counting(AtomicU64::new(1_700_000_000_000)));
    let name = ComponentName::from("c1");
    let teller = Telling::new(clock.clone()).of("channel", &name);
    Context { agent: "a1".into(), name, clock, stop: Stop::new(), teller }
}

/// A channel of so many segments over so many directories, as a process that was never there before opens it.
pub fn opening(segments: u64, directories: usize) -> Opening {
    static PROCESS: AtomicU64 = AtomicU64::new(0);
    let process = PathBuf::from(format!("/sim/{}", PROCESS.fetch_add(1, Ordering::Relaxed)));
    Opening {
        checkpoint_dir: process.join("checkpoint"),
        data_dirs: (0..directories).map(|n| process.join(format!("data{n}"))).collect(),
        capacity_events: None,
        capacity_bytes: segments * SEGMENT,
        segment_bytes: SEGMENT,
        keep_alive: Duration::ZERO,
        minimum_required_space: 0,
    }
}

/// The body that the event with this id has.
pub fn body(id: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(id);
    let mut body = Vec::with_capacity(length + 8);
    while body.len() < length {
        body.extend_from_slice(&random.next().to_le_bytes());
    }
    body.truncate(length);
    body
}

/// A batch of events with these body lengths, their ids in their headers.
pub fn batch(ids: Range<u64>, lengths: &[usize], origin: Range<u64>) -> Batch {
    let mut builder = BatchBuilder::new();
    for (id, length) in ids.zip(lengths) {
        let headers = Headers::from([("id".into(), id.to_string())]);
        builder.push(&Arc::new(headers), &body(id, *length));
    }
    let evidence = Arc::from(origin.end.to_le_bytes());
    let parts = vec![Part { input: "f".into(), range: origin, evidence }];
    let source = Some(SourceId { name: "r1".into(), plan: 0 });
    builder.build(Origin { source, parts, forgotten: Vec::new() })
}

/// The ids of a lease's events, whose bodies are compared.
pub fn ids(lease: &Lease) -> Vec<u64> {
    let events = lease.batches().iter().flat_map(Batch::events);
    let id = |event: tailwater::event::Event<'_>| {
        let id = event.headers["id"].parse().unwrap();
        assert!(event.body == body(id, event.body.len()), "C3: {id} has another body");
        id
    };
    events.map(id).collect()
}

/// A lease, and what of it was asked to be settled.
type Settling = (Vec<u64>, Receipt);

/// A channel and what is known of it.
pub struct Run {
    pub disk: SimDisk,
    pub opening: Opening,
    pub model: Model,
    pub random: Random,
    channel: Option<FileChannel>,
    committer: Option<Committer>,
    puts: VecDeque<(usize, Receipt)>,
    leases: Vec<Lease>,
    settling: Vec<Settling>,
    next_id: u64,
    next_byte: u64,
    pub refused: u64,
    /// Whether what is open was asked for in this process.
    asked_here: bool,
}

impl Run {
    pub fn new(disk: SimDisk, opening: Opening, seed: u64) -> Self {
        Self {
            disk,
            opening,
            model: Model::default(),
            random: Random::new(seed),
            channel: None,
            committer: None,
            puts: VecDeque::new(),
            leases: Vec::new(),
            settling: Vec::new(),
            next_id: 0,
            next_byte: 0,
            refused: 0,
            asked_here: false,
        }
    }

    pub fn channel(&self) -> &FileChannel {
        self.channel.as_ref().expect("it is open")
    }

    /// Opens the channel and compares what it has with what it must have.
    pub fn open(&mut self) -> Result<(), StartError> {
        let opened = self.opening.prepare(&self.disk, &context())?;
        self.begin(opened);
        Ok(())
    }

    fn begin(&mut self, (channel, committer): (FileChannel, Committer)) {
        let mut found = Vec::new();
        let mut held = Vec::new();
        while let Some(lease) = channel.take(ALL, Duration::ZERO).unwrap() {
            found.extend(ids(&lease));
            held.push(lease);
        }
        assert_eq!(channel.gauges().events, found.len() as u64);
        drop(held);
        let marks = channel.vouched(&"r1".into());
        let marks: RangeSet = marks.get("f").map(|mark| mark.ranges.clone()).unwrap_or_default();
        self.model.check(&found, &marks);
        assert_eq!(channel.gauges().damaged, 0, "what a crash leaves is no damage");
        (self.channel, self.committer) = (Some(channel), Some(committer));
        self.asked_here = true;
    }

    /// Offers a batch of events with these body lengths.
    pub fn put(&mut self, lengths: &[usize]) {
        let ids = self.next_id..self.next_id + lengths.len() as u64;
        let bytes = 1 + lengths.iter().sum::<usize>() as u64;
        let origin = self.next_byte..self.next_byte + bytes;
        match self.channel().put(batch(ids.clone(), lengths, origin.clone())) {
            Ok(receipt) => {
                (self.next_id, self.next_byte) = (ids.end, origin.end);
                let put = self.model.put(ids, origin);
                self.puts.push_back((put, receipt));
            }
            Err(ChannelError::Full { .. }) => self.refused += 1,
            Err(error) => assert!(self.disk.is_off() || self.is_broken(), "{error}"),
        }
    }

    fn is_broken(&self) -> bool {
        let taken = self.channel().take(BatchLimit { events: 0, bytes: 0 }, Duration::ZERO);
        matches!(taken, Err(ChannelError::Broken { .. }))
    }

    /// Takes up to so many events and keeps the lease. False if there were none.
    pub fn take(&mut self, events: usize) -> bool {
        let Ok(taken) = self.channel().take(BatchLimit { events, ..ALL }, Duration::ZERO) else {
            return false;
        };
        let Some(lease) = taken else { return false };
        for id in ids(&lease) {
            self.model.handed_out(id);
        }
        self.leases.push(lease);
        true
    }

    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    /// Settles of a lease the events that `choose` answers true for, by their place in it; the rest goes back.
    pub fn settle(&mut self, lease: usize, mut choose: impl FnMut(u64) -> bool) {
        let lease = self.leases.swap_remove(lease);
        let all = ids(&lease);
        let first = lease.sequences().start;
        let chosen: Vec<u64> = (0..all.len() as u64).filter(|place| choose(*place)).collect();
        let ranges: Vec<_> = chosen.iter().map(|place| first + place..first + place + 1).collect();
        let chosen: Vec<u64> = chosen.iter().map(|place| all[*place as usize]).collect();
        if chosen.is_empty() {
            return;
        }
        for id in &chosen {
            self.model.settle(*id, Known::Open);
        }
        match lease.settle(&ranges) {
            Ok(receipt) => self.settling.push((chosen, receipt)),
            Err(ChannelError::Full { .. }) => {
                for id in chosen {
                    self.model.settle(id, Known::No);
                }
            }
            Err(_) => assert!(self.disk.is_off() || self.is_broken()),
        }
    }

    pub fn put_back(&mut self, lease: usize) {
        drop(self.leases.swap_remove(lease));
    }

    /// Lets the committer write what has arrived. False when the disk failed.
    pub fn write(&mut self) -> bool {
        let written = self.committer.as_mut().expect("it is open").write();
        self.failed(&written.map(drop))
    }

    /// Lets it sync and answer what is written. False when the disk failed.
    pub fn sync(&mut self) -> bool {
        let synced = self.committer.as_mut().expect("it is open").sync();
        self.failed(&synced)
    }

    /// Until everything that can be written is written and answered. False when the disk failed.
    pub fn commit(&mut self) -> bool {
        loop {
            let written = self.committer.as_mut().expect("it is open").write();
            let more = matches!(written, Ok(true));
            if !self.failed(&written.map(drop)) || !self.sync() {
                return false;
            }
            if !more {
                return true;
            }
        }
    }

    /// A disk that failed ends the committer; a process without power ends with it.
    fn failed(&mut self, result: &Result<(), String>) -> bool {
        if result.is_err()
            && let Some(committer) = self.committer.take()
            && !self.disk.is_off()
        {
            committer.end(result);
        }
        self.hear();
        result.is_ok()
    }

    /// Looks at all receipts. What was answered is known from now on.
    pub fn hear(&mut self) {
        let model = &mut self.model;
        self.puts.retain_mut(|(put, receipt)| match receipt.poll() {
            Some(Ok(())) => {
                assert_ne!(model.puts[*put].there, Known::No);
                model.puts[*put].there = Known::Yes;
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
        self.settling.retain_mut(|(ids, receipt)| match receipt.poll() {
            Some(Ok(())) => {
                for id in ids.iter() {
                    model.settle(*id, Known::Yes);
                }
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
    }

    /// Closes in order, if the disk lets it.
    pub fn close(&mut self) {
        self.leases.clear();
        let (Some(channel), Some(committer)) = (self.channel.take(), self.committer.take()) else {
            return;
        };
        let thread = std::thread::spawn(move || committer.run());
        channel.close();
        thread.join().unwrap();
        self.hear();
        self.forget();
    }

    /// The process is gone, and what it had not been told it will not hear.
    fn forget(&mut self) {
        self.committer = None;
        self.leases.clear();
        self.channel = None;
        self.puts.clear();
        self.settling.clear();
    }

    /// The same process opens the channel again. R5: what it was not told is durable is not there.
    pub fn reopen(&mut self) -> Result<(), StartError> {
        self.close();
        self.hear();
        self.forget();
        let opened = self.opening.prepare(&self.disk, &context())?;
        if self.asked_here {
            self.model.refuse_open();
        }
        self.begin(opened);
        Ok(())
    }

    /// Another process opens what a power cut left.
    pub fn power_cut(&mut self, unsynced: Unsynced) -> Result<(), StartError> {
        self.hear();
        self.forget();
        self.disk = self.disk.after_power_cut(unsynced, &mut self.random);
        self.start_again()
    }

    /// Another process opens what `kill -9` left.
    pub fn kill(&mut self) -> Result<(), StartError> {
        self.hear();
        self.forget();
        self.disk = self.disk.after_kill();
        self.start_again()
    }

    /// Another process opens it on this very disk, with the faults that are planted.
    pub fn kill_with_faults(&mut self) -> Result<(), StartError> {
        self.forget();
        self.start_again()
    }

    fn start_again(&mut self) -> Result<(), StartError> {
        self.asked_here = false;
        let fresh = opening(1, 1).checkpoint_dir;
        let process = fresh.parent().unwrap();
        for dir in self.opening.data_dirs.iter_mut().chain([&mut self.opening.checkpoint_dir]) {
            *dir = process.join(dir.file_name().unwrap());
        }
        self.open()
    }

    /// A copy of what is known, to try another ending on.
    pub fn fork(&self, seed: u64) -> Self {
        let mut fork = Self::new(self.disk.clone(), self.opening.clone(), seed);
        (fork.model, fork.next_id, fork.next_byte) =
            (self.model.clone(), self.next_id, self.next_byte);
        fork
    }

    /// C7: when everything is settled, the space comes back. The disk is good from now on.
    pub fn drain(&mut self) {
        self.disk.mend();
        self.leases.clear();
        for _ in 0..3 {
            while self.take(100) {
                self.settle(0, |_| true);
                assert!(self.commit(), "the disk is good");
            }
            assert!(self.commit());
        }
        assert_eq!(self.channel().gauges().events, 0);
        let refused = self.refused;
        for _ in 0..10 {
            self.put(&[SEGMENT as usize / 4]);
            assert!(self.commit());
            while self.take(100) {
                self.settle(0, |_| true);
                assert!(self.commit());
            }
        }
        assert_eq!(self.refused, refused, "C7: an empty channel refuses");
    }
}
