//! Dead letters kept in a topic: the same lines as in a file, a record each, with the letter's id as key and header.
//!
//! At least once (R18): after a crash the same letter may stand there twice, and its id tells. All parts of a letter have
//! one key and so one partition, in order.

use super::placing::Placer;
use super::properties::{Placing, Settings};
use super::raw::{Envelope, Listener, Outbox, Record};
use crate::clock::Clock;
use crate::deadletter::line::{self, Sender, TOPIC_PART_BYTES};
use crate::deadletter::{DeadLetters, Letter, LetterError};
use bytes::Bytes;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// The header that carries a letter's id.
pub const ID_HEADER: &str = "tailwater.dead-letter.id";
/// How long an acknowledgement may take before the letters count as not kept.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(5);

/// Dead letters of one component, in a topic.
pub struct TopicLetters {
    topic: String,
    client: Settings,
    sender: Sender,
    clock: Arc<dyn Clock>,
    /// Made with the first letter, and anew after a failure: what it did not deliver is offered again.
    outbox: Option<Outbox>,
}

impl TopicLetters {
    /// Connects to nothing yet. `client` is a producer's settings, with `bootstrap.servers`.
    #[must_use]
    pub fn new(topic: String, client: Settings, sender: Sender, clock: Arc<dyn Clock>) -> Self {
        Self { topic, client, sender, clock, outbox: None }
    }

    fn unavailable(&self, why: impl Into<String>) -> LetterError {
        LetterError::Unavailable { place: self.place(), why: why.into() }
    }

    fn open(&self) -> Result<Outbox, LetterError> {
        let placer = Placer::of(Placing::Murmur2);
        Outbox::open(&self.client.client_config(), Box::new(Quiet), placer)
            .map_err(|why| self.unavailable(why.to_string()))
    }

    fn ship(&self, outbox: &mut Outbox, letters: &[Letter<'_>]) -> Result<(), LetterError> {
        for letter in letters {
            let id = letter.id.to_string();
            let envelope = Envelope {
                topic: self.topic.as_str().into(),
                key: Some(id.as_bytes()),
                headers: vec![(ID_HEADER, id.as_bytes())],
                ..Envelope::default()
            };
            // One part at a time: a letter of 40 MB is not held twice.
            for line in line::lines(letter, &self.sender, self.clock.wall_ms(), TOPIC_PART_BYTES) {
                let value = 0..line.len();
                let record = Record { envelope: &envelope, buffer: 0, value };
                let shipped = outbox.ship(vec![Bytes::from(line)], &[record]);
                shipped.map_err(|_| self.unavailable("too much is under way"))?;
                self.wait(outbox)?;
            }
        }
        Ok(())
    }

    fn wait(&self, outbox: &mut Outbox) -> Result<(), LetterError> {
        let end = self.clock.now() + ACKNOWLEDGE_WAIT;
        loop {
            let outcomes = outbox.poll();
            if let Some(refusal) = outcomes.iter().flat_map(|o| &o.undelivered).next() {
                return Err(self.unavailable(refusal.code.to_string()));
            }
            if outbox.under_way() == 0 {
                return Ok(());
            }
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() || outbox.woken().recv_timeout(left).is_err() {
                return Err(self.unavailable("no acknowledgement within 5 s"));
            }
        }
    }
}

impl DeadLetters for TopicLetters {
    fn keep(&mut self, letters: &[Letter<'_>]) -> Result<usize, LetterError> {
        let mut outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => self.open()?,
        };
        self.ship(&mut outbox, letters)?;
        self.outbox = Some(outbox);
        Ok(letters.len())
    }

    fn place(&self) -> String {
        format!("topic {}", self.topic)
    }
}

/// What goes wrong is in the answer to [`DeadLetters::keep`].
struct Quiet;

impl Listener for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!(target: "librdkafka", "{facility}: {message}");
    }

    fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        log::debug!(target: "librdkafka", "{code}: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::TopicLetters;
    use crate::clock::SystemClock;
    use crate::deadletter::line::{Joiner, Sender};
    use crate::deadletter::{DeadLetters, Id, Letter};
    use crate::event::Headers;
    use crate::kafka::mock::MockBroker;
    use crate::kafka::properties::producer;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::Message;
    use std::time::Duration;

    #[test]
    fn a_letter_larger_than_a_topic_takes_is_kept_in_parts_that_join() {
        let broker = MockBroker::start("dead", 1).unwrap();
        let mut client = producer(&[]).config;
        client.set("bootstrap.servers", broker.bootstrap_servers());
        let sender = Sender { agent: "a1".to_owned(), component: "k1".to_owned() };
        let mut kept = TopicLetters::new("dead".to_owned(), client, sender, SystemClock::shared());
        let (headers, body) = (Headers::new(), vec![7; 2_500_000]);
        let letter = Letter {
            id: Id::in_channel(uuid::Uuid::from_u128(1), 5),
            code: "record-too-large",
            reason: "too large".to_owned(),
            origin: Vec::new(),
            headers: &headers,
            key: None,
            body: &body,
        };
        assert_eq!(kept.keep(&[letter]), Ok(1));
        let mut config = broker.client_config();
        config.set("group.id", "g").set("auto.offset.reset", "error");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset("dead", 0, rdkafka::Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut joiner = Joiner::default();
        let whole = std::iter::from_fn(|| {
            let record = consumer.poll(Duration::from_mins(1)).expect("a record").unwrap();
            assert!(record.payload().unwrap().len() < 1_000_000);
            Some(joiner.line(record.payload().unwrap()).unwrap())
        })
        .find_map(|joined| joined);
        assert!(whole.unwrap().body == body);
    }

    #[test]
    fn letters_that_nobody_acknowledges_are_not_kept() {
        let mut client = producer(&[("delivery.timeout.ms", "200")]).config;
        client.set("bootstrap.servers", "127.0.0.1:1");
        let sender = Sender { agent: "a1".to_owned(), component: "k1".to_owned() };
        let mut kept = TopicLetters::new("dead".to_owned(), client, sender, SystemClock::shared());
        let headers = Headers::new();
        let letter = Letter {
            id: Id::in_channel(uuid::Uuid::from_u128(1), 5),
            code: "x",
            reason: String::new(),
            origin: Vec::new(),
            headers: &headers,
            key: None,
            body: b"x",
        };
        let error = kept.keep(&[letter]).unwrap_err();
        assert!(error.to_string().contains("topic dead"), "{error}");
    }
}
