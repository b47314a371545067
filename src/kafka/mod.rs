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

pub use board::{Outcome, RECORDS_MAX, SHIPMENTS_MAX, Undelivered};
pub use placing::Placer;
