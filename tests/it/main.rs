//! Everything that needs no network and no real disk beyond a temporary folder: seconds.

mod conformance;
mod processor;
mod source_runner;
#[path = "../support/mod.rs"]
mod support;
mod tidy;
