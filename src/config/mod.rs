//! The language: from the text of a flume.conf to a checked plan.

pub mod keys;
