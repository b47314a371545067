//! What record an event becomes: topic, partition, key, time, headers, value.

use crate::event::Event;
use crate::kafka::escape::{Escaped, Unnamed};
use crate::kafka::wire::flume_event;
use std::borrow::Cow;

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

/// The record of an event.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) topic: Cow<'a, str>,
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'a str>,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) value: Cow<'a, [u8]>,
}

/// The header with a record's key; Flume gives it no other name.
const KEY: &str = "key";

impl Shape {
    /// The record, or why the event can never become one: a sentence.
    pub(super) fn record<'a>(&'a self, event: Event<'a>) -> Result<Record<'a>, String> {
        let header = |name: &str| event.headers.get(name).map(String::as_str);
        let topic = match (&self.fixed_topic, header(&self.topic_header)) {
            (Some(topic), _) => Cow::Borrowed(topic.as_str()),
            (None, Some(topic)) => Cow::Borrowed(topic),
            (None, None) => match self.topic.as_plain() {
                Some(topic) => Cow::Borrowed(topic),
                None => {
                    self.topic.expand(event.headers).map_err(|why: Unnamed| why.to_string())?.into()
                }
            },
        };
        let wanted =
            self.partition_id_header.as_deref().and_then(|name| Some((name, header(name)?)));
        let partition = match wanted {
            None => self.default_partition,
            Some((name, text)) => {
                let partition = text.trim().parse::<i32>().ok().filter(|p| *p >= 0);
                Some(
                    partition
                        .ok_or_else(|| format!("its header `{name}` is no partition: `{text}`"))?,
                )
            }
        };
        Ok(Record {
            topic,
            partition,
            key: header(KEY),
            // As in Flume a time that is none is left out.
            timestamp_ms: self
                .timestamp_header
                .as_deref()
                .and_then(header)
                .and_then(|t| t.trim().parse().ok()),
            headers: self
                .headers
                .iter()
                .filter_map(|(from, to)| Some((to.as_str(), header(from)?)))
                .collect(),
            value: if self.flume_event { flume_event(event).into() } else { event.body.into() },
        })
    }
}
