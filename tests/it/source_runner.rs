//! What becomes of a source that fails, panics, or ends: it is told, and started again.

use crate::support::channels::{ListChannel, Rules};
use crate::support::sources::Around;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailwater::clock::{Stop, SystemClock};
use tailwater::component::{Context, Failure, Pass, StartError};
use tailwater::event::{BatchBuilder, Headers, Origin};
use tailwater::progress::Activity;
use tailwater::source::processor::ChannelProcessor;
use tailwater::source::runner::{RunnerParts, SourceRunner};
use tailwater::source::{BackOff, EventDrivenSource, PollableSource, Source, StartSource};

/// Does one thing in each of its lives, in order.
#[derive(Clone, Copy, Debug)]
enum Life {
    FailsToStart,
    Panics,
    NeedsRestart,
    Works,
    EventsEnd,
    NeverStarts,
}

#[derive(Debug)]
struct Lives {
    each: Vec<Life>,
    at: AtomicUsize,
    /// Told when a working life has put its event.
    worked: crossbeam_channel::Sender<()>,
    closed: Arc<Mutex<Vec<Duration>>>,
}

struct Living {
    life: Life,
    out: ChannelProcessor,
    put: bool,
    worked: crossbeam_channel::Sender<()>,
    closed: Arc<Mutex<Vec<Duration>>>,
}

impl StartSource for Lives {
    fn start(&self, _: &Context, out: ChannelProcessor) -> Result<Source, StartError> {
        let life = self.each[self.at.fetch_add(1, Ordering::SeqCst)];
        let (worked, closed) = (self.worked.clone(), self.closed.clone());
        let living = Living { life, out, put: false, worked, closed };
        match life {
            Life::FailsToStart => Err(StartError::transient("no such folder", "make it")),
            Life::NeverStarts => Err(StartError::fatal("not ours", "look at it")),
            Life::EventsEnd => Ok(Source::EventDriven(Box::new(living))),
            _ => Ok(Source::Pollable(Box::new(living))),
        }
    }

    fn batch_size(&self) -> Option<u64> {
        None
    }
}

impl PollableSource for Living {
    fn process(&mut self) -> Result<Pass, Failure> {
        match self.life {
            Life::Panics => panic!("as planned"),
            Life::NeedsRestart => Err(Failure::Restart("channel broken".into())),
            _ if self.put => Ok(Pass::Backoff),
            _ => {
                let mut batch = BatchBuilder::new();
                batch.push(&Arc::new(Headers::new()), b"event");
                self.out.put(batch.build(Origin::default()))?;
                self.put = true;
                Ok(Pass::Ready)
            }
        }
    }

    fn idle(&mut self, stop: &Stop, _: Duration) {
        self.worked.send(()).unwrap();
        assert!(stop.wait(Duration::from_mins(10)));
    }

    fn back_off(&self) -> BackOff {
        BackOff::DEFAULT
    }

    fn close(&mut self, bound: Duration) {
        self.closed.lock().unwrap().push(bound);
    }
}

impl EventDrivenSource for Living {
    fn run(&mut self, _: &Stop) -> Result<(), Failure> {
        Ok(())
    }
}

struct Scene {
    around: Around,
    channel: Arc<ListChannel>,
    runner: SourceRunner,
    worked: crossbeam_channel::Receiver<()>,
    closed: Arc<Mutex<Vec<Duration>>>,
}

fn run(lives: &[Life]) -> Scene {
    let around = Around::new(SystemClock::shared());
    let channel = ListChannel::new("c1", Rules::default());
    let (worked, has_worked) = crossbeam_channel::unbounded();
    let closed = Arc::new(Mutex::new(Vec::new()));
    let lives =
        Lives { each: lives.to_vec(), at: AtomicUsize::new(0), worked, closed: closed.clone() };
    let again = Around { telling: around.telling.clone(), ..Around::new(around.clock.clone()) };
    let channels = [channel.clone()];
    let parts = RunnerParts {
        context: around.context(),
        start: Arc::new(lives),
        processor: Box::new(move || Ok(again.processor(&channels))),
        counters: around.counters.clone(),
        stop_bound: Duration::from_secs(7),
    };
    let runner = SourceRunner::spawn(parts).unwrap();
    Scene { around, channel, runner, worked: has_worked, closed }
}

const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_source_that_panics_is_told_and_started_again() {
    let scene = run(&[Life::Panics, Life::Works]);
    scene.worked.recv_timeout(LONG).unwrap();
    assert_eq!(scene.channel.bodies(), ["event"]);
    assert_eq!(scene.around.told("source-failed"), 1);
    assert_eq!(scene.around.counters.generic_processing_fail.get(), 1);
    let progress = scene.runner.progress().clone();
    assert_eq!(progress.seen().activity, Activity::Waiting);
    scene.runner.stop();
    assert!(scene.runner.join(LONG));
    assert_eq!(progress.seen().activity, Activity::Stopped);
    assert_eq!(*scene.closed.lock().unwrap(), [Duration::from_secs(7)]);
}

#[test]
fn a_source_whose_channel_broke_is_closed_and_started_again() {
    let scene = run(&[Life::NeedsRestart, Life::Works]);
    scene.worked.recv_timeout(LONG).unwrap();
    assert_eq!(scene.channel.bodies(), ["event"]);
    assert_eq!(scene.closed.lock().unwrap().len(), 1);
    scene.runner.stop();
    assert!(scene.runner.join(LONG));
}

#[test]
fn a_source_that_cannot_start_is_tried_again_and_the_first_outcome_is_known() {
    let scene = run(&[Life::FailsToStart, Life::Works]);
    let first = scene.runner.first_start(LONG).unwrap();
    assert_eq!(first, Err(StartError::transient("no such folder", "make it")));
    scene.worked.recv_timeout(LONG).unwrap();
    scene.runner.stop();
    assert!(scene.runner.join(LONG));
}

#[test]
fn a_source_only_a_person_can_mend_is_failed_and_not_tried_again() {
    let scene = run(&[Life::NeverStarts]);
    assert!(scene.runner.first_start(LONG).unwrap().unwrap_err().fatal);
    let progress = scene.runner.progress().clone();
    assert!(scene.runner.join(LONG));
    assert_eq!(progress.seen().activity, Activity::Failed);
    assert_eq!(progress.seen().why, "not ours");
}

#[test]
fn a_source_whose_input_ends_says_so() {
    let scene = run(&[Life::EventsEnd]);
    let progress = scene.runner.progress().clone();
    assert!(scene.runner.join(LONG));
    assert_eq!(progress.seen().activity, Activity::Stopped);
    assert_eq!(scene.around.told("source-ended"), 1);
}
