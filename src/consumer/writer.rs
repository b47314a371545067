//! A writer: takes chunks of any partition and delivers each in a transaction.
//!
//! ```text
//! begin ─ range row (R13) ─ rows ─ dead letters ─ owner, under a shared lock (R16) ─ commit
//! ```
//!
//! What comes back decides, and nothing else:
//!
//! | answer | what it means | what is done |
//! |---|---|---|
//! | committed | delivered | the next chunk |
//! | the range row is a duplicate, with the same end | a commit that got no answer had happened | the next chunk |
//! | the owner's epoch is another | somebody else has the partition | the chunk is thrown away, the partition taken again |
//! | a row was refused | one of these rows is bad | cut in two, each half a chunk of its own; one alone is set aside (R17) |
//! | anything else, at commit too | nobody knows | the same chunk again, with the same boundaries, until one of the above |

use crate::clock::{Clock, Stop};
use crate::consumer::chunk::Chunk;
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::{Held, Merge};
use crate::consumer::letterbox::Letterbox;
use crate::consumer::rows::Rows;
use crate::consumer::work::{Piece, Work};
use crate::database::{Cell, ErrorKind, Insert, Ledger, Limits, Owner, Session, Store, StoreError};
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::{Receiver, Sender};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a workshop works with.
pub struct Tools {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Rows into the table.
    pub insert: Insert,
    /// How records become rows.
    pub rows: Arc<Rows>,
    /// Where records go that cannot be written.
    pub letterbox: Letterbox,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the consumer is to stop: nothing is tried again then.
    pub stop: Stop,
    /// Where it is told.
    pub teller: Teller,
    /// The numbers.
    pub counters: Arc<ConsumerCounters>,
    /// Says that a partition is no longer ours.
    pub lost: Sender<Arc<Held>>,
    /// The wait before a second try: [`WAIT_FIRST`].
    pub wait_first: Duration,
}

/// What all writers of one consumer share.
pub struct Workshop {
    tools: Tools,
    ledger: Ledger,
    /// A row that the table took: what proves that it still takes rows.
    good: Mutex<Option<Vec<Cell<'static>>>>,
    refused_in_a_row: AtomicUsize,
}

/// Waits between two tries: half a second, doubling.
pub const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest of them.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Rows of the ledger that are worth merging.
const MERGE_AT: usize = 64;
/// A row that is remembered as a good one takes so many bytes at most.
const GOOD_MAX: usize = 64 << 10;
/// So many records may be refused before any was ever written: more, and it is the table and not the records.
const REFUSED_MAX: usize = 100;

/// What came of one transaction.
enum Outcome {
    Committed,
    Repeated,
    NotOurs(Option<Owner>),
    Refused(StoreError),
    Failed(StoreError),
}

/// What a caller does next.
#[derive(PartialEq, Eq)]
enum Next {
    Done,
    Split,
    GiveUp,
}

impl Workshop {
    /// A workshop without writers yet.
    #[must_use]
    pub fn new(tools: Tools) -> Self {
        let ledger = Ledger::new(tools.store.dialect());
        Self { tools, ledger, good: Mutex::new(None), refused_in_a_row: AtomicUsize::new(0) }
    }

    /// Delivers chunks until there are no more, or the consumer is to stop and the database does not answer.
    pub fn work(&self, chunks: &Receiver<Chunk>) {
        while let Ok(chunk) = chunks.recv() {
            if !chunk.held.is_gone() {
                self.deliver(&chunk);
            }
        }
    }

    /// Delivers one chunk, in as many transactions as its bad rows make necessary.
    pub fn deliver(&self, chunk: &Chunk) {
        let Some(limits) = self.limits(&chunk.held) else { return };
        let mut work = Work::new(&self.tools.rows, &self.tools.insert, chunk, limits);
        let mut pieces = vec![work.whole()];
        while let Some(piece) = pieces.pop() {
            match self.settle(&mut work, &piece, limits) {
                Next::Done => {}
                Next::Split => {
                    self.tools.counters.splits.add(1);
                    let (first, second) = work.halves(&piece);
                    pieces.extend([second, first]);
                }
                Next::GiveUp => return,
            }
        }
        if let Some(merge) = chunk.held.merge(MERGE_AT) {
            let made = self.merge(&chunk.held, &merge);
            chunk.held.merged(&merge, made);
        }
    }

    /// Tries one piece until there is an answer.
    fn settle(&self, work: &mut Work<'_>, piece: &Piece, limits: Limits) -> Next {
        let mut wait = self.tools.wait_first;
        let mut tried = false;
        loop {
            let held = &work.chunk.held;
            if held.is_gone() {
                return Next::GiveUp;
            }
            let began = self.tools.clock.now();
            let error = match self.attempt(work, piece, limits) {
                Outcome::Committed => {
                    self.committed(work, piece, self.tools.clock.now().saturating_sub(began));
                    return Next::Done;
                }
                Outcome::Repeated => {
                    self.tools.counters.repeats.add(1);
                    if tried {
                        self.committed(work, piece, Duration::ZERO);
                    }
                    held.deliver(&piece.range);
                    return Next::Done;
                }
                Outcome::NotOurs(owner) => {
                    self.not_ours(held, owner.as_ref());
                    return Next::GiveUp;
                }
                // R13: its range row went in, so nothing of it was there: only now may it be cut.
                Outcome::Refused(_) if piece.records.len() > 1 => return Next::Split,
                Outcome::Refused(error) => match self.judge(&error) {
                    Ok(()) => {
                        work.set_aside(piece, error.what);
                        continue;
                    }
                    Err(error) => error,
                },
                Outcome::Failed(error) => error,
            };
            tried = true;
            self.tools.counters.retries.add(1);
            self.tell(&error);
            if self.tools.stop.wait(wait) {
                return Next::GiveUp;
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// One transaction.
    fn attempt(&self, work: &Work<'_>, piece: &Piece, limits: Limits) -> Outcome {
        // R18: what goes elsewhere is durable before the range that covers it.
        if let Err(error) = self.tools.letterbox.keep_outside(&work.letters(piece)) {
            return Outcome::Failed(error);
        }
        match self.tools.store.session() {
            Ok(mut session) => {
                self.transact(&mut *session, work, piece, limits).unwrap_or_else(Outcome::Failed)
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    fn transact(
        &self,
        session: &mut dyn Session,
        work: &Work<'_>,
        piece: &Piece,
        limits: Limits,
    ) -> Result<Outcome, StoreError> {
        let identity = &work.chunk.held.identity;
        session.begin()?;
        // R13: the range row first. A duplicate is never the data's fault.
        match self.ledger.claim(session, identity, &piece.range) {
            Ok(()) => {}
            Err(StoreError { kind: ErrorKind::Duplicate, .. }) => {
                session.rollback()?;
                let end = self.ledger.entered(session, identity, piece.range.start)?;
                let is_this = end == Some(piece.range.end);
                return Ok(if is_this { Outcome::Repeated } else { Outcome::NotOurs(None) });
            }
            Err(error) => return Err(error),
        }
        if let Err(error) = self.tools.insert.run(session, work.rows_of(piece), limits) {
            if !error.is_the_rows() {
                return Err(error);
            }
            session.rollback()?;
            return Ok(Outcome::Refused(error));
        }
        self.tools.letterbox.keep_inside(
            session,
            &work.letters(piece),
            self.tools.clock.wall_ms(),
        )?;
        // R16: the owner last, and nobody can change it before the commit.
        let owner = self.ledger.check(session, identity)?;
        let is_ours = owner.as_ref().is_some_and(|owner| {
            owner.epoch == work.chunk.held.epoch && owner.watermark <= piece.range.start
        });
        if !is_ours {
            session.rollback()?;
            return Ok(Outcome::NotOurs(owner));
        }
        session.commit()?;
        Ok(Outcome::Committed)
    }

    fn committed(&self, work: &Work<'_>, piece: &Piece, took: Duration) {
        work.chunk.held.deliver(&piece.range);
        let rows = work.rows_of(piece);
        let letters = work.letters(piece).len();
        self.tools.counters.commits.add(1);
        self.tools.counters.commit_ms.add(usize::try_from(took.as_millis()).unwrap_or(usize::MAX));
        self.tools.counters.rows_written.add(rows.len() / work.width.max(1));
        self.tools.counters.dead_letters.add(letters);
        if letters > 0 {
            self.tell_letters(work, piece, letters);
        }
        let Some(row) = rows.get(..work.width).filter(|row| !row.is_empty()) else { return };
        self.refused_in_a_row.store(0, Ordering::Relaxed);
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest: what passed yesterday may be too long since the table was changed.
        if self.tools.insert.row_bytes(row) <= GOOD_MAX {
            *good = Some(row.iter().cloned().map(Cell::into_owned).collect());
        }
    }

    /// Whether a row that failed alone may be set aside (R17): while a known good one passes. A duplicate proves by itself
    /// that the table takes rows.
    fn judge(&self, refusal: &StoreError) -> Result<(), StoreError> {
        if refusal.kind == ErrorKind::Duplicate {
            return Ok(());
        }
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(good) = good else {
            let before = self.refused_in_a_row.fetch_add(1, Ordering::Relaxed);
            return if before < REFUSED_MAX { Ok(()) } else { Err(table_refuses(refusal)) };
        };
        let mut session = self.tools.store.session()?;
        session.begin()?;
        let limits = session.limits();
        match self.tools.insert.run(&mut *session, &good, limits) {
            Ok(()) => session.rollback(),
            Err(error) if error.kind == ErrorKind::Duplicate => session.rollback(),
            Err(error) if error.is_the_rows() => Err(table_refuses(refusal)),
            Err(error) => Err(error),
        }
    }

    fn merge(&self, held: &Arc<Held>, merge: &Merge) -> bool {
        let moved = self.tools.store.session().and_then(|mut session| {
            let Merge { over, firsts } = merge;
            self.ledger.merge(&mut *session, &held.identity, held.epoch, over, firsts)
        });
        match moved {
            Ok(true) => true,
            Ok(false) => {
                self.not_ours(held, None);
                false
            }
            // It is made with the next chunk: nothing depends on it.
            Err(error) => {
                self.tell(&error);
                false
            }
        }
    }

    /// What a row may be, once the database answers.
    fn limits(&self, held: &Held) -> Option<Limits> {
        let mut wait = self.tools.wait_first;
        loop {
            let error = match self.tools.store.session() {
                Ok(session) => return Some(session.limits()),
                Err(error) => error,
            };
            self.tell(&error);
            if held.is_gone() || self.tools.stop.wait(wait) {
                return None;
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    fn not_ours(&self, held: &Arc<Held>, owner: Option<&Owner>) {
        self.tools.counters.fenced.add(1);
        if held.is_gone() {
            return;
        }
        held.let_go();
        if self.tools.lost.send(held.clone()).is_err() {
            return; // The poll thread has ended: nobody takes anything again.
        }
        let by = owner.map_or_else(
            || "a ledger that is not as we left it".to_owned(),
            |owner| format!("epoch {} of {}", owner.epoch, owner.owner),
        );
        let (topic, partition) = (&held.identity.topic, held.identity.partition);
        self.tools.teller.tell(
            Happening::warning(
                "partition-taken-over",
                format!(
                    "{topic}[{partition}] is no longer ours: our epoch is {}, found {by}",
                    held.epoch
                ),
            )
            .effect("our transaction was refused; nothing of it is in the table")
            .next("it is taken again if the group still gives it to us"),
        );
    }

    fn tell(&self, error: &StoreError) {
        self.tools.teller.tell(
            Happening::error(error.code(), error.what.clone())
                .effect("records wait in Kafka and are written when it is over; none is lost or doubled")
                .next(error.next.clone()),
        );
    }

    fn tell_letters(&self, work: &Work<'_>, piece: &Piece, count: usize) {
        let identity = &work.chunk.held.identity;
        let first = work.first_letter(piece).unwrap_or(piece.range.start);
        let (topic, partition) = (&identity.topic, identity.partition);
        self.tools.teller.tell(
            Happening::warning(
                "dead-letter",
                format!("{count} records of {topic}[{partition}] cannot be written, the first at offset {first}"),
            )
            .effect("they are set aside whole, each with its reason; the others go on")
            .next(format!("look at them in {}", self.tools.letterbox.place())),
        );
    }
}

/// Not the records, but the table: nothing passes.
fn table_refuses(refusal: &StoreError) -> StoreError {
    StoreError::environment(
        "table-refuses-all",
        format!("no row passes, the last with {}", refusal.number),
        "compare the table with what `tailwater consumer ddl` prints; nothing is set aside meanwhile",
    )
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
