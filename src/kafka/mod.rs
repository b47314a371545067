//! What everything that speaks to Kafka shares: properties, records, names of topics.

mod board; // which records of which shipment were delivered
pub mod escape;
#[path = "raw/ids.rs"]
pub mod ids;
mod jaas;
pub mod letters; // dead letters in a topic
pub mod limits; // what topic and brokers take
pub mod mock;
mod placing; // Java's partitioners that do not hash the key
pub mod properties;
pub mod raw; // the calls that the crate does not wrap
mod security;
pub mod wire;

use rdkafka::config::RDKafkaLogLevel;

pub use board::{Outcome, RECORDS_MAX, SHIPMENTS_MAX, Undelivered};
pub use placing::Placer;

/// A line of librdkafka's own, into our log. What fails comes as an error too, and is told there: once and at growing
/// intervals, which librdkafka does not.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let level = match level {
        _ if matches!(facility, "FAIL" | "ERROR") => log::Level::Debug,
        RDKafkaLogLevel::Debug => log::Level::Debug,
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => log::Level::Info,
        _ => log::Level::Warn,
    };
    log::log!(target: "librdkafka", level, "{facility}: {message}");
}
