//! Where the consumer's dead letters go (R18).
//!
//! By default into a table of the same database, in the transaction of the range that covers them: exactly once. Into files
//! or a topic they go before that transaction, durable and with an id, so that what comes again after a crash is known.

use crate::consumer::record::Record;
use crate::database::{Dialect, Identity, Letter, Letters, Session, StoreError};
use crate::deadletter::{self, DeadLetters, Id};
use crate::event::Headers;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A record that cannot be written.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The partition it is of.
    pub identity: &'a Identity,
    /// The record.
    pub record: Record<'a>,
    /// Why.
    pub reason: &'a str,
}

/// Where they go.
pub enum Letterbox {
    /// A table of the same database.
    Table(Letters),
    /// Somewhere else. One at a time: writers wait for each other here, where little goes.
    Outside(Mutex<Box<dyn DeadLetters>>),
}

impl Letterbox {
    /// The table of the database whose SQL is `dialect`.
    #[must_use]
    pub fn table(dialect: &Dialect) -> Self {
        Self::Table(Letters::new(dialect))
    }

    /// Keeps them in the session's transaction, if that is where they go.
    pub fn keep_inside(
        &self,
        session: &mut dyn Session,
        refused: &[Refused<'_>],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let Self::Table(letters) = self else { return Ok(()) };
        for Refused { identity, record, reason } in refused {
            let id = id(identity, record).to_string();
            let letter = Letter {
                id: &id,
                group: &identity.group,
                topic: &identity.topic,
                partition: identity.partition,
                offset: record.offset,
                time_ms: record.time_ms,
                reason,
                headers: &headers_json(record),
                key: record.key,
                body: record.body,
            };
            letters.put(session, &letter, now_ms).map_err(environments)?;
        }
        Ok(())
    }

    /// Keeps them where they go, if that is outside of the database; returns once they are durable.
    pub fn keep_outside(&self, refused: &[Refused<'_>]) -> Result<(), StoreError> {
        let Self::Outside(outside) = self else { return Ok(()) };
        if refused.is_empty() {
            return Ok(());
        }
        let headers: Vec<Headers> = refused.iter().map(|r| headers(&r.record)).collect();
        let letters: Vec<_> = refused
            .iter()
            .zip(&headers)
            .map(|(Refused { identity, record, reason }, headers)| deadletter::Letter {
                id: id(identity, record),
                code: "record-refused",
                reason: (*reason).to_owned(),
                origin: vec![
                    ("topic", identity.topic.clone()),
                    ("partition", identity.partition.to_string()),
                    ("offset", record.offset.to_string()),
                    ("group", identity.group.clone()),
                ],
                headers,
                key: record.key,
                body: record.body.unwrap_or_default(),
            })
            .collect();
        let mut outside = outside.lock().unwrap_or_else(PoisonError::into_inner);
        outside.keep(&letters).map(|_| ()).map_err(|error| {
            StoreError::environment("dead-letters-refused", error.to_string(), error.next())
        })
    }

    /// Where that is, in the operator's words.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Table(_) => "the table tailwater_dead_letters".to_owned(),
            Self::Outside(outside) => {
                outside.lock().unwrap_or_else(PoisonError::into_inner).place()
            }
        }
    }
}

impl fmt::Debug for Letterbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letterbox({})", self.place())
    }
}

/// A letter that the database refuses is nobody's data: it waits, and is never dropped for that.
fn environments(error: StoreError) -> StoreError {
    if !error.is_the_rows() {
        return error;
    }
    StoreError::environment(
        "dead-letters-refused",
        format!("tailwater_dead_letters refuses a dead letter: {}", error.what),
        "compare the table with what `tailwater consumer ddl` prints",
    )
}

fn id(identity: &Identity, record: &Record<'_>) -> Id {
    Id::in_topic(&identity.topic_id, identity.partition, record.offset)
}

/// As a JSON array of pairs: a name may come twice, and a value is bytes, or null.
fn headers_json(record: &Record<'_>) -> String {
    let pairs: Vec<(&str, Option<String>)> =
        record.headers().map(|(name, value)| (name, value.map(|v| STANDARD.encode(v)))).collect();
    serde_json::to_string(&pairs).unwrap_or_else(|_| "[]".to_owned())
}

/// As text, for places that keep headers so.
fn headers(record: &Record<'_>) -> Headers {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    record
        .headers()
        .map(|(name, value)| (name.to_owned(), value.map_or_else(String::new, text)))
        .collect()
}
