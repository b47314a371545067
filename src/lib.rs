//! Tailwater: Apache Flume's agent without the JVM, and the Kafka-to-MySQL consumer behind it.
//!
//! The modules stand in the order an event meets them; `ARCHITECTURE.md` beside this file draws the picture.
