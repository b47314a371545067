//! A statement with its values, for either backend: what diesel prepares, and keeps prepared by its text.
//!
//! The table and its columns are known only at run time, so the text is too. diesel caches a prepared statement by its text
//! unless told not to; a statement whose text is not likely to come again says so, or the cache would grow by one for each
//! size of batch.

use crate::database::cell::{Cell, Kind};
use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::{BigInt, Binary, Double, Nullable, Text, Unsigned, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl};

/// SQL with a `?` for each value. No identifier may have a `?` in it (`Table` sees to that).
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    text: &'a str,
    /// Repeated as often as the values need. Empty: each value is of its own kind.
    kinds: &'a [Kind],
    cells: &'a [Cell<'a>],
    keep: bool,
}

impl<'a> Statement<'a> {
    /// A statement that comes often, its values of their own kinds.
    #[must_use]
    pub fn new(text: &'a str, cells: &'a [Cell<'a>]) -> Self {
        Self { text, kinds: &[], cells, keep: true }
    }

    /// A statement over rows: each row's values are of `kinds`. `keep` says whether this text will come again.
    #[must_use]
    pub fn rows(text: &'a str, kinds: &'a [Kind], cells: &'a [Cell<'a>], keep: bool) -> Self {
        Self { text, kinds, cells, keep }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its values, each with its kind.
    fn values(&self) -> impl Iterator<Item = (Kind, &'a Cell<'a>)> {
        let mut kinds = self.kinds.iter().copied().cycle();
        self.cells.iter().map(move |cell| {
            let declared = kinds.next();
            (declared.or(cell.kind()).unwrap_or(Kind::Text), cell)
        })
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Statement<'_> {}

/// A value that is not of the kind its column has: a defect of ours, which must not reach the database as something else.
#[derive(Debug, thiserror::Error)]
#[error("a value of another kind than its column's")]
struct WrongKind;

macro_rules! walk {
    ($Backend:ty, $unsigned:ident) => {
        impl QueryFragment<$Backend> for Statement<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $Backend>) -> QueryResult<()> {
                if !self.keep {
                    out.unsafe_to_cache_prepared();
                }
                let mut values = self.values();
                let mut pieces = self.text.split('?');
                if let Some(first) = pieces.next() {
                    out.push_sql(first);
                }
                for piece in pieces {
                    match values.next().ok_or_else(wrong_kind)? {
                        (Kind::Signed, Cell::Signed(number)) => {
                            out.push_bind_param::<BigInt, _>(number)?;
                        }
                        (Kind::Signed, Cell::Null) => {
                            out.push_bind_param::<Nullable<BigInt>, _>(&None::<i64>)?;
                        }
                        (Kind::Unsigned, cell) => $unsigned(&mut out, cell)?,
                        (Kind::Double, Cell::Double(number)) => {
                            out.push_bind_param::<Double, _>(number)?;
                        }
                        (Kind::Double, Cell::Null) => {
                            out.push_bind_param::<Nullable<Double>, _>(&None::<f64>)?;
                        }
                        (Kind::Text, Cell::Text(text)) => {
                            out.push_bind_param::<Text, str>(text)?;
                        }
                        (Kind::Text, Cell::Null) => {
                            out.push_bind_param::<Nullable<Text>, _>(&None::<&str>)?;
                        }
                        (Kind::Bytes, Cell::Bytes(bytes)) => {
                            out.push_bind_param::<Binary, [u8]>(bytes)?;
                        }
                        (Kind::Bytes, Cell::Null) => {
                            out.push_bind_param::<Nullable<Binary>, _>(&None::<&[u8]>)?;
                        }
                        _ => return Err(wrong_kind()),
                    }
                    out.push_sql(piece);
                }
                Ok(())
            }
        }
    };
}

walk!(Mysql, unsigned_in_mysql);
walk!(Sqlite, unsigned_in_sqlite);

fn unsigned_in_mysql<'b>(out: &mut AstPass<'_, 'b, Mysql>, cell: &'b Cell<'_>) -> QueryResult<()> {
    match cell {
        Cell::Unsigned(number) => out.push_bind_param::<Unsigned<BigInt>, _>(number),
        Cell::Null => out.push_bind_param::<Nullable<Unsigned<BigInt>>, _>(&None::<u64>),
        _ => Err(wrong_kind()),
    }
}

/// `SQLite` has no such numbers: the configuration refuses a column of them.
fn unsigned_in_sqlite<'b>(_: &mut AstPass<'_, 'b, Sqlite>, _: &'b Cell<'_>) -> QueryResult<()> {
    Err(wrong_kind())
}

fn wrong_kind() -> Error {
    Error::SerializationError(Box::new(WrongKind))
}
