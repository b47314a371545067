//! What the status server is shown of a running agent: who runs, how each of them stands, and whether channels get emptier.
//!
//! Stuck is derived from progress alone: a channel has events, and for a while nothing was delivered from it. Then its sinks
//! are stuck, whatever they say themselves.

use crate::channel::{Channel, ChannelGauges};
use crate::clock::Clock;
use crate::event::ComponentName;
use crate::progress::{Activity, Progress};
use crate::status::happening::Telling;
use crate::status::snapshot::{Observed, Part, PartKind, Snapshot, State};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a channel may have events of which none is delivered before its sinks count as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// How an agent stands, shared by its supervisor and the status server.
pub struct Board {
    agent: ComponentName,
    clock: Arc<dyn Clock>,
    telling: Telling,
    started_ms: i64,
    state: Mutex<BoardState>,
}

#[derive(Default)]
struct BoardState {
    parts: Vec<Shown>,
    delivered: BTreeMap<ComponentName, Delivered>,
    refused: Option<String>,
}

/// One component as the supervisor shows it.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) kind: PartKind,
    pub(super) name: ComponentName,
    pub(super) type_name: String,
    pub(super) channels: Vec<ComponentName>,
    pub(super) standing: Standing,
}

/// Where to look for how it stands.
#[derive(Clone)]
pub(super) enum Standing {
    /// A channel that is open.
    Open(Arc<dyn Channel>),
    /// A source or sink with a runner.
    Running(Arc<Progress>),
    /// It does not run yet, or will not.
    Not(State, String),
}

/// How many events had left a channel, and since when that is so.
struct Delivered {
    sequence: u64,
    since: Duration,
}

impl Board {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(agent: ComponentName, clock: Arc<dyn Clock>, telling: Telling) -> Self {
        let started_ms = clock.wall_ms();
        Self { agent, clock, telling, started_ms, state: Mutex::default() }
    }

    /// Shows other parts than before.
    pub(super) fn show(&self, parts: Vec<Shown>) {
        self.lock().parts = parts;
    }

    /// Shows that the configuration file was changed and refused, or that it is well again.
    pub(super) fn refuse(&self, remarks: Option<String>) {
        self.lock().refused = remarks;
    }

    /// Looks how far each channel has come; called about once a second.
    pub(super) fn look(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        let gauges = state.gauges();
        for (name, gauges) in gauges {
            let sequence = gauges.next_sequence.saturating_sub(gauges.events);
            let last = state.delivered.entry(name).or_insert(Delivered { sequence, since: now });
            if last.sequence != sequence || gauges.events == 0 {
                *last = Delivered { sequence, since: now };
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BoardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observed for Board {
    fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let state = self.lock();
        let gauges = state.gauges();
        let parts = state.parts.iter().map(|part| state.part(part, &gauges, now)).collect();
        Snapshot {
            program: "agent",
            name: self.agent.clone(),
            at_ms: self.clock.wall_ms(),
            started_ms: self.started_ms,
            parts,
            counters: self.telling.counters(),
            newest: self.telling.newest(),
            refused: state.refused.clone(),
        }
    }
}

type Gauges = BTreeMap<ComponentName, ChannelGauges>;

impl BoardState {
    fn gauges(&self) -> Gauges {
        let open = |part: &Shown| match &part.standing {
            Standing::Open(channel) => Some((part.name.clone(), channel.gauges())),
            _ => None,
        };
        self.parts.iter().filter_map(open).collect()
    }

    fn part(&self, shown: &Shown, gauges: &Gauges, now: Duration) -> Part {
        let (state, why) = match &shown.standing {
            Standing::Open(_) => (State::Working, String::new()),
            Standing::Not(state, why) => (*state, why.clone()),
            Standing::Running(progress) => {
                let seen = progress.seen();
                let stuck = (shown.kind == PartKind::Sink).then(|| self.stuck(shown, gauges, now));
                match (state_of(seen.activity), stuck.flatten()) {
                    (State::Working | State::Waiting, Some(why)) => (State::Stuck, why),
                    (state, _) => (state, seen.why),
                }
            }
        };
        Part {
            kind: shown.kind,
            name: shown.name.clone(),
            type_name: shown.type_name.clone(),
            state,
            why,
            channels: shown.channels.clone(),
            gauges: gauges.get(&shown.name).filter(|_| shown.kind == PartKind::Channel).copied(),
        }
    }

    /// Why a sink counts as stuck, if it does.
    fn stuck(&self, sink: &Shown, gauges: &Gauges, now: Duration) -> Option<String> {
        sink.channels.iter().find_map(|channel| {
            let events = gauges.get(channel)?.events;
            let still = now.saturating_sub(self.delivered.get(channel)?.since);
            (events > 0 && still >= STUCK_AFTER).then(|| {
                format!(
                    "channel {channel} holds {events} events and none was delivered for {} s",
                    still.as_secs()
                )
            })
        })
    }
}

fn state_of(activity: Activity) -> State {
    match activity {
        Activity::Starting => State::Starting,
        Activity::Working => State::Working,
        Activity::Waiting => State::Waiting,
        Activity::BackingOff => State::BackingOff,
        Activity::Failed => State::Failed,
        Activity::Stopped => State::Stopped,
    }
}
