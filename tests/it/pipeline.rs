//! Whole agents: what goes in comes out, across `kill -9` where the channel promises that.

use crate::support::program::{Program, file};
use std::collections::BTreeMap;
use tempfile::tempdir;

/// The bodies that a logger sink has shown, in order.
fn logged(said: &[String]) -> Vec<u64> {
    let body = |line: &String| {
        let (_, event) = line.split_once("Event: { headers:{} body: ")?;
        event.split(" }").next()?.rsplit(' ').next()?.parse().ok()
    };
    said.iter().filter(|line| line.contains("Event: {")).filter_map(body).collect()
}

#[test]
fn every_event_comes_out_once_and_in_order() {
    let folder = tempdir().unwrap();
    let conf = file(
        folder.path(),
        "x.conf",
        "a1.sources = r1\na1.channels = c1\na1.sinks = k1\n\
         a1.sources.r1.type = seq\na1.sources.r1.totalEvents = 2000\na1.sources.r1.batchSize = 30\n\
         a1.sources.r1.channels = c1\na1.channels.c1.type = memory\n\
         a1.sinks.k1.type = logger\na1.sinks.k1.channel = c1\n",
    );
    let mut agent = Program::agent(&conf, &[]);
    agent.says("1999 }");
    assert_eq!(agent.stop().code(), Some(0));
    assert_eq!(logged(agent.said()), (0..2000).collect::<Vec<_>>());
}

#[test]
fn a_stop_delivers_what_is_only_in_memory() {
    let folder = tempdir().unwrap();
    let conf = file(
        folder.path(),
        "x.conf",
        "a1.sources = r1\na1.channels = c1\na1.sinks = k1\n\
         a1.sources.r1.type = seq\na1.sources.r1.channels = c1\n\
         a1.channels.c1.type = memory\na1.channels.c1.capacity = 1000\n\
         a1.sinks.k1.type = logger\na1.sinks.k1.channel = c1\n",
    );
    let mut agent = Program::agent(&conf, &[]);
    agent.says("Event: {");
    assert_eq!(agent.stop().code(), Some(0));
    let said = agent.said().join("\n");
    let last = |key: &str| {
        let (_, rest) = said.split_once(&format!("{key} == ")).unwrap();
        rest.lines().next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(last("channel.current.size"), 0);
    assert_eq!(last("channel.event.put.success"), last("channel.event.take.success"));
    let numbers = logged(agent.said());
    assert_eq!(numbers, (0..last("src.events.accepted")).collect::<Vec<_>>());
}

#[test]
fn what_a_file_channel_has_accepted_is_delivered_after_kill_9() {
    let folder = tempdir().unwrap();
    let route = |sink: &str| {
        format!(
            "a1.sources = r1\na1.channels = c1\n{sink}\
             a1.sources.r1.type = seq\na1.sources.r1.totalEvents = 5000\na1.sources.r1.batchSize = 50\n\
             a1.sources.r1.channels = c1\n\
             a1.channels.c1.type = file\na1.channels.c1.checkpointDir = {0}/cp\n\
             a1.channels.c1.dataDirs = {0}/data\na1.channels.c1.capacityBytes = 268435456\n",
            folder.path().display()
        )
    };
    let filling = file(folder.path(), "fill.conf", &route(""));
    let mut agent = Program::agent(&filling, &[]);
    let address = agent.address();
    agent.says("Component type: SOURCE, name: r1 started");
    while !crate::support::program::get(&address, "/metrics.json")
        .1
        .contains(r#""ChannelSize":"5000""#)
    {
        std::thread::yield_now();
    }
    agent.kill();
    // The source of the second life counts from 0 again: every number comes from both lives.
    let sink = "a1.sinks = k1\na1.sinks.k1.type = logger\na1.sinks.k1.channel = c1\n";
    let emptying = file(folder.path(), "empty.conf", &route(sink));
    let mut agent = Program::agent(&emptying, &[]);
    agent.says("4999 }");
    agent.says("4999 }");
    assert_eq!(agent.stop().code(), Some(0));
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for number in logged(agent.said()) {
        *times.entry(number).or_default() += 1;
    }
    assert_eq!(times.len(), 5000);
    assert!(times.values().all(|times| *times == 2), "none is missing, none comes twice");
}

#[test]
fn a_multiplexed_source_reaches_the_channel_its_header_chooses() {
    let folder = tempdir().unwrap();
    let conf = file(
        folder.path(),
        "x.conf",
        "a1.sources = r1\na1.channels = c1 c2\na1.sinks = k1 k2\n\
         a1.sources.r1.type = seq\na1.sources.r1.totalEvents = 3\na1.sources.r1.channels = c1 c2\n\
         a1.sources.r1.selector.type = multiplexing\na1.sources.r1.selector.header = where\n\
         a1.sources.r1.selector.mapping.here = c1\na1.sources.r1.selector.default = c2\n\
         a1.channels.c1.type = memory\na1.channels.c2.type = memory\n\
         a1.sinks.k1.type = null\na1.sinks.k1.channel = c1\n\
         a1.sinks.k2.type = logger\na1.sinks.k2.channel = c2\n",
    );
    let mut agent = Program::agent(&conf, &[]);
    agent.says("2 }");
    assert_eq!(agent.stop().code(), Some(0));
    let said = agent.said().join("\n");
    assert!(said.contains("name: c1. channel.event.put.success == 0"), "{said}");
    assert_eq!(logged(agent.said()), [0, 1, 2]);
}
