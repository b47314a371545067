//! What everything that speaks to Kafka shares: properties, records, names of topics.

pub mod escape;
mod jaas;
pub mod mock;
pub mod properties;
mod security;
pub mod wire;
