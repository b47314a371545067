//! What everyone who speaks to Kafka shares: the Kafka sink, the consumer, and dead letters kept in a topic.

mod jaas;
pub mod properties; // Java's names, librdkafka's names
mod security;
