//! ⑥ From Kafka into a table, each record exactly once.

pub mod decode;
pub mod keys;
pub mod plan;
pub mod record;
pub mod rows;
