//! What a configuration may ask about the process it is read in: environment variables and system properties.
//!
//! Read once, in `cli`, and handed down: so a test, or a reload, decides what they are.

use std::collections::BTreeMap;

/// Environment variables and Java's system properties, `-D` included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// System properties: the process's own, overridden by `-Dname=value`.
    pub properties: BTreeMap<String, String>,
    /// The time of loading, in milliseconds since 1970.
    pub now_ms: i64,
}

impl Surroundings {
    /// An environment variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// A system property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// Where Flume puts what nobody gave a place: `user.home`.
    #[must_use]
    pub fn home(&self) -> &str {
        self.property("user.home").unwrap_or(".")
    }
}
