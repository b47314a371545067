//! What the operator sees: happenings, counters, metrics, health, the page.

pub mod counters;
pub mod happening;
pub mod http;
pub mod metrics;
pub mod page;
pub mod prometheus;
pub mod snapshot;
