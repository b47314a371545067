//! The multiplexing selector: a header's value decides which channels an event goes to.
//!
//! Events share header sets, so the decision is made once for a set and not once for an event. What goes nowhere is
//! dropped, as in Flume, but told.

use super::{ChannelSelector, Marks, Route, SelectorKind, StartSelector};
use crate::component::Context;
use crate::config::keys::{Scope, keys};
use crate::config::value::{Names, Section, Value};
use crate::event::{Batch, ComponentName, Headers};
use crate::status::happening::{Happening, Teller};
use std::collections::BTreeMap;

keys! {
    /// Gives each event to the channels that one of its headers selects.
    pub struct MultiplexingConfig = "org.apache.flume.channel.MultiplexingChannelSelector" {
        /// The header.
        "header" => header: String = "flume.selector.header",
        /// Channels for each value of the header, `mapping.<value>`.
        "mapping.*" => mapping: Section,
        /// Channels for events without the header or with a value that is not mapped.
        "default" => default: Option<Names>,
        /// Channels for each value whose refusal is told and passed over, `optional.<value>`.
        "optional.*" => optional: Section,
    }
}

/// The row in the registry.
pub const KIND: SelectorKind = SelectorKind {
    names: &[MultiplexingConfig::TYPE, "multiplexing"],
    about: MultiplexingConfig::ABOUT,
    keys: MultiplexingConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>, channels: &[ComponentName]) -> Option<Box<dyn StartSelector>> {
    let config = MultiplexingConfig::read(scope)?;
    let mut all_known = true;
    let mut listed = |key: String, names: &Names| -> Vec<ComponentName> {
        for name in names.iter().filter(|name| !channels.iter().any(|c| c.as_str() == *name)) {
            all_known = false;
            let message = format!("`{}.{key}` names `{name}`", scope.path());
            let remark = scope.error("unknown-channel", scope.value_span(&key), message);
            scope.report(remark.expected("expected channels of this source"));
        }
        names.iter().map(ComponentName::from).collect()
    };
    let mut section = |prefix: &str, section: &Section| -> BTreeMap<String, Vec<ComponentName>> {
        let entries = section.iter().map(|(value, entry)| {
            let names = Names::parse(entry.value.trim()).unwrap_or_default();
            (value.to_owned(), listed(format!("{prefix}.{value}"), &names))
        });
        entries.collect()
    };
    let mapping = section("mapping", &config.mapping);
    let optional = section("optional", &config.optional);
    let default = config.default.map(|names| listed("default".to_owned(), &names));
    let default = default.unwrap_or_default();
    if !all_known {
        return None;
    }
    Some(Box::new(StartMultiplexing { header: config.header, mapping, default, optional }))
}

#[derive(Debug)]
struct StartMultiplexing {
    header: String,
    mapping: BTreeMap<String, Vec<ComponentName>>,
    default: Vec<ComponentName>,
    optional: BTreeMap<String, Vec<ComponentName>>,
}

impl StartSelector for StartMultiplexing {
    fn start(&self, context: &Context, channels: &[ComponentName]) -> Box<dyn ChannelSelector> {
        let indices = |names: &[ComponentName]| -> Vec<usize> {
            let mut found: Vec<usize> =
                names.iter().filter_map(|name| channels.iter().position(|c| c == name)).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let default = indices(&self.default);
        let values = self.mapping.keys().chain(self.optional.keys());
        let plans = values.map(|value| {
            let required = self.mapping.get(value).map_or(default.clone(), |names| indices(names));
            let mut optional = self.optional.get(value).map_or(Vec::new(), |names| indices(names));
            // A channel that must have the event cannot also be free to refuse it.
            optional.retain(|channel| !required.contains(channel));
            (value.clone(), Plan { required, optional })
        });
        Box::new(Multiplexing {
            header: self.header.clone(),
            plans: plans.collect(),
            default: Plan { required: default, optional: Vec::new() },
            channels: channels.len(),
            teller: context.teller.clone(),
        })
    }
}

/// Where the events with one value of the header go, by index.
#[derive(Clone, Debug)]
struct Plan {
    required: Vec<usize>,
    optional: Vec<usize>,
}

struct Multiplexing {
    header: String,
    plans: BTreeMap<String, Plan>,
    default: Plan,
    channels: usize,
    teller: Teller,
}

impl Multiplexing {
    fn plan(&self, headers: &Headers) -> &Plan {
        let value = headers.get(&self.header).filter(|value| !value.trim().is_empty());
        value.and_then(|value| self.plans.get(value)).unwrap_or(&self.default)
    }

    /// The events whose header sets `chosen` says yes to, if there are any.
    fn part(batch: &Batch, used: &[bool], chosen: impl Fn(usize) -> bool) -> Option<Batch> {
        let mut sets = (0..used.len()).filter(|set| used[*set]);
        if sets.clone().all(&chosen) {
            return (!batch.is_empty()).then(|| batch.clone());
        }
        if !sets.any(&chosen) {
            return None;
        }
        let set_of = |index: usize| usize::try_from(batch.table()[index].headers);
        Some(batch.filter(|index, _| set_of(index).is_ok_and(&chosen)))
    }

    fn tell_unmatched(&self, batch: &Batch, used: &[bool], plans: &[&Plan]) {
        let nowhere = |set: usize| plans[set].required.is_empty() && plans[set].optional.is_empty();
        if !(0..used.len()).any(|set| used[set] && nowhere(set)) {
            return;
        }
        let sets = batch.table().iter().filter_map(|entry| usize::try_from(entry.headers).ok());
        let dropped = sets.filter(|set| nowhere(*set)).count();
        let what = format!("{dropped} events whose header `{}` is not mapped", self.header);
        let happening = Happening::warning("unmatched", what);
        let effect = "no channel is given them: they are dropped, as in Flume";
        self.teller
            .tell(happening.effect(effect).next("`selector.default` names channels for them"));
    }
}

impl ChannelSelector for Multiplexing {
    fn select(&mut self, batch: Batch) -> Vec<Route> {
        let plans: Vec<&Plan> = batch.header_sets().iter().map(|set| self.plan(set)).collect();
        let mut used = vec![false; plans.len()];
        for entry in batch.table() {
            if let Some(used) =
                usize::try_from(entry.headers).ok().and_then(|set| used.get_mut(set))
            {
                *used = true;
            }
        }
        self.tell_unmatched(&batch, &used, &plans);
        let mut routes = Vec::new();
        for channel in 0..self.channels {
            let part = Self::part(&batch, &used, |set| plans[set].required.contains(&channel));
            routes.extend(part.map(|batch| Route { channel, required: true, batch }));
        }
        for channel in 0..self.channels {
            let part = Self::part(&batch, &used, |set| plans[set].optional.contains(&channel));
            routes.extend(part.map(|batch| Route { channel, required: false, batch }));
        }
        routes
    }

    fn marks(&self) -> Marks {
        Marks::Each
    }

    fn required(&self) -> Vec<usize> {
        let plans = || self.plans.values().chain([&self.default]);
        let anywhere = |channel: &usize| plans().any(|plan| plan.required.contains(channel));
        (0..self.channels).filter(anywhere).collect()
    }
}
