//! A component as the file describes it: what survived validation, unchanged by being read.

use crate::config::java::split_blanks;
use crate::config::kind::Family;
use crate::config::span::Span;

/// One property of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its key, relative to the component.
    pub key: String,
    /// Its value as it is in force: substituted, filtered, trimmed.
    pub value: String,
    /// Where the relative key stands.
    pub key_span: Span,
    /// Where the value stands, as written.
    pub value_span: Span,
    /// Whether the value is not known yet, as it hangs on an external filter that was not run.
    pub pending: bool,
}

/// A component as the file describes it: what survived validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub family: Family,
    /// The agent (or consumer program) it belongs to.
    pub agent: String,
    /// Its own name.
    pub name: String,
    /// How a message calls it: `a1.sinks.k1`.
    pub path: String,
    /// Its type, as written.
    pub type_name: String,
    /// What it is connected to: a source's or sink's channels, a sink group's sinks.
    pub connected: Vec<String>,
    /// What to point at when something is missing: its type, else its first property, else where it is listed.
    pub place: Span,
    /// Its properties, in the order of the file.
    pub properties: Vec<Property>,
}

/// An interceptor of a source, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interceptor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type, as written.
    pub type_name: Option<&'a str>,
    /// What its keys begin with: `interceptors.i1.`.
    pub prefix: String,
}

impl Component {
    /// The value of a property.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.property(key).map(|property| property.value.as_str())
    }

    /// A property with its places.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.key == key)
    }

    /// Whether it is the same but for where it stands in the file: what a reload need not restart.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = |of: &Self| {
            let mut pairs: Vec<_> =
                of.properties.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
            pairs.sort();
            pairs
        };
        (self.family, &self.agent, &self.name) == (other.family, &other.agent, &other.name)
            && (&self.type_name, &self.connected) == (&other.type_name, &other.connected)
            && pairs(self) == pairs(other)
    }

    /// The interceptors of a source, in order: each with its type, if it has one, and the prefix of its keys.
    #[must_use]
    pub fn interceptors(&self) -> Vec<Interceptor<'_>> {
        let names = self.get("interceptors").map_or_else(Vec::new, split_blanks);
        let one = |name| {
            let prefix = format!("interceptors.{name}.");
            Interceptor { name, type_name: self.get(&format!("{prefix}type")), prefix }
        };
        names.into_iter().map(one).collect()
    }

    /// The type of a source's channel selector. Its keys are below `selector.`.
    #[must_use]
    pub fn selector_type(&self) -> &str {
        self.get("selector.type").filter(|text| !text.is_empty()).unwrap_or("replicating")
    }
}
