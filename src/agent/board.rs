//! What the status server is shown of a running program: who runs, how each of them stands, and whether channels get emptier.
//!
//! Stuck is derived from progress alone: a channel has events, and for a while nothing was delivered from it. Then its sinks
//! are stuck, whatever they say themselves.

use crate::channel::{Channel, ChannelGauges};
use crate::clock::Clock;
use crate::consumer::{Consumer, PartitionProgress};
use crate::event::ComponentName;
use crate::progress::{Activity, Progress};
use crate::status::happening::Telling;
use crate::status::snapshot::{Observed, Part, PartKind, Snapshot, State};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a channel may have events of which none is delivered before its sinks count as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// How a program stands, shared by its supervisor and the status server.
pub struct Board {
    program: &'static str,
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
    /// A consumer's partitions, as of a second ago.
    Consuming(Arc<Consumer>),
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
    pub fn new(
        program: &'static str,
        agent: ComponentName,
        clock: Arc<dyn Clock>,
        telling: Telling,
    ) -> Self {
        let started_ms = clock.wall_ms();
        Self { program, agent, clock, telling, started_ms, state: Mutex::default() }
    }

    /// `agent` or `consumer`.
    pub(super) fn program(&self) -> &'static str {
        self.program
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
        let channels = state.gauges().into_iter().map(|(name, gauges)| {
            (name, gauges.next_sequence.saturating_sub(gauges.events), gauges.events)
        });
        let consumers = state.parts.iter().filter_map(|part| match &part.standing {
            Standing::Consuming(consumer) => {
                let (to, lag) = delivered(consumer);
                Some((part.name.clone(), to, lag))
            }
            _ => None,
        });
        let moved: Vec<_> = channels.chain(consumers).collect();
        for (name, sequence, left) in moved {
            let last = state.delivered.entry(name).or_insert(Delivered { sequence, since: now });
            if last.sequence != sequence || left == 0 {
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
            program: self.program,
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
            Standing::Open(_) => self.channel(&shown.name, gauges, now),
            Standing::Not(state, why) => (*state, why.clone()),
            Standing::Consuming(consumer) => self.consumer(&shown.name, consumer, now),
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
            let (events, still) = self.undelivered(channel, gauges, now)?;
            let still = still.as_secs();
            Some(format!(
                "channel {channel} holds {events} events; none was delivered for {still} s"
            ))
        })
    }

    /// A channel that fills and has no sink is stuck itself: there is nobody else to say it of.
    fn channel(&self, name: &ComponentName, gauges: &Gauges, now: Duration) -> (State, String) {
        let has_sink = self
            .parts
            .iter()
            .any(|part| part.kind == PartKind::Sink && part.channels.contains(name));
        match self.undelivered(name, gauges, now).filter(|_| !has_sink) {
            Some((events, _)) => {
                (State::Stuck, format!("it holds {events} events and no sink takes them"))
            }
            None => (State::Working, String::new()),
        }
    }

    /// A consumer works while records are left, and is stuck when none of them gets into the table.
    fn consumer(
        &self,
        name: &ComponentName,
        consumer: &Consumer,
        now: Duration,
    ) -> (State, String) {
        if consumer.progress().is_empty() {
            return (State::Starting, "no partition is assigned to it".to_owned());
        }
        let (_, lag) = delivered(consumer);
        let still =
            self.delivered.get(name).map_or(Duration::ZERO, |d| now.saturating_sub(d.since));
        if lag == 0 {
            (State::Waiting, String::new())
        } else if still >= STUCK_AFTER {
            let still = still.as_secs();
            (State::Stuck, format!("{lag} records are left; none was written for {still} s"))
        } else {
            (State::Working, format!("{lag} records are left"))
        }
    }

    /// How many events a channel holds and since when none has left it, if that is too long.
    fn undelivered(
        &self,
        channel: &ComponentName,
        gauges: &Gauges,
        now: Duration,
    ) -> Option<(u64, Duration)> {
        let events = gauges.get(channel)?.events;
        let still = now.saturating_sub(self.delivered.get(channel)?.since);
        (events > 0 && still >= STUCK_AFTER).then_some((events, still))
    }
}

/// How far all partitions of a consumer are together, and how many records are left.
fn delivered(consumer: &Consumer) -> (u64, u64) {
    let partitions = consumer.progress();
    let to = partitions.iter().filter_map(|partition| partition.delivered_to).sum();
    (to, partitions.iter().filter_map(PartitionProgress::lag).sum())
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

#[cfg(test)]
mod tests {
    use super::{Board, STUCK_AFTER, Shown, Standing};
    use crate::channel::memory::MemoryChannelConfig;
    use crate::channel::{BatchLimit, Channel, StartChannel};
    use crate::clock::{Clock, Stop};
    use crate::component::Context;
    use crate::event::{BatchBuilder, Headers, Origin};
    use crate::progress::{Activity, Progress};
    use crate::status::happening::Telling;
    use crate::status::snapshot::{Observed, PartKind, State};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[derive(Default)]
    struct HandTurned(AtomicU64);

    impl Clock for HandTurned {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }

        fn wall_ms(&self) -> i64 {
            0
        }
    }

    struct Scene {
        clock: Arc<HandTurned>,
        board: Board,
        channel: Arc<dyn Channel>,
        progress: Arc<Progress>,
    }

    /// A channel with two events, and a sink on it where `with_sink`.
    fn scene(with_sink: bool) -> Scene {
        let clock = Arc::new(HandTurned::default());
        let telling = Telling::new(clock.clone());
        let context = Context {
            agent: "a1".into(),
            name: "c1".into(),
            clock: clock.clone(),
            stop: Stop::new(),
            teller: telling.of("channel", &"c1".into()),
        };
        let (start, _) =
            crate::config::keys::Scope::for_test(&[], MemoryChannelConfig::start_channel);
        let start: Box<dyn StartChannel> = start.unwrap();
        let channel = start.start(&context).unwrap();
        let mut batch = BatchBuilder::new();
        batch.push(&Arc::new(Headers::new()), b"1");
        batch.push(&Arc::new(Headers::new()), b"2");
        channel.put(batch.build(Origin::default())).unwrap().wait().unwrap();
        let board = Board::new("agent", "a1".into(), clock.clone(), telling);
        let progress = Arc::new(Progress::new(Duration::ZERO));
        progress.turn(Duration::ZERO, Activity::Waiting, "");
        let shown = |kind, name: &str, channels, standing| Shown {
            kind,
            name: name.into(),
            type_name: "t".into(),
            channels,
            standing,
        };
        let mut parts =
            vec![shown(PartKind::Channel, "c1", Vec::new(), Standing::Open(channel.clone()))];
        if with_sink {
            let running = Standing::Running(progress.clone());
            parts.push(shown(PartKind::Sink, "k1", vec!["c1".into()], running));
        }
        board.show(parts);
        board.look();
        Scene { clock, board, channel, progress }
    }

    impl Scene {
        fn after(&self, time: Duration) -> Vec<State> {
            self.clock.0.fetch_add(time.as_secs(), Ordering::SeqCst);
            self.board.look();
            self.board.snapshot().parts.iter().map(|part| part.state).collect()
        }
    }

    #[test]
    fn a_sink_that_delivers_nothing_of_what_there_is_counts_as_stuck_until_it_does() {
        let scene = scene(true);
        assert_eq!(scene.after(STUCK_AFTER / 2), [State::Working, State::Waiting]);
        assert_eq!(scene.after(STUCK_AFTER), [State::Working, State::Stuck]);
        let limit = BatchLimit { events: 1, bytes: 1000 };
        let lease = scene.channel.take(limit, Duration::ZERO).unwrap().unwrap();
        lease.commit().unwrap().wait().unwrap();
        assert_eq!(scene.after(Duration::ZERO), [State::Working, State::Waiting], "one is out");
        assert_eq!(scene.after(STUCK_AFTER), [State::Working, State::Stuck], "one is not");
        scene.progress.turn(Duration::ZERO, Activity::BackingOff, "broker away");
        let snapshot = scene.board.snapshot();
        assert_eq!(
            (snapshot.parts[1].state, &*snapshot.parts[1].why),
            (State::BackingOff, "broker away")
        );
    }

    #[test]
    fn a_channel_that_nobody_empties_is_stuck_itself() {
        let scene = scene(false);
        assert_eq!(scene.after(STUCK_AFTER / 2), [State::Working]);
        assert_eq!(scene.after(STUCK_AFTER), [State::Stuck]);
    }
}
