//! The command line that Flume's users type, and what the exit status says.

use crate::support::program::{Program, file, printed, tailwater};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tailwater::clock::SystemClock;
use tempfile::tempdir;

/// Numbers, to nowhere.
const SEQ_TO_NULL: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
";

fn status(words: &[&str]) -> (i32, String) {
    let output = tailwater(words);
    (output.status.code().unwrap(), printed(&output))
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_stop_on_request_is_a_success_and_leaves_no_files_behind() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let (pid, address) = (folder.path().join("run/a1.pid"), folder.path().join("run/a1.status"));
    let mut agent = Program::agent(&conf, &["--pid-file", shown(&pid)]);
    let listening = agent.address();
    agent.says("Component type: SOURCE, name: r1 started");
    let written = std::fs::read_to_string(&address).unwrap();
    assert_eq!(written, format!("http://{listening}/\n"), "beside the pid file");
    assert!(std::fs::read_to_string(&pid).unwrap().trim().parse::<u32>().is_ok());
    let ended = agent.stop();
    assert_eq!(ended.code(), Some(0), "{}", agent.said().join("\n"));
    assert!(!pid.exists() && !address.exists());
}

#[test]
fn an_agent_that_ends_leaves_the_pid_file_of_its_successor_alone() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let pid = folder.path().join("a1.pid");
    let mut first = Program::agent(&conf, &["--pid-file", shown(&pid)]);
    first.says("Component type: SOURCE, name: r1 started");
    let mut second = Program::agent(&conf, &["--pid-file", shown(&pid)]);
    second.says("Component type: SOURCE, name: r1 started");
    let written = std::fs::read_to_string(&pid).unwrap();
    assert_eq!(first.stop().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), written);
    assert_eq!(second.stop().code(), Some(0));
    assert!(!pid.exists());
}

#[test]
fn the_lines_that_runbooks_look_for_come_in_flumes_order() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let mut agent = Program::agent(&conf, &[]);
    for line in [
        "Post-validation flume configuration contains configuration for agents: [a1]",
        "Creating channels",
        "Creating instance of channel c1 type memory",
        "Created channel c1",
        "Creating instance of source r1, type seq",
        "Creating instance of sink: k1, type: null",
        "Channel c1 connected to [r1, k1]",
        "Starting new configuration:{ sourceRunners:{r1=seq} sinkRunners:{k1=null} channels:{c1=memory} }",
        "Starting Channel c1",
        "Component type: CHANNEL, name: c1 started",
        "Starting Sink k1",
        "Starting Source r1",
        "Component type: SOURCE, name: r1 started",
    ] {
        agent.says(line);
    }
    agent.signal(Signal::INT);
    for line in [
        "Shutting down configuration: {",
        "Stopping Source r1",
        "Component type: SOURCE, name: r1 stopped",
        "Shutdown Metric for type: SOURCE, name: r1. src.events.accepted == ",
        "Stopping Sink k1",
        "Stopping Channel c1",
        "Shutdown Metric for type: CHANNEL, name: c1. channel.event.take.success == ",
    ] {
        agent.says(line);
    }
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn a_name_that_is_not_in_the_file_starts_nothing_and_says_which_there_are() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let (code, said) = status(&["agent", "-n", "a2", "-f", shown(&conf)]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("there is no agent `a2`") && said.contains("`a1`"), "{said}");
}

#[test]
fn what_cannot_be_read_is_one_clear_error_each_and_no_panic() {
    let folder = tempdir().unwrap();
    let junk: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n * 37 % 251).unwrap()).collect();
    let binary = folder.path().join("binary.conf");
    std::fs::write(&binary, junk).unwrap();
    let huge = folder.path().join("huge.conf");
    std::fs::File::create(&huge).unwrap().set_len(100 << 20).unwrap();
    let missing = folder.path().join("missing.conf");
    for (path, expected) in [
        (missing.as_path(), "there is no such file"),
        (folder.path(), "it is a directory"),
        (huge.as_path(), "it is larger than"),
        (binary.as_path(), "a1"),
    ] {
        for words in [vec!["agent", "-n", "a1", "-f"], vec!["check"]] {
            let (code, said) = status(&[&words[..], &[shown(path)]].concat());
            assert_eq!(code, 2, "{}: {said}", path.display());
            assert!(said.contains(expected) || words[0] == "check", "{}: {said}", path.display());
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn what_flume_would_still_run_runs_and_the_mistake_is_told() {
    let folder = tempdir().unwrap();
    let faulty = format!(
        "{SEQ_TO_NULL}a1.sources = r1 r2\na1.sources.r2.type = seq\na1.sources.r2.channels = c9\n"
    );
    let conf = file(folder.path(), "x.conf", &faulty);
    assert_eq!(status(&["check", shown(&conf)]).0, 1);
    assert_eq!(status(&["check", "--strict", shown(&conf)]).0, 2);
    let mut agent = Program::agent(&conf, &[]);
    agent.says("c9");
    agent.says("Component type: SOURCE, name: r1 started");
    assert_eq!(agent.stop().code(), Some(0));
    assert!(!agent.said().iter().any(|line| line.contains("Starting Source r2")));
}

#[test]
fn a_type_that_is_not_here_starts_nothing_and_exits_2() {
    let folder = tempdir().unwrap();
    let conf = SEQ_TO_NULL.replace("type = null", "type = com.example.CustomSink");
    let conf = file(folder.path(), "x.conf", &conf);
    let (code, said) = status(&["agent", "-n", "a1", "-f", shown(&conf)]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("com.example.CustomSink"), "{said}");
}

#[test]
fn wrong_usage_exits_2_and_names_the_option() {
    for (words, expected) in [
        (&["agent", "-f", "x"][..], "no agent is named"),
        (&["agent", "-n", "a1"], "no config is given"),
        (&["agent", "-n", "a1", "-z", "host:2181"], "zkConnString"),
        (&["agent", "-n", "a1", "-f", "x", "--verify-host"], "--verify-host"),
        (&["agent", "-n"], "-n,--name"),
        (&["nonsense"], "nonsense"),
        (&["check"], "FILE"),
        (&["describe", "hdsf"], "hdsf"),
    ] {
        let (code, said) = status(words);
        assert_eq!(code, 2, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    for words in [&["agent", "-h"][..], &["help"], &["help", "agent"], &["version"], &["describe"]]
    {
        assert_eq!(status(words).0, 0, "{words:?}");
    }
}

/// A topic's bodies, into a table.
const CONSUMER: &str = "\
c1.consumers = access
c1.consumers.access.kafka.bootstrap.servers = 127.0.0.1:1
c1.consumers.access.kafka.topics = lines
c1.consumers.access.kafka.consumer.group.id = g
c1.consumers.access.format = text
c1.consumers.access.database.url = sqlite:rows.db
c1.consumers.access.database.table = lines
c1.consumers.access.columns = line
c1.consumers.access.columns.line.type = varchar(200)
c1.consumers.access.columns.line.from = body
";

#[test]
fn agents_and_consumers_share_a_file_and_each_command_refuses_the_others() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", &format!("{SEQ_TO_NULL}{CONSUMER}"));
    assert_eq!(status(&["check", shown(&conf)]).0, 0);
    let (code, said) = status(&["agent", "-n", "c1", "-f", shown(&conf)]);
    assert_eq!(code, 2);
    assert!(
        said.contains("`c1` is a consumer program") && said.contains("tailwater consumer"),
        "{said}"
    );
    let (code, said) = status(&["consumer", "-n", "a1", "-f", shown(&conf)]);
    assert_eq!(code, 2);
    assert!(said.contains("`a1` is an agent") && said.contains("tailwater agent"), "{said}");
    let (code, said) = status(&["consumer", "ddl", "-n", "c1", "-f", shown(&conf)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("CREATE TABLE IF NOT EXISTS \"lines\""), "{said}");
}

#[test]
fn a_consumer_starts_though_its_broker_is_away_says_so_and_ends_on_request() {
    let folder = tempdir().unwrap();
    let url = format!("sqlite:{}/rows.db", shown(folder.path()));
    let conf = file(folder.path(), "x.conf", &CONSUMER.replace("sqlite:rows.db", &url));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(["consumer", "-n", "c1", "-f", shown(&conf)]);
    let mut consumer = Program::start(command);
    let address = consumer.address();
    consumer.says("Component type: CONSUMER, name: access started");
    let (code, said) = crate::support::program::get(&address, "/healthz");
    assert_eq!(code, 503, "{said}");
    assert!(said.contains("consumer access is starting"), "{said}");
    assert!(crate::support::program::get(&address, "/metrics").1.contains("\"CONSUMER.access\""));
    assert_eq!(consumer.stop().code(), Some(0), "{}", consumer.said().join("\n"));
}

#[test]
fn under_flumes_name_the_binary_answers_as_flumes_script() {
    let folder = tempdir().unwrap();
    let name = folder.path().join("flume-ng");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tailwater"), &name).unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(&name).args(words).output().unwrap();
        (output.status.code().unwrap(), printed(&output))
    };
    let (code, said) = run(&["version"]);
    assert_eq!((code, said.lines().count()), (0, 5), "{said}");
    assert!(said.starts_with("Flume 1.11.0 "), "{said}");
    let (code, said) = run(&["nonsense"]);
    assert_eq!(code, 1);
    assert!(said.contains("Error: Unknown or unspecified command 'nonsense'"), "{said}");
    assert_eq!(run(&[]).0, 1);
    assert_eq!(run(&["help"]).0, 0);
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let (code, said) = run(&["agent", "-name", "a2", "-f", shown(&conf)]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("a2"), "{said}");
}

#[test]
fn the_log_goes_to_a_file_where_flumes_properties_say_so() {
    let folder = tempdir().unwrap();
    let conf = file(folder.path(), "x.conf", SEQ_TO_NULL);
    let status_file = folder.path().join("a1.status");
    let mut agent = Program::agent(
        &conf,
        &[
            "-Dflume.root.logger=INFO,LOGFILE,console",
            &format!("-Dflume.log.dir={}/logs", shown(folder.path())),
            "-Dflume.log.file=a1.log",
            "--status-file",
            shown(&status_file),
        ],
    );
    agent.says("Starting Source r1");
    assert_eq!(agent.stop().code(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("logs/a1.log")).unwrap();
    assert!(log.contains(" INFO  [main] (tailwater::"), "Flume's pattern: {log}");
    assert!(log.contains("  - Starting Source r1"), "{log}");
}

#[test]
fn the_quickstart_ends_with_as_many_rows_as_lines_though_it_kills_its_consumer() {
    let folder = tempdir().unwrap();
    let dir = shown(folder.path());
    let words = ["quickstart", "--lines", "3000", "--rate", "3000", "--dir", dir];
    let (code, said) = status(&words);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("kill -9"), "{said}");
    assert!(said.contains("lines = 3000, rows = 3000"), "{said}");
    let (code, said) = status(&words);
    assert_eq!(code, 1, "an earlier run's rows would be counted again: {said}");
    assert!(said.contains("name another folder"), "{said}");
}

#[test]
fn a_stop_takes_no_longer_than_it_may_though_nothing_can_be_delivered() {
    let folder = tempdir().unwrap();
    let to_kafka = SEQ_TO_NULL.replace(
        "a1.sinks.k1.type = null",
        "a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink\na1.sinks.k1.kafka.bootstrap.servers = 127.0.0.1:1",
    );
    let conf = file(folder.path(), "x.conf", &to_kafka);
    let mut agent = Program::agent(&conf, &["--drain-seconds", "6"]);
    agent.says("127.0.0.1:1");
    let clock = SystemClock::shared();
    let began = clock.now();
    assert_eq!(agent.stop().code(), Some(0), "{}", agent.said().join("\n"));
    // Emptying the channel and waiting for the broker share the bound: each with its own would be twice as long.
    let took = clock.now().saturating_sub(began);
    assert!(took < Duration::from_secs(11), "{took:?}");
}
