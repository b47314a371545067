//! From files to a graph: decoded, parsed, merged, substituted, validated. Nothing is opened, and nothing stops at the first
//! mistake.

use crate::config::diagnostic::Diagnostic;
use crate::config::files::{Charset, Text, decode};
use crate::config::graph::{Dialect, Given, Graph, accept, validate};
use crate::config::secrecy::{password_in, sounds_secret};
use crate::config::span::{FileIndex, Source, Sources, Span};
use crate::config::substitute::{Failure, Order, Resolved, resolve};
use crate::config::surroundings::Surroundings;
use crate::config::syntax::{Entry, parse};
use std::collections::BTreeMap;

/// A configuration has at most so many keys: judging it takes time that grows with their square.
pub const KEYS_MAX: usize = 20_000;
/// A value, substituted, has at most so many bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 10;

/// What files come to.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The files, for whoever shows a remark.
    pub sources: Sources,
    /// What survived.
    pub graph: Graph,
    /// What is to be said about the files as a whole; what concerns one agent is with the agent.
    pub diagnostics: Vec<Diagnostic>,
    /// Values that a later one of the same key replaced: the later, then the earlier.
    replaced: Vec<(Span, Span)>,
}

impl Loaded {
    /// Hides what an entry says, if its key sounds like a secret, or the password in an address.
    fn hide_secret(&mut self, entry: &Entry) {
        let span = entry.value_span;
        if sounds_secret(&entry.key) {
            return self.hide(span);
        }
        let Some(source) = self.sources.get_mut(span.file) else { return };
        let written = source.text().get(span.start..span.end).unwrap_or_default();
        if let Some(range) = password_in(written) {
            source.hide(span.start + range.start..span.start + range.end);
        }
    }

    /// Declares a value a secret, and with it those that it replaced.
    pub fn hide(&mut self, value: Span) {
        let earlier = self.replaced.iter().filter(|(later, _)| *later == value);
        for span in earlier.map(|(_, earlier)| *earlier).chain([value]) {
            if let Some(source) = self.sources.get_mut(span.file) {
                source.hide(span.start..span.end);
            }
        }
    }
}

/// Loads files, later ones over earlier ones. `run_external` says of which agents external filters may be run.
#[must_use]
pub fn load(
    texts: &[Text],
    surroundings: &Surroundings,
    dialect: Dialect,
    run_external: &dyn Fn(&str) -> bool,
) -> Loaded {
    let mut loading = Loading { dialect, sources: Sources::default(), diagnostics: Vec::new() };
    let mut merged = Merged::default();
    for text in texts {
        let (file, entries) = loading.file(text);
        loading.diagnostics.extend(merged.add(file, entries));
    }
    let replaced = merged.replaced();
    let mut entries = merged.entries;
    loading.bound_keys(&mut entries);
    let fatal = loading.diagnostics.iter().any(|remark| remark.fatal);
    let mut graph = Graph::default();
    if entries.is_empty() && !fatal {
        loading.nothing();
    } else {
        let mut given = loading.substitute(&entries, surroundings);
        loading.bound_values(&mut given);
        let accepted = accept(&given, dialect);
        loading.diagnostics.extend(accepted.diagnostics);
        graph.errors = accepted.errors;
        for (name, described) in accepted.agents {
            if dialect == Dialect::Tailwater && described.is_for_reference() {
                continue;
            }
            let validated = validate(described, dialect, surroundings, run_external(&name));
            graph.errors.extend(validated.errors);
            graph.load_error = graph.load_error.take().or(validated.load_error);
            if !validated.graph.valid {
                graph.errors.push(crate::config::graph::FlumeError {
                    component: name.clone(),
                    key: String::new(),
                    error: "AGENT_CONFIGURATION_INVALID",
                    level: crate::config::graph::Level::Error,
                });
            }
            graph.agents.insert(name, validated.graph);
        }
    }
    let first_fatal = loading.diagnostics.iter().find(|remark| remark.fatal);
    graph.load_error = first_fatal.map(|remark| remark.message.clone()).or(graph.load_error);
    let (sources, diagnostics) = (loading.sources, loading.diagnostics);
    let mut loaded = Loaded { sources, graph, diagnostics, replaced };
    for entry in &entries {
        loaded.hide_secret(entry);
    }
    loaded
}

struct Loading {
    dialect: Dialect,
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
}

impl Loading {
    /// Decodes and parses one file.
    fn file(&mut self, text: &Text) -> (FileIndex, Vec<Entry>) {
        let charset = match self.dialect {
            Dialect::Tailwater => Charset::Utf8OrLatin1,
            Dialect::Flume111 => Charset::Latin1,
        };
        let next = FileIndex(u32::try_from(self.sources.iter().count()).unwrap_or(u32::MAX));
        let (source, said) = decode(text, charset, next);
        self.diagnostics.extend(said);
        let parsed = parse(next, source.text());
        self.diagnostics.extend(parsed.diagnostics);
        if charset == Charset::Utf8OrLatin1 {
            self.diagnostics.extend(other_in_flume(&source, text, &parsed.entries));
        }
        (self.sources.add(source), parsed.entries)
    }

    /// A file without a single property: Flume ends on it.
    fn nothing(&mut self) {
        let names: Vec<&str> = self.sources.iter().map(Source::name).collect();
        let message = format!("there is no property in `{}`", names.join("`, `"));
        let span = Span::default();
        self.diagnostics.push(
            Diagnostic::error("empty-file", span, message, "nothing starts")
                .expected("expected `KEY = VALUE`")
                .fatal(),
        );
    }

    /// More keys than anybody writes: nothing of them is judged.
    fn bound_keys(&mut self, entries: &mut Vec<Entry>) {
        let Some(first) = entries.get(KEYS_MAX).filter(|_| self.dialect == Dialect::Tailwater)
        else {
            return;
        };
        let remark = Diagnostic::error(
            "too-many-keys",
            first.key_span,
            format!("there are {} keys, and {KEYS_MAX} are the most", entries.len()),
            "nothing starts",
        );
        self.diagnostics.push(remark.expected("one too many").fatal());
        entries.truncate(1);
    }

    /// Values longer than anybody writes: they are not judged.
    fn bound_values(&mut self, given: &mut Vec<Given>) {
        if self.dialect == Dialect::Flume111 {
            return;
        }
        for long in given.iter().filter(|given| given.value.len() > VALUE_BYTES_MAX) {
            let bytes = long.value.len();
            let remark = Diagnostic::error(
                "too-long",
                long.value_span,
                format!(
                    "the value of `{}` has {bytes} bytes, and {VALUE_BYTES_MAX} are the most",
                    long.key
                ),
                "nothing starts",
            );
            self.diagnostics
                .push(remark.expected("too long, with its references replaced").fatal());
        }
        given.retain(|given| given.value.len() <= VALUE_BYTES_MAX);
    }

    /// Replaces the references in all values.
    fn substitute(&mut self, entries: &[Entry], surroundings: &Surroundings) -> Vec<Given> {
        let order = match self.dialect {
            Dialect::Tailwater => Order::AsNeeded,
            Dialect::Flume111 => Order::AsFlume,
        };
        let values: Vec<(&str, &str)> =
            entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
        let mut resolved = resolve(&values, surroundings, order);
        self.diagnostics.extend(told(&resolved, entries));
        let given = entries.iter().map(|entry| Given {
            key: entry.key.clone(),
            value: match resolved.values.remove(&entry.key) {
                Some(Ok(value)) => value,
                _ => entry.value.clone(),
            },
            key_span: entry.key_span,
            value_span: entry.value_span,
            is_used: resolved.used.contains(&entry.key),
        });
        given.collect()
    }
}

/// The entries of all files, each key once, in the order in which the keys first came.
#[derive(Default)]
struct Merged {
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
    /// Where values stand that a later one replaced, by the place of their key.
    replaced: Vec<(usize, Span)>,
}

impl Merged {
    /// Lays a file's entries over those before. Of two equal keys in one file the first is told: that is a slip; in two files
    /// it is their purpose.
    fn add(&mut self, file: FileIndex, entries: Vec<Entry>) -> Vec<Diagnostic> {
        let mut said = Vec::new();
        for entry in entries {
            let at = self.index.get(&entry.key).copied().unwrap_or(self.entries.len());
            let Some(known) = self.entries.get_mut(at) else {
                self.index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
                continue;
            };
            if known.key_span.file == file && !entry.key.is_empty() {
                let message = format!("`{}` is given twice", entry.key);
                let effect = if known.value.trim() == entry.value.trim() {
                    "none: both say the same"
                } else {
                    "this line counts, as in Flume; the one before is ignored"
                };
                said.push(
                    Diagnostic::warning("duplicate-key", entry.key_span, message, effect)
                        .expected("given again")
                        .note(known.key_span, "given before"),
                );
            }
            self.replaced.push((at, known.value_span));
            *known = entry;
        }
        said
    }

    /// The places of values that were replaced, each behind that of the value that counts.
    fn replaced(&self) -> Vec<(Span, Span)> {
        let counts = |at: &usize| self.entries.get(*at).map(|entry| entry.value_span);
        self.replaced.iter().filter_map(|(at, span)| Some((counts(at)?, *span))).collect()
    }
}

/// The remark that Flume would read other characters here: one for a file, at the first value concerned.
fn other_in_flume(source: &Source, text: &Text, entries: &[Entry]) -> Option<Diagnostic> {
    // Where the bytes were no UTF-8, both read ISO-8859-1.
    std::str::from_utf8(text.bytes.as_deref().ok()?).ok()?;
    let raw = |span: Span| source.text().get(span.start..span.end).unwrap_or_default();
    let entry = entries
        .iter()
        .find(|entry| !raw(entry.value_span).is_ascii() || !raw(entry.key_span).is_ascii())?;
    let span = if raw(entry.value_span).is_ascii() { entry.key_span } else { entry.value_span };
    let flumes: String =
        raw(span).bytes().map(char::from).filter(|c| !c.is_control()).take(40).collect();
    Some(
        Diagnostic::warning(
            "other-characters",
            span,
            "these characters are read as UTF-8",
            format!(
                "none, unless Flume 1.11 reads the file too: it would take them for `{flumes}`"
            ),
        )
        .expected("not ASCII"),
    )
}

/// What is to be said about references.
fn told(resolved: &Resolved, entries: &[Entry]) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    for entry in entries {
        let key = &entry.key;
        if let Some(Err(failure)) = resolved.values.get(key) {
            said.push(failed(failure, entry));
        }
        if resolved.loops.contains(key) {
            let message = format!("the value of `{key}` leads back to itself");
            let effect = "the reference stays as it is written, as in Flume";
            said.push(
                Diagnostic::warning("reference-loop", entry.value_span, message, effect)
                    .expected("a reference to this very key, or by way of others"),
            );
        }
    }
    let by_key: BTreeMap<&str, &Entry> =
        entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
    for (key, name) in &resolved.unresolved {
        let Some(entry) = by_key.get(key.as_str()) else { continue };
        let reference = format!("${{{name}");
        let loops = resolved.loops.contains(key);
        if loops
            || is_meant_for_others(entry)
            || name.contains('[')
            || !entry.value.contains(&reference)
        {
            continue;
        }
        let message = format!("`{reference}}}` stands for nothing");
        let effect = match name.split_once(':') {
            Some(("java", _)) => "it stays as it is written; Flume would ask its JVM",
            _ => "it stays as it is written, as in Flume",
        };
        let help = match name.split_once(':') {
            Some(("env", variable)) => format!("set the environment variable `{variable}`"),
            Some(("sys", property)) => format!("give `-D{property}=VALUE`"),
            _ => format!("write `${{{name}:-DEFAULT}}` for a default"),
        };
        said.push(
            Diagnostic::warning("unresolved-reference", entry.value_span, message, effect)
                .expected("has a reference that is not replaced")
                .help(help),
        );
    }
    said.dedup();
    said
}

/// Values in which a reference may be meant for a shell, a pattern or a replacement.
fn is_meant_for_others(entry: &Entry) -> bool {
    let endings = ["command", "shell", "replaceString", "searchPattern", "regex"];
    endings.iter().any(|ending| entry.key.ends_with(ending))
}

/// The end of everything, in a value.
fn failed(failure: &Failure, entry: &Entry) -> Diagnostic {
    let (message, expected) = match failure {
        Failure::Loop(way) => (
            format!("the value of `{}` never ends", entry.key),
            format!("`{}` leads back", way.join("` → `")),
        ),
        Failure::Lookup(why) => (why.clone(), "cannot be looked up".to_owned()),
        Failure::TooDeep => (
            format!("the references in `{}` are nested too deep", entry.key),
            "too deep".to_owned(),
        ),
        Failure::TooLarge => (
            format!("the value of `{}` grows beyond all bounds", entry.key),
            "too large".to_owned(),
        ),
    };
    Diagnostic::error("wrong-reference", entry.value_span, message, "nothing starts, as in Flume")
        .expected(expected)
        .fatal()
}

#[cfg(test)]
mod tests {
    use super::load;
    use crate::config::files::Text;
    use crate::config::graph::Dialect;
    use crate::config::surroundings::Surroundings;

    fn codes(texts: &[(&str, &str)]) -> Vec<String> {
        let texts: Vec<Text> = texts.iter().map(|(name, text)| Text::new(*name, *text)).collect();
        let loaded = load(&texts, &Surroundings::default(), Dialect::Tailwater, &|_| false);
        let said = loaded.diagnostics.iter();
        said.map(|remark| format!("{} {}", loaded.sources.locate(remark.span), remark.code))
            .collect()
    }

    #[test]
    fn a_key_given_twice_in_one_file_is_told_and_in_two_files_is_meant() {
        assert_eq!(codes(&[("f", "a.x = 1\na.x = 2")]), ["f:2:1 duplicate-key"]);
        assert!(codes(&[("f", "a.sinks = 1"), ("g", "a.sinks = 2")]).is_empty());
    }

    #[test]
    fn a_later_file_lies_over_an_earlier_one() {
        let texts = [
            Text::new(
                "f",
                "a.channels = c1\na.channels.c1.type = memory\na.sinks = k\na.sinks.k.type = x\na.sinks.k.channel = c1",
            ),
            Text::new("g", "a.sinks.k.type = y"),
        ];
        let loaded = load(&texts, &Surroundings::default(), Dialect::Tailwater, &|_| false);
        assert_eq!(loaded.graph.agents["a"].sinks[0].type_name, "y");
    }

    #[test]
    fn references_that_stand_for_nothing_are_told_but_not_those_of_a_shell() {
        assert_eq!(codes(&[("f", "a.sinks = ${env:NOPE}")]), ["f:1:11 unresolved-reference"]);
        assert!(codes(&[("f", "a.sources.r.command = echo ${HOME}")]).is_empty());
        assert_eq!(codes(&[("f", "a.sinks = ${a.sinks}")]), ["f:1:11 reference-loop"]);
        assert!(codes(&[("f", "port = 1\na.sinks = ${port} ${x.y}\nx.y = 2")]).is_empty());
        assert_eq!(codes(&[("f", "a.sinks = ${java:nope}")]), ["f:1:11 wrong-reference"]);
    }

    #[test]
    fn what_only_a_jvm_could_answer_is_not_called_as_in_flume() {
        let effect = |text: &str| {
            let texts = [Text::new("f", text)];
            let loaded = load(&texts, &Surroundings::default(), Dialect::Tailwater, &|_| false);
            loaded.diagnostics[0].effect.clone()
        };
        assert!(effect("a.sinks = ${java:version}").ends_with("Flume would ask its JVM"));
        assert!(effect("a.sinks = ${env:NOPE}").ends_with("as in Flume"));
    }

    #[test]
    fn what_nobody_writes_is_refused_at_once() {
        let many: String =
            (0..=super::KEYS_MAX).map(|n| ["a.k", &n.to_string(), " = 1\n"].concat()).collect();
        assert_eq!(codes(&[("f", &many)]), ["f:20001:1 too-many-keys"]);
        let long = format!("a.sinks = {}", "k ".repeat(super::VALUE_BYTES_MAX));
        assert_eq!(codes(&[("f", &long)]), ["f:1:11 too-long"]);
    }

    #[test]
    fn an_empty_file_is_told() {
        assert_eq!(codes(&[("f", "# nothing\n")]), ["f:1:1 empty-file"]);
    }
}
