//! A store that fails on cue: underneath the interface, where a database or its server would.

use crate::database::{Answer, Dialect, Limits, Session, Statement, Store, StoreError};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What becomes of the operation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never reached the database.
    Before,
    /// The database did it, and the answer was lost.
    After,
}

/// More operations than any test needs: what is tried again and again fails here, and does not hang.
const OPERATIONS_MAX: usize = 20_000;

/// Another store, of which one operation fails, and with it the session it was of.
#[derive(Debug)]
pub(crate) struct Faulty {
    store: Arc<dyn Store>,
    fault: Fault,
    /// Operations until the one that fails.
    left: AtomicI64,
    done: AtomicUsize,
    /// The text of each statement, by transactions.
    said: Mutex<Vec<Vec<String>>>,
}

impl Faulty {
    /// The `n`-th operation, counted from 0, fails.
    pub(crate) fn new(store: Arc<dyn Store>, fault: Fault, n: i64) -> Arc<Self> {
        Arc::new(Self {
            store,
            fault,
            left: AtomicI64::new(n),
            done: AtomicUsize::new(0),
            said: Mutex::default(),
        })
    }

    /// Whether it has come to that.
    pub(crate) fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// What was said in each transaction so far.
    pub(crate) fn said(&self) -> Vec<Vec<String>> {
        self.said.lock().unwrap().clone()
    }

    fn say(&self, statement: &Statement<'_>) {
        if let Some(transaction) = self.said.lock().unwrap().last_mut() {
            transaction.push(statement.text().to_owned());
        }
    }

    fn is_now(&self) -> bool {
        let done = self.done.fetch_add(1, Ordering::SeqCst);
        assert!(done < OPERATIONS_MAX, "it goes round: {:#?}", self.said.lock().unwrap().last());
        self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

impl Store for Faulty {
    fn dialect(&self) -> &'static Dialect {
        self.store.dialect()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, StoreError> {
        Ok(Box::new(FaultySession { faulty: self, session: self.store.session()?, dead: false }))
    }
}

struct FaultySession<'a> {
    faulty: &'a Faulty,
    session: Box<dyn Session + 'a>,
    dead: bool,
}

impl FaultySession<'_> {
    fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::environment("database-away", "the server has gone away", "");
        if self.dead {
            return Err(gone());
        }
        if !self.faulty.is_now() {
            return operation(&mut *self.session);
        }
        self.dead = true;
        if self.faulty.fault == Fault::After {
            operation(&mut *self.session).map(|_| ())?;
        }
        Err(gone())
    }
}

impl Session for FaultySession<'_> {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.faulty.said.lock().unwrap().push(Vec::new());
        self.run(|session| session.begin())
    }

    fn execute(&mut self, statement: &Statement<'_>) -> Result<usize, StoreError> {
        self.faulty.say(statement);
        self.run(|session| session.execute(statement))
    }

    fn query(&mut self, statement: &Statement<'_>) -> Result<Vec<Answer>, StoreError> {
        self.faulty.say(statement);
        self.run(|session| session.query(statement))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.run(|session| session.commit())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.run(|session| session.rollback())
    }

    fn limits(&self) -> Limits {
        self.session.limits()
    }
}
