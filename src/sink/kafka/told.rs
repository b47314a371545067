//! What librdkafka says, and what it means for the events.
//!
//! A broker that is away makes librdkafka complain several times a second; the operator is told at once, again at growing
//! intervals, and when it is over.

use crate::clock::Clock;
use crate::kafka::log_line;
use crate::kafka::raw::Listener;
use crate::status::happening::{Happening, Teller};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first time between two tellings of the same trouble; it doubles.
const AGAIN_FIRST: Duration = Duration::from_mins(1);
/// The longest time between two tellings.
const AGAIN_MAX: Duration = Duration::from_mins(30);

/// Takes librdkafka's complaints.
#[derive(Clone)]
pub(super) struct Told {
    teller: Teller,
    clock: Arc<dyn Clock>,
    place: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The latest reason of one broker, in librdkafka's words: what "all brokers are down" does not say.
    reason: String,
    trouble: Option<Trouble>,
}

struct Trouble {
    code: &'static str,
    since: Duration,
    again_at: Duration,
    interval: Duration,
}

impl Told {
    pub(super) fn new(teller: Teller, clock: Arc<dyn Clock>, place: &str) -> Self {
        Self { teller, clock, place: place.into(), state: Arc::default() }
    }

    /// Records were acknowledged: whatever it was is over.
    pub(super) fn delivered(&self) {
        let trouble = self.state.lock().unwrap_or_else(PoisonError::into_inner).trouble.take();
        if let Some(trouble) = trouble {
            let lasted = self.clock.now().saturating_sub(trouble.since).as_secs();
            let what = format!("Kafka at {} takes events again, after {lasted} s", self.place);
            self.teller.tell(Happening::info("broker-back", what));
        }
    }

    fn trouble(&self, code: &'static str, what: String, next: &str) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.trouble {
            Some(trouble) if trouble.code == code && now < trouble.again_at => return,
            Some(trouble) if trouble.code == code => {
                trouble.interval = (trouble.interval * 2).min(AGAIN_MAX);
                trouble.again_at = now + trouble.interval;
            }
            _ => {
                let again_at = now + AGAIN_FIRST;
                state.trouble = Some(Trouble { code, since: now, again_at, interval: AGAIN_FIRST });
            }
        }
        drop(state);
        let effect = "nothing is delivered and nothing is lost: the events stay in the channel";
        self.teller.tell(Happening::error(code, what).effect(effect).next(next));
    }
}

impl Listener for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        let at = &self.place;
        match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
                self.trouble(
                    "broker-refuses-login",
                    format!("Kafka at {at} refuses the login: {reason}"),
                    "check user and password in `kafka.producer.sasl.jaas.config`, and that the broker knows the user; it \
                     is tried again",
                );
            }
            RDKafkaErrorCode::SSL => self.trouble(
                "broker-tls",
                format!("no TLS connection to Kafka at {at}: {reason}"),
                "check `kafka.producer.security.protocol` and the trust store against the broker's listener; it is tried \
                 again",
            ),
            RDKafkaErrorCode::AllBrokersDown => {
                let why = {
                    let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    if state.reason.is_empty() { reason.to_owned() } else { state.reason.clone() }
                };
                self.trouble(
                    "broker-away",
                    format!("Kafka at {at} cannot be reached: {why}"),
                    "start it, or mend `kafka.bootstrap.servers`; it is tried again and goes on by itself",
                );
            }
            _ => {
                reason.clone_into(
                    &mut self.state.lock().unwrap_or_else(PoisonError::into_inner).reason,
                );
                log::debug!(target: "librdkafka", "{code}: {reason}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::clock::Clock;
    use crate::kafka::raw::Listener;
    use crate::status::happening::Telling;
    use rdkafka::error::RDKafkaErrorCode;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[derive(Default)]
    struct Turned(AtomicU64);

    impl Clock for Turned {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
        fn wall_ms(&self) -> i64 {
            0
        }
    }

    #[test]
    fn a_broker_that_is_away_is_told_at_once_then_at_growing_intervals_and_when_it_is_back() {
        let clock = Arc::new(Turned::default());
        let telling = Telling::new(clock.clone());
        let told = Told::new(telling.of("sink", &"k1".into()), clock.clone(), "b:1");
        let mut at = Vec::new();
        for second in 0..=4000 {
            clock.0.store(second, Ordering::Relaxed);
            let before = telling.times("sink k1", "broker-away");
            told.error(RDKafkaErrorCode::BrokerTransportFailure, "b:1: Connection refused");
            told.error(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
            if telling.times("sink k1", "broker-away") > before {
                at.push(second);
            }
        }
        assert_eq!(at, [0, 60, 180, 420, 900, 1860, 3660]);
        assert!(telling.newest()[0].happening.what.contains("Connection refused"));
        told.delivered();
        told.delivered();
        assert_eq!(telling.times("sink k1", "broker-back"), 1);
        told.error(RDKafkaErrorCode::AllBrokersDown, "down");
        assert_eq!(telling.times("sink k1", "broker-away"), 8, "a new trouble is told at once");
    }
}
