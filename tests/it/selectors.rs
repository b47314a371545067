//! Which channels get which events, and what a mistake in a selector's keys comes to.

use crate::support::parts::{Bench, batch, batch_with, bodies, read};
use tailwater::config::diagnostic::Diagnostic;
use tailwater::config::kind::Family;
use tailwater::event::{Batch, ComponentName};
use tailwater::selector::registry::SELECTORS;
use tailwater::selector::{ChannelSelector, Marks};

fn names() -> Vec<ComponentName> {
    ["c0", "c1", "c2"].map(ComponentName::from).to_vec()
}

fn selector(
    type_name: &str,
    given: &[(&str, &str)],
    bench: &Bench,
) -> (Option<Box<dyn ChannelSelector>>, Vec<Diagnostic>) {
    let kind = SELECTORS.iter().find(|kind| kind.names.contains(&type_name)).unwrap();
    let (start, said) = read(Family::Selector, given, |scope| (kind.read)(scope, &names()));
    (start.map(|start| start.start(&bench.context("source", "r1"), &names())), said)
}

/// Each route as `channel: bodies`, an optional one with a question mark.
fn routes(selector: &mut dyn ChannelSelector, batch: Batch) -> Vec<String> {
    let routes = selector.select(batch).into_iter();
    let text = |route: tailwater::selector::Route| {
        let mark = if route.required { "" } else { "?" };
        format!("{}{mark}: {}", route.channel, bodies(&route.batch).join(" "))
    };
    routes.map(text).collect()
}

#[test]
fn replicating_gives_everything_to_everyone_the_optional_last() {
    let bench = Bench::new();
    let (selector, said) = selector("replicating", &[("optional", "c0")], &bench);
    let mut selector = selector.unwrap();
    assert!(said.is_empty());
    assert_eq!(routes(&mut *selector, batch(&["a", "b"])), ["1: a b", "2: a b", "0?: a b"]);
    assert_eq!((selector.marks(), selector.required()), (Marks::Each, vec![1, 2]));
}

#[test]
fn an_optional_channel_that_is_none_is_told_and_repeats_nothing() {
    let bench = Bench::new();
    let (selector, said) = selector("replicating", &[("optional", "c9  c2")], &bench);
    assert_eq!((said.len(), said[0].code, said[0].is_error()), (1, "unknown-channel", false));
    assert_eq!(selector.unwrap().required(), [0, 1]);
}

const MAPPING: [(&str, &str); 5] = [
    ("header", "state"),
    ("mapping.CZ", "c0"),
    ("mapping.New York", "c0  c1"),
    ("default", "c2"),
    ("optional.CZ", "c0 c1"),
];

fn states() -> Batch {
    let cz: &[(&str, &str)] = &[("state", "CZ")];
    batch_with(&[
        (cz, "a"),
        (&[("state", "New York")], "b"),
        (cz, "c"),
        (&[("state", "cz")], "d"),
        (&[], "e"),
        (&[("state", " ")], "f"),
    ])
}

#[test]
fn multiplexing_follows_the_header_and_keeps_the_order() {
    let bench = Bench::new();
    let (selector, said) = selector("multiplexing", &MAPPING, &bench);
    let mut selector = selector.unwrap();
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(
        routes(&mut *selector, states()),
        ["0: a b c", "1: b", "2: d e f", "1?: a c"],
        "c0 is required for CZ and so not optional"
    );
    assert_eq!((selector.marks(), selector.required()), (Marks::Each, vec![0, 1, 2]));
}

#[test]
fn a_batch_that_goes_to_one_channel_is_not_copied() {
    let bench = Bench::new();
    let mut selector = selector("multiplexing", &MAPPING, &bench).0.unwrap();
    let given = batch(&["x", "y"]);
    let routes = selector.select(given.clone());
    assert_eq!((routes.len(), routes[0].channel), (1, 2));
    assert_eq!(routes[0].batch.bytes().as_ptr(), given.bytes().as_ptr());
    assert_eq!(routes[0].batch.table().as_ptr(), given.table().as_ptr());
}

#[test]
fn an_event_that_is_mapped_nowhere_is_dropped_and_told() {
    let bench = Bench::new();
    let given = [("header", "state"), ("mapping.CZ", "c0"), ("optional.PL", "c1")];
    let mut selector = selector("multiplexing", &given, &bench).0.unwrap();
    assert_eq!(routes(&mut *selector, states()), ["0: a c"]);
    let told = bench.telling.newest();
    assert_eq!(told.len(), 1);
    assert!(told[0].happening.what.starts_with("4 events whose header `state`"), "{told:?}");
    assert_eq!(selector.required(), [0], "a channel that is only ever optional holds nothing up");
    assert!(routes(&mut *selector, Batch::default()).is_empty());
    assert_eq!(bench.telling.times("source r1", "unmatched"), 1);
}

#[test]
fn a_mapping_to_a_channel_that_is_none_takes_the_source_out() {
    let bench = Bench::new();
    for (key, value) in [("mapping.CZ", "c0 c9"), ("default", "c9"), ("optional.CZ", "c9")] {
        let (selector, said) = selector("multiplexing", &[(key, value)], &bench);
        assert!(selector.is_none(), "{key}");
        assert!(said.iter().any(|d| d.is_error() && d.message.contains("`c9`")), "{said:?}");
    }
}

// R8
#[test]
fn load_balancing_gives_a_batch_to_one_channel_whole() {
    let bench = Bench::new();
    let mut in_turn = selector("load_balancing", &[], &bench).0.unwrap();
    let turns: Vec<_> = (0..4).map(|_| routes(&mut *in_turn, batch(&["a", "b"]))).collect();
    assert_eq!(turns, [["0: a b"], ["1: a b"], ["2: a b"], ["0: a b"]]);
    assert_eq!((in_turn.marks(), in_turn.required()), (Marks::Union, vec![0, 1, 2]));

    let mut random = selector("load_balancing", &[("policy", "RANDOM")], &bench).0.unwrap();
    let mut given = [0; 3];
    for _ in 0..300 {
        given[random.select(batch(&["a"]))[0].channel] += 1;
    }
    assert!(given.iter().all(|n| *n > 50), "{given:?}");
    assert!(selector("load_balancing", &[("policy", "sticky")], &bench).0.is_none());
}
