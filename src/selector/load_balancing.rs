//! The load-balancing selector: channels take turns. Flume's takes turns by event and cannot be reached from a file; ours
//! takes turns by batch, because a batch's origin can only be vouched for by a channel that has the whole of it (R8).

use super::{ChannelSelector, Marks, Route, SelectorKind, StartSelector};
use crate::component::Context;
use crate::config::keys::{Scope, choice, keys};
use crate::event::{Batch, ComponentName};

keys! {
    /// Gives each batch to one channel of the source.
    pub struct LoadBalancingConfig = "org.apache.flume.channel.LoadBalancingChannelSelector" {
        /// Which channel comes next.
        "policy" => policy: Policy = "round_robin",
    }
}

choice! {
    /// Which channel comes next.
    pub enum Policy {
        /// In turn.
        RoundRobin = "round_robin",
        /// Any.
        Random = "random",
    }
}

/// The row in the registry.
pub const KIND: SelectorKind = SelectorKind {
    names: &[LoadBalancingConfig::TYPE, "load_balancing"],
    about: LoadBalancingConfig::ABOUT,
    keys: LoadBalancingConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>, _channels: &[ComponentName]) -> Option<Box<dyn StartSelector>> {
    Some(Box::new(LoadBalancingConfig::read(scope)?))
}

impl StartSelector for LoadBalancingConfig {
    fn start(&self, _context: &Context, channels: &[ComponentName]) -> Box<dyn ChannelSelector> {
        let random = fastrand::Rng::new();
        Box::new(LoadBalancing { policy: self.policy, channels: channels.len(), next: 0, random })
    }
}

struct LoadBalancing {
    policy: Policy,
    channels: usize,
    next: usize,
    random: fastrand::Rng,
}

impl ChannelSelector for LoadBalancing {
    fn select(&mut self, batch: Batch) -> Vec<Route> {
        if self.channels == 0 {
            return Vec::new();
        }
        let channel = match self.policy {
            Policy::Random => self.random.usize(..self.channels),
            Policy::RoundRobin => self.next,
        };
        self.next = (self.next + 1) % self.channels;
        vec![Route { channel, required: true, batch }]
    }

    fn marks(&self) -> Marks {
        Marks::Union
    }

    fn required(&self) -> Vec<usize> {
        (0..self.channels).collect()
    }
}
