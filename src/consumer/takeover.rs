//! Taking partitions over (R16): the thread that waits for the database, so that the poll thread need not.
//!
//! For each partition that the group gives us: the topic's id is compared with the ledger's (R20), the epoch raised, what was
//! delivered read in a transaction of its own, and what Kafka still has compared with that. Only then may it be read.

use crate::clock::{Clock, Stop};
use crate::consumer::begin::{Beginning, NotYet};
use crate::consumer::held::Held;
use crate::database::{Claim, Owner, Session, Table};
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

    pub(super) fn is_given_up(&self) -> bool {
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

/// What taking over needs.
pub struct Takeover {
    /// Where to begin; Kafka, the database and what was delivered with it.
    pub beginning: Beginning,
    /// The table that rows go into, and whether to make it.
    pub table: (Table, bool),
    /// Who we are, for the ledger.
    pub owner: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether to stop.
    pub stop: Stop,
    /// Where it is told.
    pub teller: Teller,
}

/// Waits between two tries: half a second, doubling.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest of them.
const WAIT_MAX: Duration = Duration::from_secs(15);

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
        if !*is_prepared {
            self.prepare(&mut *self.beginning.store.session()?)?;
            *is_prepared = true;
        }
        let mut topics = BTreeMap::new();
        let mut result = Ok(());
        let mut left = Vec::new();
        for wanted in pending.drain(..) {
            if self.stop.is_requested() || result.is_err() {
                left.push(wanted);
                continue;
            }
            // Whoever has it by now would be put out by us.
            if wanted.is_given_up() {
                continue;
            }
            match self.take(&mut topics, &wanted) {
                Ok(over) => {
                    if taken.send(over).is_err() {
                        return Ok(()); // The poll thread has ended.
                    }
                }
                Err(NotYet::Told) => left.push(wanted),
                Err(not_yet) => {
                    left.push(wanted);
                    // A database that fails is not asked again at once; another topic's silence does not keep this one back.
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
        let made = self.beginning.ledger.ensure(session)?;
        if !made.is_empty() {
            let what = format!("made the tables {}", made.join(", "));
            self.teller.tell(
                Happening::info("ledger-made", what)
                    .effect("they hold what was delivered, beside the rows"),
            );
        }
        if self.beginning.ledger.has_other_primaries(session) {
            self.teller.tell(
                Happening::warning("several-primaries", "the database is written on several servers")
                    .effect("a lock on one of them keeps nobody out on another: rows may be doubled after a takeover")
                    .next("let all writers of this table use one server"),
            );
        }
        let (table, is_ours_to_make) = &self.table;
        let dialect = self.beginning.store.dialect();
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

    /// Takes one partition over; `topics` are the ids of those that were asked about already.
    fn take(
        &self,
        topics: &mut BTreeMap<String, String>,
        wanted: &Arc<Wanted>,
    ) -> Result<TakenOver, NotYet> {
        let Beginning { cluster, store, ledger, .. } = &self.beginning;
        if !topics.contains_key(&wanted.topic) {
            topics.insert(wanted.topic.clone(), self.beginning.enter(&wanted.topic)?);
        }
        let topic_id = topics.get(&wanted.topic).map_or("", String::as_str);
        let identity = self.beginning.identity(&wanted.topic, topic_id, wanted.partition);
        // Which generation, is asked at this moment: we may have joined again since the partition was given to us.
        let (generation, now) = (cluster.generation(), self.clock.wall_ms());
        let claim = ledger.take(&mut *store.session()?, &identity, generation, &self.owner, now)?;
        let taken = match claim {
            Claim::Ours(taken) => taken,
            Claim::Refused(owner) => return Err(self.refused(wanted, &owner, generation)),
            // It was not there when the topic was entered, and the topic has grown since.
            Claim::Unknown => {
                topics.remove(&wanted.topic);
                return Err(NotYet::Told);
            }
        };
        let held = Arc::new(Held::new(identity, &taken));
        let read_from = self.beginning.read_from(&held)?;
        Ok(TakenOver { wanted: wanted.clone(), held, delivered: taken.ranges, read_from })
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
