//! The language of flume.conf: from bytes to a plan, with a place for every remark on the way.
//!
//! A file becomes entries with spans (`syntax`), their `${…}` are replaced (`substitute`), what Flume would keep of them is
//! kept (`graph`), and each component's keys are read by its own table (`keys`, `scope`, `value`). Config knows no component:
//! it is handed the registries (`kind`). Nothing is opened here.

pub mod canonical;
pub mod charset;
pub mod check;
pub mod component;
pub mod describe;
pub mod diagnostic;
pub mod files;
pub mod filter;
pub mod graph;
pub mod instead;
pub mod java;
pub mod keys;
pub mod kind;
pub mod load;
pub mod pattern;
pub mod plan;
pub mod render;
#[cfg(test)]
mod sample;
pub mod scope;
pub mod secrecy;
pub mod section;
pub mod shown;
pub mod span;
pub mod substitute;
pub mod suggest;
pub mod surroundings;
pub mod syntax;
pub mod value;
