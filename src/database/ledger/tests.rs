//! What the ledger owes whoever takes a partition, and whoever had it.

use super::{Claim, Identity, Known, Ledger, Taken};
use crate::config::value::Value;
use crate::database::faults::{Fault, Faulty};
use crate::database::{Access, Address, Dialect, Session, Statement, Store, dialect_of, open};
use std::ops::Range;
use std::sync::Arc;
use tempfile::TempDir;

/// A database file with a ledger, and the SQL that it is asked by.
struct Book {
    folder: TempDir,
    ledger: Ledger,
    store: Arc<dyn Store>,
}

fn address(folder: &TempDir) -> Address {
    Address::parse(&format!("sqlite:{}", folder.path().join("l.db").display())).unwrap()
}

fn partition(partition: i32) -> Identity {
    let text = str::to_owned;
    Identity { group: text("g"), topic_id: text("id"), topic: text("logs"), partition }
}

impl Book {
    /// Partition 0 is entered, and begins at 0.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&Access::to(address(&folder)), 4);
        let ledger = Ledger::new(store.dialect());
        let mut session = store.session().unwrap();
        ledger.ensure(&mut *session).unwrap();
        assert!(ledger.enter(&mut *session, &[(partition(0), 0)]).unwrap());
        drop(session);
        Self { folder, ledger, store }
    }

    fn session(&self) -> Box<dyn Session + '_> {
        self.store.session().unwrap()
    }

    fn take(&self, generation: i64, now_ms: i64) -> Claim {
        let session = &mut *self.session();
        self.ledger.take(session, &partition(0), generation, "us", now_ms).unwrap()
    }

    fn taken(&self) -> Taken {
        match self.take(1, 0) {
            Claim::Ours(taken) => taken,
            other => panic!("{other:?}"),
        }
    }

    fn claim(&self, range: Range<u64>) {
        self.ledger.claim(&mut *self.session(), &partition(0), &range).unwrap();
    }
}

/// R16. The epoch is what tells them apart.
#[test]
fn who_takes_a_partition_puts_the_former_owner_out() {
    let book = Book::new();
    let (first, second) = (book.taken(), book.taken());
    assert!(first.epoch < second.epoch, "{first:?} {second:?}");
    let owner = book.ledger.check(&mut *book.session(), &partition(0)).unwrap().unwrap();
    assert_eq!(owner.epoch, second.epoch);
    // Somebody else was quicker, between the raising of the epoch and the reading.
    let read = book.ledger.read(&mut *book.session(), &partition(0), first.epoch).unwrap();
    assert_eq!(read, Claim::Refused(owner));
}

/// R16. Nor does a former owner move the watermark.
#[test]
fn a_former_owner_merges_nothing() {
    let book = Book::new();
    let former = book.taken();
    book.claim(0..5);
    book.taken();
    let merged =
        book.ledger.merge(&mut *book.session(), &partition(0), former.epoch, &(0..5), &[0]);
    assert!(!merged.unwrap());
    let now = book.taken();
    assert_eq!((now.watermark, now.ranges), (0, vec![Range { start: 0, end: 5 }]));
}

/// R16. A member that sleeps believes itself in a group that has gone on; a group that was made again counts from 1.
#[test]
fn a_lower_generation_is_kept_out_for_ten_minutes_and_no_longer() {
    const MINUTE: i64 = 60_000;
    let book = Book::new();
    assert!(matches!(book.take(7, MINUTE), Claim::Ours(_)));
    assert!(matches!(book.take(6, 10 * MINUTE), Claim::Refused(owner) if owner.generation == 7));
    assert!(matches!(book.take(7, 10 * MINUTE), Claim::Ours(_)), "the same one may, again");
    assert!(matches!(book.take(1, 20 * MINUTE), Claim::Ours(_)));
}

/// R16. A chunk of the former owner commits until the epoch is raised: read before that is committed, its range would be missed,
/// and its records written twice.
#[test]
fn what_was_delivered_is_read_in_a_transaction_after_the_one_that_raised_the_epoch() {
    let book = Book::new();
    let recorder = Faulty::new(book.store.clone(), Fault::Before, i64::MAX);
    let session = &mut *recorder.session().unwrap();
    book.ledger.take(session, &partition(0), 1, "us", 0).unwrap();
    let said = recorder.said();
    assert_eq!(said.len(), 2, "{said:#?}");
    let has = |transaction: usize, text: &str| said[transaction].iter().any(|s| s.contains(text));
    assert!(has(0, "SET epoch") && !has(0, "tailwater_offsets"), "{said:#?}");
    assert!(has(1, "tailwater_offsets") && !has(1, "UPDATE"), "{said:#?}");
}

/// R16. Without its locks a takeover and a commit could each miss the other. `SQLite` has one writer at a time and needs none, so
/// what a server would be asked is looked at.
#[test]
fn the_owner_is_read_under_a_lock() {
    let book = Book::new();
    let locking: &'static Dialect = Box::leak(Box::new(Dialect {
        for_update: " -- for update",
        shared: " -- shared",
        ..*dialect_of(&address(&book.folder))
    }));
    let ledger = Ledger::new(locking);
    let recorder = Faulty::new(book.store.clone(), Fault::Before, i64::MAX);
    let session = &mut *recorder.session().unwrap();
    let taken = ledger.take(session, &partition(0), 1, "us", 0).unwrap();
    let Claim::Ours(Taken { epoch, .. }) = taken else { panic!("{taken:?}") };
    session.begin().unwrap();
    ledger.check(session, &partition(0)).unwrap();
    session.rollback().unwrap();
    ledger.merge(session, &partition(0), epoch, &(0..0), &[]).unwrap();
    let said = recorder.said();
    let asked = said.iter().flatten().filter(|text| text.contains("FROM tailwater_owners"));
    let locks: Vec<_> = asked.filter_map(|text| text.split(" -- ").nth(1)).collect();
    assert_eq!(locks, ["for update", "shared", "shared", "for update"], "{said:#?}");
}

/// R16. Whoever dies while taking a partition has changed nothing of what is delivered, and the next one gets it.
#[test]
fn a_takeover_that_is_cut_at_any_statement_loses_nothing_and_keeps_nobody_out() {
    for fault in [Fault::Before, Fault::After] {
        for n in 0.. {
            let book = Book::new();
            let before = book.taken();
            book.claim(3..5);
            let faulty = Faulty::new(book.store.clone(), fault, n);
            let mut session = faulty.session().unwrap();
            let claim = book.ledger.take(&mut *session, &partition(0), 1, "us", 0);
            drop(session);
            assert_eq!(claim.is_err(), faulty.has_failed());
            let after = book.taken();
            assert!(after.epoch > before.epoch, "{fault:?} at operation {n}: {after:?}");
            assert_eq!((after.watermark, after.ranges), (0, vec![Range { start: 3, end: 5 }]));
            if !faulty.has_failed() {
                assert!(n > 5, "every operation was tried");
                break;
            }
        }
    }
}

/// R14. The rows of a move go in the transaction that moves the watermark.
#[test]
fn killed_at_any_statement_of_a_move_the_ledger_says_the_same() {
    for fault in [Fault::Before, Fault::After] {
        for n in 0.. {
            let book = Book::new();
            let epoch = book.taken().epoch;
            book.claim(0..5);
            book.claim(5..8);
            let faulty = Faulty::new(book.store.clone(), fault, n);
            let mut session = faulty.session().unwrap();
            let moved = book.ledger.merge(&mut *session, &partition(0), epoch, &(0..8), &[0, 5]);
            drop(session);
            assert_eq!(moved.is_err(), faulty.has_failed());
            let taken = book.taken();
            let is_whole = match taken.watermark {
                0 => taken.ranges == [0..5, 5..8],
                8 => taken.ranges.is_empty(),
                _ => false,
            };
            assert!(is_whole, "{fault:?} at operation {n}: {taken:?}");
            if !faulty.has_failed() {
                assert!(n > 4, "every operation was tried");
                break;
            }
        }
    }
}

/// R20. Two consumers find a new topic at the same time: where one has written down where to begin, that holds, whole.
#[test]
fn where_to_begin_is_written_down_once_and_for_all_partitions_together() {
    let book = Book::new();
    let late = [(partition(1), 70), (partition(0), 90)];
    assert!(!book.ledger.enter(&mut *book.session(), &late).unwrap());
    let known = book.ledger.known(&mut *book.session(), "g", "logs").unwrap();
    assert_eq!(known, [Known { topic_id: "id".to_owned(), partition: 0 }]);
    assert_eq!(book.taken().watermark, 0);
}

/// R13. What was begun and not committed has not happened, and whoever gets the connection next finds nothing of it.
#[test]
fn a_session_that_is_dropped_has_done_nothing() {
    let book = Book::new();
    let store = open(&Access::to(address(&book.folder)), 1);
    for is_failing in [false, true] {
        let mut session = store.session().unwrap();
        session.begin().unwrap();
        book.ledger.claim(&mut *session, &partition(0), &(0..5)).unwrap();
        if is_failing {
            session.execute(&Statement::new("DELETE FROM nowhere", &[])).unwrap_err();
        }
        drop(session);
        // By the same connection, if it is kept; and as others see it.
        let first = if is_failing { 20 } else { 10 };
        let mut session = store.session().unwrap();
        session.begin().unwrap();
        book.ledger.claim(&mut *session, &partition(0), &(first..first + 5)).unwrap();
        session.commit().unwrap();
    }
    assert_eq!(book.taken().ranges, [10..15, 20..25]);
}

/// R16. A dump that was restored into `MyISAM` keeps its ranges when the rows beside them are rolled back.
#[test]
fn a_ledger_that_cannot_undo_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = dialect_of(&address(&folder));
    let odd: &'static Dialect = Box::leak(Box::new(Dialect {
        find_table: "SELECT 'MyISAM' AS t_engine WHERE COALESCE(?, '') <> 'x' AND ? <> ''",
        ..*sqlite
    }));
    let store = open(&Access::to(address(&folder)), 1);
    let mut session = store.session().unwrap();
    let refused = Ledger::new(odd).ensure(&mut *session).unwrap_err();
    assert_eq!(refused.code(), "table-not-transactional");
    assert_eq!(refused.next, "ALTER TABLE tailwater_owners ENGINE=InnoDB");
    assert_eq!(Ledger::new(sqlite).ensure(&mut *session).unwrap().len(), 3);
}
