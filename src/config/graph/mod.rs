//! From keys and values to agents: what Flume keeps of a file, and what is to be said about the rest.
//!
//! `accept` sorts properties to agents and components, `validate` drops what Flume drops, in Flume's order, with Flume's error
//! objects (which `plan` prints) and our remarks (which say what that means). The [`Dialect`] decides the few cases in which
//! we are right where Flume is not.

mod accept;
pub mod flume_types;
mod groups;
mod remarks;
mod sinks;
mod sources;
mod validate;

use crate::config::diagnostic::Diagnostic;
use crate::config::scope::Property;
use crate::config::span::Span;
use std::collections::BTreeMap;

pub use accept::{Described, Given, accept};
pub use validate::validate;

/// Whose answers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ours: Flume's, without the mistakes that nobody can rely on.
    Tailwater,
    /// Those of Flume 1.11 on Java 9 and later, mistakes included.
    Flume111,
}

/// How bad Flume thinks an error object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is dropped.
    Error,
    /// Something is missing, and nothing dropped for it.
    Warning,
}

/// One of Flume's error objects, which it collects and shows nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlumeError {
    /// Agent or component.
    pub component: String,
    /// Key, list or component; often empty.
    pub key: String,
    /// Its kind, by Flume's name.
    pub error: &'static str,
    /// Error or warning.
    pub level: Level,
}

/// How Flume keeps a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAs {
    /// The component gets its properties.
    Context,
    /// Flume keeps an object and gives the component nothing.
    Object {
        /// What the object believes to be the component's name.
        component_name: String,
        /// A source's selector type.
        selector: Option<String>,
    },
}

/// A component that survived.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its type, as written.
    pub type_name: String,
    /// How Flume keeps it.
    pub kept_as: KeptAs,
    /// The channels of a source (those that survived), or the one of a sink.
    pub channels: Vec<String>,
    /// All its properties.
    pub properties: Vec<Property>,
    /// What stands for it in remarks: its type's value.
    pub place: Span,
}

/// A sink group that survived.
#[derive(Clone, Debug)]
pub struct KeptGroup {
    /// Its name.
    pub name: String,
    /// Its sinks, in the order of Java's hash set.
    pub sinks: Vec<String>,
    /// The keys below `processor.`.
    pub processor: Vec<Property>,
    /// Whether the processor's type is one of Flume's.
    pub processor_known: bool,
    /// What stands for it in remarks.
    pub place: Span,
}

/// What survived of an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentGraph {
    /// Whether anything did.
    pub valid: bool,
    /// In the order of the list.
    pub channels: Vec<Kept>,
    /// In the order of the list.
    pub sources: Vec<Kept>,
    /// In the order of the list.
    pub sinks: Vec<Kept>,
    /// In the order of the list.
    pub groups: Vec<KeptGroup>,
    /// In the order of the list.
    pub filters: Vec<Kept>,
    /// Programs that read topics and write tables, which Flume does not know.
    pub consumers: Vec<Kept>,
    /// What is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// What stands for it in remarks.
    pub place: Span,
}

/// What survived of a file.
#[derive(Debug, Default)]
pub struct Graph {
    /// Each agent that has at least one property with a value.
    pub agents: BTreeMap<String, AgentGraph>,
    /// Flume's error objects.
    pub errors: Vec<FlumeError>,
    /// Why Flume would load nothing, if so.
    pub load_error: Option<String>,
}
