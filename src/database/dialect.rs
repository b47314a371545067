//! What differs between the databases' SQL, as data: one of these stands in each backend's folder.

use crate::database::column::ColumnType;
use std::fmt;

/// The SQL of one backend, where it differs.
pub struct Dialect {
    /// Its name in a sentence.
    pub name: &'static str,
    /// Whether a column can hold 64 bits without a sign.
    pub has_unsigned_bigint: bool,
    /// Whether several may write at once.
    pub has_parallel_writers: bool,
    /// What stands around an identifier.
    pub(super) quote: char,
    /// After a SELECT that locks rows against everyone.
    pub(super) for_update: &'static str,
    /// After a SELECT that locks rows against change.
    pub(super) shared: &'static str,
    /// Values in one statement, at most.
    pub(super) placeholders: usize,
    /// After an INSERT whose duplicates are to be left alone; `{key}` is any of its columns.
    pub(super) leave_duplicates: &'static str,
    /// After the column list of a CREATE TABLE.
    pub(super) table_options: &'static str,
    /// A column type by this backend's name.
    pub(super) type_name: fn(ColumnType) -> String,
    /// The tables of our own: name, and the statement that makes it where it is not.
    pub(super) own_tables: &'static [(&'static str, &'static str)],
    /// A question with schema and table (`t_`: engine, empty where that does not matter); no answer: no such table.
    pub(super) find_table: &'static str,
    /// A question with schema and table: `t_` column, `t_` type, `n_` whether it may be null, `n_` whether it fills itself.
    pub(super) find_columns: &'static str,
    /// A question that answers a number above 0 where others may write the same rows on another server.
    pub(super) find_other_primaries: Option<&'static str>,
}

impl Dialect {
    /// An identifier, quoted. A quote in it is doubled.
    #[must_use]
    pub fn quoted(&self, identifier: &str) -> String {
        let doubled: String = [self.quote, self.quote].iter().collect();
        format!("{0}{1}{0}", self.quote, identifier.replace(self.quote, &doubled))
    }

    /// The statements that make the tables of our own.
    pub fn own_tables(&self) -> impl Iterator<Item = &'static str> {
        self.own_tables.iter().map(|(_, create)| *create)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({})", self.name)
    }
}
