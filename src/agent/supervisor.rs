//! Holds the components of one running agent: starts them in Flume's order (channels, sinks, sources), stops them in the
//! opposite one, and knows how each of them stands.
//!
//! A channel that cannot be opened is tried again, and only what hangs on it waits: Flume would wait with everything. What
//! runs is told to the board after each step.

use super::board::{Board, Shown};
use super::configuration::Found;
use super::flume_lines;
use super::life::Supervised;
use super::sinks::SinkSlot;
use super::slots::{ChannelSlot, Shared, SourceSlot};
use crate::channel::Channel;
use crate::component::StartError;
use crate::config::plan::AgentPlan;
use crate::config::scope::Component;
use crate::progress::Activity;
use crate::status::happening::{Happening, Teller};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks while something is waited for.
const LOOK: Duration = Duration::from_millis(20);
/// How long the first start of a component may take before the supervisor goes on without its answer.
const FIRST_START: Duration = Duration::from_secs(2);

/// The components of one running agent.
pub(super) struct Supervisor {
    pub(super) shared: Shared,
    pub(super) board: Arc<Board>,
    pub(super) teller: Teller,
    pub(super) channels: Vec<ChannelSlot>,
    pub(super) sinks: Vec<SinkSlot>,
    pub(super) sources: Vec<SourceSlot>,
}

impl Supervisor {
    /// Nothing is there yet.
    pub(super) fn new(shared: Shared, board: Arc<Board>) -> Self {
        let teller = shared.telling.of("agent", &shared.agent);
        let (channels, sinks, sources) = (Vec::new(), Vec::new(), Vec::new());
        Self { shared, board, teller, channels, sinks, sources }
    }

    /// A component that cannot be read again is told: its setting hangs on an answer that has changed.
    fn or_told<T>(&self, slot: Option<T>, component: &Component) -> Option<T> {
        if slot.is_none() {
            let what = format!("{} cannot be read any more", component.path);
            self.teller.tell(
                Happening::error("changed-answer", what)
                    .effect("it does not run")
                    .next("see the external filter that it asks; SIGHUP reads it again"),
            );
        }
        slot
    }

    fn tell_connections(&self) {
        for channel in &self.channels {
            let name = &channel.component.name;
            let sources = self.sources.iter().filter(|s| s.component.connected.contains(name));
            let sinks = self.sinks.iter().flat_map(SinkSlot::components);
            let sinks = sinks.filter(|sink| sink.connected.contains(name));
            let names: Vec<_> =
                sources.map(|s| &*s.component.name).chain(sinks.map(|k| &*k.name)).collect();
            log::info!("Channel {name} connected to [{}]", names.join(", "));
        }
    }

    /// Shows the board who runs, and how far the channels are.
    pub(super) fn show(&self) {
        let mut parts: Vec<Shown> = self.sources.iter().map(SourceSlot::shown).collect();
        parts.extend(self.channels.iter().map(ChannelSlot::shown));
        parts.extend(self.sinks.iter().flat_map(SinkSlot::shown));
        self.board.show(parts);
        self.board.look();
    }

    pub(super) fn stop_sources(&self, sources: Vec<SourceSlot>) {
        sources.iter().for_each(SourceSlot::ask_to_stop);
        for source in sources {
            source.join(&self.shared);
        }
    }

    /// Stops sinks, which may take until then to deliver what is in flight.
    pub(super) fn stop_sinks(&self, sinks: Vec<SinkSlot>, until: Duration) {
        let left = || until.saturating_sub(self.shared.clock.now());
        for sink in &sinks {
            sink.ask_to_stop(left());
        }
        for sink in sinks {
            sink.join(&self.shared, left());
        }
    }

    /// When what is begun now must be delivered.
    pub(super) fn drained(&self) -> Duration {
        self.shared.clock.now() + self.shared.drain
    }

    /// Lets sinks empty the channels of these names that do not outlive the process, until then. False if events are left.
    pub(super) fn wait_until_empty(&self, names: &[String], until: Duration) -> bool {
        let chosen = self.channels.iter().filter(|slot| names.contains(&slot.component.name));
        let volatile: Vec<_> = chosen
            .filter_map(ChannelSlot::open_channel)
            .filter(|channel| !channel.is_durable())
            .collect();
        let look = crossbeam_channel::tick(LOOK);
        loop {
            if volatile.iter().all(|channel| channel.gauges().events == 0) {
                return true;
            }
            if self.shared.clock.now() >= until {
                return false;
            }
            let _tick = look.recv();
        }
    }
}

impl Supervised for Supervisor {
    type Plan = AgentPlan;

    fn pick(found: Found) -> Option<AgentPlan> {
        match found {
            Found::Agent(plan) => Some(plan),
            Found::Consumers(_) | Found::Nothing => None,
        }
    }

    fn add(&mut self, plan: &AgentPlan) {
        log::info!("Creating channels");
        for component in &plan.channels {
            if !self.channels.iter().any(|slot| slot.component.name == component.name) {
                let slot = ChannelSlot::new(component, &self.shared);
                let slot = self.or_told(slot, component);
                self.channels.extend(slot);
            }
        }
        for component in &plan.sources {
            if !self.sources.iter().any(|slot| slot.component.name == component.name) {
                let slot = SourceSlot::new(component, &self.shared);
                let slot = self.or_told(slot, component);
                self.sources.extend(slot);
            }
        }
        for (processor, sinks) in groups(plan) {
            let first = sinks.first().map(|sink| &*sink.name).unwrap_or_default();
            if !self.sinks.iter().any(|slot| slot.has_sink(first)) {
                let slot = SinkSlot::new(processor, &sinks, &self.shared);
                let slot = sinks.first().and_then(|sink| self.or_told(slot, sink));
                self.sinks.extend(slot);
            }
        }
        self.tell_connections();
        self.show();
    }

    fn materialized(&self) -> String {
        fn named(component: &Component) -> (&str, &str) {
            (&component.name, &component.type_name)
        }
        flume_lines::materialized(
            self.sources.iter().map(|slot| named(&slot.component)),
            self.sinks.iter().flat_map(SinkSlot::components).map(named),
            self.channels.iter().map(|slot| named(&slot.component)),
        )
    }

    fn advance(&mut self) -> Vec<StartError> {
        let mut fatal = Vec::new();
        for channel in &mut self.channels {
            fatal.extend(channel.advance().err());
        }
        let channels = &self.channels;
        let find = |name: &str| -> Option<Arc<dyn Channel>> {
            let named = channels.iter().find(|slot| slot.component.name == name);
            named.and_then(ChannelSlot::open_channel).cloned()
        };
        for sink in &mut self.sinks {
            sink.advance(&self.shared, find);
        }
        for source in &mut self.sources {
            source.advance(&self.shared, find);
        }
        self.show();
        fatal
    }

    fn first_starts(&self) -> Vec<String> {
        let progress = || {
            let sinks = self.sinks.iter().flat_map(SinkSlot::progress);
            sinks.chain(self.sources.iter().filter_map(SourceSlot::progress)).map(|p| p.seen())
        };
        let until = self.shared.clock.now() + FIRST_START;
        let look = crossbeam_channel::tick(LOOK);
        while self.shared.clock.now() < until
            && progress().any(|seen| seen.activity == Activity::Starting && seen.why.is_empty())
        {
            let _tick = look.recv();
        }
        progress().filter(|seen| seen.activity == Activity::Failed).map(|seen| seen.why).collect()
    }

    fn is_alive(&self) -> bool {
        !self.sources.iter().all(SourceSlot::has_ended)
            || !self.sinks.iter().all(SinkSlot::has_ended)
    }

    fn reload(&mut self, running: &AgentPlan, plan: &AgentPlan) -> bool {
        self.change(running, plan)
    }

    fn stop(mut self) {
        log::info!("Shutting down configuration: {}", self.materialized());
        let sources = std::mem::take(&mut self.sources);
        self.stop_sources(sources);
        let channels: Vec<_> =
            self.channels.iter().map(|slot| slot.component.name.clone()).collect();
        // One bound for both: who asked for a stop waits for the whole of it.
        let until = self.drained();
        if !self.wait_until_empty(&channels, until) {
            self.teller.tell(
                Happening::error("events-left", "events are left in a channel that is in memory")
                    .effect("they are lost, but for what their sources can read again")
                    .next("use a file channel, or a longer --drain-seconds"),
            );
        }
        let sinks = std::mem::take(&mut self.sinks);
        self.stop_sinks(sinks, until);
        let channels = std::mem::take(&mut self.channels);
        for channel in channels {
            channel.close(&self.shared);
        }
    }
}

/// The sinks that are run together: each group with its processor, and each other sink by itself.
pub(super) fn groups(plan: &AgentPlan) -> Vec<(Option<&Component>, Vec<&Component>)> {
    let mut groups = Vec::new();
    for sink in &plan.sinks {
        match plan.group_of(&sink.name) {
            None => groups.push((None, vec![sink])),
            Some(group) if group.connected.first() == Some(&sink.name) => {
                let member = |name: &String| plan.sinks.iter().find(|sink| sink.name == *name);
                groups.push((Some(group), group.connected.iter().filter_map(member).collect()));
            }
            Some(_) => {}
        }
    }
    groups
}
