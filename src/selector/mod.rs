//! ③ Which channels an event goes to.

pub mod load_balancing;
pub mod multiplexing;
pub mod registry;
pub mod replicating;

use crate::component::Context;
use crate::config::keys::{KeySpec, Scope};
use crate::event::{Batch, ComponentName};
use std::fmt::Debug;

/// A batch's part for one channel.
#[derive(Debug)]
pub struct Route {
    /// Index into the channels that [`StartSelector::start`] was given.
    pub channel: usize,
    /// Whether a refusal is the source's failure; an optional channel's is told and passed over.
    pub required: bool,
    /// The events for it, in order, with the batch's whole origin.
    pub batch: Batch,
}

/// Chooses channels for the events of each batch.
pub trait ChannelSelector: Send {
    /// Splits a batch into what each channel is given. A channel without events need not appear: `ChannelProcessor` sends
    /// it the origin alone where [`Self::marks`] asks for that.
    fn select(&mut self, batch: Batch) -> Vec<Route>;

    /// How the channels' marks make up what a restart may skip.
    fn marks(&self) -> Marks;

    /// Which channels count as required for the marks, by index.
    fn required(&self) -> Vec<usize>;
}

/// How the marks of several channels make up the position of a source (R8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Every channel is told of every batch: a restart reads from the least required one and offers each only what lies
    /// beyond its own.
    Each,
    /// Each batch goes to one channel: what any of them has is done.
    Union,
}

/// A kind of selector: what selects it, which keys it has, how they are read.
pub struct SelectorKind {
    /// What may stand in `selector.type`: Flume's class first, then its short name.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys, without `selector.`.
    pub keys: &'static [KeySpec],
    /// Reads the keys, which include names of channels of the source, and opens nothing.
    pub read: ReadSelector,
}

/// Reads a selector's keys, given the channels of its source.
pub type ReadSelector =
    fn(&mut Scope<'_>, channels: &[ComponentName]) -> Option<Box<dyn StartSelector>>;

/// A selector whose keys are right.
pub trait StartSelector: Debug + Send + Sync {
    /// Builds it for these channels, in this order. `context` is the source's.
    fn start(&self, context: &Context, channels: &[ComponentName]) -> Box<dyn ChannelSelector>;
}
