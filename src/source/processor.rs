//! How a source writes: interceptors, then the selector, then each channel. One place for what every source owes.
//!
//! Puts are pipelined: the receipt of a batch is looked at when later ones are put, and the bytes whose receipts are
//! outstanding are bounded. A source that can re-read never waits for a receipt; one that must answer somebody calls
//! [`ChannelProcessor::flush`].
//!
//! Unlike Flume's, a put that finds one channel full does not fail: the channels before it have the batch already, and a
//! source that tried again would double it there. It waits, and tells.

use super::in_flight::InFlight;
use super::resume::{ChannelMarks, Skips, Vouched};
use crate::channel::{BatchLimit, Channel, ChannelError};
use crate::clock::{Clock, Stop};
use crate::component::Failure;
use crate::event::{Batch, Event, Origin, Positions, SourceId};
use crate::interceptor::Interceptor;
use crate::selector::{ChannelSelector, Marks, Route};
use crate::status::counters::SourceCounters;
use crate::status::happening::{Happening, Teller};
use std::sync::Arc;
use std::time::Duration;

/// Events of one batch at most. Measured: between a thousand and four thousand the cost of a batch has vanished.
const BATCH_EVENTS_MAX: usize = 4096;
/// Bytes of one batch at most, unless one event is larger. Measured: from here on larger frames gain nothing.
const BATCH_BYTES_MAX: u64 = 256 << 10;
/// A batch takes at most this part of a channel, so that one is put while others are taken.
const CHANNEL_SHARE: u64 = 4;
/// Waits between offers to a full channel, beside the channel's own `keep-alive`: from, to.
const FULL_WAIT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Where an event goes that a channel can never hold (R18).
pub trait SetAside: Send {
    /// Keeps it, whole and durable, with its reason and origin. An error says why that cannot be done now.
    fn set_aside(&mut self, event: Event<'_>, reason: &str, origin: &Origin) -> Result<(), String>;
}

/// What a processor is made of.
pub struct Parts {
    /// The source and the hash of its plan. Where the plan cannot be repeated (a selector that looks at a timestamp or a
    /// random id), the hash is another at each start.
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
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether to give up waiting for room.
    pub stop: Stop,
    /// Where events go that are larger than a channel.
    pub dead_letters: Box<dyn SetAside>,
}

/// The way from a source into its channels.
pub struct ChannelProcessor {
    parts: Parts,
    in_flight: InFlight,
    skips: Skips,
    /// For each channel, what an optional one refused: it is never offered again, and rides as done on the next batch, so
    /// that its marks do not fill with holes.
    refused: Vec<Origin>,
}

impl ChannelProcessor {
    /// A processor with nothing in flight.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let refused = vec![Origin::default(); parts.channels.len()];
        let in_flight = InFlight::new(parts.clock.clone());
        Self { parts, in_flight, skips: Skips::default(), refused }
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

    /// What the channels vouch for at this moment: what a position kept elsewhere may say.
    #[must_use]
    pub fn vouched(&self) -> Vouched {
        self.marks(|channel| channel.vouched(&self.parts.source.name))
    }

    /// What the channels have taken: where a source that is started beside running channels goes on.
    #[must_use]
    pub fn taken(&self) -> Vouched {
        self.marks(|channel| channel.taken(&self.parts.source.name))
    }

    /// From now on each channel is offered only what lies beyond its own marks in `vouched` (R8). The source re-reads, and
    /// cuts its batches at [`Self::boundary`].
    pub fn resume(&mut self, vouched: &Vouched) {
        self.skips = Skips::new(vouched);
    }

    /// Where a batch of `input` that begins at `from` must end at the latest, if a channel's mark lies ahead.
    #[must_use]
    pub fn boundary(&self, input: &str, from: u64) -> Option<u64> {
        self.skips.boundary(input, from)
    }

    /// How large a batch may be so that every channel can take it at once. A batch is no transaction of Flume's: a source may
    /// put more at once than its `batchSize`, as long as the smallest channel holds several.
    #[must_use]
    pub fn batch_limit(&self, batch_size: usize) -> BatchLimit {
        let (mut events, mut bytes) = (BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
        for gauges in self.parts.channels.iter().map(|c| c.gauges()) {
            if let Some(capacity) = gauges.capacity_events {
                let capacity = usize::try_from(capacity).unwrap_or(usize::MAX).max(1);
                let share = usize::try_from(CHANNEL_SHARE).unwrap_or(1);
                events = events.min((capacity / share).max(batch_size.min(capacity))).max(1);
            }
            bytes = bytes.min(gauges.capacity_bytes / CHANNEL_SHARE);
        }
        BatchLimit { events, bytes }
    }

    /// Puts a batch into every channel it belongs to; waits for room until asked to stop. Returns when every channel has
    /// taken it; durable it is when [`Self::flush`] says so, or when a later `vouched` does.
    pub fn put(&mut self, mut batch: Batch) -> Result<(), Failure> {
        let received = batch.len();
        if received == 0 {
            return self.put_position(&batch.origin);
        }
        let counters = self.parts.counters.clone();
        counters.append_batch_received.add(1);
        counters.event_received.add(received);
        for interceptor in &mut self.parts.interceptors {
            interceptor.intercept(&mut batch);
        }
        let origin = batch.origin.clone();
        if batch.is_empty() {
            self.put_position(&origin)?;
        } else {
            let mut given = vec![false; self.parts.channels.len()];
            for route in self.parts.selector.select(batch) {
                given[route.channel] = true;
                // R8: what a channel has of an earlier life it is not offered again.
                if !self.skips.has(route.channel, &origin) {
                    self.offer(route)?;
                }
            }
            // R8: with `Union` a batch's position belongs to the channel that has its events, and to no other.
            if self.parts.selector.marks() == Marks::Each {
                self.offer_position(&origin, |channel| !given[channel])?;
            }
        }
        counters.append_batch_accepted.add(1);
        counters.event_accepted.add(received);
        self.make_room()
    }

    /// Tells every channel how far the source is, where there are no events: in the same order as events, and in every
    /// channel, whatever the selector.
    pub fn put_position(&mut self, origin: &Origin) -> Result<(), Failure> {
        self.offer_position(origin, |_| true)?;
        for input in &origin.forgotten {
            self.skips.forget(input);
        }
        self.make_room()
    }

    /// Returns once everything put so far is durable, or when asked to stop before.
    pub fn flush(&mut self) -> Result<(), Failure> {
        while !self.flush_within(FULL_WAIT.0)? {
            if self.parts.stop.is_requested() {
                return Err(Failure::Later("stopped before everything was durable".into()));
            }
        }
        Ok(())
    }

    /// As [`Self::flush`], for at most so long. True if everything is durable.
    pub fn flush_within(&mut self, bound: Duration) -> Result<bool, Failure> {
        self.in_flight.settle(bound).map_err(|error| self.failure(&error))
    }

    fn make_room(&mut self) -> Result<(), Failure> {
        self.in_flight.make_room(&self.parts.stop).map_err(|error| self.failure(&error))
    }

    /// Other channels may have what this one refused: only a new life, from everyone's marks, doubles nothing.
    fn failure(&self, error: &ChannelError) -> Failure {
        match error {
            ChannelError::Closed { .. } if self.parts.stop.is_requested() => {
                Failure::Later(error.to_string())
            }
            _ => Failure::Restart(error.to_string()),
        }
    }

    /// R8: a channel that was given nothing of a batch is given its origin, or its mark would stay behind for ever.
    fn offer_position(
        &mut self,
        origin: &Origin,
        to: impl Fn(usize) -> bool,
    ) -> Result<(), Failure> {
        if origin.source.is_none() {
            return Ok(());
        }
        let required = self.parts.selector.required();
        for channel in (0..self.parts.channels.len()).filter(|i| to(*i)) {
            if !self.skips.has(channel, origin) || !origin.forgotten.is_empty() {
                let batch = Batch::position_only(origin.clone());
                self.offer(Route { channel, required: required.contains(&channel), batch })?;
            }
        }
        Ok(())
    }

    fn offer(&mut self, route: Route) -> Result<(), Failure> {
        let Route { channel: index, required, mut batch } = route;
        let channel = self.parts.channels[index].clone();
        let own = std::mem::take(&mut batch.origin);
        batch.origin = joined(std::mem::take(&mut self.refused[index]), own);
        let mut wait = FULL_WAIT.0;
        loop {
            match channel.put(batch.clone()) {
                Ok(receipt) => {
                    if required {
                        self.in_flight.push(receipt, batch.body_bytes());
                    }
                    return Ok(());
                }
                Err(error @ ChannelError::TooLarge { limit, .. }) => {
                    batch = self.without_too_large(&batch, limit, &error, required)?;
                }
                Err(error) if !required => {
                    self.tell_refused(&error, &batch);
                    self.refused[index] = batch.origin;
                    return Ok(());
                }
                Err(full @ ChannelError::Full { .. }) => {
                    self.parts.counters.channel_write_fail.add(1);
                    self.tell_full(&full);
                    if self.parts.stop.wait(wait) {
                        return Err(Failure::Later(full.to_string()));
                    }
                    wait = (wait * 2).min(FULL_WAIT.1);
                }
                Err(error) => {
                    self.parts.counters.channel_write_fail.add(1);
                    return Err(self.failure(&error));
                }
            }
        }
    }

    /// The batch without the events that the channel can never hold. They are set aside before the position that covers
    /// them is put (R18); where there is no room for that either, the source waits.
    fn without_too_large(
        &mut self,
        batch: &Batch,
        limit: u64,
        error: &ChannelError,
        required: bool,
    ) -> Result<Batch, Failure> {
        let largest = batch.events().map(size).max().unwrap_or(0);
        // How a channel counts is its own affair: what it refused is what is over its limit, or else the largest.
        let is_too_large = |event: Event<'_>| size(event) > limit.min(largest.saturating_sub(1));
        for event in batch.events().filter(|event| required && is_too_large(*event)) {
            let mut wait = FULL_WAIT.0;
            let reason = error.to_string();
            while let Err(why) = self.parts.dead_letters.set_aside(event, &reason, &batch.origin) {
                self.parts.teller.tell(
                    Happening::error("no-room-for-dead-letter", why)
                        .effect(format!("the source waits: {reason}"))
                        .next("make room where dead letters are kept; it goes on by itself"),
                );
                if self.parts.stop.wait(wait) {
                    return Err(Failure::Later(reason));
                }
                wait = (wait * 2).min(FULL_WAIT.1);
            }
        }
        let kept = batch.filter(|_, event| !is_too_large(event));
        let count = batch.len() - kept.len();
        let effect = if required { "set aside as dead letters" } else { "left out of it" };
        self.parts.teller.tell(
            Happening::error("event-too-large", error.to_string())
                .effect(format!("{count} events are {effect}; their neighbours go on"))
                .next("raise the channel's limit to take such events"),
        );
        Ok(kept)
    }

    fn tell_refused(&self, error: &ChannelError, batch: &Batch) {
        self.parts.teller.tell(
            Happening::error("optional-channel", format!("optional {error}"))
                .effect(format!("{} events are not in it", batch.len()))
                .next("the required channels have them; it is not tried again, as in Flume"),
        );
    }

    fn tell_full(&self, full: &ChannelError) {
        self.parts.teller.tell(
            Happening::warning("channel-full", full.to_string())
                .effect("the source waits; nothing is lost")
                .next("offering again until there is room"),
        );
    }

    fn marks(&self, positions: impl Fn(&dyn Channel) -> Positions) -> Vouched {
        let required = self.parts.selector.required();
        let of = |(index, channel): (usize, &Arc<dyn Channel>)| ChannelMarks {
            channel: channel.name().clone(),
            required: required.contains(&index),
            positions: positions(&**channel),
        };
        Vouched {
            marks: self.parts.selector.marks(),
            marks_before: None,
            plan: self.parts.source.plan,
            channels: self.parts.channels.iter().enumerate().map(of).collect(),
        }
    }
}

/// Bytes of an event with its headers.
fn size(event: Event<'_>) -> u64 {
    let headers: usize = event.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    u64::try_from(event.body.len() + headers).unwrap_or(u64::MAX)
}

/// `first` and then `second` as one origin: what adjoins becomes one part.
fn joined(mut first: Origin, second: Origin) -> Origin {
    if first.parts.is_empty() && first.forgotten.is_empty() {
        return second;
    }
    first.source = second.source.or(first.source);
    for part in second.parts {
        match first.parts.iter_mut().find(|p| p.input == part.input) {
            Some(known) if known.range.end == part.range.start => {
                known.range.end = part.range.end;
                known.evidence = part.evidence;
            }
            _ => first.parts.push(part),
        }
    }
    first.parts.retain(|part| !second.forgotten.contains(&part.input));
    first.forgotten.extend(second.forgotten);
    first
}
