//! Taking partitions over (R16) and finding where to begin (R20): the thread that waits for the database, so that the poll
//! thread need not.
//!
//! For each partition that the group gives us: the topic's id is compared with the ledger's, the epoch raised, what was
//! delivered read in a transaction of its own, and what Kafka still has compared with that. Only then may it be read.

use crate::clock::{Clock, Stop};
use crate::consumer::cluster::{Cluster, ClusterError, Topic};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::Held;
use crate::consumer::keys::OnGap;
use crate::database::{Claim, Identity, Ledger, Owner, Session, Store, StoreError, Table};
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A partition that the group gives us, until it takes it back.
#[derive(Debug)]
pub struct Wanted {
    /// Its topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    given_up: AtomicBool,
}

impl Wanted {
    /// A partition to take over.
    #[must_use]
    pub fn new(topic: &str, partition: i32) -> Arc<Self> {
        Arc::new(Self { topic: topic.to_owned(), partition, given_up: AtomicBool::new(false) })
    }

    /// It is not wanted any more.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }
}

/// A partition that may be read now.
#[derive(Debug)]
pub struct TakenOver {
    /// What was wanted.
    pub wanted: Arc<Wanted>,
    /// It, ours.
    pub held: Arc<Held>,
    /// What is delivered of it above its watermark.
    pub delivered: Vec<Range<u64>>,
    /// The first offset to read.
    pub read_from: u64,
}

/// Where a group begins that has committed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// With the oldest record there is.
    Earliest,
    /// With the next record that comes.
    Latest,
    /// Not at all.
    Refuse,
}

/// What taking over needs.
pub struct Takeover {
    /// Kafka.
    pub cluster: Cluster,
    /// The database.
    pub store: Arc<dyn Store>,
    /// What was delivered.
    pub ledger: Ledger,
    /// The table that rows go into, and whether to make it.
    pub table: (Table, bool),
    /// The consumer's group.
    pub group: String,
    /// Who we are, for the ledger.
    pub owner: String,
    /// Where to begin.
    pub reset: Reset,
    /// What to do about records that Kafka has removed.
    pub on_gap: OnGap,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether to stop.
    pub stop: Stop,
    /// Where it is told.
    pub teller: Teller,
    /// The numbers.
    pub counters: Arc<ConsumerCounters>,
}

/// Waits between two tries: half a second, doubling.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest of them.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Why a partition is not ours yet.
enum NotYet {
    Store(StoreError),
    Cluster(ClusterError),
    /// Told already.
    Told,
}

impl From<StoreError> for NotYet {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ClusterError> for NotYet {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl Takeover {
    /// Takes over what is wanted until nobody can want any more.
    pub fn work(&self, wanted: &Receiver<Arc<Wanted>>, taken: &Sender<TakenOver>) {
        let mut pending: Vec<Arc<Wanted>> = Vec::new();
        let (mut wait, mut is_prepared) = (WAIT_FIRST, false);
        loop {
            if pending.is_empty() {
                let Ok(first) = wanted.recv() else { return };
                pending.push(first);
            }
            pending.extend(wanted.try_iter());
            pending.retain(|wanted| !wanted.is_given_up());
            let before = pending.len();
            if let Err(not_yet) = self.round(&mut pending, &mut is_prepared, taken) {
                self.tell(&not_yet);
            }
            if pending.is_empty() {
                wait = WAIT_FIRST;
                continue;
            }
            if pending.len() < before {
                wait = WAIT_FIRST;
            }
            match wanted.recv_timeout(wait) {
                Ok(more) => pending.push(more),
                Err(RecvTimeoutError::Timeout) => wait = (wait * 2).min(WAIT_MAX),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Tries each partition once; what could be taken over leaves `pending`.
    fn round(
        &self,
        pending: &mut Vec<Arc<Wanted>>,
        is_prepared: &mut bool,
        taken: &Sender<TakenOver>,
    ) -> Result<(), NotYet> {
        let mut session = self.store.session()?;
        if !*is_prepared {
            self.prepare(&mut *session)?;
            *is_prepared = true;
        }
        let mut topics: BTreeMap<String, Topic> = BTreeMap::new();
        let mut result = Ok(());
        let mut left = Vec::new();
        for wanted in pending.drain(..) {
            if self.stop.is_requested() || result.is_err() {
                left.push(wanted);
                continue;
            }
            match self.take(&mut *session, &mut topics, &wanted) {
                Ok(over) => {
                    if taken.send(over).is_err() {
                        return Ok(()); // The poll thread has ended.
                    }
                }
                Err(NotYet::Told) => left.push(wanted),
                Err(not_yet) => {
                    left.push(wanted);
                    // A session that failed is not used again; another topic's silence does not keep this one back.
                    if matches!(not_yet, NotYet::Store(_)) {
                        result = Err(not_yet);
                    } else {
                        self.tell(&not_yet);
                    }
                }
            }
        }
        *pending = left;
        result
    }

    /// The tables: made, compared, told.
    fn prepare(&self, session: &mut dyn Session) -> Result<(), NotYet> {
        let made = self.ledger.ensure(session)?;
        if !made.is_empty() {
            let what = format!("made the tables {}", made.join(", "));
            self.teller.tell(
                Happening::info("ledger-made", what)
                    .effect("they hold what was delivered, beside the rows"),
            );
        }
        if self.ledger.has_other_primaries(session) {
            self.teller.tell(
                Happening::warning("several-primaries", "the database is written on several servers")
                    .effect("a lock on one of them keeps nobody out on another: rows may be doubled after a takeover")
                    .next("let all writers of this table use one server"),
            );
        }
        let (table, is_ours_to_make) = &self.table;
        let dialect = self.store.dialect();
        if *is_ours_to_make {
            table.ensure(session, dialect)?;
        }
        for difference in table.compare(session, dialect, DDL)? {
            self.teller.tell(
                Happening::warning(
                    "table-differs",
                    format!("table `{}`: {difference}", table.name),
                )
                .effect("values that the table does not take are set aside, each with its reason")
                .next("compare it with what `tailwater consumer ddl` prints"),
            );
        }
        Ok(())
    }

    /// Takes one partition over.
    fn take(
        &self,
        session: &mut dyn Session,
        topics: &mut BTreeMap<String, Topic>,
        wanted: &Arc<Wanted>,
    ) -> Result<TakenOver, NotYet> {
        if !topics.contains_key(&wanted.topic) {
            let topic = self.cluster.topic(&wanted.topic)?;
            self.enter(session, &wanted.topic, &topic)?;
            topics.insert(wanted.topic.clone(), topic);
        }
        let topic_id = topics.get(&wanted.topic).map_or("", |topic| topic.id.as_str());
        let identity = self.identity(&wanted.topic, topic_id, wanted.partition);
        // Which generation, is asked at this moment: we may have joined again since the partition was given to us.
        let (generation, now) = (self.cluster.generation(), self.clock.wall_ms());
        let taken = match self.ledger.take(session, &identity, generation, &self.owner, now)? {
            Claim::Ours(taken) => taken,
            Claim::Refused(owner) => return Err(self.refused(wanted, &owner, generation)),
            // It was not there when the topic was entered, and the topic has grown since.
            Claim::Unknown => {
                topics.remove(&wanted.topic);
                return Err(NotYet::Told);
            }
        };
        let held = Arc::new(Held::new(identity, &taken));
        let read_from = self.read_from(wanted, &held)?;
        Ok(TakenOver { wanted: wanted.clone(), held, delivered: taken.ranges, read_from })
    }

    /// Enters what the ledger does not have of a topic (R20): all partitions at once, so that one that appears later is known
    /// to be new, and begins at 0.
    fn enter(&self, session: &mut dyn Session, name: &str, topic: &Topic) -> Result<(), NotYet> {
        let known = self.ledger.known(session, &self.group, name)?;
        let (same, other): (Vec<_>, Vec<_>) = known.iter().partition(|(id, _)| *id == topic.id);
        let is_new = |p: &&i32| !same.iter().any(|(_, known)| known == *p);
        let new: Vec<i32> = topic.partitions.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let begins = if !same.is_empty() {
            self.tell_begin(
                name,
                &format!("{} partitions are new", new.len()),
                "with their first record",
            );
            new.iter().map(|partition| (*partition, 0)).collect()
        } else if let Some((before, _)) = other.first() {
            self.tell_made_again(name, before, &topic.id);
            self.oldest(name, &new)?
        } else {
            self.first_begins(name, &new)?
        };
        let entries: Vec<(Identity, u64)> = begins
            .into_iter()
            .map(|(partition, begin)| (self.identity(name, &topic.id, partition), begin))
            .collect();
        // Where somebody else was first, theirs holds: it is read when the partition is taken.
        self.ledger.enter(session, &entries)?;
        Ok(())
    }

    /// R20: the group's committed offsets, else what `auto.offset.reset` says.
    fn first_begins(&self, name: &str, partitions: &[i32]) -> Result<BTreeMap<i32, u64>, NotYet> {
        let mut begins = self.cluster.committed(name, partitions)?;
        let open: Vec<i32> =
            partitions.iter().filter(|p| !begins.contains_key(p)).copied().collect();
        if !begins.is_empty() {
            let what = format!("{} partitions have offsets committed by the group", begins.len());
            self.tell_begin(name, &what, "there");
        }
        if open.is_empty() {
            return Ok(begins);
        }
        let what = format!("{} partitions were never read by the group", open.len());
        match self.reset {
            Reset::Earliest => {
                self.tell_begin(
                    name,
                    &what,
                    "with the oldest record there is (auto.offset.reset = earliest)",
                );
                begins.extend(self.oldest(name, &open)?);
            }
            Reset::Latest => {
                self.tell_begin(
                    name,
                    &what,
                    "with the next record that comes (auto.offset.reset = latest)",
                );
                for partition in open {
                    begins.insert(partition, self.cluster.ends(name, partition)?.1);
                }
            }
            Reset::Refuse => {
                self.teller.tell(
                    Happening::error("no-offsets", format!("{name}: {what}"))
                        .effect("nothing is read of it (auto.offset.reset = none)")
                        .next("commit offsets for the group (kafka-consumer-groups.sh), or set auto.offset.reset to earliest or latest"),
                );
                return Err(NotYet::Told);
            }
        }
        Ok(begins)
    }

    fn oldest(&self, name: &str, partitions: &[i32]) -> Result<BTreeMap<i32, u64>, NotYet> {
        let mut oldest = BTreeMap::new();
        for partition in partitions {
            oldest.insert(*partition, self.cluster.ends(name, *partition)?.0);
        }
        Ok(oldest)
    }

    /// The first offset to read: where delivery ended, or behind what Kafka has removed, told with the number.
    fn read_from(&self, wanted: &Wanted, held: &Held) -> Result<u64, NotYet> {
        let (name, partition) = (&wanted.topic, wanted.partition);
        let (oldest, end) = self.cluster.ends(name, partition)?;
        let next = held.delivered_to();
        if next > end {
            self.teller.tell(
                Happening::error(
                    "offsets-beyond-end",
                    format!("{name}[{partition}] ends at {end}, and is delivered up to {next}"),
                )
                .effect("the partition is left alone: going on would skip what is written to it now")
                .next("the brokers have lost records; to go on at the end: UPDATE tailwater_owners SET next_offset = <end>, and DELETE its rows FROM tailwater_offsets"),
            );
            return Err(NotYet::Told);
        }
        if next >= oldest {
            return Ok(next);
        }
        let lost = held.undelivered(next..oldest);
        let gap = Happening::error(
            "records-lost-to-retention",
            format!(
                "{name}[{partition}]: Kafka has removed the records from {next} to {oldest}, up to {lost} of them not delivered"
            ),
        );
        if self.on_gap == OnGap::Stop {
            self.teller.tell(
                gap.effect("the partition is left alone (on-gap = stop)")
                    .next("set `on-gap = continue` to go on with the oldest record there is"),
            );
            return Err(NotYet::Told);
        }
        self.counters.lost_to_retention.add(usize::try_from(lost).unwrap_or(usize::MAX));
        self.teller.tell(
            gap.effect("they are not in the table, and cannot be had again")
                .next("it goes on with the oldest record there is; raise the topic's retention.ms or retention.bytes"),
        );
        Ok(oldest)
    }

    fn identity(&self, topic: &str, topic_id: &str, partition: i32) -> Identity {
        Identity {
            group: self.group.clone(),
            topic_id: topic_id.to_owned(),
            topic: topic.to_owned(),
            partition,
        }
    }

    fn refused(&self, wanted: &Wanted, owner: &Owner, generation: i64) -> NotYet {
        let (topic, partition) = (&wanted.topic, wanted.partition);
        self.teller.tell(
            Happening::warning(
                "takeover-refused",
                format!(
                    "{topic}[{partition}] was taken by {} in generation {} of the group, and ours is {generation}",
                    owner.owner, owner.generation
                ),
            )
            .effect("the partition is not read here")
            .next("it is tried again; a group that was deleted and made again gets in after ten minutes"),
        );
        NotYet::Told
    }

    fn tell_begin(&self, topic: &str, what: &str, begin: &str) {
        let what = format!("{topic}: {what}: begins {begin}");
        self.teller.tell(Happening::info("begins-at", what));
    }

    fn tell_made_again(&self, topic: &str, before: &str, now: &str) {
        self.teller.tell(
            Happening::error(
                "topic-made-again",
                format!("topic `{topic}` is not the one that was read before: its id was {before} and is {now}"),
            )
            .effect("offsets of the old one mean nothing here: the new one is read from its oldest record")
            .next("if the same records were put into it again, their rows are doubled: look at the table"),
        );
    }

    fn tell(&self, not_yet: &NotYet) {
        let happening = match not_yet {
            NotYet::Store(error) => {
                Happening::error(error.code(), error.what.clone()).next(error.next.clone())
            }
            NotYet::Cluster(error) => {
                Happening::error(error.code, error.what.clone()).next(error.next.clone())
            }
            NotYet::Told => return,
        };
        self.teller.tell(happening.effect("partitions wait to be read; it is tried again"));
    }
}

/// The command that prints the table.
const DDL: &str = "tailwater consumer ddl";
