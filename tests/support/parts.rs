//! What stands around a small part under test: its keys as from a file, a context, a memory channel to take from.

use super::clock::HandClock;
use std::sync::Arc;
use std::time::Duration;
use tailwater::channel::registry::CHANNELS;
use tailwater::channel::{BatchLimit, Channel};
use tailwater::clock::{Clock, Stop};
use tailwater::component::Context;
use tailwater::config::component::{Component, Property};
use tailwater::config::diagnostic::Diagnostic;
use tailwater::config::keys::Scope;
use tailwater::config::kind::Family;
use tailwater::config::span::Span;
use tailwater::config::surroundings::Surroundings;
use tailwater::event::{Batch, BatchBuilder, Headers, Origin};
use tailwater::sink::StartSink;
use tailwater::sink::registry::SINKS;
use tailwater::status::happening::Telling;

/// Lets `read` read `given` as the keys of a component.
pub fn read<T>(
    family: Family,
    given: &[(&str, &str)],
    read: impl FnOnce(&mut Scope<'_>) -> T,
) -> (T, Vec<Diagnostic>) {
    let property = |(key, value): &(&str, &str)| Property {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        key_span: Span::default(),
        value_span: Span::default(),
        pending: false,
    };
    let component = Component {
        family,
        agent: "a1".to_owned(),
        name: "x1".to_owned(),
        path: "a1.x1".to_owned(),
        type_name: String::new(),
        connected: Vec::new(),
        place: Span::default(),
        properties: given.iter().map(property).collect(),
    };
    let read = component.read(&Surroundings::default(), read);
    (read.value, read.diagnostics)
}

/// A sink of the registry, its keys read without a remark.
pub fn sink(type_name: &str, given: &[(&str, &str)]) -> Box<dyn StartSink> {
    let kind = SINKS.iter().find(|kind| kind.names.contains(&type_name)).unwrap();
    let (sink, said) = read(Family::Sink, given, kind.read);
    assert!(said.is_empty(), "{said:?}");
    sink.unwrap()
}

/// An agent's surroundings, with a clock that is turned by hand.
pub struct Bench {
    pub clock: Arc<HandClock>,
    pub telling: Telling,
    pub stop: Stop,
}

impl Bench {
    pub fn new() -> Self {
        let clock = Arc::new(HandClock::default());
        Self { telling: Telling::new(clock.clone()), clock, stop: Stop::new() }
    }

    pub fn context(&self, kind: &'static str, name: &str) -> Context {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let teller = self.telling.of(kind, &name.into());
        Context { agent: "a1".into(), name: name.into(), clock, stop: self.stop.clone(), teller }
    }

    /// A memory channel for a thousand events.
    pub fn channel(&self, name: &str) -> Arc<dyn Channel> {
        let kind = CHANNELS.iter().find(|kind| kind.names.contains(&"memory")).unwrap();
        let (channel, _) = read(Family::Channel, &[("capacity", "1000")], kind.read);
        channel.unwrap().start(&self.context("channel", name)).unwrap()
    }

    /// A number that a component shows in the metrics.
    pub fn counted(&self, name: &str, counter: &str) -> i64 {
        let registered = self.telling.counters();
        let of = registered.iter().find(|r| r.name.as_str() == name).unwrap();
        of.counters.values().into_iter().find(|(n, _)| *n == counter).unwrap().1
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// A batch of bodies without headers.
pub fn batch(bodies: &[&str]) -> Batch {
    batch_with(&bodies.iter().map(|body| (&[][..], *body)).collect::<Vec<_>>())
}

/// A batch of headers and bodies.
pub fn batch_with(events: &[(&[(&str, &str)], &str)]) -> Batch {
    let mut builder = BatchBuilder::new();
    for (headers, body) in events {
        let headers: Headers =
            headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        builder.push(&Arc::new(headers), body.as_bytes());
    }
    builder.build(Origin::default())
}

/// The bodies of a batch.
pub fn bodies(batch: &Batch) -> Vec<String> {
    batch.events().map(|event| String::from_utf8_lossy(event.body).into_owned()).collect()
}

/// The bodies that are left in a channel. They stay there.
pub fn left(channel: &Arc<dyn Channel>) -> Vec<String> {
    let all = BatchLimit { events: usize::MAX, bytes: u64::MAX };
    let lease = channel.take(all, Duration::ZERO).unwrap();
    lease.map_or_else(Vec::new, |lease| lease.batches().iter().flat_map(bodies).collect())
}
