//! Everything that needs no network and no real disk beyond a temporary folder: seconds.

#![allow(missing_docs, reason = "a test binary has no interface")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::string_slice,
    reason = "a test that is wrong may end"
)]
#![allow(
    clippy::format_collect,
    clippy::single_range_in_vec_init,
    reason = "what is expected is written as shortly as it can be read"
)]

mod check;
mod cli;
mod conformance;
mod consumer;
mod describe;
mod exec;
mod interceptors;
mod kafka_sink;
mod netcat;
mod pipeline;
mod processor;
mod processors;
mod registry;
mod reload;
mod selectors;
mod seq;
mod sink_runner;
mod sinks;
mod source_runner;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod taildir;
mod tidy;
