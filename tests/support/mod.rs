//! What the test binaries share: clocks that are turned by hand, channels that lose what was not synced.

#![allow(dead_code, reason = "each binary uses a part of it")]
#![allow(unreachable_pub, reason = "it is a module of each binary")]
#![allow(clippy::missing_panics_doc, reason = "tests panic")]

pub mod channels;
pub mod clock;
pub mod parts;
pub mod program;
pub mod sources;
pub mod taildir;
