//! The sink's passes: leases in flight, and what becomes of each when all of its records are reported.

use super::Oversize;
use super::aside::{Aside, TOO_LARGE, UNFIT};
use super::flight::{Flight, event_of, ship};
use super::record::Shape;
use super::told::Told;
use super::verdict::{self, Verdict, judge};
use crate::channel::{BatchLimit, Channel, Lease, Receipts};
use crate::clock::Clock;
use crate::component::{Context, Failure, Pass, StartError};
use crate::deadletter::DeadLetters;
use crate::event::{Batch, Event};
use crate::kafka::limits::{Limits, Preflight};
use crate::kafka::properties::{Placing, Settings as ClientSettings};
use crate::kafka::raw::Outbox;
use crate::kafka::{Outcome, Placer, SHIPMENTS_MAX};
use crate::ranges::RangeSet;
use crate::sink::{PASS_WAIT_MAX, Sink};
use crate::status::counters::SinkCounters;
use crate::status::happening::{Happening, Teller};
use rdkafka::error::RDKafkaErrorCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that may be with librdkafka at once, so that its own queue is never full. More gains nothing and costs memory.
const WINDOW_BYTES: u64 = 16 << 20;
/// Bytes a record counts in the window beside its body: what librdkafka needs to keep track of it.
const RECORD_BYTES: u64 = 128;
/// Leases that may be in flight at once.
const WINDOW_LEASES: usize = SHIPMENTS_MAX / 2;
/// Events leased at once, where `flumeBatchSize` is less: nobody can see how many are taken.
const LEASE_EVENTS: usize = 10_000;
/// Bytes leased at once.
const LEASE_BYTES: u64 = 4 << 20;
/// Settlements that may wait for their sync.
const SETTLEMENTS_MAX: usize = 64;
/// How long a pass waits for events while something is in flight, so that its reports are not late.
const EVENTS_WAIT: Duration = Duration::from_millis(5);
/// How long one look at the reports lasts while draining.
const DRAIN_STEP: Duration = Duration::from_millis(50);

/// What one sink does with its events.
pub(super) struct Settings {
    pub(super) shape: Shape,
    pub(super) oversize: Oversize,
    /// `oversize.limit`, in bytes of a body.
    pub(super) oversize_limit: Option<u64>,
    pub(super) batch_size: usize,
    /// The brokers, for messages.
    pub(super) place: String,
    pub(super) client: ClientSettings,
    pub(super) placing: Placing,
}

/// The sink.
pub(super) struct KafkaSink {
    /// First, so that it is gone before the leases are: nobody reads from them any more when they go back.
    outbox: Option<Outbox>,
    /// By the slots of their shipments.
    flights: HashMap<usize, Flight>,
    bytes: u64,
    settlements: Receipts,
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounters>,
    teller: Teller,
    told: Told,
    clock: Arc<dyn Clock>,
    settings: Settings,
    letters: Box<dyn DeadLetters>,
    preflight: Preflight,
    limits: Limits,
    /// The most that a batch has room for once nothing is in flight: the producer is made anew for it.
    narrower: Option<u64>,
    /// Why events went back in this pass.
    setback: Option<String>,
}

impl KafkaSink {
    pub(super) fn start(
        context: &Context,
        channel: Arc<dyn Channel>,
        counters: Arc<SinkCounters>,
        settings: Settings,
        letters: Box<dyn DeadLetters>,
    ) -> Result<Self, StartError> {
        let told = Told::new(context.teller.clone(), context.clock.clone(), &settings.place);
        let outbox = open(&settings, &told).map_err(|why| {
            counters.connection_failed.add(1);
            StartError::transient(
                format!("the Kafka client does not start: {why}"),
                "check the `kafka.producer.*` keys",
            )
        })?;
        counters.connection_created.add(1);
        let topic = settings.shape.plain_topic().map(str::to_owned);
        let preflight = Preflight::start(&settings.client, topic, &settings.place, context);
        Ok(Self {
            outbox: Some(outbox),
            flights: HashMap::new(),
            bytes: 0,
            settlements: Receipts::default(),
            channel,
            counters,
            teller: context.teller.clone(),
            told,
            clock: context.clock.clone(),
            settings,
            letters,
            preflight,
            limits: Limits::default(),
            narrower: None,
            setback: None,
        })
    }

    /// The most that the producer puts into one batch of several records, in bytes.
    fn batch_bytes(&self) -> u64 {
        let bytes = |name| self.settings.client.number(name).and_then(|n| u64::try_from(n).ok());
        let batch = bytes("batch.size").unwrap_or(1_000_000);
        batch.min(bytes("message.max.bytes").unwrap_or(1_000_000))
    }

    /// Leases the next events and ships them. False when there were none.
    fn ship_next(&mut self, wait: Duration) -> Result<bool, Failure> {
        let events = self.settings.batch_size.max(LEASE_EVENTS);
        let lease = self.channel.take(BatchLimit { events, bytes: LEASE_BYTES }, wait)?;
        let count = lease.as_ref().map_or(0, Lease::len);
        // Flume's Kafka sink counts no batch as complete; and while something is in flight we look oftener than it would.
        match count {
            0 if self.flights.is_empty() => self.counters.batch_empty.add(1),
            0 => {}
            some if some < self.settings.batch_size => self.counters.batch_underflow.add(1),
            _ => {}
        }
        self.counters.event_drain_attempt.add(count);
        let Some(lease) = lease else { return Ok(false) };
        let bodies: u64 = lease.batches().iter().map(Batch::body_bytes).sum();
        let bytes = bodies + RECORD_BYTES * u64::try_from(count).unwrap_or(u64::MAX / RECORD_BYTES);
        let Some(outbox) = &mut self.outbox else { return Err(closed()) };
        let (slot, unfit) = ship(outbox, &self.settings, &self.limits, &lease)?;
        self.bytes += bytes;
        self.flights.insert(slot, Flight { lease, bytes, since: self.clock.now(), unfit });
        Ok(true)
    }

    /// Takes in the reports that have come, and lands the leases that are complete.
    fn take_reports(&mut self) -> Result<bool, Failure> {
        let Some(outbox) = &mut self.outbox else { return Err(closed()) };
        let outcomes = outbox.poll();
        let some = !outcomes.is_empty();
        for outcome in &outcomes {
            self.land(outcome)?;
        }
        Ok(some)
    }

    /// Settles a lease all of whose records have their reports: what was delivered or set aside is done with, the rest goes
    /// back (R11).
    fn land(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        let Some(flight) = self.flights.remove(&outcome.slot) else { return Ok(()) };
        self.bytes -= flight.bytes;
        let took = self.clock.now().saturating_sub(flight.since).as_millis();
        self.counters.kafka_event_send_timer_ms.add(usize::try_from(took).unwrap_or(usize::MAX));
        let mut done = flight.delivered(outcome);
        let delivered = usize::try_from(done.count()).unwrap_or(usize::MAX);
        if delivered > 0 {
            self.counters.event_drain_success.add(delivered);
            self.told.delivered();
        }
        let went_back = self.judge_undelivered(&flight, outcome, &mut done);
        if went_back {
            self.counters.rollback.add(1);
        }
        let done: Vec<_> = done.iter().collect();
        if done.is_empty() {
            return Ok(());
        }
        let receipt = flight.lease.settle(&done)?;
        self.settlements.push(receipt, SETTLEMENTS_MAX)?;
        Ok(())
    }

    /// Decides about what was not delivered. True when some of it goes back.
    fn judge_undelivered(
        &mut self,
        flight: &Flight,
        outcome: &Outcome,
        done: &mut RangeSet,
    ) -> bool {
        let mut asides: Vec<Aside> = Vec::new();
        let mut went_back = false;
        for undelivered in &outcome.undelivered {
            let sequence = flight.sequence_of(undelivered.index);
            let Some(event) = event_of(&flight.lease, sequence) else { continue };
            self.counters.event_write_fail.add(1);
            let bytes = self.settings.shape.record_bytes(event);
            match judge(undelivered.code, bytes, self.batch_bytes()) {
                Verdict::TooLarge => {
                    asides.push(Aside { sequence, code: TOO_LARGE, reason: self.too_large(bytes) });
                }
                Verdict::Unfit => {
                    let reason = verdict::reason(undelivered.code);
                    asides.push(Aside { sequence, code: UNFIT, reason });
                }
                Verdict::Crowded => {
                    went_back = true;
                    self.narrower = Some(self.batch_bytes() / 2);
                }
                Verdict::Again => {
                    went_back = true;
                    self.note_setback(undelivered.code, event);
                }
            }
        }
        let shipped_aside = asides.iter().chain(&flight.unfit);
        let (blocked, aside): (Vec<&Aside>, Vec<&Aside>) = shipped_aside.partition(|aside| {
            self.settings.oversize == Oversize::Block && aside.code == TOO_LARGE
        });
        if let Some(first) = blocked.first() {
            went_back = true;
            if let Some(event) = event_of(&flight.lease, first.sequence) {
                self.note_setback(RDKafkaErrorCode::MessageSizeTooLarge, event);
            }
        }
        went_back | !self.set_aside(flight, &aside, done)
    }

    /// Keeps the records that can never be delivered, before they count as done (R18). False when there is no room for them,
    /// so that they go back.
    fn set_aside(&mut self, flight: &Flight, asides: &[&Aside], done: &mut RangeSet) -> bool {
        let channel = self.channel.as_ref();
        let letter = |aside: &&Aside| aside.letter(&flight.lease, &self.settings.shape, channel);
        let letters: Vec<_> = asides.iter().filter_map(letter).collect();
        if letters.is_empty() {
            return true;
        }
        if let Err(why) = self.letters.keep(&letters) {
            let effect =
                "the events stay in the channel and are tried again; their neighbours go on";
            let happening = Happening::error("dead-letter-refused", why.to_string());
            self.teller.tell(happening.effect(effect).next(why.next()));
            self.setback.get_or_insert(why.to_string());
            return false;
        }
        self.counters.dead_letters.add(letters.len());
        for (aside, letter) in asides.iter().zip(&letters) {
            done.insert(aside.sequence..aside.sequence + 1);
            let place = self.letters.place();
            self.teller.tell(aside.happening(letter, &place, &self.settings.place));
        }
        true
    }

    fn note_setback(&mut self, code: RDKafkaErrorCode, event: Event<'_>) {
        let purged = matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
        if purged || self.setback.is_some() {
            return;
        }
        let envelope = self.settings.shape.envelope(event.headers);
        let topic = envelope.map_or_else(|_| "?".to_owned(), |e| e.topic.into_owned());
        self.setback = Some(verdict::set_back(code, &topic, &self.settings.place));
    }

    fn too_large(&self, bytes: u64) -> String {
        match self.limits.topic_bytes {
            Some(limit) => format!(
                "with {bytes} bytes it is larger than its topic takes (`max.message.bytes` is {limit})"
            ),
            None => format!(
                "with {bytes} bytes it is larger than Kafka takes (`max.message.bytes` of its topic, or \
                 `kafka.producer.max.request.size`)"
            ),
        }
    }

    /// Whether events went back: told, and the runner backs off.
    fn tell_setback(&mut self) -> Result<(), Failure> {
        let fatal = self.outbox.as_ref().and_then(Outbox::fatal_error);
        if let Some((code, why)) = fatal {
            return Err(Failure::Restart(format!("the Kafka client cannot go on: {why} ({code})")));
        }
        let Some(what) = self.setback.take() else { return Ok(()) };
        Err(Failure::Later(format!(
            "{what}; the events are back in channel {}",
            self.channel.name()
        )))
    }

    /// Takes in what the preflight found.
    fn heed_limits(&mut self) {
        let Some(limits) = self.preflight.found() else { return };
        if let Some(batch) = limits.topic_bytes.map(batch_within)
            && batch < self.batch_bytes()
        {
            self.narrower = Some(batch);
        }
        self.limits = limits;
    }

    /// Makes the producer anew with smaller batches, once nothing is in flight. True when it is time to ship again.
    fn is_wide_enough(&mut self) -> Result<bool, Failure> {
        let Some(bytes) = self.narrower else { return Ok(true) };
        if !self.flights.is_empty() {
            return Ok(false);
        }
        self.narrower = None;
        self.settings.client.set("batch.size", bytes.max(1));
        self.outbox = None;
        let opened = open(&self.settings, &self.told).map_err(Failure::Restart)?;
        self.outbox = Some(opened);
        let what = format!("batches are held to {bytes} bytes, which the topic takes");
        self.teller.tell(Happening::info("batch-size", what));
        Ok(true)
    }

    fn has_room(&self) -> bool {
        self.bytes < WINDOW_BYTES && self.flights.len() < WINDOW_LEASES
    }

    fn wait_for_reports(&self, at_most: Duration) {
        if let Some(outbox) = &self.outbox {
            // Woken or not, the next look says what there is.
            outbox.woken().recv_timeout(at_most).ok();
        }
    }
}

impl Sink for KafkaSink {
    fn process(&mut self) -> Result<Pass, Failure> {
        let moved = self.take_reports()?;
        self.settlements.look(SETTLEMENTS_MAX)?;
        self.tell_setback()?;
        self.heed_limits();
        if !self.is_wide_enough()? || !self.has_room() {
            if !moved {
                self.wait_for_reports(PASS_WAIT_MAX);
            }
            return Ok(Pass::Ready);
        }
        let idle = self.flights.is_empty();
        let shipped = self.ship_next(if idle { PASS_WAIT_MAX } else { EVENTS_WAIT })?;
        Ok(if idle && !shipped { Pass::Backoff } else { Pass::Ready })
    }

    fn settle(&mut self) -> Result<bool, Failure> {
        self.take_reports()?;
        self.settlements.look(SETTLEMENTS_MAX)?;
        self.tell_setback()?;
        Ok(!self.flights.is_empty())
    }

    fn drain(&mut self, bound: Duration) {
        let end = self.clock.now() + bound;
        let mut result = Ok(());
        while result.is_ok() && !self.flights.is_empty() {
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                break;
            }
            self.wait_for_reports(left.min(DRAIN_STEP));
            result = self.take_reports().map(|_| ());
        }
        let outcomes = self.outbox.take().map(Outbox::close).unwrap_or_default();
        for outcome in &outcomes {
            result = result.and(self.land(outcome));
        }
        self.flights.clear();
        self.counters.connection_closed.add(1);
        if let Err(failure) = result {
            let effect = "what is not acknowledged stays in the channel, and may be sent again";
            self.teller.tell(Happening::warning("drain", failure.to_string()).effect(effect));
        }
    }
}

/// What a batch may have at most so that a topic of that limit takes it: a little below, for what surrounds the records.
fn batch_within(topic_bytes: u64) -> u64 {
    topic_bytes.saturating_sub(1024).max(topic_bytes / 2)
}

fn open(settings: &Settings, told: &Told) -> Result<Outbox, String> {
    let config = settings.client.client_config();
    Outbox::open(&config, Box::new(told.clone()), Placer::of(settings.placing))
        .map_err(|why| why.to_string())
}

fn closed() -> Failure {
    Failure::Restart("the Kafka client is closed".to_owned())
}
