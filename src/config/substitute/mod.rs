//! `${…}` in values: environment, system properties, dates, other keys, defaults, nesting, escapes.
//!
//! The engine is Commons Text's `StringSubstitutor` as Flume sets it up. Flume resolves the keys in the order of a hash table
//! and sees only those it has resolved already, so that an innocent reference may stay literal for ever; here a key is
//! resolved when it is first asked for ([`Order::AsNeeded`]), in any order, which gives the same wherever Flume resolves at
//! all. [`Order::AsFlume`] answers as Flume 1.11 on Java 9 and later does.

mod date;
mod lookup;

use crate::config::java::properties_order;
use crate::config::surroundings::Surroundings;
use lookup::Prefixed;
use std::collections::{BTreeMap, BTreeSet};

/// References may be this deep in one another.
const DEPTH_MAX: usize = 100;
/// So many keys may be resolved one for another's sake.
const KEYS_DEEP_MAX: usize = 200;
/// All values together may grow to this many bytes: a file that doubles a value again and again ends here.
const BYTES_MAX: usize = 64 << 20;

/// In which order keys are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each when it is first asked for.
    AsNeeded,
    /// As Flume walks its table: a key that comes later is unknown.
    AsFlume,
}

/// Why there is no configuration at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A reference leads back to itself, by way of these.
    Loop(Vec<String>),
    /// A lookup refused its argument.
    Lookup(String),
    /// References are nested too deep in one another, or lead from key to key too often.
    TooDeep,
    /// The values together grow too large.
    TooLarge,
}

/// What became of the keys' values.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The value of each key; `Err` for one that ends everything.
    pub values: BTreeMap<String, Result<String, Failure>>,
    /// References nobody could resolve, with the key they stand in: they stay as they are written.
    pub unresolved: Vec<(String, String)>,
    /// Keys whose value leads back to themselves: the reference stays as it is written.
    pub loops: BTreeSet<String>,
    /// Keys that other values refer to.
    pub used: BTreeSet<String>,
}

/// Replaces the references in `values`, which are given in the order Java's table got them.
#[must_use]
pub fn resolve(values: &[(&str, &str)], surroundings: &Surroundings, order: Order) -> Resolved {
    let written: BTreeMap<&str, &str> = values.iter().copied().collect();
    let mut resolver = Resolver {
        written: &written,
        prefixed: Prefixed::new(surroundings),
        order,
        done: BTreeMap::new(),
        under_way: Vec::new(),
        unresolved: Vec::new(),
        loops: BTreeSet::new(),
        used: BTreeSet::new(),
        bytes: 0,
    };
    let keys: Vec<&str> = match order {
        Order::AsFlume => properties_order(values.iter().map(|(key, _)| *key)),
        Order::AsNeeded => values.iter().map(|(key, _)| *key).collect(),
    };
    for key in keys {
        resolver.key(key);
    }
    let Resolver { done, unresolved, loops, used, .. } = resolver;
    Resolved { values: done, unresolved, loops, used }
}

struct Resolver<'a> {
    written: &'a BTreeMap<&'a str, &'a str>,
    prefixed: Prefixed<'a>,
    order: Order,
    done: BTreeMap<String, Result<String, Failure>>,
    /// The keys being resolved, the latest last.
    under_way: Vec<String>,
    unresolved: Vec<(String, String)>,
    loops: BTreeSet<String>,
    used: BTreeSet<String>,
    bytes: usize,
}

impl Resolver<'_> {
    /// Resolves a key, unless that was done already or is being done.
    fn key(&mut self, key: &str) {
        if self.done.contains_key(key) {
            return;
        }
        let Some(written) = self.written.get(key) else { return };
        self.under_way.push(key.to_owned());
        let value = if self.under_way.len() > KEYS_DEEP_MAX {
            Err(Failure::TooDeep)
        } else {
            self.expand(written, None, 0)
        };
        self.under_way.pop();
        self.done.insert(key.to_owned(), value);
    }

    /// `text` with its references replaced. `prior` are the variables whose values it came from, the first text before them.
    fn expand(
        &mut self,
        text: &str,
        prior: Option<&mut Vec<String>>,
        depth: usize,
    ) -> Result<String, Failure> {
        if depth > DEPTH_MAX {
            return Err(Failure::TooDeep);
        }
        let mut own = vec![text.to_owned()];
        let prior = prior.unwrap_or(&mut own);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, opened)) = rest.split_once("${") {
            out.push_str(before);
            let Some(inner) = up_to_its_brace(opened) else {
                // Never closed: neither this nor anything behind it is a reference.
                out.push_str("${");
                out.push_str(opened);
                return self.counted(out);
            };
            if out.ends_with('$') {
                // Escaped: one `$` goes, and what is inside is looked at by itself.
                out.push('{');
                rest = opened;
                continue;
            }
            rest = opened.get(inner.len() + 1..).unwrap_or_default();
            if let Some(value) = self.variable(inner, prior, depth)? {
                out.push_str(&value);
            } else {
                out.push_str("${");
                out.push_str(inner);
                out.push('}');
            }
        }
        out.push_str(rest);
        self.counted(out)
    }

    /// The value of what stands between the braces, expanded in turn; `None` if there is none.
    fn variable(
        &mut self,
        inner: &str,
        prior: &mut Vec<String>,
        depth: usize,
    ) -> Result<Option<String>, Failure> {
        let expression = self.expand(inner, None, depth + 1)?;
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression.as_str(), None),
        };
        if prior.iter().any(|known| known == name) {
            // Whether Flume ends on a key that leads back to itself depends on its table; here it is only told.
            if self.order == Order::AsNeeded && self.written.contains_key(name) {
                self.loops.insert(name.to_owned());
                return Ok(None);
            }
            let mut way = prior.split_off(1.min(prior.len()));
            way.push(name.to_owned());
            return Err(Failure::Loop(way));
        }
        let found = self.look_up(name)?;
        let Some(value) = found.as_deref().or(default) else {
            if let Some(key) = self.under_way.last() {
                self.unresolved.push((key.clone(), name.to_owned()));
            }
            return Ok(None);
        };
        prior.push(name.to_owned());
        let expanded = self.expand(value, Some(prior), depth + 1)?;
        prior.pop();
        Ok(Some(expanded))
    }

    /// What a name stands for: what its prefix says, else the key called so without the prefix.
    fn look_up(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let key = match name.split_once(':') {
            Some((prefix, rest)) => {
                if let Some(value) = self.prefixed.get(prefix, rest)? {
                    return Ok(Some(value));
                }
                rest
            }
            None => name,
        };
        if self.order == Order::AsNeeded {
            if let Some(at) = self.under_way.iter().position(|known| known == key) {
                let round = self.under_way.iter().skip(at).cloned();
                self.loops.extend(round);
            } else {
                self.key(key);
            }
        }
        match self.done.get(key) {
            Some(value) => {
                self.used.insert(key.to_owned());
                value.clone().map(Some)
            }
            None => Ok(self.prefixed.instead_of_key(key)),
        }
    }

    /// Keeps the bound on what all values come to.
    fn counted(&mut self, text: String) -> Result<String, Failure> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > BYTES_MAX { Err(Failure::TooLarge) } else { Ok(text) }
    }
}

/// What stands before the brace that closes a reference whose `${` is just behind us.
fn up_to_its_brace(text: &str) -> Option<&str> {
    let mut open = 0_usize;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '$' if characters.next_if(|(_, next)| *next == '{').is_some() => open += 1,
            '}' if open == 0 => return text.get(..at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Failure, Order, resolve};
    use crate::config::surroundings::Surroundings;

    fn surroundings() -> Surroundings {
        let mut surroundings = Surroundings::default();
        for (name, value) in [("A", "alpha"), ("EMPTY", ""), ("REF", "${env:A}"), ("D", "x$")] {
            surroundings.environment.insert(name.to_owned(), value.to_owned());
        }
        surroundings.properties.insert("plan.sys".to_owned(), "sysvalue".to_owned());
        surroundings
    }

    fn value(text: &str) -> String {
        let resolved = resolve(&[("k", text), ("a.x", "ex")], &surroundings(), Order::AsNeeded);
        resolved.values.get("k").unwrap().clone().unwrap()
    }

    /// Each was seen in Flume 1.11.
    #[test]
    fn references_are_replaced_as_in_flume() {
        for (text, expected) in [
            ("${env:A}", "alpha"),
            ("${ENV:A}-${sys:plan.sys}", "alpha-sysvalue"),
            ("${env:NOPE}", "${env:NOPE}"),
            ("${env:NOPE:-def}", "def"),
            ("${env:EMPTY:-def}", ""),
            ("${:-x}", "x"),
            ("${x:-a:-b}", "a:-b"),
            ("${env:REF}", "alpha"),
            ("$${env:A}", "${env:A}"),
            ("$$${env:A}", "$${env:A}"),
            ("$$", "$$"),
            ("${NOPE:-$${env:A}}", "alpha"),
            ("${env:A", "${env:A"),
            ("$${x ${env:A}", "$${x ${env:A}"),
            ("$${x${env:A}}", "${xalpha}"),
            ("${env:D}${env:A}", "x${env:A}"),
            ("${nope:-$}${env:A}", "${env:A}"),
            ("${}", "${}"),
            ("${a.x}", "ex"),
            ("${foo:a.x}", "ex"),
            ("${sys:}", "${sys:}"),
            ("${${env:NOPE:-env}:A}", "alpha"),
            ("${n${env:A}}", "${n${env:A}}"),
            ("%{host} $5 {x}", "%{host} $5 {x}"),
            ("é${env:A}é", "éalphaé"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_is_resolved_wherever_it_stands() {
        let values = [("z", "${y}"), ("y", "${x}!"), ("x", "1")];
        for order in [0, 1, 2] {
            let mut rotated = values;
            rotated.rotate_left(order);
            let resolved = resolve(&rotated, &surroundings(), Order::AsNeeded);
            assert_eq!(resolved.values.get("z"), Some(&Ok("1!".to_owned())));
            assert!(resolved.unresolved.is_empty());
        }
    }

    #[test]
    fn keys_that_name_each_other_stay_as_they_are_written_and_are_told() {
        let resolved = resolve(&[("x", "${x}")], &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.values.get("x"), Some(&Ok("${x}".to_owned())));
        assert_eq!(resolved.loops.iter().collect::<Vec<_>>(), ["x"]);
        let resolved =
            resolve(&[("a", "${b}"), ("b", "${a}"), ("c", "1")], &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.loops.iter().collect::<Vec<_>>(), ["a", "b"]);
        let looping = [("b", "${${env:NOPE:-b}}"), ("c", "<${b}>")];
        let resolved = resolve(&looping, &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.values.get("c"), Some(&Ok("<${${env:NOPE:-b}}>".to_owned())));
        assert_eq!(resolved.loops.iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_loop_through_the_environment_ends_everything() {
        let mut surroundings = surroundings();
        surroundings.environment.insert("L".to_owned(), "${env:L}".to_owned());
        let resolved = resolve(&[("k", "${env:L}")], &surroundings, Order::AsNeeded);
        assert!(matches!(resolved.values.get("k"), Some(Err(Failure::Loop(_)))));
    }

    #[test]
    fn values_cannot_grow_without_bound() {
        let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
        let texts: Vec<String> = (0..40).map(|n| format!("${{k{}}}${{k{0}}}", n + 1)).collect();
        let mut values: Vec<(&str, &str)> =
            keys.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        values.push(("k40", "xxxxxxxxxxxxxxxx"));
        let resolved = resolve(&values, &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.values.get("k0"), Some(&Err(Failure::TooLarge)));
        let texts: Vec<String> = (1..=1000).map(|n| format!("${{k{n}}}")).collect();
        let keys: Vec<String> = (0..1000).map(|n| format!("k{n}")).collect();
        let values: Vec<(&str, &str)> =
            keys.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let resolved = resolve(&values, &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.values.get("k0"), Some(&Err(Failure::TooDeep)));
        let deep = "${".repeat(500) + &"}".repeat(500);
        let resolved = resolve(&[("k", &deep)], &surroundings(), Order::AsNeeded);
        assert_eq!(resolved.values.get("k"), Some(&Err(Failure::TooDeep)));
    }
}
