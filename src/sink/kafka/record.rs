//! What record an event becomes: topic, partition, key, time, headers, value.

use crate::event::{Batch, Event, Headers};
use crate::kafka::escape::{Escaped, Unnamed};
use crate::kafka::raw::Envelope;
use crate::kafka::wire::flume_event;
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// How events become records.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) topic: Escaped,
    /// The topic of every event, where none may choose its own.
    pub(super) fixed_topic: Option<String>,
    pub(super) topic_header: String,
    pub(super) default_partition: Option<i32>,
    pub(super) partition_id_header: Option<String>,
    pub(super) timestamp_header: Option<String>,
    /// From which event header to which record header.
    pub(super) headers: Vec<(String, String)>,
    pub(super) flume_event: bool,
}

/// The header with a record's key; Flume gives it no other name.
const KEY: &str = "key";

impl Shape {
    /// All of a record but its value: it depends on the headers alone, so that events which share them share it. Or why
    /// such an event can never become a record: a sentence.
    pub(super) fn envelope<'a>(&'a self, headers: &'a Headers) -> Result<Envelope<'a>, String> {
        let header = |name: &str| headers.get(name).map(String::as_str);
        Ok(Envelope {
            topic: self.topic_of(headers)?,
            partition: self.partition_of(headers)?,
            key: header(KEY).map(str::as_bytes),
            // As in Flume a time that is none is left out.
            timestamp: self
                .timestamp_header
                .as_deref()
                .and_then(header)
                .and_then(|text| text.trim().parse().ok()),
            headers: self
                .headers
                .iter()
                .filter_map(|(from, to)| Some((to.as_str(), header(from)?.as_bytes())))
                .collect(),
        })
    }

    /// The topic, where all events without a topic of their own have the same.
    pub(super) fn plain_topic(&self) -> Option<&str> {
        self.fixed_topic.as_deref().or_else(|| self.topic.as_plain())
    }

    /// How large an event's record is: value, key and headers.
    pub(super) fn record_bytes(&self, event: Event<'_>) -> u64 {
        let value = if self.flume_event { flume_event(event).len() } else { event.body.len() };
        let envelope = self.envelope(event.headers).map_or(0, |envelope| envelope.bytes());
        envelope + u64::try_from(value).unwrap_or(u64::MAX)
    }

    fn topic_of<'a>(&'a self, headers: &'a Headers) -> Result<Cow<'a, str>, String> {
        if let Some(topic) = &self.fixed_topic {
            return Ok(Cow::Borrowed(topic));
        }
        if let Some(topic) = headers.get(&self.topic_header) {
            return Ok(Cow::Borrowed(topic));
        }
        match self.topic.as_plain() {
            Some(topic) => Ok(Cow::Borrowed(topic)),
            None => {
                self.topic.expand(headers).map(Cow::Owned).map_err(|why: Unnamed| why.to_string())
            }
        }
    }

    fn partition_of(&self, headers: &Headers) -> Result<Option<i32>, String> {
        let wanted =
            self.partition_id_header.as_deref().and_then(|name| Some((name, headers.get(name)?)));
        let Some((name, text)) = wanted else { return Ok(self.default_partition) };
        match text.trim().parse::<i32>() {
            Ok(partition) if partition >= 0 => Ok(Some(partition)),
            _ => Err(format!("its header `{name}` is no partition: `{text}`")),
        }
    }

    /// A buffer that holds the values of a batch, and where in it each lies: the batch's own for plain bodies.
    pub(super) fn values(&self, batch: &Batch) -> (Bytes, Vec<Range<usize>>) {
        if self.flume_event {
            let mut buffer = Vec::new();
            let place = |event| {
                let start = buffer.len();
                buffer.extend_from_slice(&flume_event(event));
                start..buffer.len()
            };
            let ranges = batch.events().map(place).collect();
            return (Bytes::from(buffer), ranges);
        }
        let place = |start: u32, length: u32| {
            let start = usize::try_from(start).expect("usize has 32 bits or more");
            start..start + usize::try_from(length).expect("usize has 32 bits or more")
        };
        let ranges = batch.table().iter().map(|entry| place(entry.start, entry.length)).collect();
        (batch.bytes().clone(), ranges)
    }
}
