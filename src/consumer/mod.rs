//! ⑥ From Kafka into a table, each record exactly once.
//!
//! # How exactly once holds
//!
//! The rows of a chunk of one partition and the *range* of offsets they came from are written in one transaction of the
//! table's own database. So the two can only be there together; what is left is to read the ranges back right, and to let
//! nobody write who should not:
//!
//! 1. **The same chunk twice.** The range's row goes in first and its key is unique (R13). A commit whose answer was lost is
//!    tried again with the same boundaries until the row goes in, or is refused because it is there. Only then may the chunk
//!    be cut differently.
//! 2. **Two owners.** A partition's row in `tailwater_owners` counts who took it. Taking over raises that epoch and commits,
//!    and only then reads the ranges (R16). Every chunk reads the epoch last, under a shared lock: what a former owner commits
//!    late is either seen by the new one, or refused.
//! 3. **A hole.** Ranges adjoin (R14), so that what is not covered was not delivered; the watermark moves over adjoining
//!    ranges only, in the transaction that deletes them, and never over a commit that got no answer.
//! 4. **Another topic.** The topic's id is part of the key: offsets of a topic that was deleted and made again mean nothing,
//!    and that is told (R20).
//! 5. **A bad record.** It is found by cutting its chunk in two until it is alone, and set aside whole in the transaction that
//!    covers it (R17, R18). Nothing but a row's own fault is treated so: for all else the chunk waits.
//!
//! Kafka's own group offsets are committed afterwards, for monitoring tools only.
//!
//! # Threads
//!
//! ```text
//!          ┌─ poll ──────────┐  chunks   ┌─ writer 1 ─┐
//!  Kafka ─▶│ reads, cuts,    │──────────▶│ writer 2   │─▶ database
//!          │ pauses, resumes │◀──────────│ …          │
//!          └──┬───────────▲──┘ not ours  └────────────┘
//!      wanted ▼           │ taken over, begin at
//!          ┌─ takeover ───┴──┐
//!          │ epochs, ranges  │─▶ database, Kafka
//!          └─────────────────┘
//! ```
//!
//! The poll thread waits for Kafka alone, so a database that hangs costs lag and not the membership. Writers take chunks of any
//! partition: a hot partition is written by all of them.

pub mod assigned;
mod begin;
pub mod chunk;
pub mod cluster;
pub mod counters;
pub mod decode;
pub mod held;
pub mod keys;
pub mod letterbox;
pub mod plan;
pub mod poll;
pub mod progress;
pub mod record;
pub mod registry;
pub mod rows;
mod run;
pub mod takeover;
mod work;
pub mod writer;

pub use plan::Plan;
pub use progress::PartitionProgress;
pub use run::Consumer;
