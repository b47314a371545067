//! The log lines that runbooks of Flume look for, word for word, and nothing but them.
//!
//! What Flume says in a log and nobody searches for (`MBean`s, thread pools) is not said.

use crate::channel::ChannelGauges;
use crate::status::happening::Registered;

/// Flume's internal name of each counter, as its final lines have it.
const FINAL: &[(&str, &[(&str, &str)])] = &[
    (
        "CHANNEL",
        &[
            ("channel.event.put.attempt", "EventPutAttemptCount"),
            ("channel.event.put.success", "EventPutSuccessCount"),
            ("channel.event.take.attempt", "EventTakeAttemptCount"),
            ("channel.event.take.success", "EventTakeSuccessCount"),
        ],
    ),
    (
        "SOURCE",
        &[
            ("src.append-batch.accepted", "AppendBatchAcceptedCount"),
            ("src.append-batch.received", "AppendBatchReceivedCount"),
            ("src.append.accepted", "AppendAcceptedCount"),
            ("src.append.received", "AppendReceivedCount"),
            ("src.channel.write.fail", "ChannelWriteFail"),
            ("src.event.read.fail", "EventReadFail"),
            ("src.events.accepted", "EventAcceptedCount"),
            ("src.events.received", "EventReceivedCount"),
            ("src.generic.processing.fail", "GenericProcessingFail"),
            ("src.open-connection.count", "OpenConnectionCount"),
        ],
    ),
    (
        "SINK",
        &[
            ("sink.batch.complete", "BatchCompleteCount"),
            ("sink.batch.empty", "BatchEmptyCount"),
            ("sink.batch.underflow", "BatchUnderflowCount"),
            ("sink.channel.read.fail", "ChannelReadFail"),
            ("sink.connection.closed.count", "ConnectionClosedCount"),
            ("sink.connection.creation.count", "ConnectionCreatedCount"),
            ("sink.connection.failed.count", "ConnectionFailedCount"),
            ("sink.event.drain.attempt", "EventDrainAttemptCount"),
            ("sink.event.drain.sucess", "EventDrainSuccessCount"), // spelled so in Flume
            ("sink.event.write.fail", "EventWriteFail"),
        ],
    ),
];

/// `Component type: SOURCE, name: r1 started`.
pub(super) fn started(kind: &str, name: &str) {
    log::info!("Component type: {kind}, name: {name} started");
}

/// The final counters of a component, a line each, as Flume's stop has them.
pub(super) fn stopped(entry: &Registered, gauges: Option<&ChannelGauges>) {
    let (kind, name) = (entry.counters.kind(), &entry.name);
    log::info!("Component type: {kind}, name: {name} stopped");
    let metric = |key: &str, value: &str| {
        log::info!("Shutdown Metric for type: {kind}, name: {name}. {key} == {value}");
    };
    let prefix = kind.to_ascii_lowercase();
    metric(&format!("{prefix}.start.time"), &entry.started_ms.to_string());
    metric(&format!("{prefix}.stop.time"), &entry.stopped_ms.to_string());
    if let Some(gauges) = gauges {
        let capacity = gauges.capacity_events.unwrap_or(gauges.capacity_bytes);
        metric("channel.capacity", &capacity.to_string());
        metric("channel.current.size", &gauges.events.to_string());
    }
    let values = entry.counters.values();
    let keys = FINAL.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, keys)| *keys);
    for (key, attribute) in keys {
        if let Some((_, value)) = values.iter().find(|(name, _)| name == attribute) {
            metric(key, &value.to_string());
        }
    }
}

/// `{ sourceRunners:{r1=…} sinkRunners:{k1=…} channels:{c1=…} }`.
pub(super) fn materialized<'a>(
    sources: impl Iterator<Item = (&'a str, &'a str)>,
    sinks: impl Iterator<Item = (&'a str, &'a str)>,
    channels: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    let named = |(name, type_name): (&str, &str)| format!("{name}={type_name}");
    format!(
        "{{ sourceRunners:{{{}}} sinkRunners:{{{}}} channels:{{{}}} }}",
        list(sources.map(named).collect()),
        list(sinks.map(named).collect()),
        list(channels.map(named).collect()),
    )
}

#[cfg(test)]
mod tests {
    use super::{FINAL, materialized};
    use crate::status::counters::{ChannelCounters, CounterSet, SinkCounters, SourceCounters};

    #[test]
    fn every_final_line_has_a_counter_behind_it() {
        let sets: [&dyn CounterSet; 3] =
            [&SourceCounters::default(), &ChannelCounters::default(), &SinkCounters::default()];
        for set in sets {
            let (_, keys) = FINAL.iter().find(|(kind, _)| *kind == set.kind()).unwrap();
            let names: Vec<_> = set.values().into_iter().map(|(name, _)| name).collect();
            for (key, attribute) in *keys {
                assert!(names.contains(attribute), "{key}");
            }
        }
    }

    #[test]
    fn the_new_configuration_is_told_in_flumes_form() {
        let told = materialized(
            [("r1", "seq")].into_iter(),
            [("k1", "logger")].into_iter(),
            [("c1", "memory")].into_iter(),
        );
        assert_eq!(told, "{ sourceRunners:{r1=seq} sinkRunners:{k1=logger} channels:{c1=memory} }");
    }
}
