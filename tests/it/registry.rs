//! What must hold of every component there is, whoever wrote it.

use std::collections::BTreeSet;
use tailwater::agent::kinds;
use tailwater::config::kind::Family;

#[test]
fn no_name_selects_two_components_and_flumes_class_comes_first() {
    for family in Family::ALL {
        let mut names = BTreeSet::new();
        for kind in kinds().of(family) {
            let (class, short) = kind.names().split_first().expect("a component has a name");
            assert!(!short.is_empty() || class.contains('.'), "{class} has no name to type");
            for name in kind.names() {
                assert!(names.insert(name.to_lowercase()), "{family}: two components are `{name}`");
            }
        }
    }
}

#[test]
fn every_component_and_every_key_is_described_in_sentences() {
    for kind in kinds().iter() {
        let name = kind.names()[0];
        assert!(kind.about().ends_with('.'), "{name}: {}", kind.about());
        let mut keys = BTreeSet::new();
        for spec in kind.keys() {
            assert!(spec.about.trim_end().ends_with('.'), "{name} {}: {}", spec.name, spec.about);
            for key in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(keys.insert(*key), "{name} has `{key}` twice");
            }
            assert!(!(spec.required && spec.default.is_some()), "{name} {}", spec.name);
        }
    }
}
