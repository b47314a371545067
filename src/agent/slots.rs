//! One component of a running agent: what starts it, whether it runs, and when to try again if it does not.
//!
//! A channel is opened by the supervisor's own hand; sources and sinks have runners, which start them again by themselves.

use super::Running;
use super::board::{Shown, Standing};
use super::dead_letters::SourceLetters;
use super::flume_lines;
use super::ready::{self, ReadySource};
use crate::channel::{Channel, StartChannel};
use crate::clock::{Clock, Stop};
use crate::component::{Context, StartError, caught};
use crate::config::scope::Component;
use crate::config::surroundings::Surroundings;
use crate::event::{ComponentName, SourceId};
use crate::progress::{Activity, Progress};
use crate::source::processor::{ChannelProcessor, Parts};
use crate::source::runner::{RunnerParts, SourceRunner};
use crate::status::counters::SourceCounters;
use crate::status::happening::{Happening, Telling};
use crate::status::snapshot::{PartKind, State};
use std::sync::Arc;
use std::time::Duration;

/// Waits before a channel is opened again: the first, and the longest. Flume waits 3 s each time.
const REOPEN_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What is left of a runner's bound when it has taken all of it: it is not waited for any longer.
pub(super) const JOIN_GRACE: Duration = Duration::from_secs(2);

/// What all components of an agent share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) agent: ComponentName,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) telling: Telling,
    pub(super) surroundings: Surroundings,
    /// How long a stop may take to deliver what is in flight.
    pub(super) drain: Duration,
}

impl Shared {
    pub(super) fn of(running: &Running) -> Self {
        Self {
            agent: running.configuration.name.clone(),
            clock: running.clock.clone(),
            telling: running.telling.clone(),
            surroundings: running.configuration.surroundings.clone(),
            drain: running.drain,
        }
    }

    /// What a component is given; it has a stop of its own.
    pub(super) fn context(&self, kind: &'static str, name: &str) -> Context {
        let name = ComponentName::from(name);
        Context {
            agent: self.agent.clone(),
            teller: self.telling.of(kind, &name),
            name,
            clock: self.clock.clone(),
            stop: Stop::new(),
        }
    }
}

/// A channel, open or not.
pub(super) struct ChannelSlot {
    pub(super) component: Component,
    start: Box<dyn StartChannel>,
    context: Context,
    state: ChannelState,
}

enum ChannelState {
    Waiting { until: Duration, wait: Duration, why: String },
    Failed(String),
    Open(Arc<dyn Channel>),
}

impl ChannelSlot {
    pub(super) fn new(component: &Component, shared: &Shared) -> Option<Self> {
        let (name, type_name) = (&component.name, &component.type_name);
        log::info!("Creating instance of channel {name} type {type_name}");
        let start = ready::channel(component, &shared.surroundings)?;
        log::info!("Created channel {name}");
        let context = shared.context("channel", name);
        let until = Duration::ZERO;
        let state = ChannelState::Waiting { until, wait: REOPEN_WAIT.0, why: String::new() };
        Some(Self { component: component.clone(), start, context, state })
    }

    pub(super) fn open_channel(&self) -> Option<&Arc<dyn Channel>> {
        match &self.state {
            ChannelState::Open(channel) => Some(channel),
            _ => None,
        }
    }

    /// Opens it, if it is not open and the time has come. An error that only a person can mend is returned.
    pub(super) fn advance(&mut self) -> Result<(), StartError> {
        let now = self.context.clock.now();
        let wait = match &self.state {
            ChannelState::Waiting { until, wait, .. } if *until <= now => *wait,
            _ => return Ok(()),
        };
        let name = &self.component.name;
        log::info!("Starting Channel {name}");
        match self.open() {
            Ok(channel) => {
                flume_lines::started("CHANNEL", name);
                self.state = ChannelState::Open(channel);
                Ok(())
            }
            Err(error) if error.fatal => {
                self.state = ChannelState::Failed(error.what.clone());
                self.tell(&error, &error.next.clone());
                Err(error)
            }
            Err(error) => {
                let next = format!("{}; trying again in {} s", error.next, wait.as_secs());
                self.tell(&error, &next);
                let (until, longer) = (now + wait, (wait * 2).min(REOPEN_WAIT.1));
                self.state = ChannelState::Waiting { until, wait: longer, why: error.what };
                Ok(())
            }
        }
    }

    fn open(&self) -> Result<Arc<dyn Channel>, StartError> {
        caught(|| self.start.start(&self.context)).unwrap_or_else(|panic| {
            Err(StartError::transient(format!("defect while opening: {panic}"), "please report it"))
        })
    }

    fn tell(&self, error: &StartError, next: &str) {
        let effect = "its sources and sinks do not run until it is open; nothing is lost";
        let happening = Happening::error("channel-not-open", &*error.what);
        self.context.teller.tell(happening.effect(effect).next(next));
    }

    /// Makes durable what was promised, and tells the final counters.
    pub(super) fn close(self, shared: &Shared) {
        log::info!("Stopping Channel {}", self.component.name);
        let gauges = self.open_channel().map(|channel| {
            channel.close();
            channel.gauges()
        });
        self.context.teller.stopped();
        let own = |entry: &&crate::status::happening::Registered| {
            entry.name == self.context.name && entry.counters.kind() == "CHANNEL"
        };
        if let Some(entry) = shared.telling.counters().iter().find(own) {
            flume_lines::stopped(entry, gauges.as_ref());
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let standing = match &self.state {
            ChannelState::Open(channel) => Standing::Open(channel.clone()),
            ChannelState::Failed(why) => Standing::Not(State::Failed, why.clone()),
            ChannelState::Waiting { why, .. } if why.is_empty() => {
                Standing::Not(State::Starting, String::new())
            }
            ChannelState::Waiting { why, .. } => Standing::Not(State::BackingOff, why.clone()),
        };
        Shown {
            kind: PartKind::Channel,
            name: self.context.name.clone(),
            type_name: self.component.type_name.clone(),
            channels: Vec::new(),
            standing,
        }
    }
}

/// A source, running or not.
pub(super) struct SourceSlot {
    pub(super) component: Component,
    ready: Arc<ReadySource>,
    runner: Option<SourceRunner>,
    /// Why there is no runner.
    why: String,
}

impl SourceSlot {
    pub(super) fn new(component: &Component, shared: &Shared) -> Option<Self> {
        let (name, type_name) = (&component.name, &component.type_name);
        log::info!("Creating instance of source {name}, type {type_name}");
        let ready = Arc::new(ready::source(component, &shared.surroundings)?);
        let why = "waiting for its channels".to_owned();
        Some(Self { component: component.clone(), ready, runner: None, why })
    }

    pub(super) fn progress(&self) -> Option<&Arc<Progress>> {
        self.runner.as_ref().map(SourceRunner::progress)
    }

    /// Whether it has ended, asked to or not.
    pub(super) fn has_ended(&self) -> bool {
        let ended = |progress: &Arc<Progress>| {
            matches!(progress.seen().activity, Activity::Failed | Activity::Stopped)
        };
        self.progress().is_some_and(ended)
    }

    /// Starts its runner once its channels are open.
    pub(super) fn advance(
        &mut self,
        shared: &Shared,
        find: impl Fn(&str) -> Option<Arc<dyn Channel>>,
    ) {
        if self.runner.is_some() {
            return;
        }
        let channels = self.ready.channels.iter().map(|name| find(name.as_str()));
        let Some(channels) = channels.collect::<Option<Vec<_>>>() else {
            return;
        };
        let name = &self.component.name;
        log::info!("Starting Source {name}");
        let context = shared.context("source", name);
        match SourceRunner::spawn(self.runner_parts(shared, context.clone(), channels)) {
            Ok(runner) => {
                flume_lines::started("SOURCE", name);
                self.runner = Some(runner);
            }
            Err(error) => {
                self.why = format!("there is no thread for it: {error}");
                let happening = Happening::error("no-thread", self.why.clone());
                context.teller.tell(happening.effect("it does not run").next("trying again"));
            }
        }
    }

    fn runner_parts(
        &self,
        shared: &Shared,
        context: Context,
        channels: Vec<Arc<dyn Channel>>,
    ) -> RunnerParts {
        let counters = Arc::new(SourceCounters::default());
        context.teller.register(counters.clone());
        let ready = self.ready.clone();
        let start = ready.start.clone();
        let home = shared.surroundings.home().to_owned();
        let (given, counted) = (context.clone(), counters.clone());
        let processor = move || {
            let started = ready.interceptors.iter().map(|interceptor| interceptor.start(&given));
            // R8: a plan that cannot be repeated is another one at each start.
            let nonce = if ready.repeatable { 0 } else { given.clock.wall_ms().unsigned_abs() };
            Ok(ChannelProcessor::new(Parts {
                source: SourceId { name: given.name.clone(), plan: ready.plan ^ nonce },
                interceptors: started.collect::<Result<_, _>>()?,
                selector: ready.selector.start(&given, &ready.channels),
                channels: channels.clone(),
                counters: counted.clone(),
                teller: given.teller.clone(),
                clock: given.clock.clone(),
                stop: given.stop.clone(),
                dead_letters: Box::new(SourceLetters::new(&home, &given)),
            }))
        };
        let stop_bound = shared.drain;
        RunnerParts { context, start, processor: Box::new(processor), counters, stop_bound }
    }

    /// Asks it to stop, without waiting.
    pub(super) fn ask_to_stop(&self) {
        if let Some(runner) = &self.runner {
            log::info!("Stopping Source {}", self.component.name);
            runner.stop();
        }
    }

    /// Waits until it has stopped, and tells the final counters.
    pub(super) fn join(self, shared: &Shared) {
        let Some(runner) = self.runner else { return };
        let name = ComponentName::from(&*self.component.name);
        if !runner.join(shared.drain + JOIN_GRACE) {
            tell_left_behind(shared, "source", &name);
        }
        tell_final(shared, "SOURCE", &name);
    }

    pub(super) fn shown(&self) -> Shown {
        let standing = match &self.runner {
            Some(runner) => Standing::Running(runner.progress().clone()),
            None => Standing::Not(State::Starting, self.why.clone()),
        };
        Shown {
            kind: PartKind::Source,
            name: ComponentName::from(&*self.component.name),
            type_name: self.component.type_name.clone(),
            channels: self.ready.channels.clone(),
            standing,
        }
    }
}

/// A thread that does not end in time is left behind: the process is about to end, or the component to be replaced.
pub(super) fn tell_left_behind(shared: &Shared, kind: &'static str, name: &ComponentName) {
    shared.telling.of(kind, name).tell(
        Happening::error("left-behind", "it did not stop within its bound")
            .effect("what it had in flight is delivered again after the next start")
            .next("it is left behind; see what it was waiting for"),
    );
}

/// The final counters of a component, where it has any.
pub(super) fn tell_final(shared: &Shared, kind: &str, name: &ComponentName) {
    let counters = shared.telling.counters();
    let own = counters.iter().find(|entry| entry.name == *name && entry.counters.kind() == kind);
    if let Some(entry) = own {
        flume_lines::stopped(entry, None);
    }
}
