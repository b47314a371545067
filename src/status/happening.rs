//! Every noteworthy thing is one [`Happening`]: what, effect, next. Telling it writes the log line, counts it and keeps
//! it for the page, so that the three cannot disagree. Repeats within a minute are counted, not repeated.

use crate::clock::Clock;
use crate::event::ComponentName;
use crate::status::counters::CounterSet;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a line.
    Info,
    /// Something is not as it should be; nothing is lost and it goes on.
    Warning,
    /// Something does not go on, or was set aside.
    Error,
}

/// One noteworthy thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// How much it matters.
    pub severity: Severity,
    /// Stable word to search for, such as `broker-away`. Repeats are recognised by it.
    pub code: &'static str,
    /// What happened, in the operator's words. No secrets, no bodies.
    pub what: String,
    /// What it means for the events.
    pub effect: String,
    /// What happens now, or what the operator should do.
    pub next: String,
}

impl Happening {
    /// A line of information.
    pub fn info(code: &'static str, what: impl Into<String>) -> Self {
        Self::of(Severity::Info, code, what)
    }

    /// A warning; say `effect` and `next`.
    pub fn warning(code: &'static str, what: impl Into<String>) -> Self {
        Self::of(Severity::Warning, code, what)
    }

    /// An error; say `effect` and `next`.
    pub fn error(code: &'static str, what: impl Into<String>) -> Self {
        Self::of(Severity::Error, code, what)
    }

    fn of(severity: Severity, code: &'static str, what: impl Into<String>) -> Self {
        Self { severity, code, what: what.into(), effect: String::new(), next: String::new() }
    }

    /// What it means for the events.
    #[must_use]
    pub fn effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = effect.into();
        self
    }

    /// What happens now, or what the operator should do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

/// What was told, when, and how often.
#[derive(Clone, Debug)]
pub struct Told {
    /// The component's kind and name, such as `sink k1`.
    pub component: String,
    /// The latest wording.
    pub happening: Happening,
    /// When it was told last, in milliseconds since 1970.
    pub at_ms: i64,
    /// How often it happened since the agent started.
    pub times: u64,
}

/// Repeats of the same code by the same component within this time are counted, not written again.
const REPEAT: Duration = Duration::from_mins(1);
/// The newest happenings that are kept for the page.
const KEPT: usize = 200;

/// Where all components of one process tell: the log, the counts, the page.
#[derive(Clone)]
pub struct Telling {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    repeats: BTreeMap<(String, &'static str), Repeat>,
    newest: VecDeque<Told>,
    counters: Vec<Registered>,
}

#[derive(Default)]
struct Repeat {
    times: u64,
    unwritten: u64,
    written_at: Option<Duration>,
}

/// The counters of one component and since when it has them.
#[derive(Clone)]
pub struct Registered {
    /// The component.
    pub name: ComponentName,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it stopped; 0 while it runs.
    pub stopped_ms: i64,
    /// Its numbers.
    pub counters: Arc<dyn CounterSet>,
}

impl Telling {
    /// Nothing told yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { clock, state: Mutex::default() }) }
    }

    /// The teller of one component; `kind` is Flume's noun, such as `sink`.
    #[must_use]
    pub fn of(&self, kind: &'static str, name: &ComponentName) -> Teller {
        Teller { telling: self.clone(), kind, name: name.clone() }
    }

    /// The newest happenings, newest last.
    #[must_use]
    pub fn newest(&self) -> Vec<Told> {
        self.lock().newest.iter().cloned().collect()
    }

    /// How often `component` (such as `sink k1`) told `code`.
    #[must_use]
    pub fn times(&self, component: &str, code: &'static str) -> u64 {
        self.lock().repeats.get(&(component.to_owned(), code)).map_or(0, |r| r.times)
    }

    /// The counters of all components, in the order they started.
    #[must_use]
    pub fn counters(&self) -> Vec<Registered> {
        self.lock().counters.clone()
    }

    fn tell(&self, kind: &'static str, name: &ComponentName, happening: &Happening, always: bool) {
        let component = format!("{kind} {name}");
        let (now, at_ms) = (self.shared.clock.now(), self.shared.clock.wall_ms());
        let mut state = self.lock();
        let repeat = state.repeats.entry((component.clone(), happening.code)).or_default();
        repeat.times += 1;
        let times = repeat.times;
        let quiet = !always
            && happening.severity > Severity::Info
            && repeat.written_at.is_some_and(|at| now.saturating_sub(at) < REPEAT);
        let unwritten = if quiet {
            repeat.unwritten += 1;
            0
        } else {
            repeat.written_at = Some(now);
            std::mem::take(&mut repeat.unwritten)
        };
        // A repeat takes the place of what it repeats: the page shows different things, and how often each was.
        if happening.severity > Severity::Info {
            let is_same =
                |told: &Told| told.happening.code == happening.code && told.component == component;
            state.newest.retain(|told| !is_same(told));
        }
        if state.newest.len() == KEPT {
            state.newest.pop_front();
        }
        state.newest.push_back(Told {
            component: component.clone(),
            happening: happening.clone(),
            at_ms,
            times,
        });
        drop(state);
        if !quiet {
            write_line(&component, happening, unwritten);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_line(component: &str, happening: &Happening, unwritten: u64) {
    let level = match happening.severity {
        Severity::Info => log::Level::Info,
        Severity::Warning => log::Level::Warn,
        Severity::Error => log::Level::Error,
    };
    let mut line = format!("{component}: {}", happening.what);
    for (word, text) in [("effect", &happening.effect), ("next", &happening.next)] {
        if !text.is_empty() {
            write!(line, "; {word}: {text}").expect("writing to a String does not fail");
        }
    }
    if unwritten > 0 {
        write!(line, " (and {unwritten} times more since it was last told)")
            .expect("writing to a String does not fail");
    }
    log::log!(target: happening.code, level, "{line}");
}

/// Where one component tells.
#[derive(Clone)]
pub struct Teller {
    telling: Telling,
    kind: &'static str,
    name: ComponentName,
}

impl Teller {
    /// Tells it: log line, count, page.
    #[allow(clippy::needless_pass_by_value, reason = "a happening is made to be told once")]
    pub fn tell(&self, happening: Happening) {
        self.telling.tell(self.kind, &self.name, &happening, false);
    }

    /// Tells it, and writes the line however often it was written: the answer to what somebody did.
    #[allow(clippy::needless_pass_by_value, reason = "a happening is made to be told once")]
    pub fn answer(&self, happening: Happening) {
        self.telling.tell(self.kind, &self.name, &happening, true);
    }

    /// Makes the component's counters visible in the metrics. An earlier registration under the same name is replaced:
    /// the component was started again.
    pub fn register(&self, counters: Arc<dyn CounterSet>) {
        let started_ms = self.telling.shared.clock.wall_ms();
        let entry = Registered { name: self.name.clone(), started_ms, stopped_ms: 0, counters };
        let mut state = self.telling.lock();
        let same =
            |r: &Registered| r.name == entry.name && r.counters.kind() == entry.counters.kind();
        match state.counters.iter_mut().find(|r| same(r)) {
            Some(old) => *old = entry,
            None => state.counters.push(entry),
        }
    }

    /// Notes that the component stopped; its counters stay visible.
    pub fn stopped(&self) {
        let at_ms = self.telling.shared.clock.wall_ms();
        let mut state = self.telling.lock();
        for entry in state.counters.iter_mut().filter(|r| r.name == self.name) {
            entry.stopped_ms = at_ms;
        }
    }

    /// The whole telling, for components that start others.
    #[must_use]
    pub fn telling(&self) -> &Telling {
        &self.telling
    }
}

#[cfg(test)]
mod tests {
    use super::{Happening, Telling};
    use crate::clock::SystemClock;

    #[test]
    fn a_repeat_counts_and_pushes_nothing_else_off_the_page() {
        let telling = Telling::new(SystemClock::shared());
        let teller = telling.of("sink", &"k1".into());
        teller.tell(Happening::error("rare", "something rare"));
        for n in 0..1000 {
            teller.tell(Happening::warning("broker-away", format!("away for the {n}th time")));
        }
        teller.tell(Happening::info("reload", "reloaded"));
        teller.tell(Happening::info("reload", "reloaded again"));
        let newest = telling.newest();
        let codes: Vec<_> = newest.iter().map(|told| told.happening.code).collect();
        assert_eq!(codes, ["rare", "broker-away", "reload", "reload"]);
        assert_eq!(
            (newest[1].times, &*newest[1].happening.what),
            (1000, "away for the 999th time")
        );
        assert_eq!(telling.times("sink k1", "broker-away"), 1000);
    }
}
