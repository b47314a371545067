//! A bench for writers: a real database, a partition of it, and chunks as they come.

use super::{Tools, Workshop};
use crate::clock::{Stop, SystemClock};
use crate::config::value::Value;
use crate::consumer::chunk::{Chunk, Cutter, Offer};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::decode::{Json, Pointer};
use crate::consumer::held::Held;
use crate::consumer::letterbox::Letterbox;
use crate::consumer::record::Records;
use crate::consumer::rows::{Column, OnError, Origin, Rows};
use crate::database::column::{ColumnType, TimeFormat, Zone};
use crate::database::faults::{Fault, Faulty};
use crate::database::{
    Access, Address, Claim, Identity, Insert, Ledger, Mode, Statement, Store, Table, TableColumn,
    TableName, open,
};
use crate::status::happening::Telling;
use crossbeam_channel::{Receiver, unbounded};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// A database file with the ledger and a table `t (o bigint, n int primary key, s varchar(5))`.
pub(super) struct Bench {
    _dir: tempfile::TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) ledger: Ledger,
    pub(super) identity: Identity,
    all: Arc<AtomicUsize>,
}

fn columns() -> Vec<(&'static str, &'static str, Origin)> {
    vec![
        ("o", "bigint", Origin::Offset),
        ("n", "int", Origin::Field(0)),
        ("s", "varchar(5)", Origin::Field(1)),
    ]
}

fn table() -> Table {
    let column = |(name, kind, _): (&str, &str, Origin)| TableColumn {
        name: name.to_owned(),
        kind: ColumnType::parse(kind).unwrap(),
        nullable: true,
    };
    Table {
        name: TableName::parse("t").unwrap(),
        columns: columns().into_iter().map(column).collect(),
        primary_key: vec!["n".to_owned()],
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", dir.path().join("rows.db").display());
        let access = Access::to(Address::parse(&address).unwrap());
        let store = open(&access, 4);
        let ledger = Ledger::new(store.dialect());
        let identity = Identity {
            group: "g".to_owned(),
            topic_id: "topic-1".to_owned(),
            topic: "logs".to_owned(),
            partition: 3,
        };
        let mut session = store.session().unwrap();
        ledger.ensure(&mut *session).unwrap();
        table().ensure(&mut *session, store.dialect()).unwrap();
        assert!(ledger.enter(&mut *session, &[(identity.clone(), 0)]).unwrap());
        drop(session);
        Self { _dir: dir, store, ledger, identity, all: Arc::default() }
    }

    /// Takes the partition; what is delivered of it, and a cutter that goes on from there.
    pub(super) fn take(&self) -> Cutter {
        let mut session = self.store.session().unwrap();
        let claim = self.ledger.take(&mut *session, &self.identity, 1, "test", 0).unwrap();
        let Claim::Ours(taken) = claim else { panic!("{claim:?}") };
        let held = Arc::new(Held::new(self.identity.clone(), &taken));
        Cutter::new(held, self.all.clone(), &taken.ranges)
    }

    /// A workshop that has been asked to stop: it tries once, and hands back what did not go in.
    pub(super) fn tries_once(store: Arc<dyn Store>) -> Workshop {
        let stop = Stop::new();
        stop.request();
        Self::workshop(store, &stop).0
    }

    pub(super) fn workshop(store: Arc<dyn Store>, stop: &Stop) -> (Workshop, Receiver<Arc<Held>>) {
        // Nothing that is tried again for ever hangs a test: so many operations are more than any needs.
        let store: Arc<dyn Store> = Faulty::new(store, Fault::Before, i64::MAX);
        let clock = SystemClock::shared();
        let (lost, losses) = unbounded();
        let column = |(name, kind, origin): (&str, &str, Origin)| Column {
            name: name.to_owned(),
            kind: ColumnType::parse(kind).unwrap(),
            origin,
            nullable: true,
            default: None,
            on_error: OnError::DeadLetter,
            time: TimeFormat::Usual,
        };
        let format = Json::new(&[Pointer::member("n"), Pointer::member("s")]);
        let columns = columns().into_iter().map(column).collect();
        let tools = Tools {
            insert: Insert::new(&table(), Mode::Insert, store.dialect()),
            rows: Arc::new(Rows::new(columns, Box::new(format), 2, Zone::default())),
            letterbox: Letterbox::table(store.dialect()),
            clock: clock.clone(),
            stop: stop.clone(),
            teller: Telling::new(clock).of("consumer", &"test".into()),
            counters: Arc::new(ConsumerCounters::default()),
            lost,
            wait_first: Duration::ZERO,
            store,
        };
        (Workshop::new(tools), losses)
    }

    pub(super) fn ask(&self, question: &str) -> Vec<i64> {
        let mut session = self.store.session().unwrap();
        let rows = session.query(&Statement::new(question, &[])).unwrap();
        rows.iter().map(|row| row.number(0)).collect()
    }

    pub(super) fn offsets(&self) -> Vec<i64> {
        self.ask("SELECT o AS n_o FROM t ORDER BY o")
    }

    pub(super) fn letters(&self) -> Vec<i64> {
        self.ask(
            "SELECT record_offset AS n_o FROM tailwater_dead_letters WHERE part = 0 ORDER BY 1",
        )
    }

    pub(super) fn execute(&self, text: &str) {
        self.store.session().unwrap().execute(&Statement::new(text, &[])).unwrap();
    }
}

/// Chunks of `rows` records from where the cutter stands to `end`; `body` makes a record's value of its offset.
pub(super) fn chunks(
    cutter: &mut Cutter,
    end: u64,
    rows: usize,
    body: &dyn Fn(u64) -> String,
) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for offset in cutter.next()..end {
        let offer = loop {
            match cutter.offer(offset) {
                Offer::CloseAt(end) => chunks.extend(cutter.close_at(end)),
                offer => break offer,
            }
        };
        if offer == Offer::Take {
            let body = body(offset);
            let push = |open: &mut Records| {
                open.push(offset, 0, None, Some(body.as_bytes()), [].into_iter());
            };
            cutter.take(offset, Duration::ZERO, push);
        }
        if cutter.open().len() == rows {
            chunks.extend(cutter.close());
        }
    }
    chunks.extend(cutter.close());
    chunks
}

pub(super) fn good(offset: u64) -> String {
    format!("{{\"n\":{offset},\"s\":\"x\"}}")
}

pub(super) fn all(range: Range<i64>) -> Vec<i64> {
    range.collect()
}
