//! The consumer against librdkafka's mock broker and `SQLite`: what an operator would see.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tailwater::clock::{Stop, SystemClock};
use tailwater::component::Context;
use tailwater::config::component::{Component, Property};
use tailwater::config::kind::Family;
use tailwater::config::span::Span;
use tailwater::config::surroundings::Surroundings;
use tailwater::config::value::Value as _;
use tailwater::consumer::{Consumer, Plan};
use tailwater::database::{Access, Address, Dialect, Session, Statement, Store, StoreError, open};
use tailwater::kafka::mock::MockBroker;
use tailwater::status::happening::Telling;
use tempfile::TempDir;

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A broker with one topic, and a folder with a database.
struct Scene {
    broker: MockBroker,
    folder: TempDir,
    partitions: i32,
}

impl Scene {
    fn new(partitions: i32) -> Self {
        let broker = MockBroker::start("logs", partitions).unwrap();
        Self { broker, folder: tempfile::tempdir().unwrap(), partitions }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("rows.db")
    }

    /// A plan that makes the table `rows (id, text, topic part and offset)`, with some keys changed.
    fn plan(&self, changes: &[(&str, &str)]) -> Arc<Plan> {
        let database = format!("sqlite:{}", self.database().display());
        let servers = self.broker.bootstrap_servers();
        let mut keys = vec![
            ("kafka.bootstrap.servers", servers.as_str()),
            ("kafka.topics", "logs"),
            ("kafka.consumer.group.id", "g"),
            // The mock's group gives out nothing for nearly so long after its last member has left.
            ("kafka.consumer.session.timeout.ms", "2000"),
            ("kafka.consumer.heartbeat.interval.ms", "200"),
            ("database.url", &database),
            ("database.table", "rows"),
            ("create-table", "true"),
            ("columns", "id text part pos"),
            ("columns.id.type", "int"),
            ("columns.part.from", "partition"),
            ("columns.part.type", "int"),
            ("columns.pos.from", "offset"),
            ("columns.pos.type", "bigint"),
        ];
        keys.retain(|(key, _)| !changes.iter().any(|(changed, _)| changed == key));
        keys.extend(changes);
        let property = |(key, value): (&str, &str)| Property {
            key: key.to_owned(),
            value: value.to_owned(),
            key_span: Span::default(),
            value_span: Span::default(),
            pending: false,
        };
        let component = Component {
            family: Family::Consumer,
            agent: "c1".to_owned(),
            name: "access".to_owned(),
            path: "c1.consumers.access".to_owned(),
            type_name: "consumer".to_owned(),
            connected: Vec::new(),
            place: Span::default(),
            properties: keys.into_iter().map(property).collect(),
        };
        let read = component.read(&Surroundings::default(), Plan::read);
        Arc::new(read.value.unwrap_or_else(|| panic!("{:#?}", read.diagnostics)))
    }

    /// Records whose ids go from `first` to `end`, in turn to all partitions.
    fn produce(&self, ids: std::ops::Range<i64>) {
        self.send(ids, |id| format!("{{\"id\":{id},\"text\":\"x\"}}"));
    }

    fn send(&self, ids: std::ops::Range<i64>, body: impl Fn(i64) -> String) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.bootstrap_servers())
            .set("message.max.bytes", "90000000")
            .create()
            .unwrap();
        for id in ids {
            let body = body(id);
            let partition = i32::try_from(id).unwrap() % self.partitions;
            let record = BaseRecord::<(), _>::to("logs").partition(partition).payload(&body);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            producer.poll(Duration::ZERO);
        }
        producer.flush(PATIENCE).unwrap();
    }

    fn ask(&self, question: &str) -> Vec<i64> {
        ask(&self.database(), question)
    }

    fn ids(&self) -> Vec<i64> {
        self.ask("SELECT id AS n_id FROM rows ORDER BY id")
    }
}

fn ask(database: &Path, question: &str) -> Vec<i64> {
    let store = open(&access(database), 1);
    let mut session = store.session().unwrap();
    match session.query(&Statement::new(question, &[])) {
        Ok(rows) => rows.iter().map(|row| row.number(0)).collect(),
        Err(_) => Vec::new(), // The table is not there yet.
    }
}

fn execute(database: &Path, text: &str) {
    let store = open(&access(database), 1);
    store.session().unwrap().execute(&Statement::new(text, &[])).unwrap();
}

fn access(database: &Path) -> Access {
    let address = format!("sqlite:{}", database.display());
    Access::to(Address::parse(&address).unwrap())
}

/// A consumer that is stopped when it is dropped.
struct Running {
    consumer: Consumer,
    stop: Stop,
    telling: Telling,
}

impl Running {
    fn start(plan: Arc<Plan>) -> Self {
        let store = open(&plan.access, 4);
        Self::start_with(plan, store)
    }

    fn start_with(plan: Arc<Plan>, store: Arc<dyn Store>) -> Self {
        let clock = SystemClock::shared();
        let telling = Telling::new(clock.clone());
        let (agent, name, stop) = ("c1".into(), "access".into(), Stop::new());
        let teller = telling.of("consumer", &name);
        let context = Context { agent, name, clock, stop: stop.clone(), teller };
        let consumer = Consumer::start_with(plan, store, &context).unwrap();
        Self { consumer, stop, telling }
    }

    fn told(&self, code: &'static str) -> u64 {
        self.telling.times("consumer access", code)
    }

    /// Waits until `is_so`, looking again every few milliseconds.
    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let clock = SystemClock::shared();
        let began = clock.now();
        while !is_so(self) {
            assert!(
                clock.now().saturating_sub(began) < PATIENCE,
                "not in time: {what}; {:#?}",
                self.telling.newest()
            );
            assert!(!self.consumer.wait(Duration::from_millis(10)), "it has ended");
        }
    }

    fn stop(self) {
        self.stop.request();
        assert!(self.consumer.wait(PATIENCE), "it does not end");
    }
}

fn all(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

#[test]
fn every_record_becomes_one_row_also_across_a_restart() {
    let scene = Scene::new(3);
    scene.produce(0..500);
    let first = Running::start(scene.plan(&[("batch.rows", "37")]));
    first.until("the first rows", |_| scene.ids().len() >= 500);
    first.stop();
    scene.produce(500..800);
    let second = Running::start(scene.plan(&[]));
    second.until("the others", |_| scene.ids().len() >= 800);
    scene.produce(800..810);
    second.until("what comes while it runs", |_| scene.ids().len() >= 810);
    assert_eq!(second.told("begins-at"), 0, "it goes on from the database");
    second.stop();
    assert_eq!(scene.ids(), all(0..810));
    assert_eq!(scene.ask("SELECT COUNT(DISTINCT part * 1000000 + pos) AS n FROM rows"), [810]);
}

/// The group's own offsets are for monitoring: they are not believed where the database knows better.
#[test]
fn no_record_is_skipped_by_a_consumer_that_comes_back_to_a_slow_broker() {
    const PARTITIONS: i64 = 16;
    let scene = Scene::new(16);
    scene.produce(0..PARTITIONS);
    let first = Running::start(scene.plan(&[]));
    first.until("the first rows", |_| scene.ids().len() == 16);
    first.stop();
    // Of each partition one record an answer: reading them all takes longer than any question about it.
    for round in 1..=20 {
        scene.produce(PARTITIONS * round..PARTITIONS * (round + 1));
    }
    scene.broker.answer_after(Duration::from_millis(100));
    let second = Running::start(scene.plan(&[]));
    second.until("the others", |_| scene.ids().len() == 21 * 16);
    second.stop();
    assert_eq!(scene.ids(), all(0..21 * PARTITIONS));
}

#[test]
fn the_first_start_goes_on_from_the_groups_offsets_and_no_later_one_does() {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
    use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
    let scene = Scene::new(1);
    scene.produce(0..20);
    let spark: BaseConsumer = scene.broker.client_config().set("group.id", "g").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("logs", 0, Offset::Offset(15)).unwrap();
    spark.commit(&list, CommitMode::Sync).unwrap();
    drop(spark);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 5);
    assert_eq!(first.told("begins-at"), 1);
    first.stop();
    // The group's offset is 20 now. Somebody takes the database back to 17, and the database is right.
    execute(&scene.database(), "UPDATE tailwater_owners SET next_offset = 17");
    execute(&scene.database(), "DELETE FROM tailwater_offsets");
    execute(&scene.database(), "DELETE FROM rows WHERE id >= 17");
    scene.produce(20..25);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 10);
    second.stop();
    assert_eq!(scene.ids(), all(15..25));
}

#[test]
fn two_consumers_share_the_partitions_and_double_nothing_when_they_come_and_go() {
    let scene = Scene::new(4);
    scene.produce(0..400);
    let small = [("batch.rows", "10"), ("kafka.consumer.session.timeout.ms", "6000")];
    let first = Running::start(scene.plan(&small));
    first.until("some rows", |_| scene.ids().len() >= 100);
    let second = Running::start(scene.plan(&small));
    scene.produce(400..800);
    second.until("the second has some", |second| second.consumer.progress().len() == 2);
    scene.produce(800..1200);
    first.stop();
    scene.produce(1200..1300);
    second.until("all rows", |_| scene.ids().len() >= 1300);
    second.until("it has all partitions", |second| second.consumer.progress().len() == 4);
    second.stop();
    assert_eq!(scene.ids(), all(0..1300));
}

#[test]
fn bad_records_are_set_aside_and_the_others_written() {
    let scene = Scene::new(2);
    scene.send(0..300, |id| match id {
        7 | 8 => "no json".to_owned(),
        100 => "{\"id\":\"many\"}".to_owned(),
        // The same key again: the database alone can know that.
        150 => "{\"id\":148}".to_owned(),
        _ => format!("{{\"id\":{id}}}"),
    });
    let running = Running::start(scene.plan(&[("primary-key", "id")]));
    running.until("all of them", |_| scene.ids().len() >= 296);
    running.until("the letters", |r| r.consumer.counters().dead_letters.get() == 4);
    assert!(running.told("dead-letter") > 0);
    running.stop();
    let bad = [7, 8, 100, 150];
    assert_eq!(scene.ids(), (0..300).filter(|id| !bad.contains(id)).collect::<Vec<_>>());
    let offsets =
        "SELECT record_offset * 2 + partition_id AS n FROM tailwater_dead_letters ORDER BY 1";
    assert_eq!(scene.ask(offsets), bad);
}

#[test]
fn letters_go_into_files_where_that_is_said() {
    let scene = Scene::new(1);
    let folder = scene.folder.path().join("letters");
    scene.send(0..10, |id| if id == 4 { "no".to_owned() } else { format!("{{\"id\":{id}}}") });
    let running = Running::start(
        scene.plan(&[("deadletter", "file"), ("deadletter.dir", folder.to_str().unwrap())]),
    );
    running.until("all of them", |_| scene.ids().len() >= 9);
    running.stop();
    let file = std::fs::read_to_string(folder.join("dead-letters-000001.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 1);
    assert!(file.contains("is not JSON") && file.contains("\"body\":\"bm8=\""), "{file}");
}

#[test]
fn a_missing_table_is_waited_for_and_costs_nothing() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[("create-table", "false")]));
    running.until("it is told", |r| r.told("table-missing") > 0);
    let told = running.telling.newest();
    let missing = told.iter().find(|t| t.happening.code == "table-missing").unwrap();
    assert!(missing.happening.next.contains("tailwater consumer ddl"), "{missing:?}");
    execute(&scene.database(), "CREATE TABLE rows (id INT, text TEXT, part INT, pos BIGINT)");
    running.until("the rows", |_| scene.ids().len() >= 10);
    running.stop();
    assert_eq!(scene.ask("SELECT COUNT(*) AS n FROM tailwater_dead_letters"), [0]);
}

/// R20. Another cluster, or the topic deleted and made: offsets of the old one mean nothing.
#[test]
fn a_topic_made_again_is_told_and_never_continued() {
    let mut scene = Scene::new(1);
    scene.produce(0..10);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 10);
    first.stop();
    scene.broker = MockBroker::start("logs", 1).unwrap();
    scene.produce(10..15);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 15);
    assert_eq!(second.told("topic-made-again"), 1);
    second.stop();
    assert_eq!(scene.ids(), all(0..15));
}

/// R20. Brokers from before Kafka 2.8 give a topic no id. That they are upgraded makes it no other topic.
#[test]
fn a_topic_that_was_known_by_its_name_is_continued_by_its_id() {
    let scene = Scene::new(2);
    scene.produce(0..100);
    let first = Running::start(scene.plan(&[("batch.rows", "7")]));
    first.until("the rows", |_| scene.ids().len() >= 100);
    first.stop();
    for table in ["tailwater_owners", "tailwater_offsets"] {
        execute(&scene.database(), &format!("UPDATE {table} SET topic_id = 'logs'"));
    }
    scene.produce(100..120);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 120);
    assert_eq!((second.told("topic-made-again"), second.told("topic-has-id")), (0, 1));
    second.stop();
    assert_eq!(scene.ids(), all(0..120));
    assert_eq!(scene.ask("SELECT COUNT(*) AS n FROM tailwater_owners"), [2]);
}

/// The broker keeps 5 MiB of a partition: what was not read in time is gone, and that is said with its number.
#[test]
fn records_lost_to_retention_are_told_with_their_number() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 10);
    first.stop();
    let body = "x".repeat(100_000);
    scene.send(10..110, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));

    let stopped = Running::start(scene.plan(&[("on-gap", "stop")]));
    stopped.until("it is told", |r| r.told("records-lost-to-retention") > 0);
    stopped.stop();
    assert_eq!(scene.ids(), all(0..10));

    let second = Running::start(scene.plan(&[]));
    second.until("the last row", |_| scene.ids().contains(&109));
    let lost = second.consumer.counters().lost_to_retention.get();
    second.stop();
    let ids = scene.ids();
    assert!(lost > 0);
    assert_eq!(i64::try_from(ids.len()).unwrap() + lost, 110);
    assert_eq!(ids[10..], all(10 + lost..110));
}

/// Retention overtakes a consumer that runs: its client refuses to go on then, and would say so once and never again.
#[test]
fn records_removed_while_it_runs_are_told_and_reading_goes_on() {
    let scene = Scene::new(1);
    let plan = scene.plan(&[("queue.bytes", "1MiB"), ("batch.bytes", "200KiB")]);
    let gate = Gate::before(&plan);
    let running = Running::start_with(plan, gate.clone());
    scene.produce(0..10);
    running.until("it works", |_| scene.ids().len() >= 10);
    gate.set(false);
    let body = "x".repeat(100_000);
    scene.send(10..30, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));
    running.until("it is paused", |r| r.consumer.counters().paused.get() == 1);
    scene.send(30..112, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));
    gate.set(true);
    running.until("the last row", |_| scene.ids().contains(&111));
    let lost = running.consumer.counters().lost_to_retention.get();
    assert!(running.told("records-lost-to-retention") > 0);
    running.stop();
    assert_eq!(i64::try_from(scene.ids().len()).unwrap() + lost, 112);
}

/// Nobody waits for a broker that is not there, least of all somebody who was told to stop.
#[test]
fn a_stop_is_heeded_while_kafka_is_away() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("the rows", |_| scene.ids().len() >= 10);
    scene.broker.down();
    running.until("it is told", |r| r.told("broker-away") > 0);
    running.stop.request();
    assert!(running.consumer.wait(Duration::from_secs(20)), "it waits for the broker");
    assert_eq!(scene.ids(), all(0..10));
}

/// Bounds so small that no record fits: one at a time passes, and none stands still.
#[test]
fn the_smallest_bounds_slow_it_down_and_stop_nothing() {
    let scene = Scene::new(2);
    scene.produce(0..20);
    let small = [("queue.bytes", "1"), ("batch.bytes", "1"), ("batch.rows", "1")];
    let running = Running::start(scene.plan(&small));
    running.until("all rows", |_| scene.ids().len() >= 20);
    running.stop();
    assert_eq!(scene.ids(), all(0..20));
}

#[test]
fn a_body_of_forty_megabytes_is_one_row() {
    let scene = Scene::new(1);
    let running = Running::start(scene.plan(&[]));
    running.until("it reads", |r| r.consumer.progress().iter().any(|p| p.delivered_to.is_some()));
    let text = "0123456789abcdef".repeat((40 << 20) / 16);
    scene.send(1..2, |id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"));
    running.until("the row", |_| scene.ids() == [1]);
    running.stop();
    assert_eq!(scene.ask("SELECT LENGTH(text) AS n FROM rows"), [40 << 20]);
}

/// A store that hands out no session while its gate is shut, as a server that hangs.
#[derive(Debug)]
struct Gate {
    store: Arc<dyn Store>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn before(plan: &Plan) -> Arc<Self> {
        let store = open(&plan.access, 4);
        Arc::new(Self { store, is_open: Mutex::new(true), opened: Condvar::new() })
    }

    fn set(&self, open: bool) {
        *self.is_open.lock().unwrap() = open;
        self.opened.notify_all();
    }
}

impl Store for Gate {
    fn dialect(&self) -> &'static Dialect {
        self.store.dialect()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, StoreError> {
        let mut is_open = self.is_open.lock().unwrap();
        while !*is_open {
            is_open = self.opened.wait(is_open).unwrap();
        }
        drop(is_open);
        self.store.session()
    }
}

#[test]
fn a_database_that_hangs_costs_lag_and_not_membership_nor_memory() {
    let scene = Scene::new(2);
    let plan = scene.plan(&[
        ("queue.bytes", "64KiB"),
        ("batch.bytes", "16KiB"),
        ("kafka.consumer.max.poll.interval.ms", "6000"),
        ("kafka.consumer.session.timeout.ms", "6000"),
    ]);
    let gate = Gate::before(&plan);
    let running = Running::start_with(plan, gate.clone());
    scene.produce(0..10);
    running.until("it works", |_| scene.ids().len() >= 10);
    gate.set(false);
    let text = "x".repeat(1000);
    scene.send(10..2000, |id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"));
    running.until("it is paused", |r| r.consumer.counters().paused.get() == 2);
    // Longer than the group would wait for a member that does not poll.
    let clock = SystemClock::shared();
    let began = clock.now();
    running.until("the interval is over", |_| {
        clock.now().saturating_sub(began) > Duration::from_secs(8)
    });
    let held = running.consumer.counters().waiting_bytes.get();
    assert!((1..200_000).contains(&held), "{held} bytes in memory");
    gate.set(true);
    running.until("all rows", |_| scene.ids().len() >= 2000);
    assert_eq!((running.told("poll-exceeded"), running.consumer.counters().fenced.get()), (0, 0));
    running.stop();
    assert_eq!(scene.ids(), all(0..2000));
}

#[test]
fn a_broker_that_goes_is_told_and_so_is_its_return() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("it works", |_| scene.ids().len() == 10);
    scene.broker.down();
    running.until("it is told", |r| r.told("broker-away") > 0);
    assert_eq!(running.told("broker-back"), 0);
    scene.broker.up();
    running.until("its return is told", |r| r.told("broker-back") == 1);
    scene.produce(10..20);
    running.until("it goes on", |_| scene.ids().len() == 20);
    running.stop();
}
