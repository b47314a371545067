//! The sinks that are run together: a sink group with its processor, or one sink by itself.

use super::board::{Shown, Standing};
use super::flume_lines;
use super::ready;
use super::slots::{JOIN_GRACE, Shared, tell_final, tell_left_behind};
use crate::channel::Channel;
use crate::config::scope::Component;
use crate::event::ComponentName;
use crate::progress::{Activity, Progress};
use crate::sink::StartSink;
use crate::sink::processor::StartProcessor;
use crate::sink::processor::default::StartDefault;
use crate::sink::runner::{Pace, RunningSinks, SinkRunner, Supply};
use crate::status::happening::Happening;
use crate::status::snapshot::{PartKind, State};
use std::sync::Arc;
use std::time::Duration;

/// A group of sinks, running or not.
pub(super) struct SinkSlot {
    /// The group's name, or that of the sink that stands alone.
    name: String,
    processor: Arc<dyn StartProcessor>,
    sinks: Vec<(Component, Arc<dyn StartSink>)>,
    running: Option<RunningSinks>,
    /// Why nothing runs.
    why: String,
}

impl SinkSlot {
    pub(super) fn new(
        processor: Option<&Component>,
        sinks: &[&Component],
        shared: &Shared,
    ) -> Option<Self> {
        let mut ready = Vec::new();
        for sink in sinks {
            log::info!("Creating instance of sink: {}, type: {}", sink.name, sink.type_name);
            ready.push(((*sink).clone(), ready::sink(sink, &shared.surroundings)?));
        }
        let start: Arc<dyn StartProcessor> = match processor {
            Some(component) => ready::processor(component, &shared.surroundings)?,
            None => Arc::new(StartDefault),
        };
        let name = processor.or(sinks.first().copied())?.name.clone();
        let why = "waiting for its channel".to_owned();
        Some(Self { name, processor: start, sinks: ready, running: None, why })
    }

    pub(super) fn components(&self) -> impl Iterator<Item = &Component> {
        self.sinks.iter().map(|(component, _)| component)
    }

    pub(super) fn has_sink(&self, name: &str) -> bool {
        self.components().any(|component| component.name == name)
    }

    /// How each sink that runs stands.
    pub(super) fn progress(&self) -> impl Iterator<Item = &Arc<Progress>> {
        self.running.iter().flat_map(|running| running.progress().iter().map(|(_, p)| p))
    }

    /// Whether all of its sinks have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.running.is_some()
            && self.progress().all(|progress| {
                matches!(progress.seen().activity, Activity::Failed | Activity::Stopped)
            })
    }

    /// Starts its runner once its channels are open.
    pub(super) fn advance(
        &mut self,
        shared: &Shared,
        find: impl Fn(&str) -> Option<Arc<dyn Channel>>,
    ) {
        if self.running.is_some() {
            return;
        }
        let supply = |(component, start): &(Component, Arc<dyn StartSink>)| {
            let channel = component.connected.first().and_then(|name| find(name))?;
            let context = shared.context("sink", &component.name);
            Some(Supply { context, start: start.clone(), channel })
        };
        let Some(sinks) = self.sinks.iter().map(supply).collect::<Option<Vec<_>>>() else { return };
        log::info!("Starting Sink {}", self.name);
        let context = shared.context("sink", &self.name);
        let processor = self.processor.clone();
        let runner = SinkRunner { context: context.clone(), processor, sinks, pace: Pace::FLUME };
        match runner.start() {
            Ok(running) => {
                for (component, _) in &self.sinks {
                    flume_lines::started("SINK", &component.name);
                }
                self.running = Some(running);
            }
            Err(error) => {
                let happening = Happening::error("no-thread", error.what.clone());
                context.teller.tell(happening.effect("it does not run yet").next(error.next));
                self.why = error.what;
            }
        }
    }

    /// Asks it to stop, without waiting; it may take `drain` to deliver what is in flight.
    pub(super) fn ask_to_stop(&self, drain: Duration) {
        if let Some(running) = &self.running {
            log::info!("Stopping Sink {}", self.name);
            running.ask_to_stop(drain);
        }
    }

    /// Waits until it has stopped, and tells the final counters.
    pub(super) fn join(self, shared: &Shared, drain: Duration) {
        let Some(running) = &self.running else { return };
        if !running.has_ended_within(drain + JOIN_GRACE) {
            tell_left_behind(shared, "sink", running.name());
        }
        for (component, _) in &self.sinks {
            tell_final(shared, "SINK", &ComponentName::from(&*component.name));
        }
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        let standing = |name: &str| {
            let mut sinks = self.running.iter().flat_map(RunningSinks::progress);
            match sinks.find(|(sink, _)| sink.as_str() == name) {
                Some((_, progress)) => Standing::Running(progress.clone()),
                None => Standing::Not(State::Starting, self.why.clone()),
            }
        };
        let shown = |component: &Component| Shown {
            kind: PartKind::Sink,
            name: ComponentName::from(&*component.name),
            type_name: component.type_name.clone(),
            channels: component.connected.iter().map(|c| ComponentName::from(&**c)).collect(),
            standing: standing(&component.name),
        };
        self.components().map(shown).collect()
    }
}
