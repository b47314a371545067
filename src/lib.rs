//! Tailwater: Apache Flume's agent without the JVM, and the Kafka-to-MySQL consumer behind it.
//!
//! The modules stand in the order an event meets them, then what they stand on; `ARCHITECTURE.md` beside this file draws
//! the picture.

pub mod channel; // ④ keeps batches until they are settled
pub mod interceptor; // ② changes headers, leaves events out
pub mod selector; // ③ chooses channels
pub mod sink;
pub mod source; // ① reads a batch and its position // ⑤ leases, delivers, settles

pub mod clock; // the only time and the only waiting
pub mod component; // what each part is given
pub mod config;
pub mod event; // what travels
pub mod progress; // what a runner is doing
pub mod ranges; // how it is counted
pub mod status; // what the operator sees // the language

pub mod cli; // one file a command
