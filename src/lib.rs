//! Tailwater: Apache Flume's agent without the JVM, and the Kafka-to-MySQL consumer behind it.
//!
//! The modules in the order an event meets them (`ARCHITECTURE.md` beside this file draws the picture):
//!
//! | module | what it does |
//! |---|---|
//! | [`source`] ① | reads a batch and its position |
//! | [`interceptor`] ② | changes headers, leaves events out |
//! | [`selector`] ③ | chooses channels |
//! | [`channel`] ④ | keeps batches until they are settled |
//! | [`sink`] ⑤ | leases, delivers, settles |
//! | [`consumer`] ⑥ | makes records into rows, writes them and what was delivered in one transaction |
//!
//! and what they stand on: [`event`] travels, [`ranges`] count it, [`component`] is what each part is given, [`clock`]
//! the only time and the only waiting, [`localhost`] this machine's name, [`storage`] the disk behind a trait, [`config`]
//! the language, [`progress`] what a runner is doing, [`agent`] makes running threads of a checked configuration,
//! [`status`] what the operator sees, [`cli`] one file a command.

pub mod agent;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod component;
pub mod config;
pub mod consumer;
pub mod database;
pub mod deadletter;
pub mod event;
pub mod interceptor;
pub mod kafka;
pub mod localhost;
pub mod progress;
pub mod ranges;
pub mod selector;
pub mod sink;
pub mod source;
pub mod status;
pub mod storage;
