//! What becomes of a sink that fails, panics, or cannot start: it is told, its events stay, and it is started again.

use crate::support::parts::{Bench, batch, left};
use crossbeam_channel::{Receiver, Sender};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailwater::channel::{BatchLimit, Channel};
use tailwater::component::{Context, Failure, Pass, StartError};
use tailwater::progress::Activity;
use tailwater::sink::processor::default::StartDefault;
use tailwater::sink::runner::{Pace, RunningSinks, SinkRunner, Supply};
use tailwater::sink::{Sink, StartSink};

/// What a sink does in each of its lives, in order; the last one again and again.
#[derive(Clone, Copy, Debug)]
enum Life {
    CannotStart,
    NeverStarts,
    PanicsAtStart,
    Panics,
    NeedsRestart,
    FailsOnce,
    Works,
}

#[derive(Debug)]
struct Lives {
    each: Vec<Life>,
    at: AtomicUsize,
    /// Told of each start and each event.
    did: Sender<String>,
    drained: Arc<Mutex<Vec<Duration>>>,
}

struct Living {
    life: Life,
    failed: bool,
    channel: Arc<dyn Channel>,
    did: Sender<String>,
    drained: Arc<Mutex<Vec<Duration>>>,
}

impl StartSink for Lives {
    fn start(&self, _: &Context, channel: Arc<dyn Channel>) -> Result<Box<dyn Sink>, StartError> {
        let at = self.at.fetch_add(1, Ordering::SeqCst).min(self.each.len() - 1);
        let life = self.each[at];
        drop(self.did.send(format!("{life:?}")));
        let (did, drained) = (self.did.clone(), self.drained.clone());
        match life {
            Life::CannotStart => Err(StartError::transient("the port is taken", "free it")),
            Life::NeverStarts => Err(StartError::fatal("not ours", "look at it")),
            Life::PanicsAtStart => panic!("at the start"),
            _ => Ok(Box::new(Living { life, failed: false, channel, did, drained })),
        }
    }

    fn batch_size(&self) -> Option<u64> {
        None
    }
}

impl Sink for Living {
    fn process(&mut self) -> Result<Pass, Failure> {
        let one = BatchLimit { events: 1, bytes: 1 << 20 };
        let Some(lease) = self.channel.take(one, Duration::from_millis(50))? else {
            return Ok(Pass::Backoff);
        };
        match self.life {
            Life::Panics => panic!("in the middle"),
            Life::NeedsRestart => return Err(Failure::Restart("the session is gone".into())),
            Life::FailsOnce if !self.failed => {
                self.failed = true;
                return Err(Failure::Later("the broker is away".into()));
            }
            _ => {}
        }
        let body = lease.batches()[0].event(0).unwrap().body.to_vec();
        lease.commit()?.wait()?;
        drop(self.did.send(String::from_utf8(body).unwrap()));
        Ok(Pass::Ready)
    }

    fn drain(&mut self, bound: Duration) {
        self.drained.lock().unwrap().push(bound);
    }
}

const PACE: Pace = Pace {
    increment: Duration::from_millis(1),
    max: Duration::from_millis(5),
    failed: Duration::from_millis(1),
    waited: Duration::from_millis(10),
};

struct Run {
    bench: Bench,
    channel: Arc<dyn Channel>,
    did: Receiver<String>,
    drained: Arc<Mutex<Vec<Duration>>>,
    running: RunningSinks,
}

impl Run {
    fn new(lives: &[Life]) -> Self {
        let bench = Bench::new();
        let channel = bench.channel("c1");
        channel.put(batch(&["a", "b"])).unwrap().wait().unwrap();
        let (did, told) = crossbeam_channel::unbounded();
        let drained: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let start =
            Lives { each: lives.to_vec(), at: AtomicUsize::new(0), did, drained: drained.clone() };
        let context = bench.context("sink", "k1");
        let supply =
            Supply { context: context.clone(), start: Arc::new(start), channel: channel.clone() };
        let processor = Arc::new(StartDefault);
        let runner = SinkRunner { context, processor, sinks: vec![supply], pace: PACE };
        Self { bench, channel, did: told, drained, running: runner.start().unwrap() }
    }

    /// What it does next; the clock goes on meanwhile, so that no back-off is long.
    fn next(&self) -> String {
        for _ in 0..2000 {
            if let Ok(did) = self.did.recv_timeout(Duration::from_millis(5)) {
                return did;
            }
            self.bench.clock.turn(Duration::from_secs(1));
        }
        panic!("nothing happens: {:?}", self.bench.telling.newest());
    }

    fn activity(&self) -> Activity {
        self.running.progress()[0].1.seen().activity
    }

    fn told(&self, code: &'static str) -> u64 {
        self.bench.telling.times("sink k1", code)
    }

    fn stop(&self) {
        self.running.ask_to_stop(Duration::from_secs(3));
        assert!(self.running.has_ended_within(Duration::from_secs(20)));
    }
}

#[test]
fn a_sink_that_works_works_until_asked_to_stop_and_then_drains() {
    let run = Run::new(&[Life::Works]);
    assert_eq!([run.next(), run.next(), run.next()], ["Works", "a", "b"]);
    assert!(!run.running.has_ended_within(Duration::from_millis(20)));
    run.stop();
    assert_eq!(run.activity(), Activity::Stopped);
    assert_eq!(*run.drained.lock().unwrap(), [Duration::from_secs(3)]);
    assert!(run.bench.telling.newest().is_empty());
}

#[test]
fn a_panic_is_told_and_the_sink_is_started_again_with_its_events() {
    let run = Run::new(&[Life::Panics, Life::Works]);
    assert_eq!([run.next(), run.next(), run.next(), run.next()], ["Panics", "Works", "a", "b"]);
    assert_eq!(run.told("sink-panic"), 1);
    let told = run.bench.telling.newest();
    assert!(told[0].happening.what.contains("in the middle"), "{told:?}");
    assert!(told[0].happening.effect.contains("c1"), "{told:?}");
    run.stop();
}

#[test]
fn a_sink_that_cannot_go_on_or_not_start_is_started_again() {
    let lives = [Life::CannotStart, Life::PanicsAtStart, Life::NeedsRestart, Life::Works];
    let run = Run::new(&lives);
    let did: Vec<_> = (0..6).map(|_| run.next()).collect();
    assert_eq!(did, ["CannotStart", "PanicsAtStart", "NeedsRestart", "Works", "a", "b"]);
    assert_eq!(run.told("sink-not-started"), 1);
    assert_eq!((run.told("sink-panic"), run.told("sink-broken")), (1, 1));
    run.stop();
}

#[test]
fn a_failed_pass_is_told_and_made_again_by_the_same_sink() {
    let run = Run::new(&[Life::FailsOnce]);
    assert_eq!([run.next(), run.next(), run.next()], ["FailsOnce", "a", "b"]);
    assert_eq!(run.told("undelivered"), 1);
    let told = run.bench.telling.newest();
    assert_eq!(told[0].happening.what, "Unable to deliver event: the broker is away");
    run.stop();
}

#[test]
fn a_sink_that_only_a_person_can_mend_is_failed_and_not_idle_in_silence() {
    let run = Run::new(&[Life::NeverStarts]);
    assert_eq!(run.next(), "NeverStarts");
    assert!(run.running.has_ended_within(Duration::from_secs(20)));
    assert_eq!(run.activity(), Activity::Failed);
    assert_eq!(run.running.progress()[0].1.seen().why, "not ours");
    assert_eq!(run.told("sink-not-started"), 1);
    assert_eq!(left(&run.channel), ["a", "b"]);
}

#[test]
fn starting_again_waits_longer_each_time() {
    let run = Run::new(&[Life::CannotStart]);
    assert_eq!(run.next(), "CannotStart");
    // The wait is the clock's: while that stands still there is no other start, however many passes are made.
    assert!(run.did.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(run.activity(), Activity::Starting);
    run.bench.clock.turn(Duration::from_secs(3));
    assert_eq!(run.did.recv_timeout(Duration::from_secs(20)).unwrap(), "CannotStart");
    run.bench.clock.turn(Duration::from_secs(5));
    assert!(run.did.recv_timeout(Duration::from_millis(100)).is_err(), "the second wait is 6 s");
    run.bench.clock.turn(Duration::from_secs(1));
    assert_eq!(run.did.recv_timeout(Duration::from_secs(20)).unwrap(), "CannotStart");
    run.stop();
}
