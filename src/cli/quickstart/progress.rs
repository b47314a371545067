//! How far the lines have come.

use crate::config::value::Value as _;
use crate::database::{Access, Address, Statement, Store, StoreError, open};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Counts of one moment; `None` until the program that counts has answered once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Lines the web server has written.
    pub(super) written: u64,
    /// Lines the source has put into the channel.
    pub(super) read: Option<u64>,
    /// Events in the channel.
    pub(super) in_channel: Option<u64>,
    /// Events the broker has acknowledged.
    pub(super) acknowledged: Option<u64>,
    /// Rows in the table.
    pub(super) rows: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        write!(
            f,
            "  written {:>6}   read {:>6}   in channel {:>6}   acknowledged {:>6}   rows {:>6}",
            self.written,
            count(self.read),
            count(self.in_channel),
            count(self.acknowledged),
            self.rows
        )
    }
}

/// Counts the rows from outside, as anyone could.
pub(super) struct Rows {
    database: PathBuf,
    store: Arc<dyn Store>,
}

impl Rows {
    pub(super) fn of(database: &Path) -> Result<Self, String> {
        let url = format!("sqlite:{}", database.display());
        let address = Address::parse(&url).map_err(|_| {
            format!("`{url}` is not the address of a database; name another folder")
        })?;
        let store = open(&Access::to(address), 1);
        Ok(Self { database: database.to_path_buf(), store })
    }

    /// Rows; an error while there is no table.
    pub(super) fn count(&self) -> Result<u64, String> {
        self.ask("SELECT COUNT(*) AS n_rows FROM access_log")
    }

    /// Requests that have a row.
    pub(super) fn distinct(&self) -> Result<u64, String> {
        self.ask("SELECT COUNT(DISTINCT request) AS n_requests FROM access_log")
    }

    fn ask(&self, question: &str) -> Result<u64, String> {
        let failed = |why: StoreError| format!("cannot count the rows: {why}");
        // The consumer makes the database; an empty one of ours would only be in its way.
        if !self.database.exists() {
            return Err("there is no database yet".to_owned());
        }
        let mut session = self.store.session().map_err(failed)?;
        let answers = session.query(&Statement::new(question, &[])).map_err(failed)?;
        let number = answers.first().map_or(0, |answer| answer.number(0));
        Ok(u64::try_from(number).unwrap_or(0))
    }
}
