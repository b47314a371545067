//! Fuzzers, each a function of a seed: `cargo test --test fuzz` runs every one for a second, `cargo test --test fuzz -- load 42`
//! runs one on one seed, `FUZZ_SECONDS=3600` makes a night of it.
//!
//! The last one, the canary, always finds something: it proves that a finding is noticed.

#![allow(clippy::print_stdout, reason = "a program of its own, whose output is its result")]
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "all of this is a test, though clippy sees a program"
)]
#![allow(
    clippy::format_collect,
    reason = "what is expected is written as shortly as it can be read"
)]
#![allow(clippy::disallowed_methods, reason = "fuzzing is bounded by the machine's clock")]

mod load;
mod properties;
mod random;
#[path = "../support/mod.rs"]
mod support;
mod taildir;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A fuzzer: panics when it finds something.
struct Fuzzer {
    name: &'static str,
    what: &'static str,
    run: fn(u64),
}

const FUZZERS: &[Fuzzer] = &[
    Fuzzer {
        name: "load",
        what: "any bytes load, with every place inside the file",
        run: load::run,
    },
    Fuzzer {
        name: "properties",
        what: "the parser reads what java.util.Properties reads",
        run: properties::run,
    },
    Fuzzer {
        name: "taildir",
        what: "each line once, however its file is rotated and the agent killed",
        run: taildir::run,
    },
];

const CANARY: Fuzzer =
    Fuzzer { name: "canary", what: "a finding is noticed", run: |seed| panic!("seed {seed}") };

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [name, seed] = words.as_slice() {
        let (Some(fuzzer), Ok(seed)) = (find(name), seed.parse()) else {
            println!("usage: cargo test --test fuzz -- NAME SEED");
            return ExitCode::from(2);
        };
        (fuzzer.run)(seed);
        println!("{name} {seed}: nothing found");
        return ExitCode::SUCCESS;
    }
    if words == ["record"] {
        return if properties::record() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let bound = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut found = false;
    for fuzzer in FUZZERS.iter().filter(|fuzzer| words.is_empty() || words[0] == fuzzer.name) {
        found |= !runs_clean(fuzzer, Duration::from_secs(bound));
    }
    found |= !properties::recorded_answers_hold();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let noticed = catch_unwind(|| (CANARY.run)(0)).is_err();
    std::panic::set_hook(quiet);
    println!("{:<12} {}: {}", CANARY.name, CANARY.what, if noticed { "yes" } else { "NO" });
    if found || !noticed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn find(name: &str) -> Option<&'static Fuzzer> {
    FUZZERS.iter().chain([&CANARY]).find(|fuzzer| fuzzer.name == name)
}

/// Runs a fuzzer from seed to seed until the time is up, and says what it found.
fn runs_clean(fuzzer: &Fuzzer, bound: Duration) -> bool {
    let start = Instant::now();
    let mut seed = 0;
    while start.elapsed() < bound {
        if catch_unwind(AssertUnwindSafe(|| (fuzzer.run)(seed))).is_err() {
            println!("{:<12} FOUND: cargo test --test fuzz -- {} {seed}", fuzzer.name, fuzzer.name);
            return false;
        }
        seed += 1;
    }
    println!("{:<12} {}: {seed} seeds, nothing found", fuzzer.name, fuzzer.what);
    true
}
