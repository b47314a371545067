//! `tailwater quickstart`: the whole main job on one machine, with nothing else to install.
//!
//! A web server that exists only as its access log; an agent that tails it through a file channel into Kafka; a consumer
//! that writes rows. The broker is librdkafka's mock, which keeps the last 5 MiB of a partition and nothing across a
//! restart: enough for a demonstration, never called durable. The database is an `SQLite` file. Agent and consumer are this
//! very program, started as an operator would, so that what is shown is what will run.
//!
//! Half-way the consumer is killed with SIGKILL and started again: rows and offsets are one transaction, so the count at
//! the end is still exact.

mod programs;
mod progress;
mod traffic;

use super::{Exit, print, signals};
use crate::clock::{Clock, Stop, SystemClock};
use crate::kafka::mock::MockBroker;
use programs::Program;
use progress::{Progress, Rows};
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use traffic::{Gauge, Traffic};

/// What `tailwater quickstart` can be told.
#[derive(clap::Args, Debug)]
pub(super) struct QuickstartArgs {
    /// Lines the web server writes
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=LINES_MAX))]
    lines: u64,
    /// Lines it writes in a second; the mock broker keeps little, so that this is not a benchmark
    #[arg(long, default_value_t = 2_500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
    /// Where everything is kept, to be looked at afterwards [default: a new folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Lines at most: a mock broker keeps 5 MiB of a partition, and those are about 100 bytes long.
const LINES_MAX: u64 = 150_000;
/// Partitions of the demonstration's topic.
const PARTITIONS: i32 = 4;
/// How long nothing may move before it is called a failure.
const STANDSTILL: Duration = Duration::from_mins(1);
/// How often the progress is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Looks to a line of progress where lines cannot be drawn over.
const TICKS_TO_A_LINE: u32 = 10;

/// Runs the command. Done when every line has become exactly one row, failed when not.
pub(super) fn run(args: &QuickstartArgs) -> Exit {
    match demonstrate(args) {
        Ok(()) => Exit::Done,
        Err(why) => {
            eprintln!("\nquickstart: {why}");
            Exit::Failed
        }
    }
}

fn demonstrate(args: &QuickstartArgs) -> Result<(), String> {
    let clock = SystemClock::shared();
    let dir = folder(args, &*clock)?;
    let stop = Stop::new();
    let (ask, _nobody_reloads) = crossbeam_channel::bounded(1);
    signals::listen(stop.clone(), ask).map_err(|why| format!("no signal can be heeded: {why}"))?;
    let broker = MockBroker::start("access", PARTITIONS)
        .map_err(|why| format!("the mock broker does not start: {why}"))?;
    let conf = dir.join("flume.conf");
    let text = configuration(&dir, &broker.bootstrap_servers());
    fs::write(&conf, &text).map_err(|why| format!("cannot write {}: {why}", conf.display()))?;
    introduce(&conf, &text);

    let gauge = Arc::new(Gauge {
        written: AtomicU64::new(0),
        // Some are left for after the kill, so that it is never too late for it.
        allowed: AtomicU64::new(args.lines * 3 / 4),
    });
    let mut run = Run {
        lines: args.lines,
        consumer: Program::start("consumer", "c1", &dir)?,
        agent: Program::start("agent", "a1", &dir)?,
        rows: Rows::of(&dir.join("rows.db"))?,
        is_killed: false,
        clock: clock.clone(),
        gauge: gauge.clone(),
    };
    let traffic = Traffic { folder: dir.join("logs"), lines: args.lines, rate: args.rate };
    let writer = thread::spawn({
        let stop = stop.clone();
        move || traffic.write(&gauge, &stop, &*clock)
    });
    let outcome = run.watch(&stop);
    stop.request();
    let wrote = writer.join().map_err(|_| "the web server panicked".to_owned());
    outcome.and(wrote?)?;
    let Run { rows, agent, consumer, .. } = run;
    agent.finish()?;
    consumer.finish()?;
    conclude(args.lines, &rows, &dir)
}

/// The folder of this run; it must be new, or an earlier run's rows would be counted again.
fn folder(args: &QuickstartArgs, clock: &dyn Clock) -> Result<PathBuf, String> {
    let dir = args.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("tailwater-quickstart-{}", clock.wall_ms()))
    });
    if dir.join("flume.conf").exists() {
        return Err(format!("{} is of an earlier run; name another folder", dir.display()));
    }
    fs::create_dir_all(dir.join("logs"))
        .map_err(|why| format!("cannot make the folder {}: {why}", dir.display()))?;
    dir.canonicalize().map_err(|why| format!("cannot use the folder {}: {why}", dir.display()))
}

/// The configuration, as an operator would write it.
fn configuration(dir: &Path, bootstrap_servers: &str) -> String {
    include_str!("quickstart.conf")
        .replace("@DIR@", &dir.display().to_string())
        .replace("@BROKER@", bootstrap_servers)
}

fn introduce(conf: &Path, text: &str) {
    say("Tomcat's access log -> agent (file channel) -> Kafka (a mock) -> consumer -> SQLite\n");
    say(&format!("{}:\n", conf.display()));
    for line in text.lines() {
        say(&format!("    {line}"));
    }
    say("");
}

/// A running demonstration.
struct Run {
    lines: u64,
    clock: Arc<dyn Clock>,
    gauge: Arc<Gauge>,
    rows: Rows,
    agent: Program,
    consumer: Program,
    is_killed: bool,
}

impl Run {
    /// Shows the progress until every line is a row, or nothing moves any more.
    fn watch(&mut self, stop: &Stop) -> Result<(), String> {
        let mut last = Progress::default();
        let mut moved_at = self.clock.now();
        for tick in 0.. {
            let now = self.look(last);
            draw(&now, tick);
            if now.rows >= self.lines && now.in_channel == Some(0) {
                draw(&now, 0);
                return Ok(());
            }
            if now != last {
                moved_at = self.clock.now();
                last = now;
            }
            if self.clock.now().saturating_sub(moved_at) > STANDSTILL {
                return Err(self.stands_still(&now));
            }
            if !self.is_killed && now.rows >= self.lines / 2 {
                self.kill_consumer()?;
            }
            self.agent.still_runs()?;
            self.consumer.still_runs()?;
            if stop.wait(TICK) {
                break;
            }
        }
        Err("stopped on request".to_owned())
    }

    fn look(&mut self, last: Progress) -> Progress {
        let agent = self.agent.counters();
        let of = |component: &str, counter: &str| agent.as_ref()?.get(component, counter);
        Progress {
            written: self.gauge.written.load(Ordering::Relaxed),
            read: of("SOURCE.r1", "EventAcceptedCount").or(last.read),
            in_channel: of("CHANNEL.c1", "ChannelSize").or(last.in_channel),
            acknowledged: of("SINK.k1", "EventDrainSuccessCount").or(last.acknowledged),
            rows: self.rows.count().unwrap_or(last.rows),
        }
    }

    fn stands_still(&self, now: &Progress) -> String {
        format!(
            "nothing has moved for {} s: {} lines written, {} rows\nthe agent says:\n{}\nthe consumer says:\n{}",
            STANDSTILL.as_secs(),
            now.written,
            now.rows,
            self.agent.last_words(),
            self.consumer.last_words()
        )
    }

    fn kill_consumer(&mut self) -> Result<(), String> {
        self.is_killed = true;
        let pid = self.consumer.kill_and_start_again()?;
        self.gauge.allowed.store(self.lines, Ordering::Relaxed);
        say(&format!(
            "\n  kill -9 {pid}: the consumer is gone in the middle of its work, and started again"
        ));
        Ok(())
    }
}

/// Draws over the line before on a terminal; elsewhere there is a line now and then.
fn draw(progress: &Progress, tick: u32) {
    let out = &mut io::stdout();
    if out.is_terminal() {
        print(out, &format!("\r{progress}"));
    } else if tick.is_multiple_of(TICKS_TO_A_LINE) {
        print(out, &format!("{progress}\n"));
    }
}

/// Says what came of it, and how to go on.
fn conclude(lines: u64, rows: &Rows, dir: &Path) -> Result<(), String> {
    let (count, distinct) = (rows.count()?, rows.distinct()?);
    if (count, distinct) != (lines, lines) {
        return Err(format!(
            "{lines} lines have become {count} rows, {distinct} of them distinct; see {}",
            dir.display()
        ));
    }
    say(&format!(
        "\n\nlines = {lines}, rows = {count}: every line is exactly one row.

Everything is in {}: the logs, flume.conf, rows.db.
With a real broker and database, change three lines of flume.conf:

    a1.sinks.k1.kafka.bootstrap.servers         = your-broker:9092
    c1.consumers.access.kafka.bootstrap.servers = your-broker:9092
    c1.consumers.access.database.url            = mysql://user:password@your-database/name

and run the two halves:

    tailwater agent    -n a1 -f flume.conf
    tailwater consumer -n c1 -f flume.conf",
        dir.display()
    ));
    Ok(())
}

fn say(text: &str) {
    print(&mut io::stdout(), &format!("{text}\n"));
}
