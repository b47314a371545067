//! Dead letters in a table of the same database: set aside in the transaction that covers them, so exactly once (R18).
//!
//! A body is cut into parts of 1 MB, so that what was too large for the table is not too large for its dead letter.

use crate::database::cell::{Cell, Kind};
use crate::database::dialect::Dialect;
use crate::database::error::StoreError;
use crate::database::statement::Statement;
use crate::database::store::Session;

/// A record that could not be written, whole, with its reason.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// `topic id-partition-offset`: the same whenever the record is set aside.
    pub id: &'a str,
    /// The consumer: its group's name.
    pub group: &'a str,
    /// The topic it came from.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// Its offset.
    pub offset: u64,
    /// Its time in Kafka, in milliseconds since 1970; -1 for none.
    pub time_ms: i64,
    /// Why.
    pub reason: &'a str,
    /// Its headers: a JSON array of pairs, values in base64.
    pub headers: &'a str,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub body: Option<&'a [u8]>,
}

/// Bytes of one part of a body.
const PART: usize = 1 << 20;
/// Characters of a reason that are kept.
const REASON: usize = 1000;

/// The table of one database.
#[derive(Debug)]
pub struct Letters {
    insert: String,
}

impl Letters {
    /// The table by the SQL of `dialect`.
    #[must_use]
    pub fn new(dialect: &Dialect) -> Self {
        let insert = format!(
            "INSERT INTO tailwater_dead_letters (consumer, id, part, parts, topic, partition_id, \
             record_offset, record_ms, reason, headers, record_key, body, body_bytes, set_aside_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {}",
            // The record was read again after its ledger was removed by hand: its letter is here already.
            dialect.leave_duplicates.replace("{key}", "id")
        );
        Self { insert }
    }

    /// Sets a record aside, in the session's transaction.
    pub fn put(
        &self,
        session: &mut dyn Session,
        letter: &Letter<'_>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let reason: String = letter.reason.chars().take(REASON).collect();
        let parts: Vec<Option<&[u8]>> = match letter.body {
            None => vec![None],
            Some([]) => vec![Some(&[])],
            Some(body) => body.chunks(PART).map(Some).collect(),
        };
        let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
        let bytes = letter.body.map(|body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        for (index, part) in (0_i64..).zip(parts) {
            let is_first = index == 0;
            let key = letter.key.filter(|_| is_first);
            let cells = [
                letter.group.into(),
                letter.id.into(),
                index.into(),
                count.into(),
                letter.topic.into(),
                letter.partition.into(),
                i64::try_from(letter.offset).unwrap_or(i64::MAX).into(),
                letter.time_ms.into(),
                if is_first { reason.as_str().into() } else { Cell::from("") },
                if is_first { letter.headers.into() } else { Cell::from("[]") },
                key.map_or(Cell::Null, |key| Cell::Bytes(key.into())),
                part.map_or(Cell::Null, |part| Cell::Bytes(part.into())),
                bytes.map_or(Cell::Null, Cell::Signed),
                now_ms.into(),
            ];
            session.execute(&Statement::rows(&self.insert, &KINDS, &cells, true))?;
        }
        Ok(())
    }
}

/// The kinds of the columns above, NULL or not.
const KINDS: [Kind; 14] = [
    Kind::Text,
    Kind::Text,
    Kind::Signed,
    Kind::Signed,
    Kind::Text,
    Kind::Signed,
    Kind::Signed,
    Kind::Signed,
    Kind::Text,
    Kind::Text,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Signed,
    Kind::Signed,
];
