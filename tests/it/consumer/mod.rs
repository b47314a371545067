//! The consumer against librdkafka's mock broker and `SQLite`: what an operator would see.

mod begin;
mod outages;
mod rows;
mod takeover;

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
