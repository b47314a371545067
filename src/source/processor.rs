//! How a source writes: interceptors, then the selector, then each channel. One place for what every source owes.
//!
//! Puts are pipelined: the receipt of a batch is looked at when later ones are put, and the bytes whose receipts are
//! outstanding are bounded. A source that can re-read never waits for a receipt; one that must answer somebody calls
//! [`ChannelProcessor::flush`].

use super::BackOff;
use crate::channel::{Channel, ChannelError, Receipt};
use crate::clock::Stop;
use crate::component::Failure;
use crate::event::{Batch, ComponentName, Origin, Positions, SourceId};
use crate::interceptor::Interceptor;
use crate::selector::{ChannelSelector, Marks, Route};
use crate::status::counters::SourceCounters;
use crate::status::happening::{Happening, Teller};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of bodies whose receipts may be outstanding, for one source. Measured: 4 MB hides a sync of a quick disk, 32 MB
/// one of 5 ms.
const IN_FLIGHT_BYTES_MAX: u64 = 32 << 20;

/// What a processor is made of.
pub struct Parts {
    /// The source and the hash of its plan.
    pub source: SourceId,
    /// In the order they are listed.
    pub interceptors: Vec<Box<dyn Interceptor>>,
    /// Chooses among `channels`.
    pub selector: Box<dyn ChannelSelector>,
    /// In the order the selector knows them.
    pub channels: Vec<Arc<dyn Channel>>,
    /// The source's counters, shared with the source.
    pub counters: Arc<SourceCounters>,
    /// Where the source tells.
    pub teller: Teller,
    /// Whether to give up waiting for room.
    pub stop: Stop,
}

/// The way from a source into its channels.
pub struct ChannelProcessor {
    parts: Parts,
    in_flight: VecDeque<(Receipt, u64)>,
    in_flight_bytes: u64,
}

/// What the channels of a source vouch for, as the source needs it to resume.
pub struct Vouched {
    /// How the channels' marks are combined.
    pub marks: Marks,
    /// For each channel, its name, whether it counts as required, and its positions.
    pub channels: Vec<(ComponentName, bool, Positions)>,
}

impl ChannelProcessor {
    /// A processor with nothing in flight.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, in_flight: VecDeque::new(), in_flight_bytes: 0 }
    }

    /// The source this processor belongs to, for the origins of its batches.
    #[must_use]
    pub fn source(&self) -> &SourceId {
        &self.parts.source
    }

    /// The source's counters.
    #[must_use]
    pub fn counters(&self) -> &Arc<SourceCounters> {
        &self.parts.counters
    }

    /// What the channels vouch for at this moment.
    #[must_use]
    pub fn vouched(&self) -> Vouched {
        let required = self.parts.selector.required();
        let of = |(i, c): (usize, &Arc<dyn Channel>)| {
            (c.name().clone(), required.contains(&i), c.vouched(&self.parts.source.name))
        };
        let channels = self.parts.channels.iter().enumerate().map(of).collect();
        Vouched { marks: self.parts.selector.marks(), channels }
    }

    /// Puts a batch into every channel it belongs to; waits for room until asked to stop. Returns when every channel has
    /// taken it; durable it is when [`Self::flush`] says so, or when a later `vouched` does.
    pub fn put(&mut self, mut batch: Batch) -> Result<(), Failure> {
        let counters = self.parts.counters.clone();
        counters.append_batch_received.add(1);
        counters.event_received.add(batch.len());
        let received = batch.len();
        for interceptor in &mut self.parts.interceptors {
            interceptor.intercept(&mut batch);
        }
        let origin = batch.origin.clone();
        let routes = self.parts.selector.select(batch);
        let mut given = vec![false; self.parts.channels.len()];
        for route in routes {
            given[route.channel] = true;
            self.offer(route)?;
        }
        self.tell_position(&given, &origin)?;
        counters.append_batch_accepted.add(1);
        counters.event_accepted.add(received);
        self.settle_in_flight(IN_FLIGHT_BYTES_MAX)
    }

    /// Returns once everything put so far is durable.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.settle_in_flight(0)
    }

    /// R8: a channel that was given nothing of a batch is given its origin, or its mark would stay behind for ever.
    fn tell_position(&mut self, given: &[bool], origin: &Origin) -> Result<(), Failure> {
        if origin.source.is_none() || self.parts.selector.marks() == Marks::Union {
            return Ok(());
        }
        let required = self.parts.selector.required();
        for channel in (0..given.len()).filter(|i| !given[*i]) {
            let batch = Batch::position_only(origin.clone());
            self.offer(Route { channel, required: required.contains(&channel), batch })?;
        }
        Ok(())
    }

    fn offer(&mut self, route: Route) -> Result<(), Failure> {
        let bytes = route.batch.body_bytes();
        let channel = self.parts.channels[route.channel].clone();
        loop {
            match channel.put(route.batch.clone()) {
                Ok(receipt) if route.required => {
                    self.in_flight.push_back((receipt, bytes));
                    self.in_flight_bytes += bytes;
                    return Ok(());
                }
                Ok(_optional) => return Ok(()),
                Err(error) if !route.required => {
                    let what = format!("optional {error}");
                    let happening = Happening::error("optional-channel", what);
                    let effect =
                        format!("{} events are not in {}", route.batch.len(), channel.name());
                    self.parts
                        .teller
                        .tell(happening.effect(effect).next("the required channels have them"));
                    return Ok(());
                }
                Err(full @ ChannelError::Full { .. }) => {
                    self.parts.counters.channel_write_fail.add(1);
                    let happening = Happening::warning("channel-full", full.to_string());
                    let effect = "the source waits; nothing is lost";
                    self.parts
                        .teller
                        .tell(happening.effect(effect).next("offering again until there is room"));
                    if self.parts.stop.is_requested() {
                        return Err(full.into());
                    }
                }
                Err(error) => {
                    self.parts.counters.channel_write_fail.add(1);
                    return Err(error.into());
                }
            }
        }
    }

    fn settle_in_flight(&mut self, bound: u64) -> Result<(), Failure> {
        while let Some((receipt, _)) = self.in_flight.front_mut() {
            let answer = match receipt.poll() {
                None if self.in_flight_bytes <= bound && bound > 0 => return Ok(()),
                answer => answer,
            };
            let (receipt, bytes) =
                self.in_flight.pop_front().expect("the front was just looked at");
            self.in_flight_bytes -= bytes;
            answer.unwrap_or_else(|| receipt.wait())?;
        }
        Ok(())
    }
}

impl BackOff {
    /// Flume's defaults.
    pub const DEFAULT: Self = Self {
        increment: std::time::Duration::from_secs(1),
        max: std::time::Duration::from_secs(5),
    };

    /// How long to wait after so many passes without work in a row.
    #[must_use]
    pub fn after(&self, passes: u32) -> std::time::Duration {
        self.increment.saturating_mul(passes).min(self.max)
    }
}
