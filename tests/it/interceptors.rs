//! Each interceptor, as a file would set it up, on a batch whose events share headers.

use crate::support::parts::{Bench, batch_with, bodies, read};
use tailwater::config::kind::Family;
use tailwater::event::Batch;
use tailwater::interceptor::registry::INTERCEPTORS;
use tailwater::localhost;

/// What becomes of `batch`; the bench knows what was told.
fn intercepted(type_name: &str, given: &[(&str, &str)], mut batch: Batch) -> (Batch, Bench) {
    let kind = INTERCEPTORS.iter().find(|kind| kind.names.contains(&type_name)).unwrap();
    let (start, said) = read(Family::Interceptor, given, kind.read);
    assert!(said.is_empty(), "{said:?}");
    let bench = Bench::new();
    let mut interceptor = start.unwrap().start(&bench.context("source", "r1")).unwrap();
    interceptor.intercept(&mut batch);
    (batch, bench)
}

fn refusal(type_name: &str, given: &[(&str, &str)]) -> String {
    let kind = INTERCEPTORS.iter().find(|kind| kind.names.contains(&type_name)).unwrap();
    let (start, said) = read(Family::Interceptor, given, kind.read);
    assert!(start.is_none() && said[0].is_error(), "{type_name} {given:?}");
    format!("{}: {}", said[0].code, said[0].message)
}

fn headers(batch: &Batch) -> Vec<String> {
    let text = |event: tailwater::event::Event<'_>| {
        let pairs = event.headers.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    };
    batch.events().map(text).collect()
}

fn three() -> Batch {
    batch_with(&[(&[("k", "v")], "a"), (&[("k", "v")], "b"), (&[], "c")])
}

#[test]
fn a_timestamp_is_the_clocks_and_leaves_an_existing_one_only_when_told() {
    let given = batch_with(&[(&[("timestamp", "1")], "a"), (&[], "b")]);
    let (batch, _) = intercepted("timestamp", &[], given.clone());
    assert_eq!(headers(&batch), ["timestamp=1767225600000", "timestamp=1767225600000"]);
    let (batch, _) = intercepted("timestamp", &[("preserveExisting", "true")], given.clone());
    assert_eq!(headers(&batch), ["timestamp=1", "timestamp=1767225600000"]);
    let (batch, _) = intercepted("timestamp", &[("headerName", "t")], given);
    assert_eq!(headers(&batch)[1], "t=1767225600000");
}

#[test]
fn the_host_is_in_a_header_or_its_absence_is_told() {
    for (use_ip, host) in [
        ("true", localhost::address().map(|address| address.to_string())),
        ("false", localhost::canonical_name()),
    ] {
        let given = [("useIP", use_ip), ("hostHeader", "h")];
        let (batch, bench) = intercepted("host", &given, batch_with(&[(&[], "a")]));
        match host {
            Ok(host) => assert_eq!(headers(&batch), [format!("h={host}")]),
            Err(_) => assert_eq!(bench.telling.times("source r1", "no-address"), 1),
        }
    }
}

#[test]
fn a_static_header_leaves_an_existing_one_unless_told() {
    let (batch, _) = intercepted("static", &[("key", "k"), ("value", "new")], three());
    assert_eq!(headers(&batch), ["k=v", "k=v", "k=new"]);
    let given = [("key", "k"), ("value", "new"), ("preserveExisting", "false")];
    assert_eq!(headers(&intercepted("static", &given, three()).0), ["k=new"; 3]);
    assert_eq!(headers(&intercepted("static", &[], three()).0)[2], "key=value");
}

#[test]
fn headers_are_removed_by_name_by_list_and_by_a_pattern_that_matches_the_whole() {
    let all = [("a", "1"), ("b", "2"), ("c", "3"), ("dd", "4"), ("d", "5")];
    let removed = |given: &[(&str, &str)]| {
        let (batch, _) = intercepted("remove_header", given, batch_with(&[(&all, "x")]));
        headers(&batch).remove(0)
    };
    assert_eq!(removed(&[("withName", "b")]), "a=1,c=3,d=5,dd=4");
    assert_eq!(removed(&[("fromList", "a ,  dd,zz")]), "b=2,c=3,d=5");
    assert_eq!(removed(&[("fromList", "a;c"), ("fromListSeparator", ";")]), "b=2,d=5,dd=4");
    assert_eq!(removed(&[("matching", "d")]), "a=1,b=2,c=3,dd=4");
    assert_eq!(removed(&[("matching", "d+"), ("withName", "a")]), "b=2,c=3");
}

#[test]
fn every_event_has_a_uuid_of_its_own() {
    let given = batch_with(&[(&[], "a"), (&[], "b"), (&[("id", "mine")], "c")]);
    let (batch, _) = intercepted("uuid", &[("prefix", "p-")], given);
    let ids = headers(&batch);
    assert!(ids[0].starts_with("id=p-") && ids[0].len() == "id=p-".len() + 36, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[2], "id=mine");
}

#[test]
fn a_filter_keeps_what_is_found_or_drops_it() {
    let given = || batch_with(&[(&[], "an ERROR"), (&[], "fine"), (&[], "ERROR too")]);
    let (batch, _) = intercepted("regex_filter", &[("regex", "ERROR")], given());
    assert_eq!(bodies(&batch), ["an ERROR", "ERROR too"]);
    let exclude = [("regex", "ERROR$"), ("excludeEvents", "true")];
    assert_eq!(bodies(&intercepted("regex_filter", &exclude, given()).0), ["fine", "ERROR too"]);
    assert_eq!(intercepted("regex_filter", &[], given()).0.len(), 3);
    assert!(refusal("regex_filter", &[("regex", "(")]).starts_with("wrong-value"));
}

#[test]
fn a_pattern_that_runs_wild_loses_no_event() {
    let line = "a".repeat(60);
    let (batch, bench) = intercepted(
        "regex_filter",
        &[("regex", "^(?:(?=(a))a|(?=(a))aa?)+b")],
        batch_with(&[(&[], &line), (&[], "c")]),
    );
    assert_eq!(bodies(&batch), [line], "the one is kept unjudged, the other judged");
    assert_eq!(bench.telling.times("source r1", "wild-pattern"), 1);
}

#[test]
fn groups_become_headers_and_what_took_no_part_becomes_none() {
    let given = [
        ("regex", r"(\d+)(-\w+)? (\S+)"),
        ("serializers", "s1 s2"),
        ("serializers.s1.name", "one"),
        ("serializers.s1.type", "default"),
        ("serializers.s2.name", "two"),
    ];
    let events = batch_with(&[(&[("k", "v")], "7-x y"), (&[], "8 z"), (&[("k", "v")], "none")]);
    let (batch, _) = intercepted("regex_extractor", &given, events);
    assert_eq!(headers(&batch), ["k=v,one=7,two=-x", "one=8", "k=v"]);
    assert_eq!(bodies(&batch), ["7-x y", "8 z", "none"]);
}

#[test]
fn a_time_becomes_milliseconds_and_one_that_cannot_be_read_no_header() {
    let given = [
        ("regex", r"^(\S+ \S+)"),
        ("serializers", "t"),
        ("serializers.t.name", "timestamp"),
        (
            "serializers.t.type",
            "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
        ),
        ("serializers.t.pattern", "yyyy-MM-dd'T'HH:mm:ss z"),
    ];
    let events = batch_with(&[(&[], "1970-01-01T00:00:01 UTC hello"), (&[], "not a time")]);
    let (batch, bench) = intercepted("regex_extractor", &given, events);
    assert_eq!(headers(&batch), ["timestamp=1000", ""]);
    assert_eq!(bench.telling.times("source r1", "unread-time"), 1);
}

#[test]
fn an_extractor_without_what_it_needs_is_refused() {
    assert!(refusal("regex_extractor", &[("serializers", "s")]).starts_with("missing-key"));
    let no_name = [("regex", "(a)"), ("serializers", "s")];
    assert!(refusal("regex_extractor", &no_name).contains("`name`"));
    let custom =
        [no_name[0], no_name[1], ("serializers.s.name", "n"), ("serializers.s.type", "x.Y")];
    assert!(refusal("regex_extractor", &custom).contains("x.Y"));
}

#[test]
fn bodies_are_replaced_in_their_own_character_set() {
    let given = [("searchPattern", r"(\w+)@(\w+)"), ("replaceString", "$2 at ${0}")];
    let refused = refusal("search_replace", &given);
    assert!(refused.contains("replaceString"), "{refused}");
    let given = [("searchPattern", r"(\w+)@(\w+)"), ("replaceString", r"$2 \$ $1")];
    let (batch, _) =
        intercepted("search_replace", &given, batch_with(&[(&[], "a@b, c@d"), (&[], "é")]));
    assert_eq!(bodies(&batch), ["b $ a, d $ c", "é"]);

    let mut latin = tailwater::event::BatchBuilder::new();
    latin.push(&std::sync::Arc::default(), b"caf\xe9 1");
    let given = [("searchPattern", "1"), ("replaceString", "é"), ("charset", "ISO-8859-1")];
    let (batch, _) =
        intercepted("search_replace", &given, latin.build(tailwater::event::Origin::default()));
    assert_eq!(batch.event(0).unwrap().body, b"caf\xe9 \xe9");
    assert!(refusal("search_replace", &[]).contains("searchPattern"));
}
