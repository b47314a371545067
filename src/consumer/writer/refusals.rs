//! What writers owe to records that the table refuses: one bad row costs itself, a fault of the environment costs nothing.

use super::bench::{Bench, all, chunks, good};
use crate::clock::{Stop, SystemClock};
use crate::consumer::letterbox::Letterbox;
use crate::database::Statement;
use crate::database::faults::{Fault, Faulty};
use crate::deadletter::{DeadLetters, Letter, LetterError};
use crate::status::happening::Telling;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    let workshop = Bench::tries_once(bench.store.clone());
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
    let workshop = Bench::tries_once(bench.store.clone());
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
    let workshop = Bench::tries_once(bench.store.clone());
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
    let workshop = Bench::tries_once(bench.store.clone());
    bench.execute("ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 1 CHECK (extra = 0)");
    for chunk in chunks(&mut bench.take(), 200, 50, &good) {
        workshop.deliver(&chunk);
    }
    assert_eq!(bench.letters().len(), super::REFUSED_MAX);
    assert_eq!(bench.offsets(), all(0..0));
}

/// R18. A record and its letter stand or fall with their range, at whatever statement the process dies.
#[test]
fn killed_at_any_statement_no_letter_is_missing_and_none_is_there_without_its_range() {
    // 2 is seen by us, 6 by the database alone.
    let body = |offset| match offset {
        2 => "no".to_owned(),
        6 => "{\"n\":4}".to_owned(),
        other => good(other),
    };
    let stop = Stop::new();
    stop.request();
    for fault in [Fault::Before, Fault::After] {
        for n in 0.. {
            let bench = Bench::new();
            let faulty = Faulty::new(bench.store.clone(), fault, n);
            let (workshop, _) = Bench::workshop(faulty.clone(), &stop);
            workshop.deliver(&chunks(&mut bench.take(), 8, 8, &body)[0]);
            let uncovered = "SELECT record_offset AS n_o FROM tailwater_dead_letters WHERE NOT EXISTS \
                 (SELECT 1 FROM tailwater_offsets WHERE first_offset <= record_offset AND record_offset < next_offset)";
            assert_eq!(bench.ask(uncovered), all(0..0), "{fault:?} at operation {n}");
            let (workshop, _) = Bench::workshop(bench.store.clone(), &stop);
            for chunk in chunks(&mut bench.take(), 8, 3, &body) {
                workshop.deliver(&chunk);
            }
            assert_eq!(bench.letters(), [2, 6], "{fault:?} at operation {n}");
            assert_eq!(bench.offsets(), [0, 1, 3, 4, 5, 7]);
            if !faulty.has_failed() {
                assert!(n > 20, "every operation was tried");
                break;
            }
        }
    }
}

/// R14. What a piece is cut from has holes: its halves adjoin over them.
#[test]
fn the_pieces_of_a_chunk_with_holes_leave_no_hole_in_the_ledger() {
    let bench = Bench::new();
    let (workshop, _) = Bench::workshop(bench.store.clone(), &Stop::new());
    let mut cutter = bench.take();
    for offset in [3_u64, 10, 20, 21, 30, 40] {
        let n = if offset == 20 { 3 } else { offset };
        cutter.take(offset, Duration::ZERO, |open| {
            let body = format!("{{\"n\":{n}}}");
            open.push(offset, 0, None, Some(body.as_bytes()), [].into_iter());
        });
    }
    workshop.deliver(&cutter.close().unwrap());
    assert_eq!((bench.offsets(), bench.letters()), (vec![3, 10, 21, 30, 40], vec![20]));
    let firsts =
        bench.ask("SELECT first_offset AS n_f FROM tailwater_offsets ORDER BY first_offset");
    let nexts = bench.ask("SELECT next_offset AS n_n FROM tailwater_offsets ORDER BY first_offset");
    assert_eq!((firsts[0], nexts[nexts.len() - 1]), (0, 41));
    assert_eq!(firsts[1..], nexts[..nexts.len() - 1], "ranges adjoin");
}

/// R18. No room for a letter is the environment's fault: its record waits, and so do its neighbours.
#[test]
fn a_letter_that_cannot_be_kept_is_waited_for_and_never_dropped() {
    let bench = Bench::new();
    let mut workshop = Bench::tries_once(bench.store.clone());
    let telling = Telling::new(SystemClock::shared());
    workshop.tools.teller = telling.of("consumer", &"test".into());
    let body = |offset| if offset == 2 { "no".to_owned() } else { good(offset) };
    let some = chunks(&mut bench.take(), 5, 5, &body);
    let change = "ALTER TABLE tailwater_dead_letters";
    bench.execute(&format!("{change} ADD COLUMN full INT NOT NULL DEFAULT 1 CHECK (full = 0)"));
    workshop.deliver(&some[0]);
    assert_eq!((bench.letters(), bench.offsets()), (all(0..0), all(0..0)));
    assert_eq!(some[0].held.delivered_to(), 0);
    assert_eq!(telling.times("consumer test", "dead-letters-refused"), 1);
    bench.execute(&format!("{change} DROP COLUMN full"));
    workshop.deliver(&some[0]);
    assert_eq!((bench.letters(), bench.offsets()), (vec![2], vec![0, 1, 3, 4]));
}

/// R18. The ledger was put back by hand: what is set aside already stands in nobody's way.
#[test]
fn a_record_that_was_set_aside_before_is_set_aside_once() {
    let bench = Bench::new();
    let workshop = Bench::tries_once(bench.store.clone());
    for _ in 0..2 {
        for chunk in chunks(&mut bench.take(), 3, 3, &|_| "no".to_owned()) {
            workshop.deliver(&chunk);
        }
        assert_eq!((bench.letters(), bench.take().next()), (all(0..3), 3));
        bench.execute("DELETE FROM tailwater_offsets");
    }
}

/// A place for letters outside of the database, which can be full.
#[derive(Clone, Default)]
struct Shelf {
    letters: Arc<Mutex<BTreeMap<String, usize>>>,
    is_full: bool,
}

impl DeadLetters for Shelf {
    fn keep(&mut self, letters: &[Letter<'_>]) -> Result<usize, LetterError> {
        if self.is_full {
            let (place, detail) = (self.place(), "it is full".to_owned());
            return Err(LetterError::NoRoom { place, detail });
        }
        for letter in letters {
            *self.letters.lock().unwrap().entry(letter.id.to_string()).or_default() += 1;
        }
        Ok(letters.len())
    }

    fn place(&self) -> String {
        "a shelf".to_owned()
    }
}

/// R18. What goes into files is there before the range that covers it, though the database fails in between, or its answer is lost.
#[test]
fn letters_kept_elsewhere_are_durable_before_the_range_that_covers_them() {
    let body = |offset: u64| if offset == 2 { "no".to_owned() } else { good(offset) };
    let stop = Stop::new();
    stop.request();
    // begin, range row, rows, owner, commit.
    for (fault, commits_at) in [(Fault::Before, 5), (Fault::After, 4)] {
        let bench = Bench::new();
        let shelf = Shelf::default();
        for n in 0..=commits_at {
            let faulty = Faulty::new(bench.store.clone(), fault, n);
            let (mut workshop, _) = Bench::workshop(faulty, &stop);
            workshop.tools.letterbox = Letterbox::Outside(Mutex::new(Box::new(shelf.clone())));
            for chunk in chunks(&mut bench.take(), 5, 5, &body) {
                workshop.deliver(&chunk);
            }
            let covered = chunks(&mut bench.take(), 5, 5, &body).is_empty();
            assert!(!covered || shelf.letters.lock().unwrap().contains_key("topic/topic-1/3:2"));
            assert_eq!(covered, n == commits_at, "{fault:?} at operation {n}");
        }
        assert_eq!((bench.letters(), bench.offsets()), (all(0..0), vec![0, 1, 3, 4]));
    }
}

/// R18. The same when there is no room for them: the range waits.
#[test]
fn a_full_place_for_letters_keeps_the_range_back() {
    let bench = Bench::new();
    let mut workshop = Bench::tries_once(bench.store.clone());
    let full = Shelf { is_full: true, ..Shelf::default() };
    workshop.tools.letterbox = Letterbox::Outside(Mutex::new(Box::new(full)));
    let some = chunks(&mut bench.take(), 5, 5, &|_| "no".to_owned());
    workshop.deliver(&some[0]);
    assert_eq!((some[0].held.delivered_to(), bench.take().next()), (0, 0));
}
