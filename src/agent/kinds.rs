//! Every component there is, as the language needs to know it: the rows of all registries in one list.

use crate::channel::registry::CHANNELS;
use crate::config::kind::{Kind, Kinds};
use crate::consumer::registry::CONSUMERS;
use crate::interceptor::registry::INTERCEPTORS;
use crate::selector::registry::SELECTORS;
use crate::sink::registry::{PROCESSORS, SERIALIZERS, SINKS};
use crate::source::registry::SOURCES;

/// Every kind of component, in the order of the documentation.
#[must_use]
pub fn kinds() -> Kinds {
    fn rows<K: Kind>(rows: &'static [K]) -> impl Iterator<Item = &'static dyn Kind> {
        rows.iter().map(|row| -> &'static dyn Kind { row })
    }
    rows(SOURCES)
        .chain(rows(INTERCEPTORS))
        .chain(rows(SELECTORS))
        .chain(rows(CHANNELS))
        .chain(rows(SINKS))
        .chain(rows(PROCESSORS))
        .chain(rows(SERIALIZERS))
        .chain(rows(CONSUMERS))
        .collect()
}
