//! The main job: what a real Tomcat wrote becomes rows, whatever is killed on the way.
//!
//! 20,000 requests go to Tomcat; the agent tails its access log, renamed every second, and the application's log, renamed
//! at 20 MB, with lines of 40 MB in it; Kafka; the consumer; MariaDB. Agent, consumer and broker are each killed once in
//! mid-work, which is observed before, and started again. The oracle then compares what was handed out, what the topics
//! hold and what the tables hold, one by one.

use std::path::PathBuf;
use std::time::Duration;

use crate::oracle::{self, Row};
use crate::program::{self, Program};
use crate::scene::{self, Scene, shown};
use crate::tomcat::Tomcat;
use crate::traffic::{self, REQUESTS, Traffic};
use crate::wait::{tell, until};
use crate::{broker, database};

/// For one step of the path to be seen working.
const STEP: Duration = Duration::from_mins(2);
/// For the last row after the last request.
const DRAIN: Duration = Duration::from_mins(5);

/// Names and files of one run.
struct Job {
    /// Before the scene: it is stopped by what lies in the scene's folder.
    tomcat: Tomcat,
    scene: Scene,
    access: String,
    reports: String,
    agent_conf: PathBuf,
    consumer_conf: PathBuf,
}

#[test]
fn every_request_to_tomcat_becomes_its_row_whatever_is_killed_on_the_way() {
    let Some(scene) = scene::enter("main_job") else { return };
    let broker = broker::up();
    let database = database::up();
    let tomcat = Tomcat::start(&scene);
    let job = Job::lay_out(scene, tomcat, &broker, &database);

    let traffic = Traffic::start(&job.tomcat.address);
    let mut agent = job.agent(1);
    let mut consumer = job.consumer(1);
    traffic.allow(REQUESTS / 4);
    job.rows_beyond(0, &traffic);

    job.in_mid_work(&traffic, 7_500);
    agent.kill();
    tell("agent killed");
    agent = job.agent(2);
    job.rows_beyond(database::number(&job.rows_so_far()), &traffic);

    job.in_mid_work(&traffic, 12_500);
    consumer.kill();
    tell("consumer killed");
    consumer = job.consumer(2);
    job.rows_beyond(database::number(&job.rows_so_far()), &traffic);

    job.in_mid_work(&traffic, 17_500);
    broker::kill();
    tell("broker killed");
    traffic.finish();
    broker::up();

    job.drained();
    agent.must_run();
    consumer.must_run();
    job.judge();
    job.a_fresh_request_passes();
    consumer.stop();
    agent.stop();
}

impl Job {
    fn lay_out(scene: Scene, tomcat: Tomcat, broker: &str, database: &str) -> Self {
        let word = scene.word();
        let (access, reports) = (format!("{word}_access"), format!("{word}_reports"));
        for topic in [&access, &reports] {
            broker::topic(topic, 4);
        }
        database::sql(&format!(
            "CREATE TABLE {access} (kafka_partition INT NOT NULL, kafka_offset BIGINT NOT NULL, client VARCHAR(45),
               at DATETIME, request TEXT, status SMALLINT, bytes BIGINT);
             CREATE TABLE {reports} (kafka_partition INT NOT NULL, kafka_offset BIGINT NOT NULL, id CHAR(6), user TEXT,
               picture LONGTEXT CHARACTER SET ascii)"
        ));
        let agent_conf = scene.file(
            "agent.conf",
            &agent_conf(&scene, &shown(&tomcat.logs), broker, &access, &reports),
        );
        let consumer_conf =
            scene.file("consumer.conf", &consumer_conf(broker, database, &access, &reports));
        Self { tomcat, scene, access, reports, agent_conf, consumer_conf }
    }

    fn agent(&self, nth: u32) -> Program {
        program::agent(&self.scene, &format!("agent-{nth}"), &self.agent_conf, &[])
    }

    fn consumer(&self, nth: u32) -> Program {
        program::consumer(&self.scene, &format!("consumer-{nth}"), &self.consumer_conf)
    }

    fn rows_so_far(&self) -> String {
        format!("SELECT count(*) FROM {}", self.access)
    }

    /// Waits until more than so many rows are there: all of the path works.
    fn rows_beyond(&self, rows: u64, traffic: &Traffic) {
        until("rows arrive", STEP, || {
            let now = database::number(&self.rows_so_far());
            if now > rows {
                Ok(())
            } else {
                Err(format!("{} requests answered, {now} rows", traffic.answered()))
            }
        });
    }

    /// Lets requests go until so many are answered and some of them are not rows yet: now is the time to kill somebody.
    fn in_mid_work(&self, traffic: &Traffic, answered: u32) {
        traffic.allow(answered + REQUESTS / 8);
        until("requests", STEP, || {
            let now = traffic.answered();
            if now >= answered { Ok(()) } else { Err(format!("{now} of {answered} answered")) }
        });
        // There are always some between; only a look in an unlucky moment sees none.
        let rows = until("requests that are no rows yet", STEP, || {
            let rows = database::number(&self.rows_so_far());
            if rows < u64::from(traffic.answered()) { Ok(rows) } else { Err(format!("{rows}")) }
        });
        tell(&format!("{} requests answered, {rows} rows", traffic.answered()));
    }

    fn drained(&self) {
        let posted = u64::from((0..REQUESTS).map(|id| u32::from(traffic::posts(id))).sum::<u32>());
        let requests = format!("SELECT count(DISTINCT {}) FROM {}", oracle::ACCESS_ID, self.access);
        let reports = format!("SELECT count(DISTINCT id) FROM {}", self.reports);
        until("the last row", DRAIN, || {
            let (seen, read) = (database::number(&requests), database::number(&reports));
            if seen >= u64::from(REQUESTS) && read >= posted {
                Ok(())
            } else {
                Err(format!("{seen} of {REQUESTS} requests, {read} of {posted} reports"))
            }
        });
    }

    fn judge(&self) {
        let rows = database::sql(&format!(
            "SELECT kafka_partition, kafka_offset, {} FROM {}",
            oracle::ACCESS_ID,
            self.access
        ));
        let rows = rows.iter().map(|row| Row::read(row)).collect();
        let resent = oracle::judge("access", &self.access, rows, 0..REQUESTS);

        let rows = database::sql(&format!(
            "SELECT kafka_partition, kafka_offset, id, length(picture), crc32c(picture) FROM {}",
            self.reports
        ));
        for row in &rows {
            oracle::same_picture(row);
        }
        let rows = rows.iter().map(|row| Row::read(row)).collect();
        let posted = (0..REQUESTS).filter(|id| traffic::posts(*id));
        let resent = resent + oracle::judge("reports", &self.reports, rows, posted);
        tell(&format!("none missing; {resent} records sent to Kafka more than once"));
        let set_aside = walk(&self.scene.path("dead-letters"));
        assert!(set_aside.is_empty(), "the agent set aside, for no reason: {set_aside:?}");
        let set_aside = database::sql(&format!(
            "SELECT topic, record_offset, reason FROM tailwater_dead_letters WHERE topic IN ('{}', '{}')",
            self.access, self.reports
        ));
        assert!(set_aside.is_empty(), "the consumer set aside, for no reason: {set_aside:?}");
    }

    fn a_fresh_request_passes(&self) {
        let answer = crate::http::get(&self.tomcat.address, &traffic::path(REQUESTS)).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
        let fresh = format!(
            "SELECT count(*) FROM {} WHERE {} = {REQUESTS}",
            self.access,
            oracle::ACCESS_ID
        );
        until("a fresh request's row", STEP, || match database::number(&fresh) {
            1 => Ok(()),
            other => Err(format!("{other} rows")),
        });
    }
}

/// All files below a folder, if it is there.
fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn agent_conf(scene: &Scene, logs: &str, broker: &str, access: &str, reports: &str) -> String {
    let home = shown(&scene.folder("agent"));
    format!(
        r"
a1.sources = tomcat
a1.channels = disk
a1.sinks = kafka

a1.sources.tomcat.type = TAILDIR
a1.sources.tomcat.channels = disk
a1.sources.tomcat.positionFile = {home}/taildir_position.json
a1.sources.tomcat.filegroups = access reports
a1.sources.tomcat.filegroups.access = {logs}/access.*\\.log
a1.sources.tomcat.filegroups.reports = {logs}/report\\.log.*
a1.sources.tomcat.headers.access.topic = {access}
a1.sources.tomcat.headers.reports.topic = {reports}

a1.channels.disk.type = file
a1.channels.disk.checkpointDir = {home}/checkpoint
a1.channels.disk.dataDirs = {home}/data

a1.sinks.kafka.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.kafka.channel = disk
a1.sinks.kafka.kafka.bootstrap.servers = {broker}
a1.sinks.kafka.kafka.topic = {reports}
a1.sinks.kafka.flumeBatchSize = 1000
a1.sinks.kafka.kafka.producer.max.request.size = {largest}
a1.sinks.kafka.deadletter.dir = {dead}
",
        largest = broker::LARGEST,
        dead = shown(&scene.path("dead-letters/agent")),
    )
}

fn consumer_conf(broker: &str, database: &str, access: &str, reports: &str) -> String {
    let shared = |name: &str, topic: &str| {
        format!(
            r"
c1.consumers.{name}.kafka.bootstrap.servers = {broker}
c1.consumers.{name}.kafka.topics = {topic}
c1.consumers.{name}.kafka.consumer.group.id = {topic}
c1.consumers.{name}.kafka.consumer.auto.offset.reset = earliest
c1.consumers.{name}.database.url = {database}
c1.consumers.{name}.database.table = {topic}
c1.consumers.{name}.columns.kafka_partition.from = partition
c1.consumers.{name}.columns.kafka_partition.type = int
c1.consumers.{name}.columns.kafka_offset.from = offset
c1.consumers.{name}.columns.kafka_offset.type = bigint
"
        )
    };
    format!(
        r#"
c1.consumers = access reports
{access}
c1.consumers.access.format = access-log
c1.consumers.access.format.pattern = %h %l %u %t "%r" %s %b "%{{Referer}}i" "%{{User-Agent}}i" %D
c1.consumers.access.columns = kafka_partition kafka_offset client at request status bytes
c1.consumers.access.columns.client.from = %h
c1.consumers.access.columns.client.type = varchar(45)
c1.consumers.access.columns.at.from = %t
c1.consumers.access.columns.at.type = datetime
c1.consumers.access.columns.request.from = %r
c1.consumers.access.columns.request.type = text
c1.consumers.access.columns.status.from = %s
c1.consumers.access.columns.status.type = smallint
c1.consumers.access.columns.bytes.from = %b
c1.consumers.access.columns.bytes.type = bigint
{reports}
c1.consumers.reports.format = json
c1.consumers.reports.columns = kafka_partition kafka_offset id user picture
c1.consumers.reports.columns.id.from = /id
c1.consumers.reports.columns.id.type = char(6)
c1.consumers.reports.columns.user.from = /user
c1.consumers.reports.columns.user.type = text
c1.consumers.reports.columns.picture.from = /picture
c1.consumers.reports.columns.picture.type = longtext
"#,
        access = shared("access", access),
        reports = shared("reports", reports),
    )
}
