//! What librdkafka says, and what it means for the events.

use super::flight::Report;
use crate::status::happening::{Happening, Teller};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes librdkafka's reports and complaints.
pub(super) struct Told {
    pub(super) teller: Teller,
    /// Reports since they were last fetched. The callback runs within our own `poll`, so nobody ever waits for the lock.
    pub(super) reports: Arc<Mutex<Vec<Report>>>,
    pub(super) place: String,
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let level = match level {
            RDKafkaLogLevel::Debug => log::Level::Debug,
            // What goes wrong comes as an error too, and is told there.
            _ => log::Level::Info,
        };
        log::log!(target: "librdkafka", level, "{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let (word, effect, next) = match code {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                (
                    "broker-refuses-login",
                    "nothing is delivered; the events stay in the channel",
                    "check the user and password in `kafka.producer.sasl.jaas.config` and the user's existence at the broker",
                )
            }
            Some(RDKafkaErrorCode::SSL) => (
                "broker-tls",
                "nothing is delivered; the events stay in the channel",
                "check `security.protocol` and the trust store against the broker's listener",
            ),
            _ => (
                "broker-away",
                "what is not acknowledged stays in the channel; nothing is lost",
                "it is tried again until the broker answers",
            ),
        };
        let what = format!("Kafka at {}: {reason}", self.place);
        self.teller.tell(Happening::warning(word, what).effect(effect).next(next));
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let error = result
            .as_ref()
            .err()
            .map(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
        let report = Report {
            sequence: u64::try_from(opaque).expect("a pointer has 64 bits or less"),
            error,
        };
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }
}
