//! From one plan to the next on a running agent: only what changed restarts.
//!
//! The new plan is valid before anything is touched. Sources of what changes stop first, then their channels that are only in
//! memory are emptied by the sinks they still have; if that cannot be done in time nothing is changed, and the old plan runs
//! on. Channels that did not change stay open with their events; a channel on disk that did is closed and opened again.

use super::life::Supervised;
use super::sinks::SinkSlot;
use super::slots::{ChannelSlot, SourceSlot};
use super::supervisor::{Supervisor, groups};
use crate::config::plan::AgentPlan;
use crate::config::scope::Component;
use crate::status::happening::Happening;
use std::collections::BTreeSet;

/// What a new plan changes, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Channels to close: gone, or with other settings.
    pub(super) channels: BTreeSet<String>,
    /// Sources to stop: gone, with other settings, or on a channel that is closed.
    pub(super) sources: BTreeSet<String>,
    /// First sinks of groups to stop, for the same reasons.
    pub(super) sinks: BTreeSet<String>,
    /// What is new or comes back with other settings: `source r1`.
    pub(super) starting: Vec<String>,
}

impl Difference {
    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn told(&self) -> String {
        let of = |noun: &str, names: &BTreeSet<String>| {
            names.iter().map(|name| format!("{noun} {name}")).collect::<Vec<_>>()
        };
        let mut stopping = of("source", &self.sources);
        stopping.extend(of("sink", &self.sinks));
        stopping.extend(of("channel", &self.channels));
        let list =
            |list: &[String]| if list.is_empty() { "nothing".into() } else { list.join(", ") };
        format!("stopping {}; starting {}", list(&stopping), list(&self.starting))
    }
}

/// What is different between what runs and a plan.
pub(super) fn difference(running: &AgentPlan, plan: &AgentPlan) -> Difference {
    let mut difference = Difference::default();
    let same_in = |list: &[Component], component: &Component| {
        list.iter().any(|other| other.is_same(component))
    };
    for channel in running.channels.iter().filter(|channel| !same_in(&plan.channels, channel)) {
        difference.channels.insert(channel.name.clone());
    }
    let on_closed =
        |component: &Component| component.connected.iter().any(|c| difference.channels.contains(c));
    for source in &running.sources {
        if on_closed(source) || !same_in(&plan.sources, source) {
            difference.sources.insert(source.name.clone());
        }
    }
    let new_groups = groups(plan);
    for (processor, sinks) in groups(running) {
        let kept = new_groups.iter().any(|(other, others)| {
            let same_processor = match (processor, other) {
                (None, None) => true,
                (Some(one), Some(other)) => one.is_same(other),
                _ => false,
            };
            same_processor
                && sinks.len() == others.len()
                && sinks.iter().zip(others).all(|(one, other)| one.is_same(other))
        });
        if !kept || sinks.iter().any(|sink| on_closed(sink)) {
            difference.sinks.extend(sinks.first().map(|sink| sink.name.clone()));
        }
    }
    difference.starting = starting(running, plan, &difference);
    difference
}

fn starting(running: &AgentPlan, plan: &AgentPlan, difference: &Difference) -> Vec<String> {
    let mut starting = Vec::new();
    for (noun, old, new, stopped) in [
        ("channel", &running.channels, &plan.channels, &difference.channels),
        ("source", &running.sources, &plan.sources, &difference.sources),
    ] {
        let runs_on = |name: &String| {
            old.iter().any(|component| component.name == *name) && !stopped.contains(name)
        };
        let names = new.iter().map(|component| &component.name).filter(|name| !runs_on(name));
        starting.extend(names.map(|name| format!("{noun} {name}")));
    }
    let groups_now = groups(running);
    for (_, sinks) in groups(plan) {
        let Some(first) = sinks.first() else { continue };
        let runs_on = groups_now.iter().any(|(_, old)| {
            old.first().is_some_and(|old| old.name == first.name)
                && !difference.sinks.contains(&first.name)
        });
        if !runs_on {
            starting.push(format!("sink {}", first.name));
        }
    }
    starting
}

impl Supervisor {
    /// Goes from one plan to the next. False if that cannot be done now without losing events: the old plan runs on.
    pub(super) fn change(&mut self, running: &AgentPlan, plan: &AgentPlan) -> bool {
        let difference = difference(running, plan);
        if difference.is_empty() {
            self.teller
                .tell(Happening::info("reload", "the configuration says what it said before"));
            return true;
        }
        let told = difference.told();
        self.teller.tell(Happening::info("reload", format!("reloading: {told}")));
        let is_stopped = |slot: &mut SourceSlot| difference.sources.contains(&slot.component.name);
        let sources = self.sources.extract_if(.., is_stopped).collect();
        self.stop_sources(sources);
        let closing: Vec<_> = difference.channels.iter().cloned().collect();
        if !self.wait_until_empty(&closing, self.drained()) {
            self.tell_postponed(&closing);
            self.add(running);
            return false;
        }
        let is_stopped =
            |slot: &mut SinkSlot| difference.sinks.iter().any(|name| slot.has_sink(name));
        let sinks = self.sinks.extract_if(.., is_stopped).collect();
        self.stop_sinks(sinks, self.drained());
        let is_closed = |slot: &mut ChannelSlot| difference.channels.contains(&slot.component.name);
        let channels: Vec<_> = self.channels.extract_if(.., is_closed).collect();
        for channel in channels {
            channel.close(&self.shared);
        }
        self.add(plan);
        self.teller.tell(Happening::info("reload", format!("reloaded: {told}")));
        true
    }

    fn tell_postponed(&self, channels: &[String]) {
        let what = format!(
            "the new configuration changes {}, which holds events in memory only and was not emptied in time",
            channels.join(", ")
        );
        self.teller.answer(
            Happening::warning("reload-postponed", what)
                .effect("the old configuration runs on; nothing is lost")
                .next("it is tried again at the next look at the file"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::config::kind::Family;
    use crate::config::plan::AgentPlan;
    use crate::config::scope::{Component, Property};
    use crate::config::span::Span;

    fn component(family: Family, name: &str, connected: &[&str], setting: &str) -> Component {
        Component {
            family,
            agent: "a1".into(),
            name: name.into(),
            path: format!("a1.{name}"),
            type_name: "t".into(),
            connected: connected.iter().map(|name| (*name).to_owned()).collect(),
            place: Span::default(),
            properties: vec![Property {
                key: "key".into(),
                value: setting.into(),
                key_span: Span::default(),
                value_span: Span::default(),
                pending: false,
            }],
        }
    }

    fn plan() -> AgentPlan {
        AgentPlan {
            name: "a1".into(),
            channels: vec![
                component(Family::Channel, "c1", &[], ""),
                component(Family::Channel, "c2", &[], ""),
            ],
            sources: vec![
                component(Family::Source, "r1", &["c1"], ""),
                component(Family::Source, "r2", &["c2"], ""),
            ],
            sinks: vec![
                component(Family::Sink, "k1", &["c1"], ""),
                component(Family::Sink, "k2", &["c2"], ""),
                component(Family::Sink, "k3", &["c2"], ""),
            ],
            groups: vec![component(Family::Processor, "g1", &["k2", "k3"], "")],
        }
    }

    fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
        names.into_iter().map(String::as_str).collect()
    }

    #[test]
    fn what_did_not_change_is_not_restarted() {
        let mut moved = plan();
        moved.sources[0].place = Span { start: 7, ..Span::default() };
        assert!(difference(&plan(), &moved).is_empty(), "a line that moved is no change");
        let mut new = plan();
        new.sinks[0] = component(Family::Sink, "k1", &["c1"], "other");
        let difference = difference(&plan(), &new);
        assert_eq!(names(&difference.sinks), ["k1"]);
        assert!(difference.sources.is_empty() && difference.channels.is_empty());
        assert_eq!(difference.starting, ["sink k1"]);
    }

    #[test]
    fn what_hangs_on_a_changed_channel_restarts_with_it_and_nothing_else() {
        let mut new = plan();
        new.channels[1] = component(Family::Channel, "c2", &[], "other");
        let difference = difference(&plan(), &new);
        assert_eq!(names(&difference.channels), ["c2"]);
        assert_eq!(names(&difference.sources), ["r2"]);
        assert_eq!(names(&difference.sinks), ["k2"], "the group is known by its first sink");
        assert_eq!(difference.starting, ["channel c2", "source r2", "sink k2"]);
    }

    #[test]
    fn what_is_gone_stops_and_what_is_new_starts() {
        let mut new = plan();
        new.sources.remove(1);
        new.sources.push(component(Family::Source, "r3", &["c2"], ""));
        new.groups.clear();
        let difference = difference(&plan(), &new);
        assert_eq!(names(&difference.sources), ["r2"]);
        assert_eq!(names(&difference.sinks), ["k2"]);
        assert_eq!(difference.starting, ["source r3", "sink k2", "sink k3"]);
    }
}
