//! The database, as the consumer and the direct sink share it: one way to it, whatever stands behind.
//!
//! A [`Store`] hands out [`Session`]s; a session runs [`Statement`]s in a transaction and says of every failure whose fault
//! it is ([`ErrorKind`]): a row's, or the environment's. All SQL that the backends agree on is written once, here
//! (`ledger.rs`, `letters.rs`, `insert.rs`); what differs is in a folder for each (`mysql/`, `sqlite/`), behind a
//! [`Dialect`]. `diesel` is known nowhere else.

mod address;
mod answer;
mod cell;
pub mod column;
mod dialect;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod insert;
mod ledger;
mod letters;
mod mysql;
mod pool;
mod sqlite;
mod statement;
mod store;
mod table;

pub use address::{Access, Address, Server};
pub use answer::Answer;
pub use cell::{Cell, Kind};
pub use dialect::Dialect;
pub use error::{ErrorKind, StoreError};
pub use insert::{Insert, Mode};
pub use ledger::{Claim, Identity, Known, Ledger, Owner, Taken};
pub use letters::{Letter, Letters};
pub use statement::Statement;
pub use store::{Limits, Session, Store, dialect_of, open};
pub(crate) use table::identifier;
pub use table::{Table, TableColumn, TableName};
