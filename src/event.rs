//! What travels: events, in batches, with the origin they came from.
//!
//! Batches cross every boundary, never single events: a virtual call, a lock and a wake-up per batch cost nothing. A batch
//! is one reference-counted buffer with a table beside it; an [`Event`] is a view, made where somebody asks for one.

mod batch;
mod origin;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use batch::{Batch, BatchBuilder, Entry, Rewrite};
pub use origin::{Evidence, InputId, Mark, Origin, Part, Positions, SourceId};

/// A channel's count of events since its creation: an event's identity inside one channel's life (R7).
pub type Sequence = u64;

/// The name of a component as the configuration has it, such as `k1`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(Arc<str>);

impl ComponentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ComponentName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's headers, in the order of their names.
pub type Headers = BTreeMap<String, String>;

/// One event of a batch, seen in place.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Shared with every event of the batch that has the same ones.
    pub headers: &'a Arc<Headers>,
    /// The bytes between the line ends, or whatever the source took for a body.
    pub body: &'a [u8],
}
