//! `SQLite`: one file, one writer at a time, no server.

mod dialect;

pub(super) use dialect::SQLITE;

use crate::database::answer::Answer;
use crate::database::dialect::Dialect;
use crate::database::error::{ErrorKind, StoreError};
use crate::database::pool::{Driver, Pool};
use crate::database::statement::Statement;
use crate::database::store::{Limits, Session, Store};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use std::path::Path;

/// A database file.
#[derive(Debug)]
pub(super) struct SqliteStore(Pool<Connected>);

impl SqliteStore {
    pub(super) fn new(path: &Path, connections: usize) -> Self {
        let shown = format!("sqlite:{}", path.display());
        let path = path.to_owned();
        let connect = move || connect(&path);
        Self(Pool::new(shown, connections, Box::new(connect)))
    }
}

impl Store for SqliteStore {
    fn dialect(&self) -> &'static Dialect {
        &SQLITE
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, StoreError> {
        self.0.session().map(|session| -> Box<dyn Session> { Box::new(session) })
    }
}

/// WAL lets readers read while rows go in; FULL makes a commit last through a power cut (R21).
const SETTINGS: &str =
    "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

/// `SQLite` takes a billion bytes in one value; a statement is bounded only to keep memory small.
const LIMITS: Limits = Limits {
    row_bytes: 900_000_000,
    statement_bytes: 8 << 20,
    setting: "SQLite's own limit of 1,000,000,000 bytes",
};

fn connect(path: &Path) -> Result<Connected, StoreError> {
    let away = |why: String| {
        StoreError::environment(
            "database-away",
            format!("cannot open {}: {why}", path.display()),
            "look whether its directory is there and may be written",
        )
    };
    let url = path.to_str().ok_or_else(|| away("its path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(url).map_err(|why| away(why.to_string()))?;
    connection.batch_execute(SETTINGS).map_err(|why| away(why.to_string()))?;
    Ok(Connected { connection, broken: false })
}

struct Connected {
    connection: SqliteConnection,
    broken: bool,
}

impl Connected {
    fn failed(&mut self, error: &Error) -> StoreError {
        let error = classify(error);
        self.broken |= !error.is_the_rows();
        error
    }
}

impl Session for Connected {
    fn begin(&mut self) -> Result<(), StoreError> {
        // IMMEDIATE: to wait for the lock here, and not to fail at the first write after a read.
        AnsiTransactionManager::begin_transaction_sql(&mut self.connection, "BEGIN IMMEDIATE")
            .map_err(|error| self.failed(&error))
    }

    fn execute(&mut self, statement: &Statement<'_>) -> Result<usize, StoreError> {
        statement.execute(&mut self.connection).map_err(|error| self.failed(&error))
    }

    fn query(&mut self, statement: &Statement<'_>) -> Result<Vec<Answer>, StoreError> {
        statement.load(&mut self.connection).map_err(|error| self.failed(&error))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        AnsiTransactionManager::commit_transaction(&mut self.connection).map_err(|error| {
            self.broken = true;
            self.failed(&error)
        })
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        AnsiTransactionManager::rollback_transaction(&mut self.connection)
            .map_err(|error| self.failed(&error))
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}

impl Driver for Connected {
    fn ping(&mut self) -> Result<(), StoreError> {
        self.connection.ping().map_err(|error| classify(&error))
    }

    fn is_broken(&mut self) -> bool {
        self.broken || self.connection.is_broken()
    }
}

/// diesel names what a row can be blamed for; all else is the environment's (R17).
fn classify(error: &Error) -> StoreError {
    let what = error.to_string();
    let kind = match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => ErrorKind::Duplicate,
        Error::DatabaseError(
            DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::ForeignKeyViolation,
            _,
        )
        | Error::SerializationError(_) => ErrorKind::Data,
        _ => {
            return StoreError::environment(
                "database-refuses",
                format!("SQLite: {what}"),
                "look whether its disk has room and nobody else holds it",
            );
        }
    };
    StoreError { kind, number: what.clone(), what: format!("SQLite: {what}"), next: String::new() }
}
