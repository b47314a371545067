//! The replicating selector, which every source has that names no other: each event goes to each channel.

use super::{ChannelSelector, Marks, Route, SelectorKind, StartSelector};
use crate::component::Context;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{Scope, keys};
use crate::config::value::Names;
use crate::event::{Batch, ComponentName};

keys! {
    /// Gives each event to each channel of the source.
    pub struct ReplicatingConfig = "org.apache.flume.channel.ReplicatingChannelSelector" {
        /// Channels whose refusal is told and passed over.
        "optional" => optional: Option<Names>,
    }
}

/// The row in the registry.
pub const KIND: SelectorKind = SelectorKind {
    names: &[ReplicatingConfig::TYPE, "replicating"],
    about: ReplicatingConfig::ABOUT,
    keys: ReplicatingConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>, channels: &[ComponentName]) -> Option<Box<dyn StartSelector>> {
    let optional = ReplicatingConfig::read(scope)?.optional.unwrap_or_default();
    for name in optional.iter().filter(|name| !channels.iter().any(|c| c.as_str() == *name)) {
        let message =
            format!("`{}` names `{name}`, which is no channel of the source", scope.path());
        let effect = "the name is ignored; Flume would repeat every batch for ever";
        let remark =
            Diagnostic::warning("unknown-channel", scope.value_span("optional"), message, effect);
        scope.report(remark.expected("expected channels of this source"));
    }
    let optional = optional.iter().map(ComponentName::from).collect();
    Some(Box::new(StartReplicating { optional }))
}

#[derive(Debug)]
struct StartReplicating {
    optional: Vec<ComponentName>,
}

impl StartSelector for StartReplicating {
    fn start(&self, _context: &Context, channels: &[ComponentName]) -> Box<dyn ChannelSelector> {
        let required = channels.iter().map(|name| !self.optional.contains(name)).collect();
        Box::new(Replicating { required })
    }
}

struct Replicating {
    /// For each channel.
    required: Vec<bool>,
}

impl Replicating {
    fn indices(&self, required: bool) -> impl Iterator<Item = usize> {
        let all = self.required.iter().enumerate();
        all.filter(move |(_, r)| **r == required).map(|(channel, _)| channel)
    }
}

impl ChannelSelector for Replicating {
    fn select(&mut self, batch: Batch) -> Vec<Route> {
        let route = |required| {
            let batch = &batch;
            move |channel| Route { channel, required, batch: batch.clone() }
        };
        let required = self.indices(true).map(route(true));
        required.chain(self.indices(false).map(route(false))).collect()
    }

    fn marks(&self) -> Marks {
        Marks::Each
    }

    fn required(&self) -> Vec<usize> {
        self.indices(true).collect()
    }
}
