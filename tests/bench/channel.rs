//! How quick the file channel is, beside what the disk gives: `cargo bench --bench channel -- [DIR] [NAME…]`.
//!
//! Each line is a median of three runs; the limit of the disk is measured between them, in the same minutes.

#![allow(missing_docs, reason = "a program has no interface")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "it measures, and may end when it cannot"
)]

use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailwater::channel::file::FileChannel;
use tailwater::channel::file::open::Opening;
use tailwater::channel::{BatchLimit, Channel, Receipt};
use tailwater::clock::{Stop, SystemClock};
use tailwater::component::Context;
use tailwater::event::{Batch, ComponentName, Entry, Headers, Origin, Part, SourceId};
use tailwater::status::happening::Telling;
use tailwater::storage::disk::Disk;

const RUNS: usize = 3;
/// Bytes of bodies in one run.
const BYTES: u64 = 1 << 30;
const MB: f64 = 1e6;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let dir = words.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let names: Vec<String> = words.collect();
    println!("{:<56} {:>8} {:>7} {:>8} {:>7}", "what", "MB/s", "CPU/GB", "M ev/s", "of disk");
    let wanted =
        |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()));
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        let (mut runs, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            limits.push(serial_sync(&dir));
            runs.push(measure(&dir, case));
        }
        limits.sort_by(f64::total_cmp);
        runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let run = &runs[RUNS / 2];
        let rate = run.bytes as f64 / MB / run.seconds;
        println!(
            "{:<56} {rate:>8.0} {:>7.2} {:>8.2} {:>6.0}%",
            case.name,
            run.cpu / (run.bytes as f64 / 1e9),
            run.events as f64 / 1e6 / run.seconds,
            100.0 * rate / limits[RUNS / 2],
        );
    }
    println!("peak resident: {} MiB", peak_mib());
}

/// What is measured.
struct Case {
    name: &'static str,
    sources: usize,
    events: usize,
    body: usize,
    /// Batches of each source on their way.
    outstanding: usize,
    sink: Sink,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// Takes and commits as it comes.
    KeepsUp,
    /// Begins when everything is put; only it is measured.
    Lags,
}

const BASE: Case = Case {
    name: "",
    sources: 1,
    events: 500,
    body: 500,
    outstanding: 16,
    sink: Sink::KeepsUp,
    bytes: BYTES,
};

const CASES: &[Case] = &[
    Case { name: "put and take, 500 x 500 B, 16 on their way", ..BASE },
    Case { name: "put and take, 500 x 500 B, 4 sources of 4", sources: 4, outstanding: 4, ..BASE },
    Case { name: "put and take, 100 x 500 B, 16 on their way", events: 100, ..BASE },
    Case {
        name: "put and take, 100 x 500 B, 1 on its way",
        events: 100,
        outstanding: 1,
        bytes: BYTES / 4,
        ..BASE
    },
    Case { name: "put and take, 2500 x 100 B, 16 on their way", events: 2500, body: 100, ..BASE },
    Case { name: "put and take, 64 x 4 KB, 16 on their way", events: 64, body: 4096, ..BASE },
    Case {
        name: "put and take, 1 x 40 MB, 2 on their way",
        events: 1,
        body: 40 << 20,
        outstanding: 2,
        ..BASE
    },
    Case {
        name: "put and take, 1 x 500 B, 1 on its way",
        events: 1,
        outstanding: 1,
        bytes: 4 << 20,
        ..BASE
    },
    Case { name: "take what lags, 500 x 500 B, from the page cache", sink: Sink::Lags, ..BASE },
    Case {
        name: "take what lags, 100 x 500 B, from the page cache",
        events: 100,
        sink: Sink::Lags,
        ..BASE
    },
];

struct Measured {
    seconds: f64,
    cpu: f64,
    bytes: u64,
    events: u64,
}

fn measure(dir: &Path, case: &Case) -> Measured {
    let scratch = tempfile::tempdir_in(dir).unwrap();
    let channel = open(scratch.path());
    let batches = case.bytes / (case.events * case.body) as u64 / case.sources as u64;
    let events = batches * (case.events * case.sources) as u64;
    let begun = (Instant::now(), cpu_seconds());
    let putters: Vec<_> =
        (0..case.sources).map(|source| putter(&channel, case, source, batches)).collect();
    let (begun, putters) = if case.sink == Sink::Lags {
        join(putters);
        ((Instant::now(), cpu_seconds()), Vec::new())
    } else {
        (begun, putters)
    };
    take_all(&channel, events);
    let (seconds, cpu) = (begun.0.elapsed().as_secs_f64(), cpu_seconds() - begun.1);
    join(putters);
    channel.close();
    Measured { seconds, cpu, bytes: events * case.body as u64, events }
}

fn open(dir: &Path) -> Arc<FileChannel> {
    let clock = SystemClock::shared();
    let name = ComponentName::from("c1");
    let teller = Telling::new(clock.clone()).of("channel", &name);
    let context = Context { agent: "a1".into(), name, clock, stop: Stop::new(), teller };
    let opening = Opening {
        checkpoint_dir: dir.join("checkpoint"),
        data_dirs: vec![dir.join("data")],
        capacity_events: None,
        capacity_bytes: 2 << 30,
        segment_bytes: 64 << 20,
        keep_alive: Duration::from_mins(1),
        minimum_required_space: 0,
    };
    opening.open(&Disk, &context).unwrap()
}

/// Puts the same buffer again and again, as a source does that recycles its buffers.
fn putter(
    channel: &Arc<FileChannel>,
    case: &Case,
    source: usize,
    batches: u64,
) -> std::thread::JoinHandle<()> {
    let (channel, events, body, outstanding) =
        (channel.clone(), case.events, case.body, case.outstanding);
    std::thread::spawn(move || {
        // A line end between two lines, as a file has it.
        let bytes = Bytes::from(vec![b'x'; events * (body + 1)]);
        let entry =
            |n: usize| Entry { start: (n * (body + 1)) as u32, length: body as u32, headers: 0 };
        let table: Vec<_> = (0..events).map(entry).collect();
        let headers =
            vec![Arc::new(Headers::from([("file".into(), "/var/log/access.log".into())]))];
        let id = SourceId { name: format!("r{source}").as_str().into(), plan: 7 };
        let mut receipts: VecDeque<Receipt> = VecDeque::new();
        for n in 0..batches {
            let range = n * 100..(n + 1) * 100;
            let part = Part { input: "access.log".into(), range, evidence: Arc::from([0; 8]) };
            let origin =
                Origin { source: Some(id.clone()), parts: vec![part], forgotten: Vec::new() };
            let batch = Batch::new(bytes.clone(), table.clone(), headers.clone(), origin);
            receipts.push_back(channel.put(batch).unwrap());
            if receipts.len() >= outstanding {
                receipts.pop_front().unwrap().wait().unwrap();
            }
        }
        wait(receipts);
    })
}

fn take_all(channel: &FileChannel, events: u64) {
    let limit = BatchLimit { events: 5000, bytes: 4 << 20 };
    let (mut taken, mut receipts) = (0, VecDeque::new());
    while taken < events {
        let Some(lease) = channel.take(limit, Duration::from_secs(5)).unwrap() else { continue };
        taken += lease.len() as u64;
        receipts.push_back(lease.commit().unwrap());
        if receipts.len() > 16 {
            receipts.pop_front().unwrap().wait().unwrap();
        }
    }
    wait(receipts);
}

fn wait(receipts: VecDeque<Receipt>) {
    for receipt in receipts {
        receipt.wait().unwrap();
    }
}

fn join(putters: Vec<std::thread::JoinHandle<()>>) {
    for putter in putters {
        putter.join().unwrap();
    }
}

/// MB/s of writing 4 MB and `fdatasync`, one after the other, into blocks that were written before.
fn serial_sync(dir: &Path) -> f64 {
    let file = tempfile::tempfile_in(dir).unwrap();
    let block = vec![b'y'; 4 << 20];
    let pass = |file: &File| {
        for n in 0..64 {
            file.write_all_at(&block, n * block.len() as u64).unwrap();
            file.sync_data().unwrap();
        }
    };
    pass(&file);
    let begun = Instant::now();
    pass(&file);
    64.0 * block.len() as f64 / MB / begun.elapsed().as_secs_f64()
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
