//! One row of an answer to a question of our own, for either backend.
//!
//! A question names its columns so that the first letter says what they are: `n_…` is a whole number, `t_…` text, `b_…`
//! bytes. Every answer is small: the ledger's rows, a server's settings, a table's columns.

use diesel::deserialize::{self, QueryableByName};
use diesel::mysql::Mysql;
use diesel::row::{Field, NamedRow, Row};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::Sqlite;

/// One row: what was asked for, in the order asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(Vec<Value>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Answer {
    /// The number in a column; 0 where there is none.
    #[must_use]
    pub fn number(&self, column: usize) -> i64 {
        match self.0.get(column) {
            Some(Value::Number(Some(number))) => *number,
            _ => 0,
        }
    }

    /// The text in a column; empty where there is none.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(Value::Text(Some(text))) => text,
            _ => "",
        }
    }

    /// The bytes in a column; none where there are none.
    #[must_use]
    pub fn bytes(&self, column: usize) -> &[u8] {
        match self.0.get(column) {
            Some(Value::Bytes(Some(bytes))) => bytes,
            _ => &[],
        }
    }
}

macro_rules! answer_from {
    ($Backend:ty) => {
        impl QueryableByName<$Backend> for Answer {
            fn build<'a>(row: &impl NamedRow<'a, $Backend>) -> deserialize::Result<Self> {
                let mut values = Vec::with_capacity(row.field_count());
                for index in 0..row.field_count() {
                    let field = Row::get(row, index).ok_or("a column that is not there")?;
                    let kind = field.field_name().and_then(|name| name.chars().next());
                    values.push(match kind {
                        Some('n') => Value::Number(row.get_value::<Nullable<BigInt>, _, _>(index)?),
                        Some('b') => Value::Bytes(row.get_value::<Nullable<Binary>, _, _>(index)?),
                        _ => Value::Text(row.get_value::<Nullable<Text>, _, _>(index)?),
                    });
                }
                Ok(Self(values))
            }
        }
    };
}

answer_from!(Mysql);
answer_from!(Sqlite);
