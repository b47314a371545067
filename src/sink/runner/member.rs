//! One sink of a runner, kept alive: it is started through its `StartSink`, its failures are told, its panics caught, and
//! it is started again with back-off. To its processor it is a sink like any other.

use super::Supply;
use crate::component::{Failure, Pass, caught};
use crate::progress::{Activity, Progress};
use crate::sink::Sink;
use crate::status::happening::Happening;
use std::sync::Arc;
use std::time::Duration;

/// Wait before a sink that could not start, or could not go on, is started again: so much longer each time. Flume's
/// supervisor looks every 3 s.
const RESTART_INCREMENT: Duration = Duration::from_secs(3);
/// And so long at most.
const RESTART_MAX: Duration = Duration::from_secs(30);

pub(super) struct Member {
    supply: Supply,
    progress: Arc<Progress>,
    /// Whether no other sink goes on while this one does not.
    alone: bool,
    sink: Option<Box<dyn Sink>>,
    /// Starts that came to nothing, in a row.
    misses: u32,
    /// When the next start is due, in the clock's `now`.
    due: Duration,
    why: String,
}

impl Member {
    pub(super) fn new(supply: Supply, progress: Arc<Progress>, alone: bool) -> Self {
        let why = String::new();
        Self { supply, progress, alone, sink: None, misses: 0, due: Duration::ZERO, why }
    }

    fn now(&self) -> Duration {
        self.supply.context.clock.now()
    }

    /// The sink, started if it is due.
    fn started(&mut self) -> Result<&mut Box<dyn Sink>, Failure> {
        if self.sink.is_none() {
            self.start()?;
        }
        Ok(self.sink.as_mut().expect("start has put it there"))
    }

    fn start(&mut self) -> Result<(), Failure> {
        let name = &self.supply.context.name;
        if self.progress.seen().activity == Activity::Failed || self.now() < self.due {
            return Err(Failure::Later(format!("sink {name} is not started: {}", self.why)));
        }
        let (context, channel) = (&self.supply.context, self.supply.channel.clone());
        match caught(|| self.supply.start.start(context, channel)) {
            Ok(Ok(sink)) => {
                self.sink = Some(sink);
                Ok(())
            }
            Ok(Err(error)) if error.fatal => {
                let happening = Happening::error("sink-not-started", error.what.clone());
                let effect = format!("sink {name} does not run; {}", self.effect());
                context.teller.tell(happening.effect(effect).next(error.next));
                self.progress.turn(self.now(), Activity::Failed, &error.what);
                self.why.clone_from(&error.what);
                Err(Failure::Later(error.what))
            }
            Ok(Err(error)) => {
                let again = self.miss(Activity::Starting, &error.what);
                let happening = Happening::error("sink-not-started", error.what.clone());
                let next = format!("{}; {again}", error.next);
                self.supply.context.teller.tell(happening.effect(self.effect()).next(next));
                Err(Failure::Later(error.what))
            }
            Err(panic) => Err(self.end("sink-panic", &format!("defect while starting: {panic}"))),
        }
    }

    /// Notes a start that came to nothing and says when the next one is.
    fn miss(&mut self, activity: Activity, why: &str) -> String {
        self.misses = self.misses.saturating_add(1);
        let wait = RESTART_INCREMENT.saturating_mul(self.misses).min(RESTART_MAX);
        let now = self.now();
        self.due = now + wait;
        why.clone_into(&mut self.why);
        self.progress.turn(now, activity, why);
        format!("starting it again in {} s or a little more", wait.as_secs())
    }

    /// Ends this instance of the sink, whose events go back, and lets it be started again.
    fn end(&mut self, code: &'static str, why: &str) -> Failure {
        if let Some(sink) = self.sink.take() {
            // Dropping may panic where passing did; what is left in memory then is the defect's to answer for.
            drop(caught(move || drop(sink)));
        }
        let again = self.miss(Activity::BackingOff, why);
        let happening = Happening::error(code, format!("cannot go on: {why}"));
        self.supply.context.teller.tell(happening.effect(self.effect()).next(again));
        Failure::Later(why.to_owned())
    }

    fn effect(&self) -> String {
        format!("its events stay in channel {}", self.supply.channel.name())
    }

    fn judge<T>(&mut self, outcome: Result<Result<T, Failure>, String>) -> Result<T, Failure> {
        match outcome {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Failure::Later(why))) => {
                self.progress.turn(self.now(), Activity::BackingOff, &why);
                let what = format!("Unable to deliver event: {why}");
                let next = if self.alone {
                    "trying again in 5 s"
                } else {
                    "its group goes on without it, and tries it again"
                };
                let happening = Happening::error("undelivered", what);
                self.supply.context.teller.tell(happening.effect(self.effect()).next(next));
                Err(Failure::Later(why))
            }
            Ok(Err(Failure::Restart(why))) => Err(self.end("sink-broken", &why)),
            Err(panic) => Err(self.end("sink-panic", &format!("defect: {panic}"))),
        }
    }
}

impl Sink for Member {
    fn process(&mut self) -> Result<Pass, Failure> {
        let sink = self.started()?;
        let outcome = caught(|| sink.process());
        let pass = self.judge(outcome)?;
        self.misses = 0;
        match pass {
            Pass::Ready => self.progress.moved(self.now()),
            Pass::Backoff => self.progress.turn(self.now(), Activity::Waiting, ""),
        }
        Ok(pass)
    }

    fn settle(&mut self) -> Result<bool, Failure> {
        let Some(sink) = &mut self.sink else { return Ok(false) };
        let outcome = caught(|| sink.settle());
        self.judge(outcome)
    }

    fn drain(&mut self, bound: Duration) {
        if let Some(mut sink) = self.sink.take()
            && let Err(panic) = caught(move || sink.drain(bound))
        {
            let happening = Happening::error("sink-panic", format!("defect while ending: {panic}"));
            self.supply.context.teller.tell(happening.effect(self.effect()).next("it has ended"));
        }
        if self.progress.seen().activity != Activity::Failed {
            self.progress.turn(self.now(), Activity::Stopped, "");
        }
        self.supply.context.teller.stopped();
    }
}
