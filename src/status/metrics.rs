//! Flume's JSON of `/metrics`: its names, its strings for numbers, its escaping.
//!
//! One object on one line; `<TYPE>.<name>` → an object whose values are all strings. The order of members is free there and
//! fixed here. `DeadLetterCount` of sinks is ours.

use crate::channel::ChannelGauges;
use crate::status::happening::Registered;
use crate::status::snapshot::{Part, Snapshot};
use std::collections::BTreeMap;

/// Counters that only Kafka's components have in Flume.
const OF_KAFKA: [&str; 2] = ["KafkaEventSendTimer", "RollbackCount"];
/// Counters that Flume's file channel has and its memory channel lacks.
const OF_FILE_CHANNEL: [&str; 3] =
    ["EventPutErrorCount", "EventTakeErrorCount", "CheckpointWriteErrorCount"];

/// The whole answer.
#[must_use]
pub fn flume_json(snapshot: &Snapshot) -> String {
    let entries: BTreeMap<String, BTreeMap<&str, String>> =
        snapshot.counters.iter().map(|registered| entry(snapshot, registered)).collect();
    escape_as_gson(&to_json(&entries))
}

fn to_json(entries: &BTreeMap<String, BTreeMap<&str, String>>) -> String {
    serde_json::to_string(entries).expect("maps of strings are JSON")
}

fn entry<'a>(
    snapshot: &Snapshot,
    registered: &'a Registered,
) -> (String, BTreeMap<&'a str, String>) {
    let kind = registered.counters.kind();
    let part = snapshot.part(kind, &registered.name);
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    values.insert("Type", kind.to_owned());
    values.insert("StartTime", registered.started_ms.to_string());
    values.insert("StopTime", registered.stopped_ms.to_string());
    for (name, number) in registered.counters.values() {
        if belongs(name, part) {
            values.insert(name, number.to_string());
        }
    }
    if let Some(part) = part {
        values.extend(part.gauges.iter().flat_map(channel_gauges));
        if part.gauges.is_some() && is_durable(&part.type_name) {
            // There is no copy of a checkpoint that could fail to be written.
            values.insert("CheckpointBackupWriteErrorCount", "0".to_owned());
            let open = part.state.is_well();
            values.insert("Open", open.to_string());
            values.insert("Closed", u8::from(!open).to_string());
            values.insert("Unhealthy", u8::from(!open).to_string());
        }
    }
    (format!("{kind}.{}", registered.name), values)
}

/// Whether Flume shows this counter for a component of this type.
fn belongs(counter: &str, part: Option<&Part>) -> bool {
    let type_name = part.map_or("", |part| part.type_name.as_str());
    if OF_KAFKA.contains(&counter) {
        return type_name.to_ascii_lowercase().contains("kafka");
    }
    !OF_FILE_CHANNEL.contains(&counter) || is_durable(type_name)
}

fn is_durable(type_name: &str) -> bool {
    type_name.eq_ignore_ascii_case("file") || type_name.ends_with(".FileChannel")
}

fn channel_gauges(gauges: &ChannelGauges) -> [(&'static str, String); 3] {
    let (size, capacity, percentage) = fill(gauges);
    [
        ("ChannelSize", size.to_string()),
        ("ChannelCapacity", capacity.to_string()),
        ("ChannelFillPercentage", java_double(percentage)),
    ]
}

/// Size, capacity and fill in percent. Where only bytes are bounded, the fill is that of the bytes and the capacity the
/// number of events of the present average size that would fit.
#[must_use]
pub fn fill(gauges: &ChannelGauges) -> (u64, u64, f64) {
    let percent = |part: u64, whole: u64| {
        if whole == 0 { f64::MAX } else { to_f64(part) / to_f64(whole) * 100.0 }
    };
    if let Some(capacity) = gauges.capacity_events {
        return (gauges.events, capacity, percent(gauges.events, capacity));
    }
    let average = gauges.bytes.checked_div(gauges.events).unwrap_or(0).max(1);
    let room = gauges.capacity_bytes.saturating_sub(gauges.bytes) / average;
    (gauges.events, gauges.events + room, percent(gauges.bytes, gauges.capacity_bytes))
}

/// For ratios on a page: what is lost above 2^53 nobody sees.
#[must_use]
pub fn to_f64(n: u64) -> f64 {
    let half = |bits: u64| u32::try_from(bits).map_or(f64::MAX, f64::from);
    half(n >> 32) * 4_294_967_296.0 + half(n & 0xffff_ffff)
}

/// `Double.toString`: `0.0`, `12.5`, `1.0E-4`.
fn java_double(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
        let point = if digits.contains('.') { "" } else { ".0" };
        return format!("{digits}{point}E{exponent}");
    }
    format!("{value:?}")
}

/// Gson writes these as escapes, because its output may stand in HTML.
fn escape_as_gson(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003d"),
            '\'' => out.push_str("\\u0027"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{fill, flume_json, java_double};
    use crate::channel::ChannelGauges;
    use crate::status::snapshot::tests::snapshot;

    #[test]
    fn the_metrics_have_flumes_names_and_every_value_is_a_string() {
        let json: serde_json::Value = serde_json::from_str(&flume_json(&snapshot())).unwrap();
        let all = json.as_object().unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["CHANNEL.c1", "SINK.k1", "SOURCE.r1"]);
        assert!(
            all.values().all(|e| e.as_object().unwrap().values().all(serde_json::Value::is_string))
        );
        let channel = &json["CHANNEL.c1"];
        assert_eq!(channel["ChannelSize"], "1");
        assert_eq!(channel["ChannelCapacity"], "8");
        assert_eq!(channel["ChannelFillPercentage"], "12.5");
        assert_eq!(channel["EventTakeSuccessCount"], "3");
        assert_eq!(channel["StartTime"], "1000");
        assert_eq!(channel["StopTime"], "0");
        assert!(channel.get("EventPutErrorCount").is_none(), "a memory channel has none in Flume");
        assert_eq!(json["SOURCE.r1"]["EventReceivedCount"], "4");
        assert_eq!(json["SINK.k1"]["RollbackCount"], "0");
        assert_eq!(json["SINK.k1"]["DeadLetterCount"], "1");
    }

    #[test]
    fn names_are_escaped_as_gson_does() {
        let mut snapshot = snapshot();
        snapshot.counters[0].name = "a<b>&='c".into();
        let json = flume_json(&snapshot);
        assert!(json.contains(r#""CHANNEL.a\u003cb\u003e\u0026\u003d\u0027c""#), "{json}");
    }

    #[test]
    fn the_fill_is_written_as_java_writes_a_double() {
        let cases = [
            (0.0, "0.0"),
            (12.5, "12.5"),
            (0.0001, "1.0E-4"),
            (100.0, "100.0"),
            (f64::MAX, "1.7976931348623157E308"),
        ];
        for (value, text) in cases {
            assert_eq!(java_double(value), text);
        }
    }

    #[test]
    fn a_channel_bounded_by_bytes_alone_has_the_fill_of_its_bytes() {
        let gauges = ChannelGauges {
            events: 10,
            bytes: 1000,
            capacity_bytes: 4000,
            ..ChannelGauges::default()
        };
        assert_eq!(fill(&gauges), (10, 40, 25.0));
        assert_eq!(fill(&ChannelGauges { capacity_bytes: 7, ..ChannelGauges::default() }).0, 0);
    }
}
