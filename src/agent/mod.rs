//! From a checked configuration to running threads, and on from there until somebody asks for the end.
//!
//! [`run`] is the agent's whole life on the calling thread: read the files, start what can be started, look once a second how
//! everything stands, read the files again when they change, and stop in order. What real Flume would still run of a faulty
//! file runs, and everything is told; a file of which nothing would run ends it, and so does, at the start, what only a person
//! can mend.

mod backup;
mod board;
mod configuration;
mod dead_letters;
mod flume_lines;
mod kinds;
mod ready;
mod reload;
mod sinks;
mod slots;
mod supervisor;

use crate::clock::{Clock, Stop};
use crate::config::diagnostic::Severity;
use crate::config::plan::AgentPlan;
use crate::status::happening::{Happening, Telling};
use crossbeam_channel::{Receiver, select};
use slots::Shared;
use std::sync::Arc;
use std::time::Duration;
use supervisor::Supervisor;

pub use board::Board;
pub use configuration::{Configuration, Found, Look, Reading, Watch};
pub use kinds::kinds;

/// Between two looks at how everything stands.
const LOOK: Duration = Duration::from_secs(1);

/// What an agent is run with.
pub struct Running {
    /// Its files and its name.
    pub configuration: Configuration,
    /// Between two looks at the files; `None`: they are read again only when asked.
    pub poll: Option<Duration>,
    /// How long a stop may take to deliver what is in flight.
    pub drain: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where everything is told.
    pub telling: Telling,
    /// Shown to the status server.
    pub board: Arc<Board>,
    /// Asks for the end.
    pub stop: Stop,
    /// Asks to read the files again.
    pub reload: Receiver<()>,
    /// Whether the configuration that is started has mistakes that leave something out.
    pub faulty: bool,
}

/// How an agent's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// On request.
    Stopped,
    /// Nothing was left that runs.
    Failed,
    /// Something that only a person can mend kept it from starting.
    NotStarted,
}

/// Runs `plan` until the end.
#[must_use]
pub fn run(running: Running, plan: AgentPlan) -> Ended {
    let shared = Shared {
        agent: running.configuration.name.clone(),
        clock: running.clock.clone(),
        telling: running.telling.clone(),
        surroundings: running.configuration.surroundings.clone(),
        drain: running.drain,
    };
    let mut life = Life {
        watch: running.configuration.watch(),
        supervisor: Supervisor::new(shared, running.board.clone()),
        plan,
        next_poll: running.poll.map(|poll| running.clock.now() + poll),
        running,
    };
    let ended = life.live();
    life.supervisor.stop();
    ended
}

struct Life {
    running: Running,
    supervisor: Supervisor,
    plan: AgentPlan,
    watch: Watch,
    next_poll: Option<Duration>,
}

impl Life {
    fn live(&mut self) -> Ended {
        let name = &self.running.configuration.name;
        log::info!(
            "Post-validation flume configuration contains configuration for agents: [{name}]"
        );
        self.supervisor.add(&self.plan);
        log::info!("Starting new configuration:{}", self.supervisor.materialized());
        let fatal = self.supervisor.advance().into_iter().map(|error| error.what);
        let fatal: Vec<_> = fatal.chain(self.supervisor.first_starts()).collect();
        if !fatal.is_empty() {
            self.tell_not_started(&fatal.join("; "));
            return Ended::NotStarted;
        }
        self.keep_backup();
        let (stop, reload) = (self.running.stop.clone(), self.running.reload.clone());
        loop {
            select! {
                recv(stop.signal()) -> _ => return Ended::Stopped,
                recv(reload) -> asked => if asked.is_ok() {
                    self.watch.take();
                    self.reload();
                },
                default(LOOK) => self.poll(),
            }
            if stop.is_requested() {
                return Ended::Stopped;
            }
            // What is fatal now was told, shows on the board, and ends nobody else.
            let _told = self.supervisor.advance();
            if !self.supervisor.is_alive() {
                let happening = Happening::error("nothing-runs", "every source and sink has ended");
                let teller = &self.supervisor.teller;
                teller.tell(happening.effect("nothing moves").next("ending, with status 1"));
                return Ended::Failed;
            }
        }
    }

    /// The configuration is in force: a copy is kept where one was asked for.
    fn keep_backup(&self) {
        let configuration = &self.running.configuration;
        let Some(directory) = &configuration.backup else { return };
        let path = backup::path(directory, &configuration.name);
        if let Err(error) = backup::keep(&path, &configuration.files) {
            let what =
                format!("cannot keep a copy of the configuration at {}: {error}", path.display());
            self.supervisor.teller.tell(
                Happening::warning("backup", what)
                    .effect("none, unless the files are emptied: there is no copy then")
                    .next("make the directory writable; it is tried again at the next change"),
            );
        }
    }

    fn tell_not_started(&self, what: &str) {
        self.supervisor.teller.tell(
            Happening::error("not-started", what)
                .effect("nothing starts")
                .next("mend that and start again; exit status 2"),
        );
    }

    /// Looks at the files, if it is time; while they are being written, at each look.
    fn poll(&mut self) {
        let now = self.running.clock.now();
        let (Some(poll), Some(due)) = (self.running.poll, self.next_poll) else { return };
        if now < due {
            return;
        }
        match self.watch.look() {
            Look::Same => self.next_poll = Some(now + poll),
            Look::Moving => self.next_poll = Some(now),
            Look::Changed => {
                self.next_poll = Some(now + poll);
                self.reload();
            }
        }
    }

    /// Reads the files again. A bad file changes nothing and says so.
    fn reload(&mut self) {
        log::info!("Reloading configuration file:{}", self.watch.names());
        let reading = self.running.configuration.read();
        tell_remarks(&reading);
        // Flume would run what is left of a faulty file. Here the running agent is worth more than half of the new one, unless
        // it runs on such a file itself.
        let faulty = reading.has_errors();
        let accepted = match reading.found {
            Found::Agent(plan) if self.running.faulty || !faulty => Some(plan),
            _ => None,
        };
        let Some(plan) = accepted else {
            let drawn: Vec<_> = reading.remarks.into_iter().map(|(_, text)| text).collect();
            self.supervisor.board.refuse(Some(drawn.join("\n")));
            self.supervisor.teller.answer(
                Happening::error("reload-refused", "the changed configuration has mistakes")
                    .effect("the old configuration runs on")
                    .next("mend the file; it is read again when it changes"),
            );
            return;
        };
        self.supervisor.board.refuse(None);
        if self.supervisor.reload(&self.plan, &plan) {
            self.plan = plan;
            self.running.faulty = faulty;
            self.keep_backup();
        } else {
            self.watch.forget();
        }
    }
}

/// Says what there is to be said about the configuration, in the log.
pub fn tell_remarks(reading: &Reading) {
    for (severity, text) in &reading.remarks {
        match severity {
            Severity::Error => log::error!("{}", text.trim_end()),
            Severity::Warning => log::warn!("{}", text.trim_end()),
        }
    }
}
