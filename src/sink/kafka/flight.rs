//! A lease in flight: what was shipped of it, and which of its events each record is.

use super::aside::{Aside, TOO_LARGE, UNFIT};
use super::passes::Settings;
use crate::channel::Lease;
use crate::component::Failure;
use crate::event::{Batch, Event, Sequence};
use crate::kafka::Outcome;
use crate::kafka::limits::Limits;
use crate::kafka::raw::{Envelope, Outbox, Record};
use crate::ranges::RangeSet;
use bytes::Bytes;
use std::time::Duration;

/// A lease whose records are on their way.
pub(super) struct Flight {
    pub(super) lease: Lease,
    pub(super) bytes: u64,
    pub(super) since: Duration,
    /// Events of the lease that were not shipped, ascending, because they can never be delivered.
    pub(super) unfit: Vec<Aside>,
}

/// Ships a lease's events: the slot of the shipment, and the events that can never be delivered.
pub(super) fn ship(
    outbox: &mut Outbox,
    settings: &Settings,
    limits: &Limits,
    lease: &Lease,
) -> Result<(usize, Vec<Aside>), Failure> {
    let shape = &settings.shape;
    let batches = lease.batches();
    // One for each set of headers, not for each event.
    let envelopes: Vec<Vec<Result<Envelope<'_>, String>>> = batches
        .iter()
        .map(|batch| batch.header_sets().iter().map(|set| shape.envelope(set)).collect())
        .collect();
    let mut buffers: Vec<Bytes> = Vec::with_capacity(batches.len());
    let mut records = Vec::with_capacity(lease.len());
    let mut unfit = Vec::new();
    let mut sequence = lease.sequences().start;
    for (batch, envelopes) in batches.iter().zip(&envelopes) {
        let (bytes, values) = shape.values(batch);
        for (entry, value) in batch.table().iter().zip(values) {
            let set = usize::try_from(entry.headers).expect("usize has 32 bits or more");
            let record = envelopes[set].as_ref().map_err(|why| (UNFIT, why.clone()));
            let fits = record.and_then(|envelope| {
                let size = envelope.bytes() + u64::try_from(value.len()).unwrap_or(u64::MAX);
                too_large_for(settings, limits, envelope, size).map_or(Ok(envelope), Err)
            });
            match fits {
                Ok(envelope) => records.push(Record { envelope, buffer: buffers.len(), value }),
                Err((code, reason)) => unfit.push(Aside { sequence, code, reason }),
            }
            sequence += 1;
        }
        buffers.push(bytes);
    }
    let slot = outbox
        .ship(buffers, &records)
        .map_err(|_| Failure::Later("too many shipments are under way to Kafka".to_owned()))?;
    Ok((slot, unfit))
}

/// Why a record of so many bytes is known to be too large before it is sent, if it is.
fn too_large_for(
    settings: &Settings,
    limits: &Limits,
    envelope: &Envelope<'_>,
    bytes: u64,
) -> Option<(&'static str, String)> {
    let over = |limit: Option<u64>, name: &str| {
        let limit = limit.filter(|limit| bytes > *limit)?;
        Some((TOO_LARGE, format!("with {bytes} bytes it is larger than {name}, {limit}")))
    };
    // The broker's limits count after compression, so only without it is the size known here.
    let compressed = !matches!(settings.client.get("compression.type"), None | Some("none"));
    let topic = limits
        .topic_bytes
        .filter(|_| !compressed && settings.shape.plain_topic() == Some(envelope.topic.as_ref()));
    over(settings.oversize_limit, "`oversize.limit`")
        .or_else(|| over(topic, "the topic's `max.message.bytes`"))
        .or_else(|| over(limits.request_bytes, "the broker's `socket.request.max.bytes`"))
}

impl Flight {
    /// Which event the shipment's record at `index` is: those that were not shipped are passed over.
    pub(super) fn sequence_of(&self, index: usize) -> Sequence {
        let mut sequence = self.lease.sequences().start + u64::try_from(index).expect("below 2^22");
        for aside in &self.unfit {
            if aside.sequence <= sequence {
                sequence += 1;
            }
        }
        sequence
    }

    /// The events that were delivered.
    pub(super) fn delivered(&self, outcome: &Outcome) -> RangeSet {
        if self.unfit.is_empty() {
            return outcome.delivered(self.lease.sequences().start);
        }
        let indexes = outcome.delivered(0);
        let index = |at: u64| usize::try_from(at).expect("below 2^22");
        let sequences = indexes.iter().flatten().map(|at| self.sequence_of(index(at)));
        sequences.map(|sequence| sequence..sequence + 1).collect()
    }
}

/// The event of a lease, by its sequence.
pub(super) fn event_of(lease: &Lease, sequence: Sequence) -> Option<Event<'_>> {
    batch_of(lease, sequence).and_then(|(batch, index)| batch.event(index))
}

/// The batch of a lease that has the event, and where.
pub(super) fn batch_of(lease: &Lease, sequence: Sequence) -> Option<(&Batch, usize)> {
    let mut index = usize::try_from(sequence.checked_sub(lease.sequences().start)?).ok()?;
    for batch in lease.batches() {
        if index < batch.len() {
            return Some((batch, index));
        }
        index -= batch.len();
    }
    None
}
