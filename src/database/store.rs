//! The contract: a store hands out sessions, and a session works in transactions.
//!
//! Tests put themselves underneath: a store that fails on cue is one more [`Store`].

use crate::database::address::{Access, Address, Server};
use crate::database::answer::Answer;
use crate::database::dialect::Dialect;
use crate::database::error::StoreError;
use crate::database::statement::Statement;
use crate::database::{mysql, sqlite};
use std::fmt::Debug;
use std::sync::Arc;

/// A database, reached through a bounded pool of connections.
pub trait Store: Debug + Send + Sync {
    /// Its SQL, where it differs.
    fn dialect(&self) -> &'static Dialect;

    /// A connection that answered just now. Waits a bounded time for one.
    fn session(&self) -> Result<Box<dyn Session + '_>, StoreError>;
}

/// A connection. What was begun and not committed when it is dropped has not happened.
pub trait Session {
    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Runs a statement that answers nothing; the number of rows it touched.
    fn execute(&mut self, statement: &Statement<'_>) -> Result<usize, StoreError>;

    /// Runs a question (see [`Answer`] for how it names its columns).
    fn query(&mut self, statement: &Statement<'_>) -> Result<Vec<Answer>, StoreError>;

    /// Commits. After an error nobody knows whether it happened (R13).
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Undoes what was begun.
    fn rollback(&mut self) -> Result<(), StoreError>;

    /// What one statement and one row may be.
    fn limits(&self) -> Limits;
}

/// What one statement and one row may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one row at most: what the server takes in one packet, less room for what is around it.
    pub row_bytes: usize,
    /// Bytes of one statement at most, unless a single row is larger.
    pub statement_bytes: usize,
    /// The setting that bounds a row, and what it is now.
    pub setting: &'static str,
}

/// Opens nothing yet: the first session connects. `connections` bounds the pool.
#[must_use]
pub fn open(access: &Access, connections: usize) -> Arc<dyn Store> {
    match &access.address.server {
        Server::Mysql(_) => Arc::new(mysql::MysqlStore::new(access, connections)),
        Server::Sqlite(path) => Arc::new(sqlite::SqliteStore::new(path, connections)),
    }
}

/// The SQL of the database at `address`.
#[must_use]
pub fn dialect_of(address: &Address) -> &'static Dialect {
    match &address.server {
        Server::Mysql(_) => &mysql::MYSQL,
        Server::Sqlite(_) => &sqlite::SQLITE,
    }
}
