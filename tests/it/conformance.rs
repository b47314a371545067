//! Agreement with real Flume, byte for byte: what it makes of a file, and what `check --plan` prints.
//!
//! Two sets of files: the project's own fixtures, each with the answer that Apache Flume 1.11.0 gave (`*.plan`, written by the
//! same tool that wrote the corpus's), and whatever folder `TAILWATER_CORPUS` names: `*.conf` with `plans/*.json` beside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tailwater::config::canonical::document;
use tailwater::config::files::Text;
use tailwater::config::graph::Dialect;
use tailwater::config::load::load;
use tailwater::config::surroundings::Surroundings;

/// Files whose plan differs from Flume's on purpose, and why.
const DIFFERS: &[(&str, &str)] = &[];

/// What the answers were recorded with.
fn surroundings() -> Surroundings {
    let environment = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/home/flume"),
        ("USER", "flume"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("PLAN_A", "alpha"),
        ("PLAN_B", "beta  two"),
        ("PLAN_EMPTY", ""),
        ("PLAN_REF", "${env:PLAN_A}"),
        ("PLAN_BACKSLASH", "c:\\temp"),
        ("PLAN_PAD", "  padded  "),
        ("PLAN_LIST", "c1 c2"),
    ];
    let properties = [
        ("plan.sys", "sysvalue"),
        ("user.name", "flume"),
        ("user.home", "/home/flume"),
        ("file.separator", "/"),
        ("line.separator", "\n"),
        ("os.name", "Linux"),
        ("java.io.tmpdir", "/tmp"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Surroundings {
        environment: environment.into_iter().map(owned).collect(),
        properties: properties.into_iter().map(owned).collect(),
        now_ms: 0,
    }
}

fn plan(path: &Path) -> String {
    let text = Text::read(path, Path::new("/"));
    document(&load(&[text], &surroundings(), Dialect::Flume111, &|_| true).graph)
}

/// The same document but for the text of `load_error`, which is Java's.
fn comparable(document: &str) -> String {
    let lines = document.lines().map(|line| match line.strip_prefix("  \"load_error\": ") {
        Some("null") | None => line.to_owned(),
        Some(_) => "  \"load_error\": …".to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How one file compares.
enum Outcome {
    Agrees,
    DiffersByDecision(&'static str),
    Differs(String),
}

fn compare(name: &str, conf: &Path, recorded: &Path) -> Outcome {
    let theirs = std::fs::read_to_string(recorded).unwrap();
    let (ours, theirs) = (comparable(&plan(conf)), comparable(&theirs));
    if ours == theirs {
        return Outcome::Agrees;
    }
    if let Some((_, reason)) = DIFFERS.iter().find(|(known, _)| *known == name) {
        return Outcome::DiffersByDecision(reason);
    }
    let pair = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    let (ours, theirs) = pair.unwrap_or(("(its end)", "(its end)"));
    Outcome::Differs(format!("Flume has {}, we have {}", theirs.trim(), ours.trim()))
}

/// Compares all files, prints the table, and returns those that differ without a reason.
fn table(title: &str, files: &[(String, PathBuf, PathBuf)]) -> Vec<String> {
    let mut agree = 0;
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (name, conf, recorded) in files {
        match compare(name, conf, recorded) {
            Outcome::Agrees => agree += 1,
            Outcome::DiffersByDecision(reason) => reasons.entry(reason).or_default().push(name),
            Outcome::Differs(how) => mistakes.push(format!("{name}: {how}")),
        }
    }
    println!("{title}: {} files", files.len());
    println!("  agree                {agree:>4}");
    println!("  differ by decision   {:>4}", reasons.values().map(Vec::len).sum::<usize>());
    println!("  differ by mistake    {:>4}", mistakes.len());
    for (reason, names) in &reasons {
        println!("  {reason}: {}", names.join(", "));
    }
    for mistake in &mistakes {
        println!("  MISTAKE {mistake}");
    }
    mistakes
}

fn files(folder: &Path, plans: &Path, ending: &str) -> Vec<(String, PathBuf, PathBuf)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let recorded = plans.join(format!("{name}.{ending}"));
            (name, path, recorded)
        })
        .filter(|(_, _, recorded)| recorded.exists())
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_understood_as_flume_understands_it() {
    let Some(folder) = std::env::var_os("TAILWATER_CORPUS").map(PathBuf::from) else {
        println!("TAILWATER_CORPUS names no folder: nothing to compare");
        return;
    };
    let files = files(&folder, &folder.join("plans"), "json");
    assert!(!files.is_empty(), "{} has no *.conf with plans/*.json", folder.display());
    let mistakes = table("corpus", &files);
    assert!(mistakes.is_empty(), "{} files differ without a reason", mistakes.len());
}

/// Own fixtures of which the agent keeps something else than Flume, and why.
const KEPT_OTHERWISE: &[(&str, &str)] = &[
    ("0056-byte-order-mark", "a byte order mark is skipped, and told"),
    ("0058-zero-byte", "a byte of zero is no text, and nothing starts"),
    ("0095-loop", "keys that lead back to themselves stay as they are written, and are told"),
    ("0143-same-key-but-for-blanks", "the first of two lists counts, not that of a hash table"),
    ("0144-consumers-word", "a name with consumers is a consumer program"),
    ("0176-source-type-other", "a type that cannot be loaded, and starts nothing in either"),
    ("0181-selector-load-balancing", "the selector works, which Flume has and cannot use"),
    ("0182-selector-load-balancing-class", "the selector works, which Flume has and cannot use"),
    ("0205-group-without-sinks-elsewhere", "a null pointer in one agent does not end another"),
];

/// The names of what is kept of a file, agent by agent.
fn kept(path: &Path, dialect: Dialect) -> BTreeMap<String, Vec<String>> {
    let text = Text::read(path, Path::new("/"));
    let graph = load(&[text], &surroundings(), dialect, &|_| true).graph;
    let mut agents = BTreeMap::new();
    if graph.load_error.is_some() {
        return agents;
    }
    for (name, agent) in graph.agents {
        if !agent.valid || agent.diagnostics.iter().any(|remark| remark.fatal) {
            continue;
        }
        let parts = [&agent.sources, &agent.channels, &agent.sinks];
        let mut names: Vec<String> = parts
            .into_iter()
            .flatten()
            .map(|kept| format!("{} {} {:?}", kept.name, kept.type_name, kept.channels))
            .chain(agent.groups.iter().map(|group| format!("{} {:?}", group.name, group.sinks)))
            .collect();
        names.sort();
        agents.insert(name, names);
    }
    agents
}

#[test]
fn the_agent_keeps_what_flume_keeps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conf");
    let mut files = files(&folder, &folder, "plan");
    if let Some(corpus) = std::env::var_os("TAILWATER_CORPUS").map(PathBuf::from) {
        files.extend(self::files(&corpus, &corpus.join("plans"), "json"));
    }
    let mut mistakes = Vec::new();
    for (name, path, _) in &files {
        let (ours, flumes) = (kept(path, Dialect::Tailwater), kept(path, Dialect::Flume111));
        let known = KEPT_OTHERWISE.iter().find(|(known, _)| known == name);
        match (ours == flumes, known) {
            (true, None) => {}
            (false, Some((name, reason))) => println!("{name}: {reason}"),
            (true, Some(_)) => mistakes.push(format!("{name}: the same, though said to differ")),
            (false, None) => mistakes.push(format!("{name}: Flume {flumes:?}, here {ours:?}")),
        }
    }
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn our_own_fixtures_are_understood_as_flume_understands_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conf");
    let files = files(&folder, &folder, "plan");
    let mistakes = table("fixtures", &files);
    assert!(files.len() >= 120, "only {} fixtures", files.len());
    assert!(mistakes.is_empty(), "{} files differ without a reason", mistakes.len());
}
