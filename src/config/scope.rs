//! One component's keys while they are being read: found by name, remembered as read, and remarked upon.
//!
//! What nobody asked for when the reading is over is unknown, and told once with a guess. A [`Component`]
//! stays unchanged, so that it may be read again: by `check`, by the assembly, by a reload.

use crate::config::diagnostic::Diagnostic;
use crate::config::keys::KeySpec;
use crate::config::kind::Family;
use crate::config::secrecy::{STARS, showable};
use crate::config::section::{Section, SectionEntry};
use crate::config::span::Span;
use crate::config::suggest::closest;
use crate::config::surroundings::Surroundings;
use std::cell::{Cell, RefCell};

pub use crate::config::component::{Component, Interceptor, Property};

/// What reading a component gave.
#[derive(Debug)]
pub struct Read<T> {
    /// What was made of it.
    pub value: T,
    /// What is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// The values that must not be shown.
    pub secrets: Vec<Span>,
    /// Whether a value that is not known yet kept it from being read.
    pub pending: bool,
}

impl Component {
    /// Lets `read` read its keys. Keys that it leaves unread are remarked upon.
    pub fn read<T>(
        &self,
        surroundings: &Surroundings,
        read: impl FnOnce(&mut Scope<'_>) -> T,
    ) -> Read<T> {
        let reading = Reading {
            component: self,
            surroundings,
            used: RefCell::new(vec![false; self.properties.len()]),
            declared: RefCell::default(),
            diagnostics: RefCell::default(),
            pending: Cell::new(false),
        };
        let value = read(&mut Scope { reading: &reading, prefix: String::new() });
        reading.tell_unknown();
        let secrets = reading.secrets();
        let pending = reading.pending.get();
        Read { value, diagnostics: reading.diagnostics.into_inner(), secrets, pending }
    }
}

/// What one reading has come to.
struct Reading<'a> {
    component: &'a Component,
    surroundings: &'a Surroundings,
    /// Which properties somebody asked for.
    used: RefCell<Vec<bool>>,
    /// The tables asked from, each with the prefix it was asked under.
    declared: RefCell<Vec<(String, &'static KeySpec)>>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    /// Whether a value that is not known yet could not be read.
    pending: Cell<bool>,
}

impl Reading<'_> {
    fn is_used(&self, index: usize) -> bool {
        self.used.borrow().get(index).copied().unwrap_or(false)
    }

    fn mark_used(&self, index: usize) {
        if let Some(used) = self.used.borrow_mut().get_mut(index) {
            *used = true;
        }
    }

    fn is_declared(&self, key: &str) -> bool {
        self.declared.borrow().iter().any(|(prefix, spec)| {
            key.strip_prefix(prefix.as_str()).is_some_and(|below| spec.covers(below))
        })
    }

    /// One warning for each property that nobody read.
    fn tell_unknown(&self) {
        let known: Vec<String> = self
            .declared
            .borrow()
            .iter()
            .filter(|(_, spec)| spec.section().is_none())
            .map(|(prefix, spec)| format!("{prefix}{}", spec.name))
            .collect();
        for (index, property) in self.component.properties.iter().enumerate() {
            if self.is_used(index) {
                continue;
            }
            let guess = closest(&property.key, known.iter().map(String::as_str));
            let remark = Diagnostic::warning(
                "unknown-key",
                property.key_span,
                format!("`{}` has no key `{}`", self.component.path, property.key),
                "the line is ignored, as Flume ignores it",
            );
            self.diagnostics.borrow_mut().push(
                remark
                    .expected("not a key of this type")
                    .maybe_help(guess.map(|key| format!("did you mean `{key}`?"))),
            );
        }
    }

    /// Where values of secret keys stand.
    fn secrets(&self) -> Vec<Span> {
        let declared = self.declared.borrow();
        let secret = |key: &str| {
            declared.iter().any(|(prefix, spec)| {
                spec.secret
                    && key.strip_prefix(prefix.as_str()).is_some_and(|below| spec.covers(below))
            })
        };
        let properties = self.component.properties.iter();
        properties
            .filter(|property| secret(&property.key))
            .map(|property| property.value_span)
            .collect()
    }
}

/// A key that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The key as written, relative to the scope.
    pub key: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
    /// Whether the value is not known yet.
    pub pending: bool,
}

/// A component's keys, or those below a prefix, while they are being read.
pub struct Scope<'a> {
    reading: &'a Reading<'a>,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The agent (or consumer program) the component belongs to.
    #[must_use]
    pub fn agent(&self) -> &'a str {
        &self.reading.component.agent
    }

    /// The component's name.
    #[must_use]
    pub fn component(&self) -> &'a str {
        &self.reading.component.name
    }

    /// What the component is.
    #[must_use]
    pub fn family(&self) -> Family {
        self.reading.component.family
    }

    /// The names it is connected to: a source's or sink's channels, a sink group's sinks.
    #[must_use]
    pub fn connected(&self) -> &'a [String] {
        &self.reading.component.connected
    }

    /// The process's environment and system properties.
    #[must_use]
    pub fn surroundings(&self) -> &'a Surroundings {
        self.reading.surroundings
    }

    /// The user's home directory (`user.home`).
    #[must_use]
    pub fn home(&self) -> &'a str {
        self.reading.surroundings.home()
    }

    /// How a message calls this scope: `a1.sinks.k1`, or `a1.sources.r1.interceptors.i1` of a nested one.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = self.reading.component.path.clone();
        if !self.prefix.is_empty() {
            path.push('.');
            path.push_str(self.prefix.trim_end_matches('.'));
        }
        path
    }

    /// What to point at when something is missing: the nested `type`, else what stands for the whole component.
    #[must_use]
    pub fn place(&self) -> Span {
        self.peek("type").map_or(self.reading.component.place, |found| found.value_span)
    }

    /// Where the value of a key stands, for rules between keys; the component itself when the key is left out.
    #[must_use]
    pub fn value_span(&self, key: &str) -> Span {
        self.peek(key).map_or_else(|| self.place(), |found| found.value_span)
    }

    /// The keys below `prefix` (which ends in a dot), to be read by a table of their own.
    #[must_use]
    pub fn nested(&self, prefix: &str) -> Scope<'a> {
        Scope { reading: self.reading, prefix: format!("{}{prefix}", self.prefix) }
    }

    /// Makes a table's keys known: what is close to one of them is a slip, and what is in none is unknown.
    pub fn declare(&mut self, specs: &'static [KeySpec]) {
        let mut declared = self.reading.declared.borrow_mut();
        declared.extend(specs.iter().map(|spec| (self.prefix.clone(), spec)));
    }

    /// Looks at a key without having read it.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Found<'a>> {
        self.locate(key).map(|(_, found)| found)
    }

    /// Reads one key as the text it is.
    pub fn text(&mut self, key: &str) -> Option<Found<'a>> {
        let (index, found) = self.locate(key)?;
        self.reading.mark_used(index);
        Some(found)
    }

    /// Reads a key by its table's row: under its name, else under the first old name that is there, which is told.
    pub fn find(&mut self, spec: &'static KeySpec) -> Option<Found<'a>> {
        let mut first: Option<Found<'a>> = None;
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            let Some(found) = self.text(name) else { continue };
            if *name != spec.name {
                self.tell_old(spec, &found, first.as_ref());
            }
            first.get_or_insert(found);
        }
        first
    }

    /// Everything below `prefix` (which ends in a dot), read.
    pub fn section(&mut self, prefix: &str) -> Section {
        let whole = format!("{}{prefix}", self.prefix);
        let mut section = Vec::new();
        for (index, property) in self.reading.component.properties.iter().enumerate() {
            let Some(sub_key) = property.key.strip_prefix(&whole) else { continue };
            if sub_key.is_empty() {
                continue;
            }
            self.reading.mark_used(index);
            let entry = SectionEntry {
                value: property.value.clone(),
                key_span: tail(property, whole.len()),
                value_span: property.value_span,
            };
            section.push((sub_key.to_owned(), entry));
        }
        section.into_iter().collect()
    }

    /// Notes that a value could not be read because it is not known yet: nothing is held against the component.
    pub fn wait_for_filter(&mut self) {
        self.reading.pending.set(true);
    }

    /// Says something about the component.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.reading.diagnostics.borrow_mut().push(diagnostic);
    }

    /// A mistake that keeps the component from starting, its effect already in words.
    pub fn error(&self, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, span, message, self.left_out())
    }

    /// What happens to the agent when this component is not to be had.
    #[must_use]
    pub fn left_out(&self) -> String {
        self.family().left_out(self.component(), self.agent())
    }

    /// Reports that a required key is not there: at its misspelling, if there is one, else at the component.
    pub fn missing(&mut self, spec: &'static KeySpec) {
        let message = format!("`{}` has no `{}`", self.path(), spec.name);
        let remark = match self.misspelt(spec) {
            Some((index, span)) => {
                self.reading.mark_used(index);
                self.error("missing-key", span, message)
                    .expected("not a key of this type")
                    .help(format!("did you mean `{}`?", spec.name))
            }
            None => self
                .error("missing-key", self.place(), message)
                .expected(format!("needs `{}`: {}", spec.name, spec.expected)),
        };
        self.report(remark);
    }

    /// A property that nobody knows and that looks like this key.
    fn misspelt(&self, spec: &'static KeySpec) -> Option<(usize, Span)> {
        let properties = self.reading.component.properties.iter().enumerate();
        let strangers: Vec<_> = properties
            .filter(|(index, property)| {
                !self.reading.is_used(*index) && !self.reading.is_declared(&property.key)
            })
            .filter_map(|(index, property)| {
                Some((index, property, property.key.strip_prefix(self.prefix.as_str())?))
            })
            .collect();
        let names = std::iter::once(spec.name).chain(spec.aliases.iter().copied());
        names.into_iter().find_map(|name| {
            let guess = closest(name, strangers.iter().map(|(_, _, key)| *key))?;
            let (index, property, _) = strangers.iter().find(|(_, _, key)| *key == guess)?;
            Some((*index, tail(property, self.prefix.len())))
        })
    }

    /// Tells that an old name is used, or that it is not even looked at because the new one is there.
    fn tell_old(
        &mut self,
        spec: &'static KeySpec,
        found: &Found<'a>,
        instead_of: Option<&Found<'a>>,
    ) {
        let message = format!("`{}` is the old name of `{}`", found.key, spec.name);
        let remark = if let Some(used) = instead_of {
            let effect = format!("the line is ignored: `{}` is there too", used.key);
            Diagnostic::warning("old-key", found.key_span, message, effect)
                .help("remove the line")
                .note(used.key_span, "this one counts")
        } else {
            let shown = showable(found.key, found.value);
            let value = if spec.secret { STARS } else { &shown };
            Diagnostic::warning("old-key", found.key_span, message, "none: it is still read")
                .help(format!("write `{}.{} = {value}`", self.path(), spec.name))
        };
        self.report(remark);
    }

    fn locate(&self, key: &str) -> Option<(usize, Found<'a>)> {
        let skip = self.prefix.len();
        let mut properties = self.reading.component.properties.iter().enumerate();
        let (index, property) = properties.find(|(_, property)| {
            property.key.strip_prefix(self.prefix.as_str()).is_some_and(|below| below == key)
        })?;
        let found = Found {
            key: property.key.get(skip..).unwrap_or_default(),
            value: &property.value,
            key_span: tail(property, skip),
            value_span: property.value_span,
            pending: property.pending,
        };
        Some((index, found))
    }
}

/// Where a property's key stands without its first `skip` bytes; the whole of it where escapes make counting vain.
fn tail(property: &Property, skip: usize) -> Span {
    if property.key_span.len() == property.key.len() {
        property.key_span.after(skip)
    } else {
        property.key_span
    }
}

#[cfg(test)]
impl Scope<'_> {
    /// Reads `given` as the keys of a sink `k1` of agent `a1`, each on a line of its own.
    pub(crate) fn for_test<T>(
        given: &[(&str, &str)],
        read: impl FnOnce(&mut Scope<'_>) -> T,
    ) -> (T, Vec<Diagnostic>) {
        let mut at = 0;
        let mut place = |text: &str| {
            let span = Span { start: at, end: at + text.len(), ..Span::default() };
            at = span.end + 1;
            span
        };
        let property = |(key, value): &(&str, &str)| Property {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            key_span: place(key),
            value_span: place(value),
            pending: false,
        };
        let component = Component {
            family: Family::Sink,
            agent: "a1".to_owned(),
            name: "k1".to_owned(),
            path: "a1.sinks.k1".to_owned(),
            type_name: String::new(),
            connected: vec!["c1".to_owned()],
            place: Span::default(),
            properties: given.iter().map(property).collect(),
        };
        let mut surroundings = Surroundings::default();
        surroundings.properties.insert("user.home".to_owned(), "/home/flume".to_owned());
        let read = component.read(&surroundings, read);
        (read.value, read.diagnostics)
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;
    use crate::config::keys::keys;
    use crate::config::value::Count;
    use std::path::PathBuf;

    keys! {
        /// Holds interceptors.
        struct Outer = "outer" {
            /// Where.
            "dir" => dir: PathBuf = "~/.flume/<agent>/<component>",
        }
    }

    keys! {
        /// Sets a header.
        struct Inner = "inner" {
            /// How often.
            "times" => times: Count,
        }
    }

    #[test]
    fn keys_below_a_prefix_have_a_table_of_their_own() {
        let given = [("interceptors.i1.times", "3"), ("interceptors.i1.x", "1")];
        let (times, said) = Scope::for_test(&given, |scope| {
            Outer::read(scope)?;
            Inner::read(&mut scope.nested("interceptors.i1."))
        });
        assert_eq!(times.unwrap().times.get(), 3);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].message, "`a1.sinks.k1` has no key `interceptors.i1.x`");
    }

    #[test]
    fn a_missing_nested_key_names_the_whole_path() {
        let given = [("interceptors.i1.type", "inner")];
        let ((), said) = Scope::for_test(&given, |scope| {
            let mut inner = scope.nested("interceptors.i1.");
            assert_eq!(inner.text("type").unwrap().value, "inner");
            assert!(Inner::read(&mut inner).is_none());
        });
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].message, "`a1.sinks.k1.interceptors.i1` has no `times`");
        assert_eq!((said[0].span.start, said[0].span.end), (21, 26), "at the nested type");
    }

    #[test]
    fn a_default_path_knows_home_agent_and_component() {
        let (config, _) = Scope::for_test(&[], Outer::read);
        assert_eq!(config.unwrap().dir, PathBuf::from("/home/flume/.flume/a1/k1"));
    }
}
