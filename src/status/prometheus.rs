//! The same numbers in Prometheus' text form.
//!
//! Names are those of Flume's own Prometheus server (its trunk after 1.11): `Flume_<Attribute>` with `_total` behind what
//! only grows, and the label `component`; `kind` is added, because a source and a sink may have the same name. What
//! Flume does not know begins with `tailwater_`.

use crate::status::metrics::{fill, to_f64};
use crate::status::snapshot::{Snapshot, State};
use std::collections::BTreeMap;
use std::fmt;

/// Attributes that go up and down.
const GAUGES: [&str; 1] = ["OpenConnectionCount"];
/// Every state a part may have, each a sample of its own.
const STATES: [State; 7] = [
    State::Starting,
    State::Working,
    State::Waiting,
    State::BackingOff,
    State::Stuck,
    State::Failed,
    State::Stopped,
];

/// The content type of the answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Default)]
struct Metrics(BTreeMap<String, Metric>);

struct Metric {
    form: &'static str,
    help: &'static str,
    samples: Vec<String>,
}

/// The whole answer.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut metrics = Metrics::default();
    metrics.counters(snapshot);
    metrics.gauges(snapshot);
    metrics.states(snapshot);
    metrics.to_string()
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, metric) in &self.0 {
            let (form, help) = (metric.form, metric.help);
            write!(f, "# HELP {name} {help}\n# TYPE {name} {form}\n")?;
            for sample in &metric.samples {
                writeln!(f, "{name}{sample}")?;
            }
        }
        Ok(())
    }
}

impl Metrics {
    fn counters(&mut self, snapshot: &Snapshot) {
        for registered in &snapshot.counters {
            let kind = registered.counters.kind().to_ascii_lowercase();
            for (name, value) in registered.counters.values() {
                let labels = [("component", registered.name.as_str()), ("kind", &kind)];
                let value = value.to_string();
                if GAUGES.contains(&name) {
                    self.add(&format!("Flume_{name}"), "gauge", "Flume's gauge.", &labels, &value);
                } else {
                    let name = format!("Flume_{name}_total");
                    self.add(&name, "counter", "Flume's counter.", &labels, &value);
                }
            }
        }
    }

    fn gauges(&mut self, snapshot: &Snapshot) {
        for part in &snapshot.parts {
            let Some(gauges) = part.gauges else { continue };
            let (size, capacity, percentage) = fill(&gauges);
            let oldest_ms = gauges.oldest_ms.map_or(0, |ms| (snapshot.at_ms - ms).max(0));
            let labels = [("component", part.name.as_str()), ("kind", "channel")];
            let seconds = to_f64(oldest_ms.unsigned_abs()) / 1000.0;
            for (name, help, value) in [
                ("Flume_ChannelSize", "Events in the channel.", size.to_string()),
                ("Flume_ChannelCapacity", "Events it can hold.", capacity.to_string()),
                ("Flume_ChannelFillPercentage", "Fill in percent.", percentage.to_string()),
                ("tailwater_channel_bytes", "Bytes in the channel.", gauges.bytes.to_string()),
                (
                    "tailwater_channel_capacity_bytes",
                    "Bytes it can hold.",
                    gauges.capacity_bytes.to_string(),
                ),
                (
                    "tailwater_channel_leased_events",
                    "Events that sinks hold and have not settled.",
                    gauges.leased.to_string(),
                ),
                (
                    "tailwater_channel_oldest_event_seconds",
                    "Age of the oldest event; 0 when there is none.",
                    seconds.to_string(),
                ),
                (
                    "tailwater_channel_damaged",
                    "Damage found in its files since it was opened.",
                    gauges.damaged.to_string(),
                ),
            ] {
                self.add(name, "gauge", help, &labels, &value);
            }
        }
    }

    fn states(&mut self, snapshot: &Snapshot) {
        let well = u8::from(snapshot.health().0).to_string();
        let labels = [("program", snapshot.program), ("name", snapshot.name.as_str())];
        self.add("tailwater_working", "gauge", "Whether everything works.", &labels, &well);
        let refused = u8::from(snapshot.refused.is_some()).to_string();
        let help = "Whether the configuration file was changed and refused.";
        self.add("tailwater_reload_refused", "gauge", help, &labels, &refused);
        for part in &snapshot.parts {
            for state in STATES {
                let labels = [
                    ("component", part.name.as_str()),
                    ("kind", part.kind.noun()),
                    ("state", state.word()),
                ];
                let is = u8::from(part.state == state).to_string();
                let help = "1 for the state the component is in.";
                self.add("tailwater_component_state", "gauge", help, &labels, &is);
            }
        }
    }

    fn add(
        &mut self,
        name: &str,
        form: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: &str,
    ) {
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
        let sample = format!("{{{}}} {value}", labels.join(","));
        let metric = self.0.entry(name.to_owned());
        metric.or_insert(Metric { form, help, samples: Vec::new() }).samples.push(sample);
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::status::snapshot::tests::snapshot;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_declared_once_before_its_samples_and_no_sample_comes_twice() {
        let text = text(&snapshot());
        let (mut declared, mut samples) = (BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(declaration) = line.strip_prefix("# TYPE ") {
                assert!(declared.insert(declaration.split(' ').next().unwrap()), "{line}");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(declared.contains(series.split('{').next().unwrap()), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(samples.insert(series), "{line}");
            }
        }
        for expected in [
            "Flume_EventReceivedCount_total{component=\"r1\",kind=\"source\"} 4",
            "Flume_ChannelSize{component=\"c1\",kind=\"channel\"} 1",
            "tailwater_channel_oldest_event_seconds{component=\"c1\",kind=\"channel\"} 1.5",
            "tailwater_working{program=\"agent\",name=\"a1\"} 1",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let mut snapshot = snapshot();
        snapshot.parts[0].name = "a\"} 1\nx".into();
        assert!(text(&snapshot).contains(r#"component="a\"} 1\nx""#));
    }
}
