//! Fixed workloads: each a corner of the channel, short enough to be cut off at every one of its operations.

use crate::run::Run;

/// What a workload does with an open channel. It ends early when the disk does.
pub type Steps = fn(&mut Run) -> bool;

pub struct Workload {
    pub name: &'static str,
    pub segments: u64,
    pub directories: usize,
    pub steps: Steps,
}

pub const WORKLOADS: &[Workload] = &[
    Workload { name: "one batch after the other", segments: 4, directories: 1, steps: one_by_one },
    Workload {
        name: "groups written while one is synced",
        segments: 4,
        directories: 1,
        steps: torn_window,
    },
    Workload {
        name: "segments used again and again",
        segments: 5,
        directories: 1,
        steps: wrap_around,
    },
    Workload { name: "two directories", segments: 6, directories: 2, steps: wrap_around },
    Workload { name: "full, and emptied from its end", segments: 5, directories: 1, steps: full },
    Workload {
        name: "leases settled out of order and in part",
        segments: 4,
        directories: 1,
        steps: out_of_order,
    },
    Workload { name: "positions without events", segments: 4, directories: 1, steps: positions },
    Workload { name: "closed and opened again", segments: 4, directories: 1, steps: reopened },
];

fn one_by_one(run: &mut Run) -> bool {
    for lengths in [&[10][..], &[0, 0, 700], &[3000; 4], &[1]] {
        run.put(lengths);
        if !run.commit() {
            return false;
        }
    }
    while run.take(3) {
        run.settle(0, |_| true);
        if !run.commit() {
            return false;
        }
    }
    run.put(&[5]);
    run.commit()
}

/// R1: the second group is on the disk before the first, or only it.
fn torn_window(run: &mut Run) -> bool {
    for round in 0..4 {
        for length in [300, 2000, 40, 900] {
            run.put(&[length, length / 2]);
            if !run.write() {
                return false;
            }
            if round % 2 == 1 && run.leases() > 0 {
                run.settle(0, |_| true);
            }
        }
        if !run.sync() {
            return false;
        }
        run.take(3);
    }
    run.commit()
}

/// R3: what is settled and vouched for survives the segments that said so.
fn wrap_around(run: &mut Run) -> bool {
    run.put(&[100]);
    for _ in 0..14 {
        for _ in 0..2 {
            run.put(&[15_000, 9_000]);
            if !run.commit() {
                return false;
            }
        }
        while run.take(1) {}
        // The very first event stays.
        while run.leases() > 1 {
            run.settle(1, |_| true);
        }
        if !run.commit() {
            return false;
        }
    }
    true
}

/// R4: full to the last byte, then settled one event at a time from the end.
fn full(run: &mut Run) -> bool {
    while run.refused == 0 {
        run.put(&[6000, 3000]);
        if !run.commit() {
            return false;
        }
    }
    while run.take(1) {}
    while run.leases() > 0 {
        run.settle(run.leases() - 1, |_| true);
        if !run.commit() {
            return false;
        }
    }
    run.put(&[6000]);
    run.commit()
}

fn out_of_order(run: &mut Run) -> bool {
    for _ in 0..6 {
        run.put(&[50; 10]);
    }
    if !run.commit() {
        return false;
    }
    for _ in 0..6 {
        run.take(10);
    }
    for (lease, every) in [(3, 2), (0, 3), (2, 1)] {
        if run.leases() <= lease {
            return false;
        }
        run.settle(lease, |place| place % every == 0);
        if !run.write() {
            return false;
        }
    }
    run.put_back(0);
    run.take(4);
    run.settle(run.leases() - 1, |place| place > 1);
    run.commit()
}

/// R8: a part of the input that had nothing for this channel is vouched for all the same.
fn positions(run: &mut Run) -> bool {
    for lengths in [&[][..], &[20], &[], &[], &[0], &[]] {
        run.put(lengths);
        run.put(lengths);
        if !run.commit() {
            return false;
        }
    }
    run.take(1);
    run.settle(0, |_| true);
    run.put(&[]);
    run.commit()
}

fn reopened(run: &mut Run) -> bool {
    for round in 0..4 {
        run.put(&[2000; 5]);
        if !run.commit() {
            return false;
        }
        run.take(3 + round);
        run.settle(0, |place| place != 1);
        run.close();
        if run.disk.is_off() || run.reopen().is_err() {
            return false;
        }
    }
    true
}
