//! The types a key can have, and what may stand in the file for each: stated once for all keys of that type.
//!
//! A text is read as Flume reads it (`Context#getInteger` and its kin: Java's `parseInt`, `true` in any case and everything
//! else false). Where that reading surprises, the value is taken and a warning says what it was taken for.

mod network;
mod plain;
mod secret;

use crate::config::diagnostic::Diagnostic;
use crate::config::java::trim;
use crate::config::keys::KeySpec;
use crate::config::scope::{Found, Scope};
use crate::config::secrecy::showable;

pub use crate::config::pattern::Pattern;
pub use crate::config::section::{Section, SectionEntry};
pub use network::{HostPort, HostPorts};
pub use plain::{ByteSize, Count, Millis, Names, Seconds};
pub use secret::Secret;

/// Why a text stands for no value of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not what [`Value::EXPECTED`] says.
    Expected,
    /// It is, but for this.
    Because(String),
}

/// A type that a key can have.
pub trait Value: Sized {
    /// Completes "expected …" in a message and fills a column of the table.
    const EXPECTED: &'static str;
    /// Whether the key may be left out though it has no default.
    const OPTIONAL: bool = false;
    /// Whether no message, page or dump may show it.
    const SECRET: bool = false;

    /// The value this text stands for, if it stands for one.
    fn parse(text: &str) -> Result<Self, Wrong>;

    /// What a left-out optional key stands for.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }

    /// What a default's text stands for: more than the same text from an operator only where it names a place (`~`).
    fn parse_default(text: &str, _scope: &Scope<'_>) -> Result<Self, Wrong> {
        Self::parse(text)
    }

    /// The word that a wrong text was probably meant to be.
    #[must_use]
    fn suggest(_text: &str) -> Option<&'static str> {
        None
    }

    /// What is odd about a text that can be read.
    #[must_use]
    fn doubt(_text: &str) -> Option<Doubt> {
        None
    }

    /// Finds the key in its scope, parses it, and reports what is wrong with it.
    fn read(scope: &mut Scope<'_>, spec: &'static KeySpec) -> Option<Self> {
        let Some(found) = scope.find(spec) else { return left_out(scope, spec) };
        let text = trim(found.value);
        match Self::parse(text) {
            Ok(value) => {
                if let Some(doubt) = Self::doubt(text) {
                    doubtful(scope, spec, &found, &doubt);
                }
                Some(value)
            }
            Err(_) if found.pending => {
                scope.wait_for_filter();
                None
            }
            Err(wrong) => refused(scope, spec, &found, wrong),
        }
    }
}

/// A value that was read, but perhaps not as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What it is read as.
    pub read_as: String,
    /// What was probably expected there.
    pub expected: &'static str,
}

/// The value of a key that is not in the file.
fn left_out<V: Value>(scope: &mut Scope<'_>, spec: &'static KeySpec) -> Option<V> {
    let Some(default) = spec.default else {
        return V::absent().or_else(|| {
            scope.missing(spec);
            None
        });
    };
    if let Ok(value) = V::parse_default(default, scope) {
        return Some(value);
    }
    // A test walks every table and parses every default: this is a defect of ours, told all the same.
    let message = format!("the default `{default}` of `{}` cannot be read", spec.name);
    let remark = scope.error("wrong-default", scope.place(), message);
    scope.report(remark.expected(V::EXPECTED));
    None
}

/// Tells that a value cannot be read: replaced by its default where Flume does so, else the end of its component.
fn refused<V: Value>(
    scope: &mut Scope<'_>,
    spec: &'static KeySpec,
    found: &Found<'_>,
    wrong: Wrong,
) -> Option<V> {
    let shown = if V::SECRET {
        "what stands there".to_owned()
    } else {
        format!("`{}`", showable(found.key, found.value))
    };
    let expected = match wrong {
        // A reason may repeat the value.
        Wrong::Because(why) if !V::SECRET && showable(found.key, found.value) == found.value => why,
        _ => format!("expected {}", V::EXPECTED),
    };
    let suggested = V::suggest(trim(found.value)).map(|word| format!("did you mean `{word}`?"));
    match spec.default {
        Some(default) if spec.lenient => {
            let message = format!("`{}` cannot be {shown}: `{default}` is used instead", found.key);
            let effect = format!(
                "`{}` starts with `{} = {default}`, as in Flume",
                scope.component(),
                spec.name
            );
            scope.report(
                Diagnostic::warning("replaced-value", found.value_span, message, effect)
                    .expected(expected)
                    .maybe_help(suggested),
            );
            V::parse_default(default, scope).ok()
        }
        default => {
            let message = format!("`{}` cannot be {shown}", found.key);
            let help = suggested.or_else(|| default.map(|text| format!("the default is `{text}`")));
            let remark = scope.error("wrong-value", found.value_span, message);
            scope.report(remark.expected(expected).maybe_help(help));
            None
        }
    }
}

/// Tells what a value was taken for.
fn doubtful(scope: &mut Scope<'_>, spec: &'static KeySpec, found: &Found<'_>, doubt: &Doubt) {
    let message = format!(
        "`{} = {}` is read as `{}`",
        found.key,
        showable(found.key, found.value),
        doubt.read_as
    );
    let effect = format!("`{}` is `{}`, as in Flume", spec.name, doubt.read_as);
    scope.report(
        Diagnostic::warning("doubtful-value", found.value_span, message, effect)
            .expected(format!("expected {}", doubt.expected)),
    );
}

impl<V: Value> Value for Option<V> {
    const EXPECTED: &'static str = V::EXPECTED;
    const OPTIONAL: bool = true;
    const SECRET: bool = V::SECRET;

    fn parse(text: &str) -> Result<Self, Wrong> {
        V::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn parse_default(text: &str, scope: &Scope<'_>) -> Result<Self, Wrong> {
        V::parse_default(text, scope).map(Some)
    }

    fn suggest(text: &str) -> Option<&'static str> {
        V::suggest(text)
    }

    fn doubt(text: &str) -> Option<Doubt> {
        V::doubt(text)
    }
}
