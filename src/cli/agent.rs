//! `tailwater agent`: runs an agent from a flume.conf until it is asked to stop.

use super::launch::{Launch, NoLaunch};
use super::logging::Destination;
use super::running::Around;
use super::{Exit, options, print, refuse, signals};
use crate::agent::{self, Board, Configuration, Ended, Found, Running};
use crate::channel::memory;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::plan::AgentPlan;
use crate::status::happening::Telling;
use crate::status::snapshot::Observed;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The part of `-Xmx` that a memory channel may fill unless its file says otherwise, in percent, as in Flume.
const HEAP_PERCENT: u64 = 80;

/// Runs the command.
pub(super) fn run(words: &[String]) -> Exit {
    let launch = match Launch::read(options::AGENT, words) {
        Ok(launch) => launch,
        Err(NoLaunch::Help) => {
            print(&mut io::stdout(), &options::help("agent", options::AGENT));
            return Exit::Done;
        }
        Err(NoLaunch::DryRun) => {
            print(&mut io::stdout(), &format!("tailwater agent {}\n", words.join(" ")));
            return Exit::Done;
        }
        Err(NoLaunch::Wrong(what, next)) => return refuse(&what, &next),
    };
    let filters = launch.surroundings.variable("RUST_LOG").map(str::to_owned);
    Destination::from_properties(&launch.surroundings).start(filters.as_deref());
    for word in &launch.meaningless {
        log::info!("{word} has no meaning without a JVM and is passed over");
    }
    if let Some(heap_bytes) = launch.heap_bytes {
        memory::set_default_byte_capacity(heap_bytes / 100 * HEAP_PERCENT);
    }
    let clock = SystemClock::shared();
    let configuration = configuration(&launch, clock.clone());
    let reading = configuration.read();
    match reading.found {
        Found::Agent(ref plan) => {
            agent::tell_remarks(&reading);
            let (plan, faulty) = (plan.clone(), reading.has_errors());
            live(&launch, configuration, plan, faulty, clock)
        }
        Found::Consumers(_) => refuse(
            &format!("`{}` is a consumer program and no agent", launch.name),
            &format!("start it with `tailwater consumer -n {}` and the same file", launch.name),
        ),
        Found::Nothing => {
            for (_, text) in &reading.remarks {
                eprintln!("{text}");
            }
            refuse(&format!("agent `{}` cannot be started", launch.name), "mend what is said above")
        }
    }
}

fn configuration(launch: &Launch, clock: Arc<dyn Clock>) -> Configuration {
    Configuration {
        name: launch.name.clone(),
        files: launch.files.clone(),
        directory: launch
            .surroundings
            .property("user.dir")
            .map_or_else(PathBuf::new, PathBuf::from),
        surroundings: launch.surroundings.clone(),
        backup: launch.backup.clone(),
        kinds: agent::kinds(),
        clock,
    }
}

fn live(
    launch: &Launch,
    configuration: Configuration,
    plan: AgentPlan,
    faulty: bool,
    clock: Arc<dyn Clock>,
) -> Exit {
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
    let board = Arc::new(Board::new(launch.name.clone(), clock.clone(), telling.clone()));
    let observed: Arc<dyn Observed> = board.clone();
    around.serve(launch, &observed, &telling.of("agent", &launch.name));
    let (poll, drain) = (launch.poll, launch.drain);
    let running =
        Running { configuration, poll, drain, clock, telling, board, stop, reload, faulty };
    match agent::run(running, plan) {
        Ended::Stopped => Exit::Done,
        Ended::Failed => Exit::Failed,
        Ended::NotStarted => Exit::Usage,
    }
}
