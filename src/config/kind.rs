//! What config must be told about a component in order to judge it: it knows none itself.
//!
//! Each family's registry has rows of its own (`SinkKind { names, about, keys, read }`); a row hands itself over by being a
//! [`Kind`]. The assembly collects them in [`Kinds`] and gives them to `load`, `check` and `describe`.

use crate::config::keys::KeySpec;
use crate::config::scope::Scope;
use std::fmt;

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Where events come from.
    Source,
    /// What changes or drops them on the way in.
    Interceptor,
    /// Which channels an event goes to.
    Selector,
    /// Where events wait.
    Channel,
    /// Where events go.
    Sink,
    /// Which of a group's sinks is next.
    Processor,
    /// How an event is written to a file.
    Serializer,
    /// A program that reads a topic and writes a table.
    Consumer,
    /// What answers `${filter['key']}`.
    ConfigFilter,
}

impl Family {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Source,
        Self::Interceptor,
        Self::Selector,
        Self::Channel,
        Self::Sink,
        Self::Processor,
        Self::Serializer,
        Self::Consumer,
        Self::ConfigFilter,
    ];

    /// One of them, in a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Interceptor => "interceptor",
            Self::Selector => "channel selector",
            Self::Channel => "channel",
            Self::Sink => "sink",
            Self::Processor => "sink processor",
            Self::Serializer => "serializer",
            Self::Consumer => "consumer",
            Self::ConfigFilter => "config filter",
        }
    }

    /// The word in a key, for those that are listed there: `sinks` of `a1.sinks.k1.type`.
    #[must_use]
    pub fn key_word(self) -> Option<&'static str> {
        match self {
            Self::Source => Some("sources"),
            Self::Channel => Some("channels"),
            Self::Sink => Some("sinks"),
            Self::Consumer => Some("consumers"),
            Self::ConfigFilter => Some("configfilters"),
            Self::Interceptor | Self::Selector | Self::Processor | Self::Serializer => None,
        }
    }
}

impl Family {
    /// What happens to `agent` when a component of this family is not to be had.
    #[must_use]
    pub fn left_out(self, name: &str, agent: &str) -> String {
        let rest = the_rest_starts(agent);
        match self {
            Self::Channel => {
                format!("`{name}` will not start, nor will what has no other channel{rest}")
            }
            Self::Processor => format!("`{name}` and its sinks will not start{rest}"),
            Self::ConfigFilter => {
                format!("references to `{name}` stay as they are written, as in Flume")
            }
            _ => format!("`{name}` will not start{rest}"),
        }
    }
}

/// How an effect ends while something is left of an agent.
fn the_rest_starts(agent: &str) -> String {
    format!("; the rest of `{agent}` will")
}

/// An effect that was written while something seemed to be left of an agent of which nothing is.
#[must_use]
pub fn nothing_is_left(effect: &str, agent: &str) -> String {
    effect.replace(&the_rest_starts(agent), &format!(", nor will anything else of `{agent}`"))
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.noun())
    }
}

/// What reading a component's keys told about it, besides the remarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// How many events it moves in one transaction (a source's or sink's batch size), or takes in one (a channel's
    /// `transactionCapacity`). Flume refuses a source or sink whose batch is larger than its channel's transaction.
    pub transaction_events: Option<u64>,
}

/// A kind of component, as its registry's row describes it.
pub trait Kind: Sync {
    /// What it is a kind of.
    fn family(&self) -> Family;

    /// Flume's class name first, then its short name: either may stand in `type`.
    fn names(&self) -> &'static [&'static str];

    /// What it does: a sentence.
    fn about(&self) -> &'static str;

    /// Its keys, in the order of the documentation.
    fn keys(&self) -> &'static [KeySpec];

    /// Reads the keys as starting it would, reports what is wrong, and opens nothing. `None`: it would not start.
    fn judge(&self, scope: &mut Scope<'_>) -> Option<Judgement>;
}

/// Makes a registry's row a [`Kind`]. Every row has `names`, `about` and `keys`; the families differ only in what judging one
/// takes: `kind!(SinkKind, Sink, |row, scope| …)`.
macro_rules! kind {
    ($Row:ty, $family:ident, |$row:ident, $scope:ident| $judge:expr) => {
        impl $crate::config::kind::Kind for $Row {
            fn family(&self) -> $crate::config::kind::Family {
                $crate::config::kind::Family::$family
            }

            fn names(&self) -> &'static [&'static str] {
                self.names
            }

            fn about(&self) -> &'static str {
                self.about
            }

            fn keys(&self) -> &'static [$crate::config::keys::KeySpec] {
                self.keys
            }

            fn judge(
                &self,
                $scope: &mut $crate::config::scope::Scope<'_>,
            ) -> Option<$crate::config::kind::Judgement> {
                let $row = self;
                $judge
            }
        }
    };
}
pub(crate) use kind;

/// Whether `type_name` selects a kind with these names: its class exactly as written, or its short name in any case.
#[must_use]
pub fn is_called(names: &[&str], type_name: &str) -> bool {
    names.iter().any(|name| {
        *name == type_name || (!name.contains('.') && name.eq_ignore_ascii_case(type_name))
    })
}

/// Every kind of component that can be had.
#[derive(Clone, Default)]
pub struct Kinds(Vec<&'static dyn Kind>);

impl Kinds {
    /// The one that `type_name` selects: its class exactly as written, or its short name in any case.
    #[must_use]
    pub fn find(&self, family: Family, type_name: &str) -> Option<&'static dyn Kind> {
        self.of(family).find(|kind| is_called(kind.names(), type_name))
    }

    /// Those of one family, in the order of the documentation.
    pub fn of(&self, family: Family) -> impl Iterator<Item = &'static dyn Kind> {
        self.0.iter().copied().filter(move |kind| kind.family() == family)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Kind> {
        self.0.iter().copied()
    }
}

impl FromIterator<&'static dyn Kind> for Kinds {
    /// The registries' kinds, and config's own: its filters.
    fn from_iter<I: IntoIterator<Item = &'static dyn Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().chain(crate::config::filter::KINDS).collect())
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Kind::names)).finish()
    }
}
