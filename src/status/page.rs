//! `/`: the path of events as plain text, legible in `curl` and in a browser alike.
//!
//! Each part with its state in a word, what fills a channel, and what happened last.

use crate::status::happening::Told;
use crate::status::metrics::fill;
use crate::status::snapshot::{Part, PartKind, Snapshot};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;

/// How many of the newest happenings are shown.
const NEWEST_SHOWN: usize = 10;

/// The whole page.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    struct Page<'a>(&'a Snapshot);
    impl fmt::Display for Page<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_page(f, self.0)
        }
    }
    Page(snapshot).to_string()
}

fn write_page(out: &mut fmt::Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let (_, health) = snapshot.health();
    if let Some(refused) = &snapshot.refused {
        writeln!(out, "! the configuration file was changed and refused; the old one runs on:")?;
        writeln!(out, "{refused}\n")?;
    }
    writeln!(out, "{health}")?;
    writeln!(out, "since {}, now {}\n", time(snapshot.started_ms), time(snapshot.at_ms))?;
    for (kind, title) in [
        (PartKind::Source, "SOURCES"),
        (PartKind::Channel, "CHANNELS"),
        (PartKind::Sink, "SINKS"),
        (PartKind::Consumer, "CONSUMERS"),
    ] {
        let parts: Vec<_> = snapshot.parts.iter().filter(|part| part.kind == kind).collect();
        if !parts.is_empty() {
            writeln!(out, "{title}")?;
        }
        for part in parts {
            write_part(out, snapshot, part)?;
        }
    }
    writeln!(out, "\nLATELY")?;
    if snapshot.newest.is_empty() {
        writeln!(out, "  nothing to tell")?;
    }
    for told in snapshot.newest.iter().rev().take(NEWEST_SHOWN) {
        write_told(out, told)?;
    }
    writeln!(out, "\n/metrics.json  /metrics.prom  /healthz")
}

fn write_part(out: &mut fmt::Formatter<'_>, snapshot: &Snapshot, part: &Part) -> fmt::Result {
    let channels: Vec<_> = part.channels.iter().map(ToString::to_string).collect();
    let way = match part.kind {
        PartKind::Source => format!("→ {}", channels.join(", ")),
        PartKind::Sink => format!("← {}", channels.join(", ")),
        PartKind::Channel | PartKind::Consumer => String::new(),
    };
    writeln!(out, "  {:<16} {:<12} {:<24} {way}", part.name, part.state, part.type_name)?;
    if !part.why.is_empty() {
        writeln!(out, "    {}", part.why)?;
    }
    if let Some(gauges) = &part.gauges {
        let (events, _, percent) = fill(gauges);
        write!(out, "    {events} events, {} of {} bytes", gauges.bytes, gauges.capacity_bytes)?;
        write!(out, ", {percent:.1} % full")?;
        if let Some(oldest_ms) = gauges.oldest_ms {
            write!(out, "; the oldest is {} s old", (snapshot.at_ms - oldest_ms).max(0) / 1000)?;
        }
        writeln!(out)?;
    }
    let entry = |r: &&crate::status::happening::Registered| {
        r.name == part.name && r.counters.kind().eq_ignore_ascii_case(part.kind.noun())
    };
    if let Some(registered) = snapshot.counters.iter().find(entry) {
        let moved = registered.counters.values().into_iter().filter(|(_, n)| *n != 0);
        let moved: Vec<_> = moved.map(|(name, n)| format!("{name} {n}")).collect();
        if !moved.is_empty() {
            writeln!(out, "    {}", moved.join(", "))?;
        }
    }
    Ok(())
}

fn write_told(out: &mut fmt::Formatter<'_>, told: &Told) -> fmt::Result {
    let happening = &told.happening;
    write!(out, "  {} {}: {}", time(told.at_ms), told.component, happening.what)?;
    if told.times > 1 {
        write!(out, " ({} times)", told.times)?;
    }
    writeln!(out)?;
    for (word, text) in [("effect", &happening.effect), ("next", &happening.next)] {
        if !text.is_empty() {
            writeln!(out, "    {word}: {text}")?;
        }
    }
    Ok(())
}

fn time(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => {
            at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Err(_) => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::status::snapshot::tests::snapshot;

    #[test]
    fn the_page_shows_the_path_and_first_of_all_a_refused_reload() {
        let mut snapshot = snapshot();
        let page = text(&snapshot);
        let at = |needle: &str| page.find(needle).unwrap_or_else(|| panic!("{needle}\n{page}"));
        assert!(at("r1  ") < at("c1  ") && at("c1  ") < at("k1  "));
        at("1 events, 100 of 1000 bytes, 12.5 % full; the oldest is 1 s old");
        at("EventReceivedCount 4");
        snapshot.refused = Some("error[missing-key]: …".into());
        assert!(text(&snapshot).starts_with("! the configuration file was changed and refused"));
    }
}
