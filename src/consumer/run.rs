//! A consumer that runs: its threads, started together, ended together, and started again when one of them fails.

use crate::component::{Context, StartError, caught};
use crate::consumer::begin::{Beginning, Reset};
use crate::consumer::cluster::{self, Cluster};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::Held;
use crate::consumer::keys::{ConsumerKeys, DeadLetter};
use crate::consumer::letterbox::Letterbox;
use crate::consumer::plan::Plan;
use crate::consumer::poll::{Cut, Links, Poller};
use crate::consumer::progress::{PartitionProgress, Progress, commit_for_monitoring};
use crate::consumer::takeover::Takeover;
use crate::consumer::writer::{Tools, WAIT_FIRST, Workshop};
use crate::database::{Insert, Ledger, Store, open};
use crate::deadletter::file::{FileLetters, FileSettings};
use crate::deadletter::line::Sender as LetterSender;
use crate::kafka::properties::{Translated, Weight};
use crate::status::happening::Happening;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rdkafka::consumer::CommitMode;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// A consumer that runs, until its context's `stop` is requested.
#[derive(Debug)]
pub struct Consumer {
    progress: Progress,
    counters: Arc<ConsumerCounters>,
    ended: Receiver<Infallible>,
}

/// How long writers may take to finish what is in their hands after a stop was requested.
const DRAIN: Duration = Duration::from_secs(10);
/// How long leaving the group may take: brokers that are away would be waited for until the session's time-out.
const CLOSE: Duration = Duration::from_secs(5);
/// Waits before the threads are started again: one second, doubling.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// The longest of them.
const AGAIN_MAX: Duration = Duration::from_mins(1);

impl Consumer {
    /// Starts it. Neither Kafka nor the database need be there yet. An error: its properties are refused.
    pub fn start(plan: Arc<Plan>, context: &Context) -> Result<Self, StartError> {
        // One connection for each writer, one for taking over, one for what a writer proves beside its transaction.
        let writers = plan.keys.writers.get();
        let store = open(&plan.access, writers + 2);
        Self::start_with(plan, store, context)
    }

    /// The same with a store of the caller's.
    pub fn start_with(
        plan: Arc<Plan>,
        store: Arc<dyn Store>,
        context: &Context,
    ) -> Result<Self, StartError> {
        let client_id = format!("{}-{}", context.agent, context.name);
        let translated = cluster::properties(&plan.keys, &client_id);
        if let Some(note) = translated.refused().next() {
            let what = format!("`kafka.consumer.{}`: {}", note.key, note.what);
            return Err(StartError::fatal(what, note.next.clone()));
        }
        for note in translated.notes.iter().filter(|note| note.weight != Weight::Refused) {
            context.teller.tell(note.happening("kafka.consumer."));
        }
        let counters = Arc::new(ConsumerCounters::default());
        context.teller.register(counters.clone());
        let (hold, ended) = bounded(0);
        let progress = Progress::default();
        let running = Running {
            plan,
            store,
            translated,
            context: context.clone(),
            counters: counters.clone(),
            progress: progress.clone(),
        };
        Builder::new()
            .name(format!("consumer-{}", context.name))
            .spawn(move || {
                running.supervise();
                drop::<Sender<Infallible>>(hold);
            })
            .map_err(|why| {
                StartError::transient(
                    format!("no thread: {why}"),
                    "look at the limits of this user",
                )
            })?;
        Ok(Self { progress, counters, ended })
    }

    /// How far each partition is, as of a second ago.
    #[must_use]
    pub fn progress(&self) -> Vec<PartitionProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The numbers.
    #[must_use]
    pub fn counters(&self) -> &Arc<ConsumerCounters> {
        &self.counters
    }

    /// Waits until it has ended, after a stop was requested. False: not within `bound`.
    #[must_use]
    pub fn wait(&self, bound: Duration) -> bool {
        matches!(self.ended.recv_timeout(bound), Err(RecvTimeoutError::Disconnected))
    }
}

struct Running {
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    translated: Translated,
    context: Context,
    counters: Arc<ConsumerCounters>,
    progress: Progress,
}

impl Running {
    /// Runs the threads, and starts them again when they fail.
    fn supervise(&self) {
        let mut wait = AGAIN_FIRST;
        while !self.context.stop.is_requested() {
            let began = self.context.clock.now();
            let why = match caught(|| self.session()) {
                Ok(Ok(())) => break,
                Ok(Err(why)) => why,
                Err(panic) => format!("defect: {panic}"),
            };
            if self.context.clock.now().saturating_sub(began) > AGAIN_MAX {
                wait = AGAIN_FIRST;
            }
            self.context.teller.tell(
                Happening::error("consumer-failed", format!("the consumer had to stop: {why}"))
                    .effect("nothing is lost or doubled: it goes on from what the database has")
                    .next(format!("it is started again in {} s", wait.as_secs())),
            );
            if self.context.stop.wait(wait) {
                break;
            }
            wait = (wait * 2).min(AGAIN_MAX);
        }
        self.context.teller.stopped();
    }

    /// One life of the threads.
    fn session(&self) -> Result<(), String> {
        let Context { clock, teller, stop, .. } = &self.context;
        let cluster = self.join()?;
        let (chunks, from_poll) = unbounded();
        let (wanted, to_take) = unbounded();
        let (give, taken) = unbounded();
        let (say_lost, lost) = unbounded();
        let workshop = Arc::new(Workshop::new(self.tools(say_lost)));
        let takeover = self.takeover(&cluster);
        let threads = Threads::default();
        for n in 0..self.writers() {
            let (workshop, from_poll) = (workshop.clone(), from_poll.clone());
            threads.spawn(format!("writer-{}-{n}", self.context.name), move || {
                workshop.work(&from_poll);
            })?;
        }
        threads.spawn(format!("takeover-{}", self.context.name), move || {
            takeover.work(&to_take, &give);
        })?;
        // Only the writers may hold the receiving end: it must be seen when they are gone.
        drop((workshop, from_poll));
        let links = Links { chunks, wanted, taken, lost, is_broken: threads.is_broken() };
        let poller = Poller::new(
            &cluster,
            self.cut(),
            clock.clone(),
            teller.clone(),
            self.counters.clone(),
            links,
            self.progress.clone(),
        );
        let result = poller.work(stop);
        if !threads.wait(DRAIN) {
            teller.tell(
                Happening::warning("writers-busy", format!("writers did not finish within {} s", DRAIN.as_secs()))
                    .effect("what they had in hand is read again at the next start; nothing is lost or doubled"),
            );
        }
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (held, result) = match result {
            Ok(held) => (held, Ok(())),
            Err(why) => (Vec::new(), Err(why)),
        };
        self.close(cluster, held)?;
        result
    }

    /// Tells the group how far we are and leaves it, if the brokers are there to hear it.
    fn close(&self, cluster: Cluster, held: Vec<Arc<Held>>) -> Result<(), String> {
        let threads = Threads::default();
        threads.spawn(format!("closing-{}", self.context.name), move || {
            commit_for_monitoring(cluster.client(), &held, CommitMode::Sync);
            drop(cluster);
        })?;
        if !threads.wait(CLOSE) {
            log::info!("the group is not left in order: no broker has answered within {CLOSE:?}");
        }
        Ok(())
    }

    fn join(&self) -> Result<Cluster, String> {
        let keys = &self.plan.keys;
        let pattern = keys.topics_regex.as_ref().map(|regex| format!("^{regex}"));
        let topics: Vec<&str> = match (&keys.topics, &pattern) {
            (Some(topics), _) => topics.0.iter().map(String::as_str).collect(),
            (None, pattern) => pattern.iter().map(String::as_str).collect(),
        };
        Cluster::join(&self.translated, &topics, self.context.teller.clone())
            .map_err(|error| error.to_string())
    }

    /// `SQLite` has one writer at a time: more would only wait for each other.
    fn writers(&self) -> usize {
        if self.store.dialect().has_parallel_writers { self.plan.keys.writers.get() } else { 1 }
    }

    fn cut(&self) -> Cut {
        let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let keys = &self.plan.keys;
        Cut {
            rows: keys.batch_rows.get(),
            bytes: bytes(keys.batch_bytes.get()),
            time: keys.batch_time.duration(),
            queue_bytes: bytes(keys.queue_bytes.get()),
            writers: self.writers(),
        }
    }

    fn tools(&self, lost: Sender<Arc<Held>>) -> Tools {
        let plan = &self.plan;
        let dialect = self.store.dialect();
        Tools {
            store: self.store.clone(),
            insert: Insert::new(&plan.table, plan.keys.mode.0, dialect),
            rows: plan.rows.clone(),
            letterbox: self.letterbox(),
            clock: self.context.clock.clone(),
            stop: self.context.stop.clone(),
            teller: self.context.teller.clone(),
            counters: self.counters.clone(),
            lost,
            wait_first: WAIT_FIRST,
        }
    }

    fn letterbox(&self) -> Letterbox {
        let keys: &ConsumerKeys = &self.plan.keys;
        match keys.dead_letter {
            DeadLetter::Table => Letterbox::table(self.store.dialect()),
            DeadLetter::File => {
                let settings = FileSettings {
                    dir: keys.dead_letter_dir.clone(),
                    max_bytes: keys.dead_letter_max_bytes.get(),
                };
                let sender = LetterSender {
                    agent: self.context.agent.to_string(),
                    component: self.context.name.to_string(),
                };
                let (clock, teller) = (self.context.clock.clone(), self.context.teller.clone());
                let files = FileLetters::new(settings, sender, clock, teller);
                Letterbox::Outside(Mutex::new(Box::new(files)))
            }
        }
    }

    fn takeover(&self, cluster: &Cluster) -> Takeover {
        let reset = match self.plan.keys.consumer.get("auto.offset.reset").map(str::trim) {
            Some("latest" | "largest") => Reset::Latest,
            Some("none") => Reset::Refuse,
            // Not Java's `latest`: what was written before the first start would be skipped unsaid.
            _ => Reset::Earliest,
        };
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let beginning = Beginning {
            cluster: cluster.clone(),
            store: self.store.clone(),
            ledger: Ledger::new(self.store.dialect()),
            group: self.plan.group.clone(),
            reset,
            on_gap: self.plan.keys.on_gap,
            teller: self.context.teller.clone(),
            counters: self.counters.clone(),
        };
        Takeover {
            beginning,
            table: (self.plan.table.clone(), self.plan.keys.create_table),
            owner: format!("{host}, process {}", std::process::id()),
            clock: self.context.clock.clone(),
            stop: self.context.stop.clone(),
            teller: self.context.teller.clone(),
        }
    }
}

/// Threads that end together.
struct Threads {
    hold: Sender<Infallible>,
    all_ended: Receiver<Infallible>,
    broken: Arc<AtomicBool>,
}

impl Default for Threads {
    fn default() -> Self {
        let (hold, all_ended) = bounded(0);
        Self { hold, all_ended, broken: Arc::default() }
    }
}

impl Threads {
    fn spawn(&self, name: String, code: impl FnOnce() + Send + 'static) -> Result<(), String> {
        let (hold, broken) = (self.hold.clone(), self.broken.clone());
        let run = move || {
            if let Err(panic) = caught(code) {
                log::error!("defect: {panic}");
                broken.store(true, Ordering::SeqCst);
            }
            drop::<Sender<Infallible>>(hold);
        };
        Builder::new().name(name).spawn(run).map(|_| ()).map_err(|why| format!("no thread: {why}"))
    }

    fn is_broken(&self) -> Box<dyn Fn() -> bool + Send> {
        let broken = self.broken.clone();
        Box::new(move || broken.load(Ordering::SeqCst))
    }

    /// Waits until all have ended.
    fn wait(self, bound: Duration) -> bool {
        let Self { hold, all_ended, .. } = self;
        drop::<Sender<Infallible>>(hold);
        matches!(all_ended.recv_timeout(bound), Err(RecvTimeoutError::Disconnected))
    }
}
