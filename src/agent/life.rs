//! The life of a program: started, looked at, reloaded, stopped. What is kept running, and how, is the supervised's to know.

use super::backup;
use super::configuration::{Found, Look, Watch};
use super::{Ended, Running, tell_remarks};
use crate::component::StartError;
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::select;
use std::time::Duration;

/// Between two looks at how everything stands.
const LOOK: Duration = Duration::from_secs(1);

/// What is kept running, of an agent or of a program of consumers.
pub(super) trait Supervised {
    /// What it is made from.
    type Plan;

    /// The plan of this kind, if that is what the files came to.
    fn pick(found: Found) -> Option<Self::Plan>;

    /// Takes up everything of a plan that is not there yet.
    fn add(&mut self, plan: &Self::Plan);

    /// What there is, as Flume tells it.
    fn materialized(&self) -> String;

    /// Does what can be done now. Returns what only a person can mend.
    fn advance(&mut self) -> Vec<StartError>;

    /// Waits for the first starts, a short while; returns why those failed that only a person can mend.
    fn first_starts(&self) -> Vec<String>;

    /// Whether something runs, or may still come to run.
    fn is_alive(&self) -> bool;

    /// Goes from one plan to the next. False if that cannot be done now without losing events: the old plan runs on.
    fn reload(&mut self, running: &Self::Plan, plan: &Self::Plan) -> bool;

    /// Stops everything, in order.
    fn stop(self);
}

/// The life of a program.
pub(super) struct Life<S: Supervised> {
    running: Running,
    supervised: S,
    plan: S::Plan,
    watch: Watch,
    next_poll: Option<Duration>,
    teller: Teller,
}

impl<S: Supervised> Life<S> {
    pub(super) fn new(running: Running, supervised: S, plan: S::Plan) -> Self {
        Self {
            watch: running.configuration.watch(),
            next_poll: running.poll.map(|poll| running.clock.now() + poll),
            teller: running.telling.of(running.board.program(), &running.configuration.name),
            running,
            supervised,
            plan,
        }
    }

    /// Until the end, whatever it is.
    pub(super) fn live(mut self) -> Ended {
        let ended = self.run();
        self.supervised.stop();
        ended
    }

    fn run(&mut self) -> Ended {
        let name = &self.running.configuration.name;
        log::info!(
            "Post-validation flume configuration contains configuration for agents: [{name}]"
        );
        self.supervised.add(&self.plan);
        log::info!("Starting new configuration:{}", self.supervised.materialized());
        let fatal = self.supervised.advance().into_iter().map(|error| error.what);
        let fatal: Vec<_> = fatal.chain(self.supervised.first_starts()).collect();
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
            let _told = self.supervised.advance();
            if !self.supervised.is_alive() {
                let happening = Happening::error("nothing-runs", "everything has ended");
                self.teller.tell(happening.effect("nothing moves").next("ending, with status 1"));
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
            self.teller.tell(
                Happening::warning("backup", what)
                    .effect("none, unless the files are emptied: there is no copy then")
                    .next("make the directory writable; it is tried again at the next change"),
            );
        }
    }

    fn tell_not_started(&self, what: &str) {
        self.teller.tell(
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
        let accepted = S::pick(reading.found).filter(|_| self.running.faulty || !faulty);
        let Some(plan) = accepted else {
            let drawn: Vec<_> = reading.remarks.into_iter().map(|(_, text)| text).collect();
            self.running.board.refuse(Some(drawn.join("\n")));
            self.teller.answer(
                Happening::error("reload-refused", "the changed configuration has mistakes")
                    .effect("the old configuration runs on")
                    .next("mend the file; it is read again when it changes"),
            );
            return;
        };
        self.running.board.refuse(None);
        if self.supervised.reload(&self.plan, &plan) {
            self.plan = plan;
            self.running.faulty = faulty;
            self.keep_backup();
        } else {
            self.watch.forget();
        }
    }
}
