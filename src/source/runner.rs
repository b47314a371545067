//! Runs one source on a thread of its own: passes and waits as Flume's, and starts it again when it cannot go on.
//!
//! A panic in a source is caught here, told, counted, and answered with a fresh instance and a fresh processor, with
//! back-off: a runner never leaves a living process that does nothing. What it is doing can be read at any time.

use super::processor::ChannelProcessor;
use super::{PollableSource, Source, StartSource};
use crate::clock::Stop;
use crate::component::{Context, Failure, Pass, StartError};
use crate::progress::{Activity, Progress};
use crate::status::counters::SourceCounters;
use crate::status::happening::Happening;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Waits before a source is started again: the first, and the longest. Flume's supervisor waits 3 s each time.
const RESTART_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a source may take to finish what is in flight when it closes before it is started again.
const CLOSE_BOUND: Duration = Duration::from_secs(5);

/// What a source's runner is made of.
pub struct RunnerParts {
    /// What the source is given; its `stop` ends the runner.
    pub context: Context,
    /// Makes an instance.
    pub start: Arc<dyn StartSource>,
    /// Makes the instance's way into the channels: new each time, because a channel may have been reopened.
    pub processor: Box<dyn Fn() -> Result<ChannelProcessor, StartError> + Send>,
    /// The source's counters.
    pub counters: Arc<SourceCounters>,
    /// How long a source may take to finish what is in flight when it is asked to stop.
    pub stop_bound: Duration,
}

/// A source's runner, seen from outside.
pub struct SourceRunner {
    thread: JoinHandle<()>,
    /// Disconnected when the thread has ended.
    ended: Receiver<Infallible>,
    first_start: Receiver<Result<(), StartError>>,
    progress: Arc<Progress>,
    stop: Stop,
}

impl SourceRunner {
    /// Starts the thread.
    pub fn spawn(parts: RunnerParts) -> io::Result<Self> {
        let progress = Arc::new(Progress::new(parts.context.clock.now()));
        let stop = parts.context.stop.clone();
        let (hold, ended) = crossbeam_channel::bounded(0);
        let (answer, first_start) = crossbeam_channel::bounded(1);
        let running = Running { parts, progress: progress.clone(), first_start: Some(answer) };
        let name = format!("source-{}", running.parts.context.name);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let _hold: Sender<Infallible> = hold;
            running.run();
        })?;
        Ok(Self { thread, ended, first_start, progress, stop })
    }

    /// How the source stands.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// What the first start came to, if it has come to something within `at_most`. It answers once.
    #[must_use]
    pub fn first_start(&self, at_most: Duration) -> Option<Result<(), StartError>> {
        self.first_start.recv_timeout(at_most).ok()
    }

    /// Asks the source to stop.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Waits for the thread, at most so long. False if it has not ended: it is left behind, and the process must end soon.
    #[must_use]
    pub fn join(self, at_most: Duration) -> bool {
        if self.ended.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            return false;
        }
        // Whatever happened on the thread was caught and told there.
        self.thread.join().is_ok()
    }
}

/// How one life of a source ended.
enum End {
    Stopped,
    /// Of an event-driven source: its input is over.
    Finished,
    Failed {
        why: String,
        next: String,
        fatal: bool,
        /// Whether it moved something before.
        worked: bool,
    },
}

struct Running {
    parts: RunnerParts,
    progress: Arc<Progress>,
    first_start: Option<Sender<Result<(), StartError>>>,
}

impl Running {
    fn run(mut self) {
        let mut wait = RESTART_WAIT.0;
        loop {
            match self.live() {
                End::Stopped => {
                    self.turn(Activity::Stopped, "");
                    break;
                }
                End::Finished => {
                    self.turn(Activity::Stopped, "its input has ended");
                    self.tell(
                        Happening::warning("source-ended", "the source's input has ended")
                            .effect("it reads nothing more")
                            .next("restart the agent, or change its configuration, to read again"),
                    );
                    break;
                }
                End::Failed { why, next, fatal: true, .. } => {
                    self.turn(Activity::Failed, &why);
                    self.tell(
                        Happening::error("source-failed", why).effect("it does not run").next(next),
                    );
                    break;
                }
                End::Failed { why, next, worked, .. } => {
                    wait = if worked { RESTART_WAIT.0 } else { wait };
                    self.turn(Activity::BackingOff, &why);
                    let again = format!("{next}; it is started again in {} s", wait.as_secs());
                    let effect = "it reads nothing until it is started again";
                    self.tell(Happening::error("source-failed", why).effect(effect).next(again));
                    if self.parts.context.stop.wait(wait) {
                        self.turn(Activity::Stopped, "");
                        break;
                    }
                    wait = (wait * 2).min(RESTART_WAIT.1);
                    self.turn(Activity::Starting, "");
                }
            }
        }
        self.parts.context.teller.stopped();
    }

    /// From one start to its end, with every panic on the way caught.
    fn live(&mut self) -> End {
        let mut worked = false;
        let caught = catch_unwind(AssertUnwindSafe(|| self.live_uncaught(&mut worked)));
        caught.unwrap_or_else(|panic| {
            self.parts.counters.generic_processing_fail.add(1);
            End::Failed {
                why: format!("the source panicked: {}", words(&*panic)),
                next: "please report this".into(),
                fatal: false,
                worked,
            }
        })
    }

    fn live_uncaught(&mut self, worked: &mut bool) -> End {
        let context = self.parts.context.clone();
        let started =
            (self.parts.processor)().and_then(|out| self.parts.start.start(&context, out));
        if let Some(answer) = self.first_start.take() {
            let outcome = started.as_ref().map(|_| ()).map_err(Clone::clone);
            // Whoever is no longer interested in the first start has gone.
            drop(answer.send(outcome));
        }
        match started {
            Err(StartError { what, next, fatal }) => {
                End::Failed { why: what, next, fatal, worked: false }
            }
            Ok(Source::Pollable(mut source)) => self.poll(&mut *source, worked),
            Ok(Source::EventDriven(mut source)) => {
                self.turn(Activity::Waiting, "");
                match source.run(&context.stop) {
                    _ if context.stop.is_requested() => End::Stopped,
                    Ok(()) => End::Finished,
                    Err(Failure::Later(why) | Failure::Restart(why)) => End::Failed {
                        why,
                        next: String::from("see the cause"),
                        fatal: false,
                        worked: true,
                    },
                }
            }
        }
    }

    /// Flume's loop: pass again at once after work; wait longer after each pass without.
    fn poll(&self, source: &mut dyn PollableSource, worked: &mut bool) -> End {
        let stop = &self.parts.context.stop;
        let mut without_work: u32 = 0;
        while !stop.is_requested() {
            match source.process() {
                Ok(Pass::Ready) => {
                    *worked = true;
                    without_work = 0;
                    self.progress.moved(self.now());
                }
                Ok(Pass::Backoff) => {
                    without_work = without_work.saturating_add(1);
                    self.turn(Activity::Waiting, "");
                    source.idle(stop, source.back_off().after(without_work));
                }
                Err(Failure::Later(why)) if !stop.is_requested() => {
                    self.parts.counters.generic_processing_fail.add(1);
                    self.turn(Activity::BackingOff, &why);
                    self.tell(
                        Happening::warning("source-pass-failed", why)
                            .effect("the source pauses")
                            .next(format!("trying again in {:?}", source.back_off().max)),
                    );
                    let _stopped: bool = stop.wait(source.back_off().max);
                }
                Err(Failure::Later(_)) => {}
                Err(Failure::Restart(why)) => {
                    source.close(CLOSE_BOUND);
                    let next = String::from("see the cause");
                    return End::Failed { why, next, fatal: false, worked: *worked };
                }
            }
        }
        source.close(self.parts.stop_bound);
        End::Stopped
    }

    fn turn(&self, activity: Activity, why: &str) {
        self.progress.turn(self.now(), activity, why);
    }

    fn now(&self) -> Duration {
        self.parts.context.clock.now()
    }

    fn tell(&self, happening: Happening) {
        self.parts.context.teller.tell(happening);
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
