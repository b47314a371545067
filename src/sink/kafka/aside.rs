//! An event that can never be delivered: its dead letter, and what the operator reads.

use super::flight::batch_of;
use super::record::Shape;
use crate::channel::{Channel, Lease};
use crate::deadletter::{Id, Letter};
use crate::event::Sequence;
use crate::status::happening::Happening;

/// The code of records that are too large.
pub(super) const TOO_LARGE: &str = "record-too-large";
/// The code of records that cannot be delivered for another reason of their own.
pub(super) const UNFIT: &str = "record-unfit";

/// An event to be set aside.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) sequence: Sequence,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Aside {
    /// Its dead letter, which is the same whenever the event is set aside again (R7).
    pub(super) fn letter<'a>(
        &self,
        lease: &'a Lease,
        shape: &Shape,
        channel: &dyn Channel,
    ) -> Option<Letter<'a>> {
        let (batch, index) = batch_of(lease, self.sequence)?;
        let event = batch.event(index)?;
        let mut origin = vec![("channel", channel.name().to_string())];
        if let Ok(envelope) = shape.envelope(event.headers) {
            origin.push(("topic", envelope.topic.into_owned()));
        }
        // Where its batch was read: as near as the channel remembers.
        if let [part] = batch.origin.parts.as_slice() {
            origin.push(("input", part.input.to_string()));
            origin.push(("bytes", format!("{}..{}", part.range.start, part.range.end)));
        }
        Some(Letter {
            id: Id::in_channel(channel.id(), self.sequence),
            code: self.code,
            reason: self.reason.clone(),
            origin,
            headers: event.headers,
            key: None,
            body: event.body,
        })
    }

    /// What the operator reads, once the letter is kept in `place`.
    pub(super) fn happening(&self, letter: &Letter<'_>, place: &str, brokers: &str) -> Happening {
        let topic = letter.origin.iter().find(|(name, _)| *name == "topic");
        let topic = topic.map_or("TOPIC", |(_, topic)| topic.as_str());
        let next = match self.code {
            TOO_LARGE => format!(
                "to take such events, raise the limit: kafka-configs.sh --bootstrap-server {brokers} --alter \
                 --entity-type topics --entity-name {topic} --add-config max.message.bytes=N"
            ),
            _ => "look at it there".to_owned(),
        };
        Happening::error(self.code, format!("an event cannot be delivered: {}", self.reason))
            .effect(format!("it is kept in {place}; its neighbours are delivered"))
            .next(next)
    }
}
