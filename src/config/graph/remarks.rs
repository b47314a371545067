//! What is said about an agent that validation drops something of: each remark with its place and its effect.

use super::validate::Validator;
use crate::config::diagnostic::Diagnostic;
use crate::config::filter::{NoAnswer, NoFilter};
use crate::config::java::{split_blanks, split_single, trim};
use crate::config::kind::Family;
use crate::config::scope::{Component, Property};
use crate::config::span::Span;
use crate::config::suggest::closest;
use std::collections::HashSet;

/// So many names are guessed at in one agent.
const GUESSES_MAX: usize = 100;
/// A list longer than this is not written out in a remark.
const LIST_SHOWN_MAX: usize = 200;

impl Validator {
    /// Tells that a filter cannot be had. Flume goes on without it.
    pub(super) fn no_filter(&mut self, filter: &Component, no: &NoFilter) {
        let (path, type_name) = (&filter.path, &filter.type_name);
        let message = format!("`{path}` is of type `{type_name}`, which cannot be had here");
        self.diagnostics.push(match no {
            NoFilter::Wrong => return,
            NoFilter::NotHere => Diagnostic::error(
                "not-here",
                filter.place,
                message,
                "nothing starts: what it stands for would be missing",
            )
            .expected("Flume has it, Tailwater has not")
            .help("put secrets into environment variables (`env`), or let a command print them (`external`)")
            .fatal(),
            NoFilter::Unknown => {
                let effect = Family::ConfigFilter.left_out(&filter.name, &filter.agent);
                Diagnostic::error("unknown-type", filter.place, message, effect)
                    .expected("expected `env` or `external`")
            }
        });
    }

    /// Tells that the agent has nothing left, unless what led to it has been told.
    pub(super) fn unless_told(&mut self, span: Span, what: &str) {
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let name = &self.agent.name;
        let remark = Diagnostic::error(
            "nothing-left",
            span,
            format!("`{name}` {what}"),
            format!("nothing of `{name}` starts"),
        );
        self.diagnostics.push(remark.expected("expected at least one"));
    }

    pub(super) fn without_channels(&mut self) {
        let name = self.agent.name.clone();
        let remark = Diagnostic::error(
            "no-channels",
            self.agent.place,
            format!("`{name}` has no list of channels"),
            format!("nothing of `{name}` starts"),
        )
        .expected(format!("needs `{name}.channels`"));
        self.diagnostics.push(remark);
    }

    /// A listed component that nothing is said about.
    pub(super) fn without_properties(&mut self, word: &'static str, family: Family, name: &str) {
        let agent = self.agent.name.clone();
        let guess = self.unlisted_name(word, name);
        let help = match guess {
            Some(ref guess) => Some(format!("did you mean `{guess}`, which has properties?")),
            None if name.contains(',') => Some("write blanks between names, not commas".to_owned()),
            None if name.trim() != name || name.contains('\t') => {
                Some("write single spaces between groups".to_owned())
            }
            None => None,
        };
        self.guessed.extend(guess.map(|guess| (word, guess)));
        let remark = Diagnostic::error(
            "no-properties",
            self.list_place_of(word, name),
            format!("`{agent}.{word}` lists `{name}`, which has no properties"),
            match family {
                Family::Processor => {
                    "there is no such group, and its sinks run each by itself".to_owned()
                }
                _ => family.left_out(name, &agent),
            },
        )
        .expected(format!("there is no `{agent}.{word}.{name}.…`"))
        .maybe_help(help);
        self.diagnostics.push(remark);
    }

    /// A component that is not listed and may have been meant by a name that is.
    fn unlisted_name(&mut self, word: &str, name: &str) -> Option<String> {
        self.guesses += 1;
        if self.guesses > GUESSES_MAX {
            return None;
        }
        let list = self.agent.lists.get(word).map_or("", |list| list.value.as_str());
        let listed: HashSet<&str> = split_blanks(list).into_iter().collect();
        let others = self.agent.components.get(word)?;
        let unlisted = others.keys().map(String::as_str).filter(|other| !listed.contains(other));
        closest(name, unlisted).map(str::to_owned)
    }

    /// A component without a key that it cannot do without.
    pub(super) fn missing_key(
        &mut self,
        word: &str,
        family: Family,
        name: &str,
        properties: &[Property],
        key: &str,
    ) {
        let agent = &self.agent.name;
        let misspelt = closest(key, properties.iter().map(|property| property.key.as_str()));
        let misspelt = misspelt.and_then(|found| properties.iter().find(|p| p.key == found));
        let message = format!("`{agent}.{word}.{name}` has no `{key}`");
        let effect = family.left_out(name, agent);
        let remark = match (misspelt, properties.first()) {
            (Some(property), _) => {
                Diagnostic::error("missing-key", property.key_span, message, effect)
                    .expected(format!("not a key of a {family}"))
                    .help(format!("did you mean `{key}`?"))
            }
            (None, first) => {
                let span = first.map_or(self.agent.place, |property| property.key_span);
                Diagnostic::error("missing-key", span, message, effect)
                    .expected(format!("needs `{key}`"))
            }
        };
        self.diagnostics.push(remark);
    }

    pub(super) fn wrong_config(&mut self, word: &str, family: Family, name: &str, span: Span) {
        let agent = &self.agent.name;
        let remark = Diagnostic::error(
            "wrong-config",
            span,
            format!("`{agent}.{word}.{name}.config` names no settings of Flume's"),
            family.left_out(name, agent),
        );
        self.diagnostics.push(remark.expected("Flume reads this key as a class of settings"));
    }

    /// Components that have properties and are in no list.
    pub(super) fn unlisted(&mut self) {
        let agent = self.agent.name.clone();
        for (word, components) in &self.agent.components {
            let list = self.agent.lists.get(word).map_or("", |list| list.value.as_str());
            let split = if *word == "sinkgroups" { split_single(list) } else { split_blanks(list) };
            let split: HashSet<&str> = split.into_iter().collect();
            for (name, properties) in components {
                let told = self.guessed.iter().any(|(of, known)| of == word && known == name);
                if split.contains(&name.as_str()) || told {
                    continue;
                }
                let Some(first) = properties.first() else { continue };
                let list = trim(list);
                let gap = if list.is_empty() { "" } else { " " };
                let remark = Diagnostic::warning(
                    "not-listed",
                    first.key_span,
                    format!("`{agent}.{word}.{name}` is not in `{agent}.{word}`"),
                    format!("`{name}` does not start, as in Flume"),
                )
                .expected("a property of a component that is not listed")
                .help(if list.len() > LIST_SHOWN_MAX {
                    format!("add `{name}` to `{agent}.{word}` if it is to start")
                } else {
                    format!("write `{agent}.{word} = {list}{gap}{name}` if it is to start")
                });
                self.diagnostics.push(remark);
            }
        }
    }
}

/// The remark on a reference that was not replaced.
pub(super) fn no_answer(
    said: &NoAnswer,
    path: &str,
    properties: &[Property],
) -> Option<Diagnostic> {
    let NoAnswer { key, filter, why } = said;
    let span = properties.iter().find(|property| property.key == *key)?.value_span;
    let message = format!("filter `{filter}` has no answer for `{path}.{key}`: {why}");
    let effect = "the reference stays as it is written, as in Flume";
    Some(Diagnostic::warning("no-answer", span, message, effect).expected("not replaced"))
}
