//! How a running program stands at one moment: what metrics, health and the page are drawn from.
//!
//! The program answers [`Observed::snapshot`]; the status server knows nothing else of it.

use crate::channel::ChannelGauges;
use crate::event::ComponentName;
use crate::status::happening::{Registered, Told};
use std::fmt;

/// A running agent or consumer, as the status server sees it.
pub trait Observed: Send + Sync {
    /// How it stands now. Quick: it takes a few locks and asks nobody.
    fn snapshot(&self) -> Snapshot;
}

/// How a running program stands.
#[derive(Clone)]
pub struct Snapshot {
    /// `agent` or `consumer`.
    pub program: &'static str,
    /// Its name.
    pub name: ComponentName,
    /// Now, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// Its parts, in the order an event meets them.
    pub parts: Vec<Part>,
    /// The counters of all components.
    pub counters: Vec<Registered>,
    /// What happened lately, newest last.
    pub newest: Vec<Told>,
    /// What is wrong with the configuration file though the program runs: a reload that was refused.
    pub refused: Option<String>,
}

/// One component and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which family.
    pub kind: PartKind,
    /// Its name.
    pub name: ComponentName,
    /// Its `type` as the file has it.
    pub type_name: String,
    /// How it stands.
    pub state: State,
    /// Why, where that is not plain: what it waits for, what failed.
    pub why: String,
    /// The channels it is connected to.
    pub channels: Vec<ComponentName>,
    /// Fill and capacity, of a channel.
    pub gauges: Option<ChannelGauges>,
}

/// Which family a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// Where events come from.
    Source,
    /// Where they wait.
    Channel,
    /// Where they go.
    Sink,
    /// What takes them from a topic to a table.
    Consumer,
}

impl PartKind {
    /// Flume's noun.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Channel => "channel",
            Self::Sink => "sink",
            Self::Consumer => "consumer",
        }
    }
}

/// How a part stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet open.
    Starting,
    /// Events move.
    Working,
    /// There is nothing to do.
    Waiting,
    /// Something failed; it is tried again.
    BackingOff,
    /// There is something to do, and nothing moves.
    Stuck,
    /// It does not run.
    Failed,
    /// It was stopped on request.
    Stopped,
}

impl State {
    /// The word on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::BackingOff => "backing off",
            Self::Stuck => "stuck",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it does what it is there for.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Working | Self::Waiting)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Snapshot {
    /// Whether everything works, and what `/healthz` says about it: a line, and one for each component that does not. A
    /// process that lives and moves nothing is not well.
    #[must_use]
    pub fn health(&self) -> (bool, String) {
        let (program, name) = (self.program, &self.name);
        if self.parts.is_empty() {
            return (false, format!("{program} {name} does not work: nothing runs"));
        }
        let unwell: Vec<_> = self.parts.iter().filter(|part| !part.state.is_well()).collect();
        if unwell.is_empty() {
            return (true, format!("{program} {name} works: {} components", self.parts.len()));
        }
        let of = |part: &&Part| {
            let why = if part.why.is_empty() { String::new() } else { format!(": {}", part.why) };
            format!("\n{} {} is {}{why}", part.kind.noun(), part.name, part.state)
        };
        let list: String = unwell.iter().map(of).collect();
        (false, format!("{program} {name} does not work{list}"))
    }

    /// The `type` of the part that has this entry in the metrics.
    #[must_use]
    pub fn part(&self, kind: &str, name: &ComponentName) -> Option<&Part> {
        self.parts.iter().find(|p| p.name == *name && p.kind.noun().eq_ignore_ascii_case(kind))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Part, PartKind, Snapshot, State};
    use crate::channel::ChannelGauges;
    use crate::status::counters::{ChannelCounters, CounterSet, SinkCounters, SourceCounters};
    use crate::status::happening::Registered;
    use std::sync::Arc;

    /// `r1` → `c1` → `k1`, with a few events in it.
    pub(crate) fn snapshot() -> Snapshot {
        let part = |kind, name: &str, type_name: &str| Part {
            kind,
            name: name.into(),
            type_name: type_name.into(),
            state: State::Working,
            why: String::new(),
            channels: vec!["c1".into()],
            gauges: None,
        };
        let gauges = ChannelGauges {
            events: 1,
            bytes: 100,
            capacity_events: Some(8),
            capacity_bytes: 1000,
            oldest_ms: Some(500),
            next_sequence: 4,
            ..ChannelGauges::default()
        };
        let (source, channel, sink) =
            (SourceCounters::default(), ChannelCounters::default(), SinkCounters::default());
        source.event_received.add(4);
        channel.event_take_success.add(3);
        sink.dead_letters.add(1);
        let registered = |name: &str, counters: Arc<dyn CounterSet>| Registered {
            name: name.into(),
            started_ms: 1000,
            stopped_ms: 0,
            counters,
        };
        Snapshot {
            program: "agent",
            name: "a1".into(),
            at_ms: 2000,
            started_ms: 1000,
            parts: vec![
                part(PartKind::Source, "r1", "TAILDIR"),
                Part { gauges: Some(gauges), ..part(PartKind::Channel, "c1", "memory") },
                part(PartKind::Sink, "k1", "org.apache.flume.sink.kafka.KafkaSink"),
            ],
            counters: vec![
                registered("c1", Arc::new(channel)),
                registered("k1", Arc::new(sink)),
                registered("r1", Arc::new(source)),
            ],
            newest: Vec::new(),
            refused: None,
        }
    }

    #[test]
    fn a_process_that_lives_and_moves_nothing_is_not_well() {
        let mut snapshot = snapshot();
        assert_eq!(snapshot.health(), (true, "agent a1 works: 3 components".into()));
        snapshot.parts[2].state = State::Stuck;
        snapshot.parts[2].why = "no broker answers".into();
        let said = "agent a1 does not work\nsink k1 is stuck: no broker answers";
        assert_eq!(snapshot.health(), (false, said.into()));
        snapshot.parts.clear();
        assert_eq!(snapshot.health(), (false, "agent a1 does not work: nothing runs".into()));
    }
}
