//! What Flume drops while it builds: wrong components and what hangs on them, batches too large, channels without use.

use super::part::Judging;
use super::{AgentPlan, ConsumerPlan, described};
use crate::config::diagnostic::Diagnostic;
use crate::config::graph::{AgentGraph, Kept, KeptGroup};
use crate::config::kind::{Family, Judgement};
use crate::config::scope::Component;
use crate::config::span::Span;
use crate::config::suggest::closest;
use std::collections::BTreeMap;

/// The keys that say how many events go in one transaction.
const TRANSACTION_KEYS: [&str; 8] = [
    "transactionCapacity",
    "batchSize",
    "flumeBatchSize",
    "sink.batchSize",
    "batch-size",
    "hdfs.batchSize",
    "maxBatchSize",
    "kafka.batchSize",
];

/// A channel that can be had.
struct ReadChannel {
    component: Component,
    judgement: Judgement,
}

impl Judging<'_> {
    /// The agent, as far as it can run.
    pub(super) fn agent(&mut self, graph: AgentGraph) -> Option<AgentPlan> {
        let mut channels: BTreeMap<String, ReadChannel> = BTreeMap::new();
        let order: Vec<String> = graph.channels.iter().map(|kept| kept.name.clone()).collect();
        for kept in graph.channels {
            let component = described(self.agent, Family::Channel, kept, Vec::new());
            if let Some(judgement) = self.part(&component) {
                channels.insert(component.name.clone(), ReadChannel { component, judgement });
            }
        }
        let sources: Vec<Component> = graph
            .sources
            .into_iter()
            .filter_map(|kept| self.connected(Family::Source, kept, &channels))
            .collect();
        let mut sinks: Vec<Component> = graph
            .sinks
            .into_iter()
            .filter_map(|kept| self.connected(Family::Sink, kept, &channels))
            .collect();
        let groups = self.groups(graph.groups, &mut sinks);
        self.prune(&mut channels, &sources, &sinks);
        if sources.is_empty() && sinks.is_empty() {
            return None;
        }
        let channels = order
            .iter()
            .filter_map(|name| channels.remove(name))
            .map(|read| read.component)
            .collect();
        Some(AgentPlan { name: self.agent.to_owned(), channels, sources, sinks, groups })
    }

    /// The consumers, as far as they can run.
    pub(super) fn consumers(&mut self, graph: AgentGraph) -> Option<ConsumerPlan> {
        let mut consumers = Vec::new();
        for kept in graph.consumers {
            let component = described(self.agent, Family::Consumer, kept, Vec::new());
            if self.part(&component).is_some() {
                consumers.push(component);
            }
        }
        let name = self.agent.to_owned();
        (!consumers.is_empty()).then_some(ConsumerPlan { name, consumers })
    }

    /// A source or sink that can be had, with those of its channels that can.
    fn connected(
        &mut self,
        family: Family,
        mut kept: Kept,
        channels: &BTreeMap<String, ReadChannel>,
    ) -> Option<Component> {
        let names = std::mem::take(&mut kept.channels);
        let alive: Vec<String> =
            names.into_iter().filter(|name| channels.contains_key(name)).collect();
        let component = described(self.agent, family, kept, alive);
        let judgement = self.part(&component)?;
        // That its channels are gone has been told with them.
        if component.connected.is_empty() {
            return None;
        }
        let read = component.connected.iter().filter_map(|name| channels.get(name));
        let small =
            read.filter(|channel| too_large(judgement, channel.judgement)).collect::<Vec<_>>();
        for channel in &small {
            self.batch_too_large(&component, judgement, channel);
        }
        small.is_empty().then_some(component)
    }

    fn batch_too_large(
        &mut self,
        component: &Component,
        judgement: Judgement,
        channel: &ReadChannel,
    ) {
        let events = |judgement: Judgement| judgement.transaction_events.unwrap_or_default();
        let (batch, room) = (events(judgement), events(channel.judgement));
        let (key, span) = transaction_key(component);
        let (channel_key, channel_span) = transaction_key(&channel.component);
        let name = &channel.component.name;
        let remark = Diagnostic::error(
            "batch-too-large",
            span,
            format!(
                "`{}` moves {batch} events at once, and channel `{name}` takes {room}",
                component.path
            ),
            component.family.left_out(&component.name, self.agent),
        )
        .expected(format!("expected `{key}` of {room} or less"))
        .help(format!("write `{}.{channel_key} = {batch}`", channel.component.path))
        .note(channel_span, format!("`{name}` takes {room} events in one transaction"));
        self.diagnostics.push(remark);
    }

    /// The groups that can be had. The sinks of one that cannot are not run, and a sink that is missing in one ends all.
    fn groups(&mut self, kept: Vec<KeptGroup>, sinks: &mut Vec<Component>) -> Vec<Component> {
        let mut groups = Vec::new();
        for group in kept {
            let gone =
                group.sinks.iter().find(|name| !sinks.iter().any(|sink| sink.name == **name));
            if let Some(gone) = gone {
                self.group_incomplete(&group, gone);
                continue;
            }
            let component = self.processor(&group);
            let works = component.get("type").is_some_and(|text| !text.is_empty());
            if !works {
                self.processor_missing(&component, group.place);
            }
            if works && self.part(&component).is_some() {
                groups.push(component);
            } else {
                sinks.retain(|sink| !group.sinks.contains(&sink.name));
            }
        }
        for group in &groups {
            let in_no_group =
                |sink: &Component| !groups.iter().any(|group| group.connected.contains(&sink.name));
            if let Some(sink) =
                sinks.iter().find(|sink| sink.name == group.name && in_no_group(sink))
            {
                let message = format!("sink `{}` is called like a group", sink.name);
                let effect = format!("sink `{}` will not start, as in Flume", sink.name);
                let remark = Diagnostic::error("name-clash", sink.place, message, effect);
                self.diagnostics.push(remark.expected("this sink").note(group.place, "this group"));
                let name = sink.name.clone();
                sinks.retain(|sink| sink.name != name);
            }
        }
        groups
    }

    fn processor(&self, group: &KeptGroup) -> Component {
        let type_name = group.processor.iter().find(|property| property.key == "type");
        Component {
            family: Family::Processor,
            agent: self.agent.to_owned(),
            name: group.name.clone(),
            path: format!("{}.sinkgroups.{}.processor", self.agent, group.name),
            type_name: type_name.map_or_else(String::new, |property| property.value.clone()),
            connected: group.sinks.clone(),
            place: group.place,
            properties: group.processor.clone(),
        }
    }

    fn processor_missing(&mut self, processor: &Component, place: Span) {
        let keys = processor.properties.iter().map(|property| property.key.as_str());
        let misspelt = closest("type", keys).and_then(|key| processor.property(key));
        let remark = Diagnostic::error(
            "missing-key",
            misspelt.map_or(place, |property| property.key_span),
            format!("`{}` has no `type`", processor.path),
            Family::Processor.left_out(&processor.name, self.agent),
        );
        self.diagnostics.push(match misspelt {
            Some(_) => {
                remark.expected("not a key of a sink processor").help("did you mean `type`?")
            }
            None => remark
                .expected("needs `processor.type` beside it")
                .help(format!("write `{}.type = failover` or `load_balance`", processor.path)),
        });
    }

    fn group_incomplete(&mut self, group: &KeptGroup, sink: &str) {
        let remark = Diagnostic::error(
            "group-incomplete",
            group.place,
            format!("sink `{sink}` of group `{}` cannot be had", group.name),
            format!("nothing of `{}` starts, as in Flume", self.agent),
        )
        .expected("a group needs all of its sinks")
        .fatal();
        self.diagnostics.push(remark);
    }

    /// Leaves out channels that nothing is connected to; told only where nothing else explains it.
    fn prune(
        &mut self,
        channels: &mut BTreeMap<String, ReadChannel>,
        sources: &[Component],
        sinks: &[Component],
    ) {
        let explained = self.diagnostics.iter().any(Diagnostic::is_error);
        let used = |name: &String| {
            sources.iter().chain(sinks).any(|component| component.connected.contains(name))
        };
        let unused: Vec<String> = channels.keys().filter(|name| !used(name)).cloned().collect();
        for name in unused {
            let Some(channel) = channels.remove(&name) else { continue };
            if explained {
                continue;
            }
            let remark = Diagnostic::warning(
                "unused-channel",
                channel.component.place,
                format!("no source and no sink uses `{}`", channel.component.path),
                format!("`{name}` will not start, as in Flume"),
            );
            self.diagnostics.push(remark.expected("this channel"));
        }
    }
}

/// Whether a component moves more at once than a channel takes.
fn too_large(component: Judgement, channel: Judgement) -> bool {
    match (component.transaction_events, channel.transaction_events) {
        (Some(batch), Some(room)) => batch > room,
        _ => false,
    }
}

/// The key that says how many events go in one transaction, and where it stands; else the component itself.
fn transaction_key(component: &Component) -> (&'static str, Span) {
    let given =
        TRANSACTION_KEYS.iter().find_map(|key| Some((*key, component.property(key)?.value_span)));
    let usual = match component.family {
        Family::Channel => "transactionCapacity",
        _ => "batchSize",
    };
    given.unwrap_or((usual, component.place))
}
