//! What the operator sees: happenings, counters, metrics.

pub mod counters;
pub mod happening;
