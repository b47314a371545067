//! Whatever bytes a file has, loading it returns, and every place in every remark lies in the file, on whole characters.

use crate::random::Random;
use tailwater::config::canonical::document;
use tailwater::config::diagnostic::Diagnostic;
use tailwater::config::files::Text;
use tailwater::config::graph::Dialect;
use tailwater::config::kind::Kinds;
use tailwater::config::load::load;
use tailwater::config::plan::plan;
use tailwater::config::render::{full, json, short};
use tailwater::config::span::{Sources, Span};
use tailwater::config::surroundings::Surroundings;

const WORDS: &[&str] = &[
    "a1",
    "b",
    ".",
    ".",
    ".",
    "sources",
    "channels",
    "sinks",
    "sinkgroups",
    "configfilters",
    "consumers",
    "r1",
    "c1",
    "k1",
    "g1",
    "f1",
    "type",
    "channel",
    "interceptors",
    "selector",
    "processor",
    "config",
    "=",
    "=",
    ":",
    " ",
    "\t",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\\",
    "\\\n",
    "#",
    "!",
    "memory",
    "seq",
    "logger",
    "env",
    "${",
    "}",
    "${env:A}",
    ":-",
    "$",
    "${f1['A']}",
    "${a1.sinks}",
    "\\u",
    "\\u0041",
    "\\ud83d",
    "é",
    "日本",
    "\u{feff}",
    "\u{1b}[2J",
    ",",
    "password",
    "geheim",
];

/// A file made of what configurations are made of, some of its bytes spoilt.
fn bytes(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(200) {
        if random.once_in(40) {
            bytes.push(u8::try_from(random.below(256)).expect("below 256"));
        } else {
            bytes.extend(random.one_of(WORDS).as_bytes());
        }
    }
    bytes
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(seed);
    let texts = [Text::new("one", bytes(&mut random)), Text::new("two", bytes(&mut random))];
    let mut surroundings = Surroundings::default();
    surroundings.environment.insert("A".to_owned(), "${a1.sources} x".to_owned());
    let flumes = load(&texts[..1], &surroundings, Dialect::Flume111, &|_| false);
    let mut document = document(&flumes.graph);
    document.retain(|c| !c.is_ascii());
    assert!(document.is_empty(), "the plan is ASCII");
    let plans = plan(&texts, &surroundings, &Kinds::default(), None, false);
    for remark in plans.all_diagnostics() {
        places(remark).for_each(|span| is_inside(span, &plans.sources));
        let drawn = full(remark, &plans.sources);
        let line = short(remark, &plans.sources);
        assert!(!drawn.contains('\u{1b}') && !line.contains('\n'), "{drawn:?}");
        assert!(json(remark, &plans.sources).is_object());
        assert!(!remark.message.is_empty() && !remark.effect.is_empty(), "{remark:?}");
    }
}

fn places(remark: &Diagnostic) -> impl Iterator<Item = Span> {
    remark.notes.iter().map(|note| note.span).chain([remark.span])
}

fn is_inside(span: Span, sources: &Sources) {
    let source = sources.get(span.file).expect("a file that was given");
    assert!(
        source.text().get(span.start..span.end).is_some(),
        "{span:?} is not in {}",
        source.name()
    );
}
