//! What is away when it is needed, broker, topic or database, is waited for, told, and nothing is lost meanwhile.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::program::Program;
use crate::scene::{self, Scene, shown};
use crate::wait::until;
use crate::{broker, database, program};

const STEP: Duration = Duration::from_secs(90);
const LINES: usize = 2_000;

#[test]
fn an_agent_started_without_its_broker_delivers_everything_once_it_is_there() {
    let Some(scene) = scene::enter("no_broker") else { return };
    let address = broker::up();
    let topic = scene.word();
    broker::topic(&topic, 1);
    broker::down();

    let mut log = tail(&scene);
    write_lines(&mut log, 0);
    let conf = agent_to(&scene, &address, &topic, "file");
    let mut agent = program::agent(&scene, "agent", &conf, &[]);
    agent.says(&address);
    write_lines(&mut log, LINES);
    agent.must_run();

    broker::up();
    arrive_once_each(&mut agent, &topic, 2 * LINES);
    agent.stop();
}

#[test]
fn a_topic_that_is_missing_is_told_with_the_command_that_makes_it_and_waited_for() {
    let Some(scene) = scene::enter("no_topic") else { return };
    let address = broker::up();
    let topic = scene.word();
    let mut log = tail(&scene);
    write_lines(&mut log, 0);
    let conf = agent_to(&scene, &address, &topic, "file");
    let mut agent = program::agent(&scene, "agent", &conf, &[]);
    agent.says("kafka-topics.sh");
    assert!(agent.said().contains(&format!("--topic {topic}")), "{}", agent.said());

    broker::topic(&topic, 1);
    arrive_once_each(&mut agent, &topic, LINES);
    agent.stop();
}

#[test]
fn the_consumer_waits_for_a_database_that_is_away_and_doubles_nothing() {
    let Some(scene) = scene::enter("no_database") else { return };
    let address = broker::up();
    let url = database::up();
    let topic = scene.word();
    broker::topic(&topic, 2);
    database::sql(&format!("CREATE TABLE {topic} (line TEXT, kafka_offset BIGINT)"));
    broker::produce(&topic, lines(0));
    let mut consumer =
        program::consumer(&scene, "consumer", &consumer_of(&scene, &address, &url, &topic));
    rows(&mut consumer, &topic, LINES);

    database::down();
    broker::produce(&topic, lines(LINES));
    consumer.says("database");
    database::up();
    rows(&mut consumer, &topic, 2 * LINES);

    database::kill();
    broker::produce(&topic, lines(2 * LINES));
    database::up();
    rows(&mut consumer, &topic, 3 * LINES);
    consumer.stop();
}

#[test]
fn a_consumer_started_without_its_database_works_once_it_is_there() {
    let Some(scene) = scene::enter("late_database") else { return };
    let address = broker::up();
    let url = database::up();
    let topic = scene.word();
    broker::topic(&topic, 1);
    database::sql(&format!("CREATE TABLE {topic} (line TEXT, kafka_offset BIGINT)"));
    database::down();
    broker::produce(&topic, lines(0));
    let mut consumer =
        program::consumer(&scene, "consumer", &consumer_of(&scene, &address, &url, &topic));
    consumer.says("database");
    consumer.must_run();
    database::up();
    rows(&mut consumer, &topic, LINES);
    consumer.stop();
}

/// The log that `agent_to` tails.
pub(crate) fn tail(scene: &Scene) -> File {
    let path = scene.folder("logs").join("app.log");
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// An agent's configuration: that log, through a channel, to the topic.
pub(crate) fn agent_to(scene: &Scene, broker: &str, topic: &str, channel: &str) -> PathBuf {
    let home = shown(&scene.folder("agent"));
    let text = format!(
        r"
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = TAILDIR
a1.sources.r1.channels = c1
a1.sources.r1.positionFile = {home}/taildir_position.json
a1.sources.r1.filegroups = f1
a1.sources.r1.filegroups.f1 = {logs}/.*\\.log
a1.channels.c1.type = {channel}
a1.channels.c1.checkpointDir = {home}/checkpoint
a1.channels.c1.dataDirs = {home}/data
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = {broker}
a1.sinks.k1.kafka.topic = {topic}
a1.sinks.k1.kafka.producer.max.request.size = {largest}
a1.sinks.k1.deadletter.dir = {dead}
",
        logs = shown(&scene.folder("logs")),
        largest = broker::LARGEST,
        dead = shown(&scene.path("dead-letters")),
    );
    scene.file("agent.conf", &text)
}

fn consumer_of(scene: &Scene, broker: &str, database: &str, topic: &str) -> PathBuf {
    let text = format!(
        r"
c1.consumers = lines
c1.consumers.lines.kafka.bootstrap.servers = {broker}
c1.consumers.lines.kafka.topics = {topic}
c1.consumers.lines.kafka.consumer.group.id = {topic}
c1.consumers.lines.kafka.consumer.auto.offset.reset = earliest
c1.consumers.lines.format = text
c1.consumers.lines.database.url = {database}
c1.consumers.lines.database.table = {topic}
c1.consumers.lines.columns = line kafka_offset
c1.consumers.lines.columns.line.from = body
c1.consumers.lines.columns.line.type = text
c1.consumers.lines.columns.kafka_offset.from = offset
c1.consumers.lines.columns.kafka_offset.type = bigint
"
    );
    scene.file("consumer.conf", &text)
}

fn lines(from: usize) -> impl Iterator<Item = String> {
    (from..from + LINES).map(|n| format!("line {n:06}"))
}

fn write_lines(log: &mut File, from: usize) {
    let text: String = lines(from).map(|line| line + "\n").collect();
    log.write_all(text.as_bytes()).unwrap();
}

/// Nobody was killed: so not even the agent may double a line.
fn arrive_once_each(agent: &mut Program, topic: &str, expected: usize) {
    until("the lines arrive", STEP, || {
        agent.must_run();
        match broker::count(topic)? {
            count if count >= expected => Ok(()),
            count => Err(format!("{count} of {expected}")),
        }
    });
    let mut bodies: Vec<_> = broker::records(topic).into_iter().map(|record| record.body).collect();
    bodies.sort();
    let written: Vec<_> = (0..expected).map(|n| format!("line {n:06}").into_bytes()).collect();
    assert!(bodies == written, "{} records for {expected} lines", bodies.len());
}

/// Waits for so many distinct lines; there must be no other.
fn rows(consumer: &mut Program, table: &str, expected: usize) {
    let distinct = format!("SELECT count(DISTINCT line) FROM {table}");
    until("rows arrive", STEP, || {
        consumer.must_run();
        match database::number(&distinct) {
            count if count >= u64::try_from(expected).unwrap() => Ok(()),
            count => Err(format!("{count} of {expected}")),
        }
    });
    let all = database::number(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(all, u64::try_from(expected).unwrap(), "rows were doubled");
}
