//! What can be asked of a running agent: Flume's metrics on Flume's port, and whether it works.

use crate::support::program::{Program, file, get};
use std::net::TcpListener;
use tempfile::tempdir;

fn seq_to(channel: &str) -> String {
    format!(
        "a1.sources = r1\na1.channels = c1\na1.sinks = k1\n\
         a1.sources.r1.type = seq\na1.sources.r1.totalEvents = 10\na1.sources.r1.channels = c1\n\
         {channel}\na1.sinks.k1.type = null\na1.sinks.k1.channel = c1\n"
    )
}

#[test]
fn the_metrics_of_a_running_agent_count_what_moved() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", &seq_to("a1.channels.c1.type = memory"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port_property = format!("-Dflume.monitoring.port={port}");
    let mut agent = Program::agent(&conf, &["-Dflume.monitoring.type=http", &port_property]);
    assert_eq!(agent.address(), format!("127.0.0.1:{port}"));
    agent.says("Component type: SOURCE, name: r1 started");
    let address = format!("127.0.0.1:{port}");
    let entry = |kind: &str, name: &str| {
        let (status, body) = get(&address, "/metrics");
        assert_eq!(status, 200);
        let metrics: serde_json::Value = serde_json::from_str(&body).unwrap();
        metrics[kind][name].as_str().unwrap_or_default().to_owned()
    };
    while entry("CHANNEL.c1", "EventTakeSuccessCount") != "10" {
        std::thread::yield_now();
    }
    assert_eq!(entry("SOURCE.r1", "EventAcceptedCount"), "10");
    assert_eq!(entry("CHANNEL.c1", "ChannelSize"), "0");
    assert_eq!(entry("CHANNEL.c1", "StopTime"), "0");
    assert!(get(&address, "/metrics.prom").1.contains("Flume_EventTakeSuccessCount_total"));
    assert_eq!(get(&address, "/healthz").0, 200);
    assert_eq!(agent.stop().code(), Some(0));
}

#[test]
fn a_busy_port_is_told_and_the_agent_goes_on() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", &seq_to("a1.channels.c1.type = memory"));
    let busy = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    let port_property = format!("-Dflume.monitoring.port={port}");
    let mut agent = Program::agent(&conf, &["-Dflume.monitoring.type=http", &port_property]);
    agent.says(&format!("the status server cannot listen on 0.0.0.0:{port}"));
    agent.says("Component type: SOURCE, name: r1 started");
    assert_eq!(agent.stop().code(), Some(0));
}

#[test]
fn a_channel_that_another_process_has_is_told_shows_in_the_health_and_is_opened_when_it_is_free() {
    let folder = tempdir().unwrap();
    let channel = format!(
        "a1.channels.c1.type = file\na1.channels.c1.checkpointDir = {0}/cp\na1.channels.c1.dataDirs = {0}/data\n\
         a1.channels.c1.capacityBytes = 268435456",
        folder.path().display()
    );
    let conf = file(folder.path(), "x.conf", &seq_to(&channel));
    let mut first = Program::agent(&conf, &[]);
    first.says("Component type: SOURCE, name: r1 started");
    let mut second = Program::agent(&conf, &[]);
    let address = second.address();
    let told = second.says("channel c1: ");
    assert!(told.contains("its sources and sinks do not run until it is open"), "{told}");
    loop {
        let (status, said) = get(&address, "/healthz");
        assert_eq!(status, 503, "{said}");
        if said.contains("channel c1 is backing off: ") {
            break;
        }
        assert!(said.contains("channel c1 is starting"), "{said}");
    }
    assert_eq!(first.stop().code(), Some(0));
    second.says("Component type: CHANNEL, name: c1 started");
    second.says("Component type: SOURCE, name: r1 started");
    assert_eq!(second.stop().code(), Some(0));
}
