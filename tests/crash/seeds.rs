//! Random workloads on a disk that fails at random: a run is a function of its seed, which is printed first.

use crate::disk::{Fault, SimDisk, Unsynced};
use crate::random::Random;
use crate::run::{Run, SEGMENT, opening};

/// Seeds that once failed.
const ONCE_FAILED: &[u64] = &[];
/// Seeds of an ordinary test run.
const SEEDS: u64 = 150;

#[test]
fn random_workloads_on_a_disk_that_fails_at_random_break_no_promise() {
    if let Some(seed) = number("TAILWATER_SEED") {
        return run_seed(seed);
    }
    let first = number("TAILWATER_FIRST_SEED").unwrap_or(0);
    let seeds = number("TAILWATER_SEEDS").unwrap_or(SEEDS);
    for seed in ONCE_FAILED.iter().copied().chain(first..first + seeds) {
        run_seed(seed);
    }
    println!("== {seeds} seeds from {first}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run_seed(seed: u64) {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let segments = 4 + random.below(5);
    let directories = 1 + random.index(2);
    let mut run = Run::new(SimDisk::new(), opening(segments, directories), seed);
    run.open().unwrap();
    for _ in 0..60 + random.below(200) {
        if random.one_in(25) {
            plant(&run, &mut random);
        }
        if !step(&mut run, &mut random) {
            recover(&mut run, &mut random);
        }
    }
    run.close();
    recover(&mut run, &mut random);
    run.drain();
    run.power_cut(Unsynced::Any).unwrap();
    assert_eq!(run.leases(), 0);
}

/// A fault at one of the next operations.
fn plant(run: &Run, random: &mut Random) {
    let at = run.disk.operations() + random.below(12);
    let fault = match random.below(6) {
        0..=2 => Fault::PowerOff,
        3 => Fault::Refused(std::io::ErrorKind::StorageFull),
        _ => Fault::Fails,
    };
    run.disk.plant(at, fault);
}

/// One thing that somebody does. False when the disk failed.
fn step(run: &mut Run, random: &mut Random) -> bool {
    for note in run.disk.take_notes() {
        println!("        {note}");
    }
    let what = random.below(16);
    println!("    {what}");
    match what {
        0..=4 => {
            let lengths = lengths(random);
            run.put(&lengths);
            !run.disk.is_off()
        }
        5..=6 => {
            run.take(1 + random.index(12));
            !run.disk.is_off()
        }
        7..=9 if run.leases() > 0 => {
            let (lease, every) = (random.index(run.leases()), 1 + random.below(3));
            run.settle(lease, |place| place.is_multiple_of(every));
            !run.disk.is_off()
        }
        10 if run.leases() > 0 => {
            run.put_back(random.index(run.leases()));
            true
        }
        11..=12 => run.write(),
        13 => run.sync(),
        14 if random.one_in(6) => {
            if random.one_in(2) {
                run.close();
            }
            false
        }
        _ => run.commit(),
    }
}

fn lengths(random: &mut Random) -> Vec<usize> {
    let events = if random.one_in(8) { 0 } else { 1 + random.index(9) };
    let largest = match random.below(8) {
        0 => 1,
        1..=4 => 300,
        5..=6 => 4000,
        // A third of the segment: ends of segments stay empty.
        _ => SEGMENT as usize / 3 / events.max(1),
    };
    (0..events).map(|_| random.index(largest)).collect()
}

/// The channel is opened again: by this process, by another after a kill, or after a power cut. Opening may fail at a
/// fault that is still planted; the next attempt meets the disk as that one left it.
fn recover(run: &mut Run, random: &mut Random) {
    for _ in 0..20 {
        if random.one_in(6) {
            plant(run, random);
        }
        let how = random.below(6);
        println!("    opened again, {how}, power {}", if run.disk.is_off() { "off" } else { "on" });
        let opened = match how {
            _ if run.disk.is_off() => run.power_cut(Unsynced::Any),
            0 => run.power_cut(Unsynced::Old),
            1 => run.power_cut(Unsynced::Any),
            2 => run.kill(),
            3 => run.kill_with_faults(),
            _ => run.reopen(),
        };
        if opened.is_ok() && !run.disk.is_off() {
            return;
        }
    }
    panic!("opening does not succeed, though no more faults are planted");
}
