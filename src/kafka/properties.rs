//! From the Java client's property names, which a flume.conf carries, to librdkafka's.
//!
//! Names are never passed through: a dozen exist in both clients with different meanings, and librdkafka refuses to start
//! on one it does not know while Java only warns. Numbers are read as Java reads them and handed over in our own writing,
//! because librdkafka takes `010` for 8 and `16384abc` for 16384. Where the file says nothing, what differs between the
//! clients in meaning is set explicitly, and what cannot be had is said with its effect.

mod consumer;
mod convert;
mod producer;
mod table;

use crate::config::secrecy::sounds_secret;
use crate::status::happening::{Happening, Severity};
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use table::{Role, Row, What};

/// The properties under `kafka.producer.`, without that prefix, as librdkafka's.
#[must_use]
pub fn producer(given: &[(&str, &str)]) -> Translated {
    let given = Given::new(given);
    let mut out = Translated::new();
    table_rows(Role::Producer, &given, &mut out);
    producer::rules(&given, &mut out);
    super::security::rules(&given, &mut out);
    out
}

/// The properties under `kafka.consumer.`, without that prefix, as librdkafka's.
///
/// What the file leaves open and where the right answer depends on who consumes is left to the caller's
/// [`Settings::or`]: `isolation.level` is `read_committed` here, which a drop-in for Flume's source must set back.
#[must_use]
pub fn consumer(given: &[(&str, &str)]) -> Translated {
    let given = Given::new(given);
    let mut out = Translated::new();
    table_rows(Role::Consumer, &given, &mut out);
    consumer::rules(&given, &mut out);
    super::security::rules(&given, &mut out);
    out
}

/// What became of a set of Java properties.
#[derive(Debug)]
pub struct Translated {
    /// For librdkafka. The component adds `bootstrap.servers` and its own.
    pub config: Settings,
    /// What the operator should know. With a [`Weight::Refused`] among them the component must not start.
    pub notes: Vec<Note>,
    /// Who chooses the partition of a record that names none.
    pub placing: Placing,
    /// `max.block.ms`: how long to wait for room in the client before a batch counts as failed.
    pub max_block: Duration,
    /// `default.api.timeout.ms`: how long our own blocking calls may take.
    pub api_timeout: Duration,
}

impl Translated {
    fn new() -> Self {
        Self {
            config: Settings::default(),
            notes: Vec::new(),
            placing: Placing::Murmur2,
            max_block: Duration::from_mins(1),
            api_timeout: Duration::from_mins(1),
        }
    }

    /// The refusals, if there are any.
    pub fn refused(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|note| note.weight == Weight::Refused)
    }
}

/// Who chooses the partition of a record that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Java's default: murmur2 of the key, and one random partition at a time for records without.
    Murmur2,
    /// `UniformStickyPartitioner`, `partitioner.ignore.keys`: one random partition at a time for all.
    Sticky,
    /// `RoundRobinPartitioner`: the next partition for each record.
    RoundRobin,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing changes for anyone.
    Info,
    /// The line does not do what it seems to.
    Warning,
    /// With this line the component does not start.
    Refused,
}

/// What the operator should know about one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub weight: Weight,
    /// Java's name of the property, without the component's prefix.
    pub key: String,
    /// What is the matter with it. No secrets.
    pub what: String,
    /// What happens because of it.
    pub effect: String,
    /// What to write instead, where there is something.
    pub next: String,
}

impl Note {
    /// As something to tell at start; `prefix` is the component's, such as `kafka.producer.`.
    #[must_use]
    pub fn happening(&self, prefix: &str) -> Happening {
        let severity = match self.weight {
            Weight::Info => Severity::Info,
            Weight::Warning => Severity::Warning,
            Weight::Refused => Severity::Error,
        };
        Happening {
            severity,
            code: "kafka-property",
            what: format!("`{prefix}{}`: {}", self.key, self.what),
            effect: self.effect.clone(),
            next: self.next.clone(),
        }
    }
}

/// librdkafka's properties. Knows which of them the file asked for, and shows no secret.
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<String, Setting>);

#[derive(Clone)]
struct Setting {
    value: String,
    from_file: bool,
}

impl Settings {
    /// What it is set to.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|s| s.value.as_str())
    }

    /// What it is set to, where that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// Whether the file asked for it.
    #[must_use]
    pub fn is_from_file(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|s| s.from_file)
    }

    /// Sets it, whatever the file says.
    pub fn set(&mut self, name: &str, value: impl fmt::Display) {
        let from_file = self.is_from_file(name);
        self.0.insert(name.to_owned(), Setting { value: value.to_string(), from_file });
    }

    /// Sets it unless the file said something: a component's own default.
    pub fn or(&mut self, name: &str, value: impl fmt::Display) {
        if !self.is_from_file(name) {
            self.set(name, value);
        }
    }

    /// Leaves it to librdkafka.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All of them, in the order of their names, secrets hidden.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, setting)| {
            (name.as_str(), if is_secret(name) { "(hidden)" } else { setting.value.as_str() })
        })
    }

    /// As the client takes them.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.0.iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect()
    }

    fn take_from_file(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), Setting { value, from_file: true });
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// Whether a property, of Java or of librdkafka, has a value that no log line may show.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    sounds_secret(name) || matches!(name, "ssl.key.pem" | "sasl.oauthbearer.config")
}

/// The properties as the file has them; of equal names the last counts.
pub(super) struct Given<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Given<'a> {
    fn new(given: &[(&'a str, &'a str)]) -> Self {
        Self(given.iter().map(|(name, value)| (name.trim(), value.trim())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn names(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied().filter(move |name| name.starts_with(prefix))
    }
}

impl Translated {
    pub(super) fn note(&mut self, weight: Weight, key: &str, what: impl Into<String>) -> &mut Note {
        self.notes.push(Note {
            weight,
            key: key.to_owned(),
            what: what.into(),
            effect: String::new(),
            next: String::new(),
        });
        self.notes.last_mut().expect("one was pushed just now")
    }

    pub(super) fn refuse(&mut self, key: &str, what: impl Into<String>) -> &mut Note {
        let note = self.note(Weight::Refused, key, what);
        "it does not start".clone_into(&mut note.effect);
        note
    }
}

impl Note {
    pub(super) fn effect(&mut self, effect: impl Into<String>) -> &mut Self {
        self.effect = effect.into();
        self
    }

    pub(super) fn next(&mut self, next: impl Into<String>) -> &mut Self {
        self.next = next.into();
        self
    }
}

/// Does for each property what its row says, and tells of those without a row.
fn table_rows(role: Role, given: &Given<'_>, out: &mut Translated) {
    for (&name, &value) in &given.0 {
        match table::row(role, name) {
            Some(row) => one_row(row, name, value, out),
            None => {
                out.note(Weight::Warning, name, "Kafka's Java client has no such property")
                    .effect("the line is ignored, as Java ignores it");
            }
        }
    }
}

fn one_row(row: &Row, name: &str, value: &str, out: &mut Translated) {
    match &row.what {
        What::Map(words) => {
            for (word, target) in words.iter().zip(&row.targets) {
                match word.apply(value) {
                    Ok(converted) => {
                        if let Some(clamped) = converted.clamped {
                            out.note(
                                Weight::Info,
                                name,
                                format!("{value} is {clamped} for this client"),
                            )
                            .effect(format!("{} is in force", converted.value));
                        }
                        out.config.take_from_file(target, converted.value);
                    }
                    Err(expected) => {
                        refuse_value(out, name, value, &expected);
                        return;
                    }
                }
            }
        }
        What::Only(only) if value == *only => {}
        What::Only(only) => {
            out.refuse(name, format!("{}, so it cannot be `{value}`", row.note))
                .next(format!("take the line out; it is `{only}` in any case"));
        }
        What::Code => {}
        What::Ignore | What::Overruled => {
            out.note(Weight::Info, name, row.note).effect("the line has no effect");
        }
        What::Old => {
            let note = out
                .note(Weight::Warning, name, "a name of Kafka 0.8, which Flume ignores since 1.7")
                .effect("the line has no effect, as in Flume");
            if !row.note.is_empty() {
                note.next(format!("today's name is `{}`", row.note));
            }
        }
        What::Refuse => {
            out.refuse(name, row.note).next("take the line out, or keep Flume for this component");
        }
    }
}

pub(super) fn refuse_value(out: &mut Translated, name: &str, value: &str, expected: &str) {
    let shown = if is_secret(name) { "(hidden)" } else { value };
    out.refuse(name, format!("cannot be `{shown}`")).next(format!("expected {expected}"));
}

#[cfg(test)]
mod tests;
