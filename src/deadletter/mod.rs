//! What can never be delivered, kept whole with its reason: dead letters of sinks and of the consumer.
//!
//! A letter is durable before [`DeadLetters::keep`] answers, and only then may the position that covers it move (R18).
//! After a crash in between the same event comes again with the same [`Id`]: a file drops what it already has, a topic
//! carries the id so that a reader can. When there is no room the caller waits and says so; nothing is thrown away to
//! make some.

pub mod file;
pub mod line;
pub mod read;

use crate::event::{Headers, Sequence};
use std::fmt;
use std::str::FromStr;

/// One event that can never be delivered.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Which event it is: the same whenever it is set aside again.
    pub id: Id,
    /// Stable word to search for, such as `record-too-large`.
    pub code: &'a str,
    /// Why it cannot be delivered, in the operator's words.
    pub reason: String,
    /// Where it came from and where it was going: `("topic", "weblog")`, in any order.
    pub origin: Vec<(&'static str, String)>,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its key, where it was a record that had one.
    pub key: Option<&'a [u8]>,
    /// All of its body, however large.
    pub body: &'a [u8],
}

/// An event's identity across restarts: a number in something that numbers its events for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    space: String,
    number: u64,
}

impl Id {
    /// An event of a channel, by the channel's own identity (R7).
    #[must_use]
    pub fn in_channel(channel: uuid::Uuid, sequence: Sequence) -> Self {
        Self { space: format!("channel/{channel}"), number: sequence }
    }

    /// An event of a source's input: `input` is the source's name for one life of one file.
    #[must_use]
    pub fn in_input(source: &str, input: &str, offset: u64) -> Self {
        Self { space: format!("input/{source}/{input}"), number: offset }
    }

    /// A record of a topic, by the topic's own identity: a topic made again is another one.
    #[must_use]
    pub fn in_topic(topic_id: &str, partition: i32, offset: u64) -> Self {
        Self { space: format!("topic/{topic_id}/{partition}"), number: offset }
    }

    /// What numbers the event.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.space
    }

    /// Its number there.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.space, self.number)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (space, number) = text.rsplit_once(':').ok_or(())?;
        Ok(Self { space: space.to_owned(), number: number.parse().map_err(|_| ())? })
    }
}

/// Where dead letters are kept.
pub trait DeadLetters: Send {
    /// Keeps all of them, and returns once they are durable: how many were new. After an error none counts as kept; the
    /// caller keeps the events, waits and offers them again.
    fn keep(&mut self, letters: &[Letter<'_>]) -> Result<usize, LetterError>;

    /// Where that is, in the operator's words.
    fn place(&self) -> String;
}

/// Why letters could not be kept. Both are the environment's doing: wait, tell, offer again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// There is no room.
    #[error("no room for dead letters in {place}: {detail}")]
    NoRoom {
        /// Where.
        place: String,
        /// What is full.
        detail: String,
    },
    /// They cannot be written.
    #[error("dead letters cannot be written to {place}: {why}")]
    Unavailable {
        /// Where.
        place: String,
        /// What the system said.
        why: String,
    },
}

impl LetterError {
    /// What the operator can do.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::NoRoom { .. } => {
                "make room there, or raise `deadletter.maxBytes`; it goes on by itself"
            }
            Self::Unavailable { .. } => "mend that; it goes on by itself",
        }
    }
}

crate::config::keys::choice! {
    /// Where a component's dead letters go.
    pub enum Place {
        /// Files below `deadletter.dir`.
        File = "file",
        /// The topic `deadletter.topic`.
        Topic = "topic",
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn an_id_is_the_same_after_it_was_written_and_read() {
        for id in [
            Id::in_channel(uuid::Uuid::from_u128(7), 42),
            Id::in_input("r1", "8:1:2:/var/log/a:b", u64::MAX),
            Id::in_topic("AAAA:b", 3, 0),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!("x".parse::<Id>(), Err(()));
        assert_eq!("x:y".parse::<Id>(), Err(()));
    }
}
