//! What of Java decides outcomes in Flume: how it trims, splits and compares text, and in which order it walks its tables.

mod order;
mod text;

pub use order::{HashOrder, properties_order};
pub use text::{equals_ignore_case, split_blanks, split_single, trim};
