//! The poll thread: reads Kafka, cuts chunks, and waits for nothing but Kafka.
//!
//! It never touches the database. A partition whose records wait for writers is paused, and resumed when half of them are
//! gone; so the group sees a living member however slow the database is.

use crate::clock::{Clock, Stop};
use crate::consumer::assigned::Assigned;
use crate::consumer::chunk::{Chunk, Cutter, Offer};
use crate::consumer::cluster::{Change, Client, Cluster, advice};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::Held;
use crate::consumer::progress::{self, Progress, commit_for_monitoring};
use crate::consumer::takeover::{TakenOver, Wanted};
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::{Receiver, Sender};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::sync::Arc;
use std::time::Duration;

/// How chunks are cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Records of a chunk at most.
    pub rows: usize,
    /// Bytes of a chunk at most, unless one record is larger.
    pub bytes: usize,
    /// How long a record waits for others while a writer is idle.
    pub time: Duration,
    /// Bytes in memory before partitions are paused.
    pub queue_bytes: usize,
    /// Writers: while as many chunks wait as there are writers, open chunks grow.
    pub writers: usize,
}

/// The channels between the poll thread and the others.
pub struct Links {
    /// To the writers.
    pub chunks: Sender<Chunk>,
    /// To the takeover thread.
    pub wanted: Sender<Arc<Wanted>>,
    /// From the takeover thread.
    pub taken: Receiver<TakenOver>,
    /// From the writers: what is no longer ours.
    pub lost: Receiver<Arc<Held>>,
    /// Whether one of the others has ended by a panic.
    pub is_broken: Box<dyn Fn() -> bool + Send>,
}

/// The poll thread's own.
pub struct Poller {
    client: Arc<Client>,
    /// As the configuration has them, for messages.
    topics: String,
    cut: Cut,
    clock: Arc<dyn Clock>,
    teller: Teller,
    counters: Arc<ConsumerCounters>,
    links: Links,
    progress: Progress,
    assigned: Assigned,
    /// Taken over, and the client was not ready to be moved yet; since when.
    unmoved: Vec<(TakenOver, Duration)>,
    looked_at: Duration,
    committed_at: Duration,
}

/// Messages between two looks at everything else.
const MESSAGES: usize = 1000;
/// The longest wait for a message.
const WAIT: Duration = Duration::from_millis(100);
/// The same while a partition is to be taken over or resumed.
const WAIT_SHORT: Duration = Duration::from_millis(5);
/// A chunk is closed after so long even if all writers are busy.
const AGE_MAX: Duration = Duration::from_secs(2);
/// Between two looks at lag and holes.
const LOOK: Duration = Duration::from_secs(1);
/// Between two commits of the group's offsets, which are for monitoring only.
const COMMIT: Duration = Duration::from_secs(5);
/// How long moving a partition's position may take: it is a matter of the client alone.
const SEEK: Duration = Duration::from_secs(5);
/// A client that will not be moved for so long is made anew.
const MOVE: Duration = Duration::from_secs(30);

impl Poller {
    /// A poll thread that has read nothing yet.
    #[must_use]
    pub fn new(
        cluster: &Cluster,
        cut: Cut,
        clock: Arc<dyn Clock>,
        teller: Teller,
        counters: Arc<ConsumerCounters>,
        links: Links,
        progress: Progress,
    ) -> Self {
        let now = clock.now();
        Self {
            client: cluster.client().clone(),
            topics: cluster.topics().to_owned(),
            cut,
            clock,
            teller,
            counters,
            links,
            progress,
            assigned: Assigned::default(),
            unmoved: Vec::new(),
            looked_at: now,
            committed_at: now,
        }
    }

    /// Polls until asked to stop, then hands the writers what is open; what is held then. An error: the client cannot go
    /// on.
    pub fn work(mut self, stop: &Stop) -> Result<Vec<Arc<Held>>, String> {
        while !stop.is_requested() {
            if let Err(why) = self.pass() {
                self.assigned.let_go();
                return Err(why);
            }
        }
        let open: Vec<Chunk> = self.assigned.reading().filter_map(Cutter::close).collect();
        open.into_iter().try_for_each(|chunk| self.hand_over(chunk))?;
        Ok(self.assigned.reading().map(|cutter| cutter.held().clone()).collect())
    }

    fn pass(&mut self) -> Result<(), String> {
        self.heed_group()?;
        self.heed_others()?;
        self.read()?;
        self.heed_group()?;
        let now = self.clock.now();
        self.close_old(now)?;
        self.regulate();
        if now.saturating_sub(self.looked_at) >= LOOK {
            self.looked_at = now;
            self.look(now)?;
        }
        if (self.links.is_broken)() {
            return Err("one of its threads has ended".to_owned());
        }
        Ok(())
    }

    /// What the group gave and took.
    fn heed_group(&mut self) -> Result<(), String> {
        for change in self.client.context().changes() {
            match change {
                Change::Assigned(partitions) => {
                    for (topic, partition) in partitions {
                        self.want(&topic, partition)?;
                    }
                }
                Change::Revoked(partitions) => {
                    for (topic, partition) in partitions {
                        self.assigned.remove(&topic, partition);
                    }
                }
            }
        }
        Ok(())
    }

    /// A partition is to be taken over; it is paused.
    fn want(&mut self, topic: &str, partition: i32) -> Result<(), String> {
        let wanted = self.assigned.want(topic, partition);
        self.links.wanted.send(wanted).map_err(|_| "the takeover thread has ended".to_owned())
    }

    /// What was taken over, and what writers found to be somebody else's.
    fn heed_others(&mut self) -> Result<(), String> {
        for held in self.links.lost.try_iter().collect::<Vec<_>>() {
            let (topic, partition) = (held.identity.topic.clone(), held.identity.partition);
            if self.assigned.is_read_as(&held) {
                self.pause(&topic, partition);
                self.want(&topic, partition)?;
            }
        }
        let now = self.clock.now();
        let mut taken = std::mem::take(&mut self.unmoved);
        taken.extend(self.links.taken.try_iter().map(|over| (over, now)));
        taken.into_iter().try_for_each(|(over, since)| self.begin(over, since, now))
    }

    /// Begins to read a partition that is ours.
    fn begin(&mut self, over: TakenOver, since: Duration, now: Duration) -> Result<(), String> {
        let (topic, partition) = (over.wanted.topic.clone(), over.wanted.partition);
        if !self.assigned.is_wanted(&over.wanted) {
            return Ok(());
        }
        let at = i64::try_from(over.read_from).unwrap_or(i64::MAX);
        if let Err(error) = seek(&self.client, &topic, partition, at) {
            if now.saturating_sub(since) > MOVE {
                return Err(format!("{topic}[{partition}] cannot be read from {at}: {error}"));
            }
            // The client is still busy with the assignment: it is asked again at the next pass.
            log::debug!("{topic}[{partition}] cannot be read from {at} yet: {error}");
            self.unmoved.push((over, since));
            return Ok(());
        }
        self.assigned.read(over);
        self.resume(&topic, partition);
        Ok(())
    }

    /// Reads what has arrived, waiting a little if nothing has.
    fn read(&mut self) -> Result<(), String> {
        let client = self.client.clone();
        let mut wait = self.wait();
        let now = self.clock.now();
        // What is over the bound is over it by one record: partitions are paused before the next.
        let mut room = self.cut.queue_bytes.saturating_sub(self.assigned.bytes());
        for _ in 0..MESSAGES {
            match client.poll(wait) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    room = room.saturating_sub(message.payload_len() + message.key_len());
                    self.take(&message, now)?;
                    if room == 0 {
                        return Ok(());
                    }
                }
                Some(Err(error)) => self.fail(&error)?,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn wait(&mut self) -> Duration {
        if self.assigned.is_waiting() {
            return WAIT_SHORT;
        }
        let Some(opened_at) = self.assigned.oldest_open() else { return WAIT };
        let age = self.clock.now().saturating_sub(opened_at);
        self.cut.time.saturating_sub(age).clamp(Duration::from_millis(1), WAIT)
    }

    /// Puts a record into its partition's open chunk.
    fn take(&mut self, message: &BorrowedMessage<'_>, now: Duration) -> Result<(), String> {
        // Anything of a partition that is not ours yet came before the seek: it comes again.
        let cutter = self.assigned.cutter(message.topic(), message.partition());
        let Some(cutter) = cutter else { return Ok(()) };
        let Ok(offset) = u64::try_from(message.offset()) else { return Ok(()) };
        let mut closed = Vec::new();
        loop {
            match cutter.offer(offset) {
                Offer::CloseAt(end) => closed.extend(cutter.close_at(end)),
                Offer::Skip => break,
                Offer::Take => {
                    let time = message.timestamp().to_millis().unwrap_or(-1);
                    cutter.take(offset, now, |open| {
                        let headers = message.headers();
                        let headers = headers.iter().flat_map(|all| all.iter());
                        let headers = headers.map(|header| (header.key, header.value));
                        open.push(offset, time, message.key(), message.payload(), headers);
                    });
                    self.counters.records_polled.add(1);
                    self.counters.bytes_polled.add(message.payload_len() + message.key_len());
                    break;
                }
            }
        }
        if cutter.open().len() >= self.cut.rows || cutter.open().bytes() >= self.cut.bytes {
            closed.extend(cutter.close());
        }
        closed.into_iter().try_for_each(|chunk| self.hand_over(chunk))
    }

    fn hand_over(&self, chunk: Chunk) -> Result<(), String> {
        self.links.chunks.send(chunk).map_err(|_| "the writers have ended".to_owned())
    }

    /// Closes chunks that have waited long enough: at once while a writer is idle, later while all are busy.
    fn close_old(&mut self, now: Duration) -> Result<(), String> {
        let is_idle = self.links.chunks.len() < self.cut.writers;
        let patience = if is_idle { self.cut.time } else { AGE_MAX };
        let old = |cutter: &Cutter| {
            !cutter.open().is_empty() && now.saturating_sub(cutter.opened_at()) >= patience
        };
        let old = self.assigned.reading().filter(|cutter| old(cutter));
        let closed: Vec<Chunk> = old.filter_map(Cutter::close).collect();
        closed.into_iter().try_for_each(|chunk| self.hand_over(chunk))
    }

    /// Pauses the partitions that fill the memory, and resumes them when half of it is free.
    fn regulate(&mut self) {
        for turn in self.assigned.regulate(self.cut.queue_bytes) {
            if turn.pause {
                self.pause(&turn.topic, turn.partition);
            } else {
                self.resume(&turn.topic, turn.partition);
            }
        }
    }

    /// Once in a while: holes at the end of partitions (R14), how far everything is, the group's offsets.
    fn look(&mut self, now: Duration) -> Result<(), String> {
        let position = self.client.position().map(|list| list.to_topic_map()).unwrap_or_default();
        let mut closed = Vec::new();
        for (name, cutter) in self.assigned.flowing() {
            if let Some(Offset::Offset(at)) = position.get(&name) {
                cutter.read_to(u64::try_from(*at).unwrap_or(0));
            }
            if cutter.open().is_empty() && cutter.has_range() {
                closed.extend(cutter.close());
            }
        }
        closed.into_iter().try_for_each(|chunk| self.hand_over(chunk))?;
        self.show();
        if now.saturating_sub(self.committed_at) >= COMMIT {
            self.committed_at = now;
            let held: Vec<Arc<Held>> = self.assigned.reading().map(|c| c.held().clone()).collect();
            commit_for_monitoring(&self.client, &held, CommitMode::Async);
        }
        Ok(())
    }

    fn show(&self) {
        let listener = self.client.context();
        let shown = self.assigned.progress(|partition| listener.end(partition));
        progress::show(&self.progress, &self.counters, shown);
    }

    /// An error that came instead of a record.
    fn fail(&mut self, error: &KafkaError) -> Result<(), String> {
        let code = error.rdkafka_error_code();
        match (error, code) {
            (KafkaError::MessageConsumptionFatal(_), _) => return Err(error.to_string()),
            // Which partition it is, the error does not say, and the client will never fetch of it again: not even a seek
            // is taken. A new one takes all over, and so finds what is missing, and tells.
            (_, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)) => {
                return Err(format!("Kafka does not have, or does not give, what comes next ({error})"));
            }
            (_, Some(RDKafkaErrorCode::PollExceeded)) => self.teller.tell(
                Happening::warning("poll-exceeded", "this process stood still longer than max.poll.interval.ms")
                    .effect("the group has given its partitions to others; they are taken back by its rules")
                    .next("look why the process was stopped: the database cannot be the reason"),
            ),
            _ => {
                let (word, next) = advice(code);
                self.teller.tell(
                    Happening::warning(word, format!("Kafka: {error}"))
                        .effect("reading goes on by itself when that is over")
                        .next(next.replace("<its name>", &self.topics)),
                );
            }
        }
        Ok(())
    }

    fn pause(&self, topic: &str, partition: i32) {
        self.told(topic, partition, self.client.pause(&one(topic, partition)));
    }

    fn resume(&self, topic: &str, partition: i32) {
        self.told(topic, partition, self.client.resume(&one(topic, partition)));
    }

    fn told(&self, topic: &str, partition: i32, result: KafkaResult<()>) {
        if let Err(error) = result {
            self.teller.tell(
                Happening::warning("pause-failed", format!("{topic}[{partition}]: {error}"))
                    .effect(
                        "more of it may be held in memory than `queue.bytes` says, or less read",
                    ),
            );
        }
    }
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}

/// Moves the position of one partition.
fn seek(client: &Client, topic: &str, partition: i32, at: i64) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(at))?;
    let moved = client.seek_partitions(list, SEEK)?;
    moved.elements().iter().try_for_each(TopicPartitionListElem::error)
}
