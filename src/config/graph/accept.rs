//! Which agent and which component each property belongs to; what belongs to none is dropped, as in Flume, and told.

use super::{Dialect, FlumeError, Level};
use crate::config::diagnostic::Diagnostic;
use crate::config::java::{HashOrder, properties_order, trim};
use crate::config::scope::Property;
use crate::config::span::Span;
use crate::config::suggest::closest;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

/// A key and its value, resolved, with their places.
#[derive(Clone, Debug)]
pub struct Given {
    /// The key, untrimmed.
    pub key: String,
    /// The value, untrimmed.
    pub value: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
    /// Whether other values refer to the key: it has a purpose then, though it belongs to no agent.
    pub is_used: bool,
}

/// The value of a list such as `a1.sources`.
#[derive(Clone, Debug)]
pub(super) struct List {
    /// The names, as written.
    pub(super) value: String,
    /// Where they stand.
    pub(super) span: Span,
    /// Where each begins in the value, once somebody has asked.
    places: OnceCell<HashMap<String, usize>>,
}

impl List {
    /// Where one name stands in it; the whole list where escapes or references make counting vain.
    pub(super) fn place_of(&self, name: &str) -> Span {
        if self.span.len() != self.value.len() {
            return self.span;
        }
        let places = self.places.get_or_init(|| {
            let mut at = 0;
            let mut places = HashMap::new();
            for piece in
                self.value.split_inclusive(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
            {
                places.entry(piece.trim_end().to_owned()).or_insert(at);
                at += piece.len();
            }
            places
        });
        places.get(name).map_or(self.span, |at| {
            let start = self.span.start + at;
            Span { start, end: start + name.len(), ..self.span }
        })
    }
}

/// An agent as the file describes it, nothing dropped yet.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub(super) name: String,
    /// Its first property.
    pub(super) place: Span,
    /// By word: `sources`, `channels` …
    pub(super) lists: BTreeMap<&'static str, List>,
    /// By word, then by component.
    pub(super) components: BTreeMap<&'static str, BTreeMap<String, Vec<Property>>>,
    /// Whether it is no agent at all, but a prefix of keys that other values refer to.
    pub(super) is_for_reference: bool,
    /// What is to be said about properties that were dropped.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Which place among its component's properties each has, while they are added.
    index: HashMap<(&'static str, String, String), usize>,
}

impl Described {
    /// Whether it is a program of ours that reads topics and writes tables: its name has a `.consumers` key.
    #[must_use]
    pub fn is_consumer(&self) -> bool {
        self.lists.contains_key(CONSUMERS)
            || (self.components.contains_key(CONSUMERS) && !self.lists.contains_key("sources"))
    }

    /// Whether it is no agent at all, but a prefix of keys that other values refer to.
    #[must_use]
    pub fn is_for_reference(&self) -> bool {
        self.is_for_reference && self.lists.is_empty() && self.components.is_empty()
    }

    /// A component's properties.
    pub(super) fn component(&self, word: &str, name: &str) -> Option<&Vec<Property>> {
        self.components.get(word)?.get(name)
    }
}

/// What the properties of a file come to.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Each agent that has at least one property with a value.
    pub agents: BTreeMap<String, Described>,
    /// Flume's error objects.
    pub errors: Vec<FlumeError>,
    /// What is to be said about properties of no agent.
    pub diagnostics: Vec<Diagnostic>,
}

/// The word that Flume does not know.
const CONSUMERS: &str = "consumers";

/// The words after an agent's name.
const WORDS: [&str; 6] = ["configfilters", "sources", "sinks", "channels", "sinkgroups", CONSUMERS];

/// Sorts properties to agents and components. They are given in the order of the file, each key once.
#[must_use]
pub fn accept(given: &[Given], dialect: Dialect) -> Accepted {
    let mut accepted = Accepted::default();
    for property in in_order(given, dialect) {
        accepted.property(property, dialect);
    }
    accepted
}

/// Flume walks a hash table, which decides which of two keys counts that are the same but for blanks.
fn in_order(given: &[Given], dialect: Dialect) -> Vec<&Given> {
    if dialect == Dialect::Tailwater {
        return given.iter().collect();
    }
    let by_key: BTreeMap<&str, &Given> =
        given.iter().map(|property| (property.key.as_str(), property)).collect();
    let mut order = HashOrder::default();
    for key in properties_order(given.iter().map(|property| property.key.as_str())) {
        order.insert(key);
    }
    order.into_keys().filter_map(|key| by_key.get(key).copied()).collect()
}

impl Accepted {
    fn property(&mut self, given: &Given, dialect: Dialect) {
        let (name, value) = (trim(&given.key), trim(&given.value));
        let mut drop = |error, remark: Option<Diagnostic>| {
            let (component, key) = (name.to_owned(), String::new());
            self.errors.push(FlumeError { component, key, error, level: Level::Error });
            self.diagnostics.extend(remark);
        };
        if value.is_empty() {
            // Java's entry of nothing at all is no line that anybody wrote.
            let remark = (!name.is_empty()).then(|| no_value(name, given.key_span));
            return drop("PROPERTY_VALUE_NULL", remark);
        }
        let Some((agent, rest)) = name.split_once('.').filter(|(agent, _)| !agent.is_empty())
        else {
            let remark = (!given.is_used).then(|| no_agent(name, given.key_span));
            return drop("AGENT_NAME_MISSING", remark);
        };
        if rest.is_empty() {
            return drop("PROPERTY_NAME_NULL", Some(no_agent(name, given.key_span)));
        }
        let described = self.agents.entry(agent.to_owned()).or_insert_with(|| Described {
            name: agent.to_owned(),
            place: given.key_span,
            is_for_reference: true,
            ..Described::default()
        });
        described.is_for_reference &= given.is_used;
        if let Err((error, key)) = described.add(rest, value, given, dialect) {
            let component = agent.to_owned();
            self.errors.push(FlumeError { component, key, error, level: Level::Error });
        }
    }
}

impl Described {
    /// Adds a property, whose key is what follows the agent's name.
    fn add(
        &mut self,
        rest: &str,
        value: &str,
        given: &Given,
        dialect: Dialect,
    ) -> Result<(), (&'static str, String)> {
        let words =
            WORDS.iter().filter(|word| dialect == Dialect::Tailwater || **word != CONSUMERS);
        for word in words {
            if *word == rest {
                return self.add_list(word, value, given);
            }
            let Some((name, key)) = component_key(rest, word) else { continue };
            let name = trim(name).to_owned();
            let properties =
                self.components.entry(word).or_default().entry(name.clone()).or_default();
            let property = Property {
                key: key.to_owned(),
                value: value.to_owned(),
                key_span: tail(given, key),
                value_span: given.value_span,
                pending: false,
            };
            let place = self.index.entry((word, name, key.to_owned())).or_insert(properties.len());
            match properties.get_mut(*place) {
                Some(known) => *known = property,
                None => properties.push(property),
            }
            return Ok(());
        }
        if !given.is_used {
            self.diagnostics.push(unknown_property(&self.name, rest, given.key_span));
        }
        Err(("INVALID_PROPERTY", rest.to_owned()))
    }

    fn add_list(
        &mut self,
        word: &'static str,
        value: &str,
        given: &Given,
    ) -> Result<(), (&'static str, String)> {
        if let Some(first) = self.lists.get(word) {
            let message = format!("`{}.{word}` is given twice", self.name);
            self.diagnostics.push(
                Diagnostic::warning(
                    "duplicate-key",
                    given.key_span,
                    message,
                    "the line is ignored, as in Flume",
                )
                .expected("the same key but for blanks")
                .note(first.span, "this one counts"),
            );
            return Err(("DUPLICATE_PROPERTY", word.to_owned()));
        }
        let (value, span) = (value.to_owned(), given.value_span);
        self.lists.insert(word, List { value, span, places: OnceCell::new() });
        Ok(())
    }
}

/// Splits `sources.r1.type` at the first dot that is at least one character behind the word's: so names have no dots, but
/// may begin with one.
fn component_key<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let below = rest.strip_prefix(word)?.strip_prefix('.')?;
    let first = below.chars().next()?;
    let dot = below.get(first.len_utf8()..)?.find('.')? + first.len_utf8();
    let (name, key) = (below.get(..dot)?, below.get(dot + 1..)?);
    (!key.is_empty()).then_some((name, key))
}

/// Where the last part of a key stands; the whole key where escapes make counting vain.
fn tail(given: &Given, key: &str) -> Span {
    let whole = given.key_span;
    if whole.len() == given.key.len() && given.key.ends_with(key) {
        whole.after(whole.len() - key.len())
    } else {
        whole
    }
}

fn no_value(name: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` has no value");
    Diagnostic::warning("no-value", span, message, "the line is ignored, as in Flume")
        .expected("expected a value behind it")
}

fn no_agent(name: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` belongs to no agent");
    Diagnostic::warning("no-agent", span, message, "the line is ignored, as in Flume")
        .expected("expected `AGENT.KEY`")
}

fn unknown_property(agent: &str, rest: &str, span: Span) -> Diagnostic {
    let word = rest.split('.').next().unwrap_or_default();
    let known = WORDS.contains(&word);
    let (message, expected) = if known {
        let message = format!("`{agent}.{rest}` sets no key of a component");
        (message, format!("expected `{word}.NAME.KEY`"))
    } else {
        (format!("`{agent}` has no `{word}`"), "not a part of an agent".to_owned())
    };
    let guess = if known { None } else { closest(word, WORDS) };
    Diagnostic::warning("unknown-property", span, message, "the line is ignored, as in Flume")
        .expected(expected)
        .maybe_help(guess.map(|word| format!("did you mean `{word}`?")))
}

#[cfg(test)]
mod tests {
    use super::component_key;

    #[test]
    fn a_component_ends_at_the_first_dot_that_is_not_its_first_character() {
        assert_eq!(component_key("sources.r1.type", "sources"), Some(("r1", "type")));
        assert_eq!(component_key("sources.r.1.type", "sources"), Some(("r", "1.type")));
        assert_eq!(component_key("sources.r1..type", "sources"), Some(("r1", ".type")));
        assert_eq!(component_key("sources.r1.type.", "sources"), Some(("r1", "type.")));
        assert_eq!(component_key("sources..r1.type", "sources"), Some((".r1", "type")));
        assert_eq!(component_key("sources..type", "sources"), None);
        assert_eq!(component_key("sources.r1.", "sources"), None);
        assert_eq!(component_key("sources.r1", "sources"), None);
        assert_eq!(component_key("sources.é.x", "sources"), Some(("é", "x")));
    }
}
