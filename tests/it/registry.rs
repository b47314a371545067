//! What must hold of every component there is, and of any that will ever be added.

use std::collections::BTreeSet;
use tailwater::agent::kinds;
use tailwater::config::component::{Component, Property};
use tailwater::config::kind::{Family, Kind};
use tailwater::config::span::Span;
use tailwater::config::surroundings::Surroundings;

fn every_kind() -> Vec<&'static dyn Kind> {
    let kinds: Vec<_> = kinds().iter().collect();
    assert!(kinds.len() > 15, "the registries are empty");
    kinds
}

fn name(kind: &dyn Kind) -> String {
    format!("{} {}", kind.family(), kind.names()[0])
}

/// A component of this kind with these properties, each standing at a place of its own.
fn component(kind: &dyn Kind, properties: &[(&str, &str)]) -> Component {
    let property = |(index, (key, value)): (usize, &(&str, &str))| Property {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        key_span: Span { start: index, end: index + 1, ..Span::default() },
        value_span: Span { start: index, end: index + 1, ..Span::default() },
        pending: false,
    };
    Component {
        family: kind.family(),
        agent: "a1".to_owned(),
        name: "x1".to_owned(),
        path: "a1.x1".to_owned(),
        type_name: kind.names()[0].to_owned(),
        connected: vec!["c1".to_owned(), "c2".to_owned()],
        place: Span::default(),
        properties: properties.iter().enumerate().map(property).collect(),
    }
}

fn is_sentence(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_uppercase() || c == '`' || c.is_ascii_digit());
    begins && text.ends_with('.') && !text.contains("  ")
}

#[test]
fn no_two_components_of_a_family_have_the_same_name() {
    for family in Family::ALL {
        let mut seen = BTreeSet::new();
        // There is one kind of consumer, which nobody needs to name.
        for kind in kinds().of(family).filter(|_| family != Family::Consumer) {
            let (class, short) = kind.names().split_first().expect("a component has a name");
            assert!(!short.is_empty() || class.contains('.'), "{class} has no name to type");
            for name in kind.names() {
                assert!(seen.insert(name.to_lowercase()), "two {family}s are called {name}");
            }
        }
    }
}

#[test]
fn every_component_and_every_key_says_in_a_sentence_what_it_is_for() {
    for kind in every_kind() {
        assert!(is_sentence(kind.about()), "{}: {:?}", name(kind), kind.about());
        for spec in kind.keys() {
            assert!(is_sentence(spec.about), "{} {}: {:?}", name(kind), spec.name, spec.about);
            assert!(!spec.expected.is_empty(), "{} {}", name(kind), spec.name);
            assert!(!(spec.required && spec.default.is_some()), "{} {}", name(kind), spec.name);
        }
    }
}

#[test]
fn no_key_has_two_meanings() {
    for kind in every_kind() {
        let mut seen = BTreeSet::new();
        for spec in kind.keys() {
            for key in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(seen.insert(*key), "{} has {key} twice", name(kind));
            }
        }
    }
}

#[test]
fn a_default_is_replaced_by_nothing_but_a_default_that_is_there() {
    for kind in every_kind() {
        for spec in kind.keys().iter().filter(|spec| spec.lenient) {
            assert!(
                spec.default.is_some(),
                "{} {} has no default to fall back on",
                name(kind),
                spec.name
            );
        }
    }
}

#[test]
fn every_default_can_be_read() {
    for kind in every_kind() {
        let read = component(kind, &[]).read(&Surroundings::default(), |scope| kind.judge(scope));
        for remark in &read.diagnostics {
            assert_ne!(remark.code, "wrong-default", "{}: {}", name(kind), remark.message);
        }
        let required = kind.keys().iter().any(|spec| spec.required);
        let missing = read.diagnostics.iter().any(|remark| remark.code == "missing-key");
        assert!(missing || !required, "{} starts without its required keys", name(kind));
    }
}

#[test]
fn what_a_table_shows_as_a_default_may_be_pasted_into_the_file() {
    for kind in every_kind() {
        // `~` and the names in angle brackets are filled in only in a default.
        let given: Vec<(&str, &str)> = kind
            .keys()
            .iter()
            .filter_map(|spec| Some((spec.name, spec.default?)))
            .filter(|(_, default)| !default.starts_with('~') && !default.contains('<'))
            .collect();
        let read =
            component(kind, &given).read(&Surroundings::default(), |scope| kind.judge(scope));
        for remark in read.diagnostics.iter().filter(|remark| remark.code != "missing-key") {
            let told = format!("{}: {}: {}", name(kind), remark.code, remark.message);
            // Rules between keys may object to what is missing, and to nothing else.
            assert!(remark.span.is_empty(), "{told}");
        }
    }
}

#[test]
fn an_unknown_key_is_told_by_every_component() {
    for kind in every_kind() {
        let given = [("certainlyNoKeyOfAnyComponent", "1")];
        let read =
            component(kind, &given).read(&Surroundings::default(), |scope| kind.judge(scope));
        let told = read.diagnostics.iter().any(|remark| remark.code == "unknown-key");
        let takes_all = kind.keys().iter().any(|spec| spec.name == "*");
        assert!(told || takes_all, "{} says nothing of an unknown key", name(kind));
    }
}
