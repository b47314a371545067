//! A key that ends in `.*`: everything below a prefix, for those who pass it on or look into it themselves.

use crate::config::keys::KeySpec;
use crate::config::scope::Scope;
use crate::config::span::Span;
use crate::config::value::{Value, Wrong};
use std::collections::BTreeMap;

/// One entry of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// The value as it is in force.
    pub value: String,
    /// Where the sub-key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
}

/// Sub-keys and their values, in the order of the sub-keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section(BTreeMap<String, SectionEntry>);

impl Section {
    /// The value of a sub-key.
    #[must_use]
    pub fn get(&self, sub_key: &str) -> Option<&str> {
        self.0.get(sub_key).map(|entry| entry.value.as_str())
    }

    /// The entry of a sub-key, with its places.
    #[must_use]
    pub fn entry(&self, sub_key: &str) -> Option<&SectionEntry> {
        self.0.get(sub_key)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SectionEntry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, SectionEntry)> for Section {
    fn from_iter<I: IntoIterator<Item = (String, SectionEntry)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Value for Section {
    const EXPECTED: &'static str = "any keys below this prefix";
    const OPTIONAL: bool = true;

    /// A section is more than one text.
    fn parse(_text: &str) -> Result<Self, Wrong> {
        Err(Wrong::Expected)
    }

    fn read(scope: &mut Scope<'_>, spec: &'static KeySpec) -> Option<Self> {
        Some(scope.section(spec.section().unwrap_or(spec.name)))
    }
}
