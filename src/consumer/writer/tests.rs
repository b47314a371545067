//! What writers owe, against a real database whose every statement can fail.

#[path = "faults.rs"]
mod faults;

use super::{Tools, Workshop};
use crate::clock::{Stop, SystemClock};
use crate::config::value::Value;
use crate::consumer::chunk::{Chunk, Cutter, Offer};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::decode::{Json, Pointer};
use crate::consumer::held::Held;
use crate::consumer::letterbox::Letterbox;
use crate::consumer::record::Records;
use crate::consumer::rows::{Column, OnError, Origin, Rows};
use crate::database::column::{ColumnType, TimeFormat, Zone};
use crate::database::{
    Access, Address, Claim, Identity, Insert, Ledger, Mode, Statement, Store, Table, TableColumn,
    TableName, open,
};
use crate::status::happening::Telling;
use crossbeam_channel::{Receiver, unbounded};
use faults::{Fault, Faulty};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// A database file with the ledger and a table `t (o bigint, n int primary key, s varchar(5))`.
struct Bench {
    _dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    ledger: Ledger,
    identity: Identity,
    all: Arc<AtomicUsize>,
}

fn columns() -> Vec<(&'static str, &'static str, Origin)> {
    vec![
        ("o", "bigint", Origin::Offset),
        ("n", "int", Origin::Field(0)),
        ("s", "varchar(5)", Origin::Field(1)),
    ]
}

fn table() -> Table {
    let column = |(name, kind, _): (&str, &str, Origin)| TableColumn {
        name: name.to_owned(),
        kind: ColumnType::parse(kind).unwrap(),
        nullable: true,
    };
    Table {
        name: TableName::parse("t").unwrap(),
        columns: columns().into_iter().map(column).collect(),
        primary_key: vec!["n".to_owned()],
    }
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", dir.path().join("rows.db").display());
        let access = Access::to(Address::parse(&address).unwrap());
        let store = open(&access, 4);
        let ledger = Ledger::new(store.dialect());
        let identity = Identity {
            group: "g".to_owned(),
            topic_id: "topic-1".to_owned(),
            topic: "logs".to_owned(),
            partition: 3,
        };
        let mut session = store.session().unwrap();
        ledger.ensure(&mut *session).unwrap();
        table().ensure(&mut *session, store.dialect()).unwrap();
        assert!(ledger.enter(&mut *session, &[(identity.clone(), 0)]).unwrap());
        drop(session);
        Self { _dir: dir, store, ledger, identity, all: Arc::default() }
    }

    /// Takes the partition; what is delivered of it, and a cutter that goes on from there.
    fn take(&self) -> Cutter {
        let mut session = self.store.session().unwrap();
        let claim = self.ledger.take(&mut *session, &self.identity, 1, "test", 0).unwrap();
        let Claim::Ours(taken) = claim else { panic!("{claim:?}") };
        let held = Arc::new(Held::new(self.identity.clone(), &taken));
        Cutter::new(held, self.all.clone(), &taken.ranges)
    }

    fn workshop(store: Arc<dyn Store>, stop: &Stop) -> (Workshop, Receiver<Arc<Held>>) {
        let clock = SystemClock::shared();
        let (lost, losses) = unbounded();
        let column = |(name, kind, origin): (&str, &str, Origin)| Column {
            name: name.to_owned(),
            kind: ColumnType::parse(kind).unwrap(),
            origin,
            nullable: true,
            default: None,
            on_error: OnError::DeadLetter,
            time: TimeFormat::Usual,
        };
        let format = Json::new(&[Pointer::member("n"), Pointer::member("s")]);
        let columns = columns().into_iter().map(column).collect();
        let tools = Tools {
            insert: Insert::new(&table(), Mode::Insert, store.dialect()),
            rows: Arc::new(Rows::new(columns, Box::new(format), 2, Zone::default())),
            letterbox: Letterbox::table(store.dialect()),
            clock: clock.clone(),
            stop: stop.clone(),
            teller: Telling::new(clock).of("consumer", &"test".into()),
            counters: Arc::new(ConsumerCounters::default()),
            lost,
            wait_first: Duration::ZERO,
            store,
        };
        (Workshop::new(tools), losses)
    }

    fn ask(&self, question: &str) -> Vec<i64> {
        let mut session = self.store.session().unwrap();
        let rows = session.query(&Statement::new(question, &[])).unwrap();
        rows.iter().map(|row| row.number(0)).collect()
    }

    fn offsets(&self) -> Vec<i64> {
        self.ask("SELECT o AS n_o FROM t ORDER BY o")
    }

    fn letters(&self) -> Vec<i64> {
        self.ask(
            "SELECT record_offset AS n_o FROM tailwater_dead_letters WHERE part = 0 ORDER BY 1",
        )
    }

    fn execute(&self, text: &str) {
        self.store.session().unwrap().execute(&Statement::new(text, &[])).unwrap();
    }
}

/// Chunks of `rows` records from where the cutter stands to `end`; `body` makes a record's value of its offset.
fn chunks(cutter: &mut Cutter, end: u64, rows: usize, body: &dyn Fn(u64) -> String) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for offset in cutter.next()..end {
        let offer = loop {
            match cutter.offer(offset) {
                Offer::CloseAt(end) => chunks.extend(cutter.close_at(end)),
                offer => break offer,
            }
        };
        if offer == Offer::Take {
            let body = body(offset);
            let push = |open: &mut Records| {
                open.push(offset, 0, None, Some(body.as_bytes()), [].into_iter());
            };
            cutter.take(offset, Duration::ZERO, push);
        }
        if cutter.open().len() == rows {
            chunks.extend(cutter.close());
        }
    }
    chunks.extend(cutter.close());
    chunks
}

fn good(offset: u64) -> String {
    format!("{{\"n\":{offset},\"s\":\"x\"}}")
}

fn all(range: Range<i64>) -> Vec<i64> {
    range.collect()
}

/// R13, R14. The process dies at each operation in turn, before it reached the database or after; then another one takes the
/// partition and cuts what is left otherwise. Chunks are delivered in an order in which holes come about.
#[test]
fn killed_at_any_statement_no_row_is_missing_and_none_is_there_twice() {
    for fault in [Fault::Before, Fault::After] {
        for n in 0.. {
            let bench = Bench::new();
            let faulty = Faulty::new(bench.store.clone(), fault, n);
            let stop = Stop::new();
            stop.request();
            let (workshop, _) = Bench::workshop(faulty.clone(), &stop);
            let mut first = chunks(&mut bench.take(), 20, 4, &good);
            first.swap(0, 2);
            for chunk in &first {
                if !faulty.has_failed() {
                    workshop.deliver(chunk);
                }
            }
            let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
            for chunk in chunks(&mut bench.take(), 30, 7, &good) {
                workshop.deliver(&chunk);
            }
            assert_eq!(bench.offsets(), all(0..30), "{fault:?} at operation {n}");
            assert_eq!(bench.letters(), all(0..0));
            if !faulty.has_failed() {
                assert!(n > 20, "every operation was tried");
                break;
            }
        }
    }
}

/// R13. The commit happened and its answer was lost: the same chunk comes again, and the database knows it.
#[test]
fn a_commit_without_an_answer_is_tried_again_with_the_same_boundaries_and_known() {
    for fault in [Fault::Before, Fault::After] {
        let bench = Bench::new();
        // begin, range row, rows, owner, commit.
        let faulty = Faulty::new(bench.store.clone(), fault, 4);
        let (workshop, _) = Bench::workshop(faulty.clone(), &Stop::new());
        let chunks = chunks(&mut bench.take(), 10, 10, &good);
        workshop.deliver(&chunks[0]);
        assert!(faulty.has_failed());
        assert_eq!(bench.offsets(), all(0..10));
        assert_eq!(chunks[0].held.delivered_to(), 10);
        let counters = &workshop.tools.counters;
        let repeats = i64::from(fault == Fault::After);
        assert_eq!((counters.repeats.get(), counters.rows_written.get()), (repeats, 10));
    }
}

/// R16. A former owner comes late: the database refuses it, whatever it still believes.
#[test]
fn a_late_commit_of_a_former_owner_is_refused_by_the_database() {
    let bench = Bench::new();
    let late = chunks(&mut bench.take(), 10, 10, &good);
    let (workshop, losses) = Bench::workshop(bench.store.clone(), &Stop::new());
    for chunk in chunks(&mut bench.take(), 4, 4, &good) {
        workshop.deliver(&chunk);
    }
    workshop.deliver(&late[0]);
    assert_eq!(bench.offsets(), all(0..4));
    assert!(late[0].held.is_gone());
    assert_eq!(losses.try_recv().unwrap().epoch, late[0].held.epoch);
    assert_eq!(workshop.tools.counters.fenced.get(), 1);
}

/// R16. Even when its ranges were merged away, so that no range row stands in the way any more.
#[test]
fn a_late_commit_is_refused_after_its_range_was_merged_away() {
    let bench = Bench::new();
    let late = chunks(&mut bench.take(), 10, 10, &good);
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    let mut cutter = bench.take();
    for chunk in chunks(&mut cutter, 100, 1, &good) {
        workshop.deliver(&chunk);
    }
    assert!(bench.ask("SELECT next_offset AS n_w FROM tailwater_owners")[0] >= 64);
    workshop.deliver(&late[0]);
    assert_eq!(bench.offsets(), all(0..100));
}

/// R14. The ledger stays small, and says the same.
#[test]
fn ranges_are_merged_into_the_watermark_and_nothing_is_forgotten() {
    let bench = Bench::new();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    let mut some = chunks(&mut bench.take(), 300, 1, &good);
    // One chunk is not delivered: the watermark must not pass it.
    let missing = some.remove(150);
    for chunk in &some {
        workshop.deliver(chunk);
    }
    let watermark = bench.ask("SELECT next_offset AS n_w FROM tailwater_owners")[0];
    assert!((64..=150).contains(&watermark), "{watermark}");
    let ranges = bench.ask("SELECT first_offset AS n_f FROM tailwater_offsets ORDER BY 1");
    let above = usize::try_from(299 - watermark).unwrap();
    assert_eq!((ranges.len(), ranges.contains(&149)), (above, watermark < 150));
    drop(missing);
    let left = chunks(&mut bench.take(), 310, 100, &good);
    let cut: Vec<_> = left.iter().map(|chunk| chunk.range.clone()).collect();
    assert_eq!(cut, [150..151, 300..310]);
}

/// R14. A server that crashed without having synced, or a replica that took over, has lost what it said was committed: rows and
/// ranges alike. The watermark never moves over them from memory; the partition is read again from what is there.
#[test]
fn what_the_database_has_lost_again_is_read_again() {
    for lost in [3..9, 0..1, 60..63] {
        let bench = Bench::new();
        let (workshop, losses) = Bench::workshop(bench.store.clone(), &Stop::new());
        let some = chunks(&mut bench.take(), 200, 1, &good);
        for chunk in some.iter().take(63) {
            workshop.deliver(chunk);
        }
        let is_lost = |column| format!("{column} >= {} AND {column} < {}", lost.start, lost.end);
        bench.execute(&format!("DELETE FROM tailwater_offsets WHERE {}", is_lost("first_offset")));
        bench.execute(&format!("DELETE FROM t WHERE {}", is_lost("o")));
        for chunk in some.iter().skip(63) {
            workshop.deliver(chunk);
        }
        assert!(losses.try_recv().is_ok(), "nobody has noticed that {lost:?} are gone");
        let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
        for chunk in chunks(&mut bench.take(), 200, 7, &good) {
            workshop.deliver(&chunk);
        }
        assert_eq!(bench.offsets(), all(0..200), "after the loss of {lost:?}");
    }
}

/// R14. The same after a move of the watermark: what it went over is entered again, and some of it is gone.
#[test]
fn a_watermark_that_the_database_has_moved_back_is_believed() {
    let bench = Bench::new();
    let (workshop, losses) = Bench::workshop(bench.store.clone(), &Stop::new());
    let some = chunks(&mut bench.take(), 200, 1, &good);
    for chunk in some.iter().take(64) {
        workshop.deliver(chunk);
    }
    assert_eq!(bench.ask("SELECT next_offset AS n_w FROM tailwater_owners"), [64]);
    bench.execute("UPDATE tailwater_owners SET next_offset = 40");
    bench.execute("DELETE FROM t WHERE o >= 40");
    for chunk in some.iter().skip(64) {
        workshop.deliver(chunk);
    }
    assert!(losses.try_recv().is_ok());
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    for chunk in chunks(&mut bench.take(), 200, 7, &good) {
        workshop.deliver(&chunk);
    }
    assert_eq!(bench.offsets(), all(0..200));
}

/// R13. The move happened and its answer was lost: it is known by where the watermark stands.
#[test]
fn a_move_of_the_watermark_without_an_answer_is_known() {
    let bench = Bench::new();
    let mut cutter = bench.take();
    let some = chunks(&mut cutter, 64, 1, &good);
    for chunk in &some {
        chunk.held.deliver(&chunk.range);
        let mut session = bench.store.session().unwrap();
        bench.ledger.claim(&mut *session, &bench.identity, &chunk.range).unwrap();
    }
    let held = &some[0].held;
    let merge = held.merge(1).unwrap();
    let mut session = bench.store.session().unwrap();
    for _ in 0..2 {
        let merged = bench.ledger.merge(
            &mut *session,
            &bench.identity,
            held.epoch,
            &merge.over,
            &merge.firsts,
        );
        assert!(merged.unwrap(), "the second time it is there already");
    }
    drop(session);
    assert_eq!(bench.ask("SELECT next_offset AS n_w FROM tailwater_owners"), [64]);
}

/// Who takes locks in another order than the others waits for them while they wait for it: a deadlock at each move of the
/// watermark, and half a second lost.
#[test]
fn a_delivery_and_a_move_of_the_watermark_take_their_locks_in_the_same_order() {
    let bench = Bench::new();
    let faulty = Faulty::new(bench.store.clone(), Fault::Before, i64::MAX);
    let (workshop, _) = Bench::workshop(faulty.clone(), &Stop::new());
    for chunk in chunks(&mut bench.take(), 64, 1, &good) {
        workshop.deliver(&chunk);
    }
    let said = faulty.said();
    assert_eq!(said.len(), 65, "64 deliveries and a move");
    for transaction in said {
        let first = |table| transaction.iter().position(|text| text.contains(table)).unwrap();
        assert!(first("tailwater_offsets") < first("tailwater_owners"), "{transaction:#?}");
        // A list of keys is looked for in the whole of a small table, among everybody's locks.
        assert!(!transaction.iter().any(|text| text.contains(" IN (")), "{transaction:#?}");
    }
}

/// R17. Bad rows of every sort among good ones: each is set aside with its reason, the rest is written.
#[test]
fn a_bad_row_is_set_aside_alone_and_its_neighbours_are_written() {
    let bench = Bench::new();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    let body = |offset| match offset {
        17 => "{".to_owned(),                             // no JSON
        18 => "{\"n\":18,\"s\":\"too long\"}".to_owned(), // no fit, seen by us
        40 | 41 => "{\"n\":39}".to_owned(),               // duplicates, seen by the database alone
        99 => "{\"n\":0}".to_owned(),
        other => good(other),
    };
    for chunk in chunks(&mut bench.take(), 100, 100, &body) {
        workshop.deliver(&chunk);
    }
    let bad = [17, 18, 40, 41, 99];
    assert_eq!(bench.letters(), bad);
    let written: Vec<_> = (0..100).filter(|offset| !bad.contains(offset)).collect();
    assert_eq!(bench.offsets(), written);
    let mut session = bench.store.session().unwrap();
    let question = "SELECT reason AS t_r, body AS b_b, id AS t_id FROM tailwater_dead_letters ORDER BY record_offset";
    let letters = session.query(&Statement::new(question, &[])).unwrap();
    assert!(letters[0].text(0).starts_with("the body is not JSON"), "{}", letters[0].text(0));
    assert_eq!(letters[1].text(0), "column `s` holds 5 characters and the value has 8");
    assert!(letters[2].text(0).contains("UNIQUE constraint failed"), "{}", letters[2].text(0));
    assert_eq!(
        (letters[2].bytes(1), letters[2].text(2)),
        (&b"{\"n\":39}"[..], "topic/topic-1/3:40")
    );
    drop(session);
    assert_eq!(chunks(&mut bench.take(), 101, 100, &body)[0].range, 100..101, "ranges adjoin");
}

/// R18. What is too large for the table is not too large for its dead letter.
#[test]
fn a_large_body_is_kept_whole_in_parts() {
    let bench = Bench::new();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    let body = |_| format!("{{\"s\":\"{}\"}}", "x".repeat((2 << 20) + 5));
    for chunk in chunks(&mut bench.take(), 1, 1, &body) {
        workshop.deliver(&chunk);
    }
    let question = "SELECT LENGTH(body) AS n_l FROM tailwater_dead_letters ORDER BY part";
    let whole = i64::try_from(body(0).len()).unwrap();
    assert_eq!(bench.ask(question), [1 << 20, 1 << 20, whole - (2 << 20)]);
    assert_eq!(bench.ask("SELECT MAX(body_bytes) AS n_b FROM tailwater_dead_letters"), [whole]);
}

/// R17. The table is gone: that is nobody's record. Nothing is set aside, nothing is lost.
#[test]
fn the_environments_faults_never_become_dead_letters() {
    let bench = Bench::new();
    let stop = Stop::new();
    stop.request();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
    bench.execute("ALTER TABLE t RENAME TO elsewhere");
    let some = chunks(&mut bench.take(), 10, 10, &good);
    workshop.deliver(&some[0]);
    bench.execute("ALTER TABLE elsewhere RENAME TO t");
    assert_eq!((bench.letters(), bench.offsets()), (all(0..0), all(0..0)));
    assert_eq!(some[0].held.delivered_to(), 0);
    workshop.deliver(&some[0]);
    assert_eq!(bench.offsets(), all(0..10));
}

/// R17. The table takes nothing any more, not even what it took before: it is the table and not the records.
#[test]
fn a_row_is_set_aside_only_while_a_known_good_one_passes() {
    let bench = Bench::new();
    let stop = Stop::new();
    stop.request();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
    let mut cutter = bench.take();
    for chunk in chunks(&mut cutter, 5, 5, &good) {
        workshop.deliver(&chunk);
    }
    bench.execute("ALTER TABLE t RENAME TO elsewhere");
    bench.execute("CREATE TABLE t (o INT, n INT PRIMARY KEY, s TEXT, CHECK (n < 0))");
    let some = chunks(&mut cutter, 10, 1, &good);
    workshop.deliver(&some[0]);
    assert_eq!((bench.letters(), bench.offsets()), (all(0..0), all(0..0)));
    assert_eq!(some[0].held.delivered_to(), 5);
}

/// R17. The row that proves it must itself be one that the table takes today.
#[test]
fn a_row_that_was_good_before_the_table_was_changed_holds_nobody_up() {
    let bench = Bench::new();
    let stop = Stop::new();
    stop.request();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
    let mut cutter = bench.take();
    for chunk in chunks(&mut cutter, 5, 5, &good) {
        workshop.deliver(&chunk);
    }
    bench.execute("DROP TABLE t");
    bench.execute("CREATE TABLE t (o INT, n INT PRIMARY KEY, s TEXT, CHECK (n >= 5 AND n <> 8))");
    for chunk in chunks(&mut cutter, 10, 5, &good) {
        workshop.deliver(&chunk);
    }
    assert_eq!((bench.letters(), bench.offsets()), (vec![8], vec![5, 6, 7, 9]));
}

/// A table that refuses everything from the start does not empty the topic into dead letters.
#[test]
fn a_table_that_never_took_a_row_gets_a_bounded_number_of_dead_letters() {
    let bench = Bench::new();
    let stop = Stop::new();
    stop.request();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
    bench.execute("ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 1 CHECK (extra = 0)");
    for chunk in chunks(&mut bench.take(), 200, 50, &good) {
        workshop.deliver(&chunk);
    }
    assert_eq!(bench.letters().len(), super::REFUSED_MAX);
    assert_eq!(bench.offsets(), all(0..0));
}

/// What goes into files is there before the range that covers it, and once, though the database fails in between.
#[test]
fn letters_kept_elsewhere_are_durable_before_the_range_that_covers_them() {
    #[derive(Clone, Default)]
    struct Shelf(Arc<std::sync::Mutex<BTreeMap<String, usize>>>);
    impl crate::deadletter::DeadLetters for Shelf {
        fn keep(
            &mut self,
            letters: &[crate::deadletter::Letter<'_>],
        ) -> Result<usize, crate::deadletter::LetterError> {
            for letter in letters {
                *self.0.lock().unwrap().entry(letter.id.to_string()).or_default() += 1;
            }
            Ok(letters.len())
        }
        fn place(&self) -> String {
            "a shelf".to_owned()
        }
    }
    let bench = Bench::new();
    let shelf = Shelf::default();
    let stop = Stop::new();
    stop.request();
    for n in 0..6 {
        let faulty = Faulty::new(bench.store.clone(), Fault::Before, n);
        let (mut workshop, _) = Bench::workshop(faulty, &stop);
        workshop.tools.letterbox =
            Letterbox::Outside(std::sync::Mutex::new(Box::new(shelf.clone())));
        let body = |offset: u64| if offset == 2 { "no".to_owned() } else { good(offset) };
        for chunk in chunks(&mut bench.take(), 5, 5, &body) {
            workshop.deliver(&chunk);
        }
        let covered = chunks(&mut bench.take(), 5, 5, &body).is_empty();
        assert!(!covered || shelf.0.lock().unwrap().contains_key("topic/topic-1/3:2"));
        assert_eq!(covered, n == 5);
    }
    assert_eq!(bench.letters(), all(0..0));
    assert_eq!(bench.offsets(), [0, 1, 3, 4]);
}
