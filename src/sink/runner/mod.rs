//! One thread for each sink or sink group: time, back-off and the stop are here, so that no sink has any of them.
//!
//! Flume's rules (`SinkRunner`): ready, pass again at once; nothing to do, wait a second longer each time, five at most;
//! failed, wait five seconds. One difference: a pass that waited on its channel, where the next event wakes it, is not
//! waited for again, which would only put up to five seconds on every event's way.

mod member;

use super::Sink;
use super::processor::{SinkProcessor, StartProcessor};
use crate::channel::Channel;
use crate::clock::Stop;
use crate::component::{Context, Failure, Pass, StartError, caught};
use crate::event::ComponentName;
use crate::progress::{Activity, Progress};
use crate::sink::StartSink;
use crate::status::happening::Happening;
use crossbeam_channel::{Receiver, Sender};
use member::Member;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a runner waits between passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After passes without work: so much longer each time.
    pub increment: Duration,
    /// After passes without work: so long at most.
    pub max: Duration,
    /// After a pass that failed.
    pub failed: Duration,
    /// A pass without work that took this long has waited on its channel and is followed by the next at once.
    pub waited: Duration,
}

impl Pace {
    /// Flume's, which has no keys for them.
    pub const FLUME: Self = Self {
        increment: Duration::from_secs(1),
        max: Duration::from_secs(5),
        failed: Duration::from_secs(5),
        waited: Duration::from_millis(100),
    };

    /// How long to wait after a pass that took `took`, the `idle`th without work in a row.
    fn rest(&self, pass: &Result<Pass, Failure>, took: Duration, idle: u32) -> Duration {
        match pass {
            Ok(Pass::Ready) => Duration::ZERO,
            Ok(Pass::Backoff) if took >= self.waited => Duration::ZERO,
            Ok(Pass::Backoff) => self.increment.saturating_mul(idle).min(self.max),
            Err(_) => self.failed,
        }
    }
}

/// A sink and the channel it drains, to be run.
pub struct Supply {
    /// The sink's. Its `stop` is replaced by the runner's.
    pub context: Context,
    /// The sink's keys, read.
    pub start: Arc<dyn StartSink>,
    /// Its channel.
    pub channel: Arc<dyn Channel>,
}

/// What a runner is made of.
pub struct SinkRunner {
    /// The group's, or that of the sink that stands alone. Its `stop` ends the runner.
    pub context: Context,
    /// Chooses among `sinks`.
    pub processor: Arc<dyn StartProcessor>,
    /// In the order the group lists them.
    pub sinks: Vec<Supply>,
    /// [`Pace::FLUME`], but in tests.
    pub pace: Pace,
}

/// A runner's thread, as seen from outside.
pub struct RunningSinks {
    name: ComponentName,
    stop: Stop,
    drain_bound_ms: Arc<AtomicU64>,
    progress: Vec<(ComponentName, Arc<Progress>)>,
    ended: Receiver<Infallible>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How long a drain may take where the stop came from elsewhere and named no bound.
const DRAIN_BOUND: Duration = Duration::from_secs(10);

impl SinkRunner {
    /// Starts the thread, which starts the sinks and keeps them alive. Fails only where there is no thread to be had.
    pub fn start(self) -> Result<RunningSinks, StartError> {
        let name = self.context.name.clone();
        let stop = self.context.stop.clone();
        let drain_bound_ms = Arc::new(AtomicU64::new(millis(DRAIN_BOUND)));
        let (hold, ended) = crossbeam_channel::bounded(0);
        let now = self.context.clock.now();
        let progress: Vec<_> = self
            .sinks
            .iter()
            .map(|supply| (supply.context.name.clone(), Arc::new(Progress::new(now))))
            .collect();
        let run = self.into_loop(&progress, drain_bound_ms.clone(), hold);
        let thread = std::thread::Builder::new()
            .name(format!("sink-{name}"))
            .spawn(move || run.run())
            .map_err(|e| {
                StartError::transient(
                    format!("no thread for sink {name}: {e}"),
                    "raise the limit of threads (`ulimit -u`)",
                )
            })?;
        let thread = Mutex::new(Some(thread));
        Ok(RunningSinks { name, stop, drain_bound_ms, progress, ended, thread })
    }

    fn into_loop(
        self,
        progress: &[(ComponentName, Arc<Progress>)],
        drain_bound_ms: Arc<AtomicU64>,
        hold: Sender<Infallible>,
    ) -> Loop {
        let alone = self.sinks.len() == 1;
        let names: Vec<_> = progress.iter().map(|(name, _)| name.clone()).collect();
        let processor = self.processor.start(&self.context, &names);
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        for (mut supply, (_, progress)) in self.sinks.into_iter().zip(progress) {
            supply.context.stop = self.context.stop.clone();
            sinks.push(Box::new(Member::new(supply, progress.clone(), alone)));
        }
        let progress = progress.iter().map(|(_, progress)| progress.clone()).collect();
        let (context, pace) = (self.context, self.pace);
        Loop { context, pace, processor, sinks, progress, drain_bound_ms, _hold: hold }
    }
}

impl RunningSinks {
    /// The sink's name, or the group's.
    #[must_use]
    pub fn name(&self) -> &ComponentName {
        &self.name
    }

    /// How each sink stands.
    #[must_use]
    pub fn progress(&self) -> &[(ComponentName, Arc<Progress>)] {
        &self.progress
    }

    /// Asks the sinks to finish what is in flight within `drain`, and to end.
    pub fn ask_to_stop(&self, drain: Duration) {
        self.drain_bound_ms.store(millis(drain), Ordering::SeqCst);
        self.stop.request();
    }

    /// Waits until the thread has ended, at most so long. False if it still runs: its sink does not come back from a pass.
    #[must_use]
    pub fn has_ended_within(&self, bound: Duration) -> bool {
        let ended = self.ended.recv_timeout(bound);
        if matches!(ended, Err(crossbeam_channel::RecvTimeoutError::Timeout)) {
            return false;
        }
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Every panic of a part is caught below; what could be left here was told by the panic hook.
            drop(thread.join());
        }
        true
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

struct Loop {
    context: Context,
    pace: Pace,
    processor: Box<dyn SinkProcessor>,
    sinks: Vec<Box<dyn Sink>>,
    progress: Vec<Arc<Progress>>,
    drain_bound_ms: Arc<AtomicU64>,
    /// Dropped with the loop, which tells whoever waits for its end.
    _hold: Sender<Infallible>,
}

impl Loop {
    fn run(mut self) {
        let mut idle = 0;
        while !self.context.stop.is_requested() && !self.all_failed() {
            let began = self.context.clock.now();
            let pass = self.pass();
            idle = if pass == Ok(Pass::Backoff) { idle + 1 } else { 0 };
            let took = self.context.clock.now().saturating_sub(began);
            let rest = self.pace.rest(&pass, took, idle);
            if !rest.is_zero() && self.context.stop.wait(rest) {
                break;
            }
        }
        let bound = Duration::from_millis(self.drain_bound_ms.load(Ordering::SeqCst));
        let until = self.context.clock.now() + bound;
        for sink in &mut self.sinks {
            sink.drain(until.saturating_sub(self.context.clock.now()));
        }
    }

    /// A pass of the group. The sinks' own panics are caught where they can be started again; this is the processor's.
    fn pass(&mut self) -> Result<Pass, Failure> {
        let (processor, sinks) = (&mut self.processor, &mut self.sinks);
        caught(|| processor.process(sinks)).unwrap_or_else(|panic| {
            let happening = Happening::error("processor-panic", format!("defect: {panic}"));
            self.context.teller.tell(
                happening
                    .effect("the pass was given up; the events are in their channels")
                    .next("passing again after the back-off; please report it"),
            );
            Err(Failure::Later(panic))
        })
    }

    fn all_failed(&self) -> bool {
        self.progress.iter().all(|progress| progress.seen().activity == Activity::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use crate::component::{Failure, Pass};
    use std::time::Duration;

    #[test]
    fn passes_are_paced_as_flumes_but_for_those_that_waited_on_their_channel() {
        let (at_once, waited) = (Duration::from_millis(1), Duration::from_millis(500));
        let rest = |pass: &Result<Pass, Failure>, took, idle| {
            Pace::FLUME.rest(pass, took, idle).as_millis()
        };
        assert_eq!(rest(&Ok(Pass::Ready), at_once, 0), 0);
        let idle: Vec<_> = (1..=7).map(|n| rest(&Ok(Pass::Backoff), at_once, n)).collect();
        assert_eq!(idle, [1000, 2000, 3000, 4000, 5000, 5000, 5000]);
        assert_eq!(rest(&Ok(Pass::Backoff), waited, 7), 0);
        assert_eq!(rest(&Err(Failure::Later("away".into())), waited, 0), 5000);
    }
}
