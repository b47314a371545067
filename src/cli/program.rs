//! What `agent` and `consumer` have in common: one reads Flume's words like the other, is started like the other, and ends
//! like the other.

use super::launch::{Launch, NoLaunch};
use super::logging::Destination;
use super::running::Around;
use super::{Exit, options, print, refuse, signals};
use crate::agent::{self, Board, Configuration, Ended, Reading, Running};
use crate::channel::memory;
use crate::clock::{Stop, SystemClock};
use crate::status::happening::Telling;
use crate::status::snapshot::Observed;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The part of `-Xmx` that a memory channel may fill unless its file says otherwise, in percent, as in Flume.
const HEAP_PERCENT: u64 = 80;

/// The words behind the command, understood; or the end of it.
pub(super) fn launch(command: &str, words: &[String]) -> Result<Launch, Exit> {
    match Launch::read(options::AGENT, words) {
        Ok(launch) => Ok(launch),
        Err(NoLaunch::Help) => {
            print(&mut io::stdout(), &options::help(command, options::AGENT));
            Err(Exit::Done)
        }
        Err(NoLaunch::DryRun) => {
            print(&mut io::stdout(), &format!("tailwater {command} {}\n", words.join(" ")));
            Err(Exit::Done)
        }
        Err(NoLaunch::Wrong(what, next)) => Err(refuse(&what, &next)),
    }
}

/// From here on lines are logged where they are to go.
pub(super) fn start_logging(launch: &Launch) {
    let filters = launch.surroundings.variable("RUST_LOG").map(str::to_owned);
    Destination::from_properties(&launch.surroundings).start(filters.as_deref());
    for what in &launch.passed_over {
        log::info!("{what}: it is passed over");
    }
    if let Some(heap_bytes) = launch.heap_bytes {
        memory::set_default_byte_capacity(heap_bytes / 100 * HEAP_PERCENT);
    }
}

/// The files that are named.
pub(super) fn configuration(launch: &Launch) -> Configuration {
    let directory = launch.surroundings.property("user.dir");
    Configuration {
        name: launch.name.clone(),
        files: launch.files.clone(),
        directory: directory.map_or_else(PathBuf::new, PathBuf::from),
        surroundings: launch.surroundings.clone(),
        backup: launch.backup.clone(),
        kinds: agent::kinds(),
        clock: SystemClock::shared(),
    }
}

/// Nothing of the configuration can be started: all of its mistakes, on stderr.
pub(super) fn refuse_all(command: &str, launch: &Launch, reading: &Reading) -> Exit {
    for (_, text) in &reading.remarks {
        eprintln!("{text}");
    }
    refuse(&format!("{command} `{}` cannot be started", launch.name), "mend what is said above")
}

/// Everything around a program, then `run` until its end.
pub(super) fn live(
    command: &'static str,
    launch: &Launch,
    configuration: Configuration,
    faulty: bool,
    run: impl FnOnce(Running) -> Ended,
) -> Exit {
    let clock = configuration.clock.clone();
    let (stop, telling) = (Stop::new(), Telling::new(clock.clone()));
    let (ask, reload) = crossbeam_channel::bounded(1);
    if let Err(error) = signals::listen(stop.clone(), ask) {
        return refuse(
            &format!("no signal can be heeded: {error}"),
            "see the limits of the process",
        );
    }
    let mut around = match Around::pid_file(launch) {
        Ok(around) => around,
        Err(what) => return refuse(&what, "make its directory writable, or name another file"),
    };
    let board = Board::new(command, launch.name.clone(), clock.clone(), telling.clone());
    let board = Arc::new(board);
    let observed: Arc<dyn Observed> = board.clone();
    around.serve(launch, &observed, &telling.of(command, &launch.name));
    let (poll, drain) = (launch.poll, launch.drain);
    let running =
        Running { configuration, poll, drain, clock, telling, board, stop, reload, faulty };
    match run(running) {
        Ended::Stopped => Exit::Done,
        Ended::Failed => Exit::Failed,
        Ended::NotStarted => Exit::Usage,
    }
}
