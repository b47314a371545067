//! What writers owe, against a real database whose every statement can fail.

use super::bench::{Bench, all, chunks, good};
use crate::clock::Stop;
use crate::database::faults::{Fault, Faulty};

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
    // Its own key would keep the rows out of this table; in many tables it would not.
    bench.execute("DELETE FROM t");
    workshop.deliver(&late[0]);
    assert_eq!((bench.offsets(), bench.letters()), (all(0..0), all(0..0)));
    assert!(late[0].held.is_gone());
}

/// R14. An operator has moved the watermark forward: what lies below it counts as delivered, whoever still holds it.
#[test]
fn what_the_watermark_has_passed_is_not_written_again() {
    let bench = Bench::new();
    let (workshop, losses) = Bench::workshop(bench.store.clone(), &Stop::new());
    let some = chunks(&mut bench.take(), 10, 5, &good);
    bench.execute("UPDATE tailwater_owners SET next_offset = 7");
    for chunk in &some {
        workshop.deliver(chunk);
    }
    assert_eq!(bench.offsets(), all(0..0));
    assert!(losses.try_recv().is_ok(), "it is taken again");
    for chunk in chunks(&mut bench.take(), 10, 5, &good) {
        workshop.deliver(&chunk);
    }
    assert_eq!(bench.offsets(), all(7..10));
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
        // R16: the owner is asked for last, so that whoever takes the partition over is kept waiting for the commit alone.
        let rows = transaction.iter().rposition(|text| text.contains("INTO \"t\"")).unwrap_or(0);
        assert!(rows < first("tailwater_owners"), "{transaction:#?}");
        // A list of keys is looked for in the whole of a small table, among everybody's locks.
        assert!(!transaction.iter().any(|text| text.contains(" IN (")), "{transaction:#?}");
    }
}
