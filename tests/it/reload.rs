//! A configuration that changes under a running agent: judged first, and only what changed restarts.

use crate::support::program::{Program, file, get};
use rustix::process::Signal;
use std::path::Path;
use tempfile::tempdir;

/// Two routes that have nothing to do with each other.
const TWO_ROUTES: &str = "\
a1.sources = r1 r2
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.sources.r1.totalEvents = 10
a1.sources.r2.type = seq
a1.sources.r2.channels = c2
a1.sources.r2.totalEvents = 10
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c2
";

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn only_what_changed_restarts_and_the_rest_is_not_touched() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", TWO_ROUTES);
    let mut agent = Program::agent(&conf, &["-i", "1"]);
    agent.says("Component type: SOURCE, name: r2 started");
    write(&conf, &TWO_ROUTES.replace("k2.type = null", "k2.type = logger"));
    agent.says("reloading: stopping sink k2; starting sink k2");
    agent.says("Component type: SINK, name: k2 started");
    assert_eq!(agent.stop().code(), Some(0));
    let starts = |what: &str| agent.said().iter().filter(|line| line.contains(what)).count();
    assert_eq!(starts("Starting Sink k2"), 2);
    for once in
        ["Starting Sink k1", "Starting Source r1", "Starting Source r2", "Starting Channel c2"]
    {
        assert_eq!(starts(once), 1, "{once}");
    }
}

#[test]
fn a_bad_file_changes_nothing_is_told_and_stays_the_pages_first_line() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", TWO_ROUTES);
    let mut agent = Program::agent(&conf, &["--no-reload-conf"]);
    let address = agent.address();
    agent.says("Component type: SOURCE, name: r2 started");
    write(&conf, &TWO_ROUTES.replace("k1.type = null", "k1.type = nonsense"));
    agent.signal(Signal::HUP);
    agent.says("the old configuration runs on");
    let (_, page) = get(&address, "/");
    assert!(page.starts_with("! the configuration file was changed and refused"), "{page}");
    assert!(page.contains("nonsense"), "{page}");
    assert_eq!(get(&address, "/healthz").0, 200, "the agent itself is well");
    write(&conf, "");
    agent.signal(Signal::HUP);
    agent.says("the old configuration runs on");
    write(&conf, TWO_ROUTES);
    agent.signal(Signal::HUP);
    agent.says("the configuration says what it said before");
    assert!(!get(&address, "/").1.starts_with('!'));
    assert_eq!(agent.stop().code(), Some(0));
    assert!(!agent.said().iter().any(|line| line.contains("reloading:")));
}

#[test]
fn a_memory_channel_with_events_in_it_is_not_taken_away() {
    let folder = tempdir().unwrap();
    // Nobody empties the channel.
    let conf_text = "\
a1.sources = r1
a1.channels = c1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 7
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
";
    let conf = file(folder.path(), "x.conf", conf_text);
    let mut agent = Program::agent(&conf, &["--no-reload-conf", "--drain-seconds", "0"]);
    let address = agent.address();
    agent.says("Component type: SOURCE, name: r1 started");
    let until_size_is = |size: &str| {
        while !get(&address, "/metrics.json").1.contains(&format!(r#""ChannelSize":"{size}""#)) {
            std::thread::yield_now();
        }
    };
    until_size_is("7");
    write(&conf, &format!("{conf_text}a1.channels.c1.capacity = 500\n"));
    agent.signal(Signal::HUP);
    agent.says("holds events in memory only and was not emptied in time");
    // The events are still there, and the source, started again, has made as many more.
    until_size_is("14");
    // A sink beside it changes nothing of the channel: it may come, and empties it.
    write(
        &conf,
        &format!("{conf_text}a1.sinks = k1\na1.sinks.k1.type = null\na1.sinks.k1.channel = c1\n"),
    );
    agent.signal(Signal::HUP);
    agent.says("reloading: stopping nothing; starting sink k1");
    agent.says("Component type: SINK, name: k1 started");
    while !get(&address, "/metrics.json").1.contains(r#""EventTakeSuccessCount":"14""#) {
        std::thread::yield_now();
    }
    assert_eq!(agent.stop().code(), Some(0));
}
