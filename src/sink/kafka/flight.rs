//! Leases in flight: what was handed to librdkafka and has no report yet.

use super::Oversize;
use super::record::Shape;
use super::told::Told;
use crate::channel::{BatchLimit, Channel, Lease, Receipts};
use crate::component::{Context, Failure, Pass, StartError};
use crate::deadletter::{DeadLetters, Id, Letter};
use crate::event::{Batch, Event, Sequence};
use crate::ranges::RangeSet;
use crate::sink::Sink;
use crate::status::counters::SinkCounters;
use crate::status::happening::{Happening, Teller};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of bodies that may be with librdkafka at once. More gains nothing and costs memory.
const WINDOW_BYTES: u64 = 16 << 20;
/// Events leased at once, where `flumeBatchSize` is less: nobody can see how many are taken.
const LEASE_EVENTS: usize = 1000;
/// Bytes leased at once.
const LEASE_BYTES: u64 = 1 << 20;
/// Settlements that may wait for their sync.
const SETTLEMENTS_MAX: usize = 64;
/// How long a pass waits for reports or events, so that neither is late.
const REPORTS_WAIT: Duration = Duration::from_millis(2);
/// How long a pass waits for events when nothing is in flight.
const EVENTS_WAIT: Duration = Duration::from_millis(200);

/// What one sink does with its events.
pub(super) struct Settings {
    pub(super) shape: Shape,
    pub(super) oversize: Oversize,
    pub(super) batch_size: usize,
    /// The brokers, for messages.
    pub(super) place: String,
}

/// What became of one record.
pub(super) struct Report {
    pub(super) sequence: Sequence,
    pub(super) error: Option<RDKafkaErrorCode>,
}

/// A lease whose records are on their way.
struct Flight {
    lease: Lease,
    bytes: u64,
    /// Records without a report.
    open: u64,
    /// Acknowledged, or set aside.
    done: RangeSet,
    /// The first failure that may pass.
    failed: Option<RDKafkaErrorCode>,
}

/// The sink.
pub(super) struct KafkaSink {
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounters>,
    teller: Teller,
    settings: Settings,
    letters: Box<dyn DeadLetters>,
    producer: BaseProducer<Told>,
    reports: Arc<Mutex<Vec<Report>>>,
    /// By the first sequence of their leases.
    flights: BTreeMap<Sequence, Flight>,
    bytes: u64,
    settlements: Receipts,
    /// Leases that went back; what is behind them is not sent before them again in the same breath.
    setback: Option<RDKafkaErrorCode>,
}

impl KafkaSink {
    pub(super) fn new(
        context: &Context,
        channel: Arc<dyn Channel>,
        counters: Arc<SinkCounters>,
        client: &ClientConfig,
        settings: Settings,
        letters: Box<dyn DeadLetters>,
    ) -> Result<Self, StartError> {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = Told {
            teller: context.teller.clone(),
            reports: reports.clone(),
            place: settings.place.clone(),
        };
        let producer = client.create_with_context(told).map_err(|why: KafkaError| {
            counters.connection_failed.add(1);
            StartError::transient(
                format!("the Kafka client does not start: {why}"),
                "check the `kafka.producer.*` keys",
            )
        })?;
        counters.connection_created.add(1);
        Ok(Self {
            channel,
            counters,
            teller: context.teller.clone(),
            settings,
            letters,
            producer,
            reports,
            flights: BTreeMap::new(),
            bytes: 0,
            settlements: Receipts::default(),
            setback: None,
        })
    }

    /// Leases the next events and hands them to librdkafka.
    fn send_next(&mut self, wait: Duration) -> Result<bool, Failure> {
        let events = self.settings.batch_size.max(LEASE_EVENTS);
        let lease = self.channel.take(BatchLimit { events, bytes: LEASE_BYTES }, wait)?;
        self.counters.took(lease.as_ref().map_or(0, Lease::len), self.settings.batch_size);
        let Some(lease) = lease else { return Ok(false) };
        let first = lease.sequences().start;
        let bytes = lease.batches().iter().map(Batch::body_bytes).sum();
        let mut flight = Flight { lease, bytes, open: 0, done: RangeSet::new(), failed: None };
        let mut unfit = Vec::new();
        for (sequence, event) in
            (first..).zip(flight.lease.batches().iter().flat_map(Batch::events))
        {
            match self.send(sequence, event) {
                Ok(()) => flight.open += 1,
                Err(Unsent::Never(why)) => unfit.push((sequence, "record-unfit", why)),
                Err(Unsent::TooLarge) => unfit.push((sequence, TOO_LARGE, too_large(event))),
                Err(Unsent::NotNow(code)) => flight.failed = flight.failed.or(Some(code)),
            }
        }
        self.bytes += bytes;
        self.set_aside(&mut flight, unfit);
        self.flights.insert(first, flight);
        self.land(first)?;
        Ok(true)
    }

    fn send(&self, sequence: Sequence, event: Event<'_>) -> Result<(), Unsent> {
        let record = self.settings.shape.record(event).map_err(Unsent::Never)?;
        let opaque = usize::try_from(sequence)
            .map_err(|_| Unsent::Never("its number is too large".to_owned()))?;
        let mut base = BaseRecord::<str, [u8], usize>::with_opaque_to(&record.topic, opaque)
            .payload(record.value.as_ref());
        if let Some(partition) = record.partition {
            base = base.partition(partition);
        }
        if let Some(key) = record.key {
            base = base.key(key);
        }
        if let Some(at) = record.timestamp_ms {
            base = base.timestamp(at);
        }
        if !record.headers.is_empty() {
            let headers =
                record.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
                    headers.insert(Header { key: name, value: Some(*value) })
                });
            base = base.headers(headers);
        }
        match self.producer.send(base) {
            Ok(()) => Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => {
                Err(Unsent::TooLarge)
            }
            Err((KafkaError::MessageProduction(code), _)) => Err(Unsent::NotNow(code)),
            Err((error, _)) => Err(Unsent::Never(error.to_string())),
        }
    }

    /// Takes in the reports that have come, and settles the leases that are complete.
    fn take_reports(&mut self) -> Result<bool, Failure> {
        self.producer.poll(Duration::ZERO);
        let reports =
            std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        if reports.is_empty() {
            return Ok(false);
        }
        let mut unfit: BTreeMap<Sequence, Vec<(Sequence, &'static str, String)>> = BTreeMap::new();
        let mut landed = VecDeque::new();
        for Report { sequence, error } in reports {
            let Some((first, flight)) = self.flights.range_mut(..=sequence).next_back() else {
                continue;
            };
            flight.open -= 1;
            match error {
                None => flight.done.insert(sequence..sequence + 1),
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let event = event_of(&flight.lease, sequence);
                    unfit.entry(*first).or_default().push((
                        sequence,
                        TOO_LARGE,
                        event.map_or_else(String::new, too_large),
                    ));
                }
                Some(code) => {
                    self.counters.event_write_fail.add(1);
                    flight.failed = flight.failed.or(Some(code));
                }
            }
            if flight.open == 0 {
                landed.push_back(*first);
            }
        }
        for (first, unfit) in unfit {
            if let Some(mut flight) = self.flights.remove(&first) {
                self.set_aside(&mut flight, unfit);
                self.flights.insert(first, flight);
            }
        }
        for first in landed {
            self.land(first)?;
        }
        Ok(true)
    }

    /// Keeps records that can never be delivered, before they count as done (R18). Without room for them they go back.
    fn set_aside(&mut self, flight: &mut Flight, unfit: Vec<(Sequence, &'static str, String)>) {
        if unfit.is_empty() {
            return;
        }
        if self.settings.oversize == Oversize::Block
            && unfit.iter().any(|(_, code, _)| *code == TOO_LARGE)
        {
            flight.failed = Some(RDKafkaErrorCode::MessageSizeTooLarge);
            return;
        }
        let id = self.channel.id();
        let letter = |(sequence, code, reason): &(Sequence, &'static str, String)| {
            let event = event_of(&flight.lease, *sequence)?;
            Some(Letter {
                id: Id::in_channel(id, *sequence),
                code,
                reason: reason.clone(),
                origin: vec![("channel", self.channel.name().to_string())],
                headers: event.headers,
                key: event.headers.get("key").map(String::as_bytes),
                body: event.body,
            })
        };
        let letters: Vec<_> = unfit.iter().filter_map(letter).collect();
        if let Err(why) = self.letters.keep(&letters) {
            let happening = Happening::error("dead-letter-refused", why.to_string());
            let effect = "the events stay in the channel, and those behind them may go on";
            self.teller.tell(happening.effect(effect).next(why.next()));
            flight.failed = flight.failed.or(Some(RDKafkaErrorCode::Fail));
            return;
        }
        let kept = letters.len();
        self.counters.dead_letters.add(kept);
        for (sequence, code, reason) in unfit {
            flight.done.insert(sequence..sequence + 1);
            let what = format!("an event cannot be delivered: {reason}");
            let effect = format!(
                "it is kept in {} (`{code}`); its neighbours are delivered",
                self.letters.place()
            );
            let next = "raise the limit, then deliver it from there";
            self.teller.tell(Happening::error(code, what).effect(effect).next(next));
        }
    }

    /// Settles a lease all of whose records have their reports.
    fn land(&mut self, first: Sequence) -> Result<(), Failure> {
        if self.flights.get(&first).is_none_or(|flight| flight.open > 0) {
            return Ok(());
        }
        let Some(flight) = self.flights.remove(&first) else { return Ok(()) };
        self.bytes -= flight.bytes;
        self.counters
            .event_drain_success
            .add(usize::try_from(flight.done.count()).unwrap_or(usize::MAX));
        if let Some(code) = flight.failed {
            self.counters.rollback.add(1);
            self.setback = Some(code);
        }
        let done: Vec<_> = flight.done.iter().collect();
        if done.is_empty() {
            return Ok(());
        }
        let receipt = flight.lease.settle(&done)?;
        self.settlements.push(receipt, SETTLEMENTS_MAX)?;
        Ok(())
    }

    /// Whether events went back: told, and the runner backs off.
    fn told_setback(&mut self) -> Result<(), Failure> {
        let Some(code) = self.setback.take() else { return Ok(()) };
        if let Some((fatal, why)) = self.producer.client().fatal_error() {
            return Err(Failure::Restart(format!(
                "the Kafka client cannot go on: {why} ({fatal})"
            )));
        }
        let what = match code {
            RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
                let topic = self.settings.shape.topic.as_plain().unwrap_or("that the events name");
                format!(
                    "Kafka at {0} has no topic `{topic}`; make it: kafka-topics.sh --bootstrap-server {0} --create --topic {topic}",
                    self.settings.place
                )
            }
            RDKafkaErrorCode::MessageSizeTooLarge => {
                "a record is larger than the broker takes (`oversize = block`)".to_owned()
            }
            other => format!("Kafka at {} did not take some events: {other}", self.settings.place),
        };
        Err(Failure::Later(format!("{what}; they are back in channel {}", self.channel.name())))
    }
}

/// The code of records that are too large.
const TOO_LARGE: &str = "record-too-large";

/// Why a record was not handed over.
enum Unsent {
    /// It can never be: a sentence.
    Never(String),
    TooLarge,
    NotNow(RDKafkaErrorCode),
}

fn too_large(event: Event<'_>) -> String {
    format!(
        "its {} bytes are more than the broker takes (`max.message.bytes` of the topic, `message.max.bytes` of the broker)",
        event.body.len()
    )
}

/// The event of a lease, by its sequence.
fn event_of(lease: &Lease, sequence: Sequence) -> Option<Event<'_>> {
    let mut index = usize::try_from(sequence.checked_sub(lease.sequences().start)?).ok()?;
    for batch in lease.batches() {
        if index < batch.len() {
            return batch.event(index);
        }
        index -= batch.len();
    }
    None
}

impl Sink for KafkaSink {
    fn process(&mut self) -> Result<Pass, Failure> {
        let mut moved = self.take_reports()?;
        self.settlements.look(SETTLEMENTS_MAX)?;
        self.told_setback()?;
        if self.bytes < WINDOW_BYTES {
            let wait = if self.flights.is_empty() { EVENTS_WAIT } else { REPORTS_WAIT };
            moved |= self.send_next(wait)?;
            self.told_setback()?;
        } else if !moved {
            self.producer.poll(REPORTS_WAIT);
            moved = true;
        }
        Ok(if moved || !self.flights.is_empty() { Pass::Ready } else { Pass::Backoff })
    }

    fn settle(&mut self) -> Result<bool, Failure> {
        self.take_reports()?;
        self.settlements.look(SETTLEMENTS_MAX)?;
        self.told_setback()?;
        Ok(!self.flights.is_empty())
    }

    fn drain(&mut self, bound: Duration) {
        let step = Duration::from_millis(20);
        let mut left = bound;
        while !self.flights.is_empty() && left > Duration::ZERO {
            self.producer.poll(step.min(left));
            left = left.saturating_sub(step);
            if let Err(failure) = self.take_reports() {
                let happening = Happening::warning("drain", failure.to_string());
                self.teller.tell(happening.effect("what is not acknowledged stays in the channel"));
                break;
            }
        }
        // Whatever has no report now goes back with its lease: its memory was copied, so librdkafka may still send it.
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        self.producer.poll(Duration::ZERO);
        self.flights.clear();
        self.counters.connection_closed.add(1);
    }
}
