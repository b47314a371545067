//! The real programs: Tomcat, Kafka, MariaDB and Flume, started by `scripts/`, `kill -9` included, and an oracle that
//! knows what was handed out. Runs with `TAILWATER_E2E=1` only; `scripts/test` sets it.
//!
//! One test at a time has the machine (`scene`). Every wait is for something observed, with a deadline (`wait`). What a
//! test leaves behind when it fails, logs above all, stays where its message says.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test binary: a panic is its verdict, its progress is for eyes, and the real clock is what it tests against"
)]

mod broker;
mod commands;
mod database;
mod http;
mod main_job;
mod oracle;
mod outages;
mod oversize;
mod positions;
mod program;
mod scene;
mod script;
mod tomcat;
mod traffic;
mod wait;
