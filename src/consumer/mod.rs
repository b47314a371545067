//! ⑥ From Kafka into a table, each record exactly once.

pub mod chunk;
pub mod counters;
pub mod decode;
pub mod held;
pub mod keys;
pub mod letterbox;
pub mod plan;
pub mod record;
pub mod rows;
mod work;
pub mod writer;
