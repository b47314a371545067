//! The failover processor: the sink with the highest priority works, the next one while it cannot.
//!
//! A sink that failed is tried again when its penalty has passed. Because sinks pipeline, a pass that comes back ready proves
//! nothing yet: the sink is on trial, with one lease, until nothing of its is in flight; meanwhile the active one goes on. Else
//! a broker that takes two minutes to fail would hold up the group each time it is tried.
//!
//! The penalty doubles from 2 s up to `maxpenalty`, and stays there (Flume's overflows after ten minutes and tries at once).

use super::{ProcessorKind, SinkProcessor, StartProcessor};
use crate::component::{Context, Failure, Pass};
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{Scope, keys};
use crate::config::value::{Millis, Section, Value};
use crate::event::ComponentName;
use crate::sink::Sink;
use crate::status::happening::Happening;
use std::time::Duration;

keys! {
    /// Runs the sink with the highest priority, and the next one while that fails.
    pub struct FailoverConfig = "org.apache.flume.sink.FailoverSinkProcessor" {
        /// Priority of each sink, `priority.<sink>`: the highest works.
        "priority.*" => priority: Section,
        /// The longest wait before a sink that failed is tried again.
        "maxpenalty" => max_penalty: Millis = "30000" or default,
    }
}

/// The row in the registry.
pub const KIND: ProcessorKind = ProcessorKind {
    names: &[FailoverConfig::TYPE, "failover"],
    about: FailoverConfig::ABOUT,
    keys: FailoverConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>, sinks: &[ComponentName]) -> Option<Box<dyn StartProcessor>> {
    let config = FailoverConfig::read(scope)?;
    for (name, entry) in config.priority.iter() {
        if !sinks.iter().any(|sink| sink.as_str() == name) {
            let message = format!("`{}` has no sink `{name}`", scope.component());
            let effect = "the line is ignored, as Flume ignores it";
            let remark = Diagnostic::warning("unknown-sink", entry.key_span, message, effect);
            scope.report(remark.expected("expected a sink of this group"));
        }
    }
    let mut priorities: Vec<Option<i32>> = Vec::new();
    let mut unnamed = -1;
    for sink in sinks {
        let entry = config.priority.entry(sink.as_str());
        let written = entry.and_then(|entry| i32::parse(&entry.value).ok());
        let priority = written.unwrap_or(unnamed);
        unnamed -= i32::from(written.is_none());
        if let Some(entry) = entry.filter(|_| written.is_none()) {
            let message = format!(
                "`priority.{sink}` cannot be `{}`: {priority} is used instead",
                entry.value
            );
            let effect = "the sink comes after all that have a priority, as in Flume";
            let remark = Diagnostic::warning("replaced-value", entry.value_span, message, effect);
            scope.report(remark.expected(format!("expected {}", i32::EXPECTED)));
        }
        let taken = priorities.contains(&Some(priority));
        if taken {
            let span = entry.map_or_else(|| scope.place(), |entry| entry.value_span);
            let message = format!("another sink than `{sink}` has priority {priority}");
            let effect = format!("`{sink}` is never used, as in Flume");
            let remark = Diagnostic::warning("duplicate-priority", span, message, effect);
            scope.report(remark.help("give each sink a priority of its own"));
        }
        priorities.push(Some(priority).filter(|_| !taken));
    }
    Some(Box::new(StartFailover { priorities, max_penalty: config.max_penalty.duration() }))
}

#[derive(Debug)]
struct StartFailover {
    /// For each sink; `None` for one that another's equal priority leaves out.
    priorities: Vec<Option<i32>>,
    max_penalty: Duration,
}

impl StartProcessor for StartFailover {
    fn start(&self, context: &Context, sinks: &[ComponentName]) -> Box<dyn SinkProcessor> {
        let standing = |(name, priority): (&ComponentName, &Option<i32>)| {
            let state = if priority.is_some() { State::Live } else { State::LeftOut };
            let priority = priority.unwrap_or(i32::MIN);
            Standing { name: name.clone(), priority, state, in_flight: false }
        };
        let standings = sinks.iter().zip(&self.priorities).map(standing).collect();
        Box::new(Failover { context: context.clone(), standings, max_penalty: self.max_penalty })
    }
}

/// How a sink stands in its group.
struct Standing {
    name: ComponentName,
    priority: i32,
    state: State,
    /// Whether something it sent may be unsettled.
    in_flight: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// It failed so many times in a row and has made a pass since, whose outcome is not known.
    Trial {
        fails: u32,
    },
    Failed {
        fails: u32,
        retry_at: Duration,
    },
    LeftOut,
}

struct Failover {
    context: Context,
    standings: Vec<Standing>,
    max_penalty: Duration,
}

impl SinkProcessor for Failover {
    fn process(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<Pass, Failure> {
        self.settle(sinks);
        let now = self.context.clock.now();
        while let Some(index) = self.due(now) {
            match self.pass(index, sinks) {
                Ok(Pass::Ready) => {
                    self.try_out(index);
                    self.settle(sinks);
                    return Ok(Pass::Ready);
                }
                Ok(Pass::Backoff) => return Ok(Pass::Backoff),
                Err(failure) => self.fail(index, &failure),
            }
        }
        while let Some(index) = self.active() {
            match self.pass(index, sinks) {
                Ok(pass) => return Ok(pass),
                Err(failure) => self.fail(index, &failure),
            }
        }
        let what = "All sinks failed to process, nothing left to failover to";
        let happening = Happening::error("no-sink-left", what);
        let effect = "the events stay in their channel";
        self.context.teller.tell(happening.effect(effect).next("trying again in 5 s"));
        Err(Failure::Later(what.to_owned()))
    }
}

impl Failover {
    fn pass(&mut self, index: usize, sinks: &mut [Box<dyn Sink>]) -> Result<Pass, Failure> {
        let pass = sinks[index].process();
        self.standings[index].in_flight |= pass == Ok(Pass::Ready);
        pass
    }

    /// Settles what sinks that are passed over have in flight, and learns how it went.
    fn settle(&mut self, sinks: &mut [Box<dyn Sink>]) {
        for (index, sink) in sinks.iter_mut().enumerate() {
            if !self.standings[index].in_flight {
                continue;
            }
            match sink.settle() {
                Ok(true) => {}
                Ok(false) => {
                    self.standings[index].in_flight = false;
                    self.pass_trial(index);
                }
                Err(failure) => self.fail(index, &failure),
            }
        }
    }

    /// The failed sink whose retry time passed first.
    fn due(&self, now: Duration) -> Option<usize> {
        let failed = self.standings.iter().enumerate().filter_map(|(index, s)| match s.state {
            State::Failed { retry_at, .. } if retry_at <= now => Some((retry_at, index)),
            _ => None,
        });
        failed.min().map(|(_, index)| index)
    }

    /// The live sink with the highest priority; if none lives, the one on trial.
    fn active(&self) -> Option<usize> {
        let of = |wanted: fn(&State) -> bool| {
            let all = self.standings.iter().enumerate().filter(|(_, s)| wanted(&s.state));
            all.max_by_key(|(_, s)| s.priority).map(|(index, _)| index)
        };
        of(|state| *state == State::Live).or_else(|| of(|s| matches!(s, State::Trial { .. })))
    }

    fn try_out(&mut self, index: usize) {
        if let State::Failed { fails, .. } = self.standings[index].state {
            self.standings[index].state = State::Trial { fails };
        }
    }

    fn pass_trial(&mut self, index: usize) {
        let standing = &mut self.standings[index];
        if let State::Trial { .. } = standing.state {
            standing.state = State::Live;
            let what = format!("Sink {} delivers again", standing.name);
            self.context.teller.tell(Happening::info("sink-back", what));
        }
    }

    fn fail(&mut self, index: usize, failure: &Failure) {
        let standing = &mut self.standings[index];
        let fails = match standing.state {
            State::Failed { fails, .. } | State::Trial { fails } => fails.saturating_add(1),
            State::Live | State::LeftOut => 1,
        };
        let penalty = penalty(fails, self.max_penalty);
        standing.state = State::Failed { fails, retry_at: self.context.clock.now() + penalty };
        standing.in_flight = false;
        let name = standing.name.clone();
        let what = format!("Sink {name} failed and has been sent to failover list: {failure}");
        let effect = match self.active() {
            Some(index) => format!("sink {} goes on", self.standings[index].name),
            None => "no other sink is left".to_owned(),
        };
        let next = format!("trying {name} again in {} ms", penalty.as_millis());
        let happening = Happening::warning("sink-failed-over", what);
        self.context.teller.tell(happening.effect(effect).next(next));
    }
}

/// Flume's: 2 s after the first failure, doubled after each further one, `max` at most.
fn penalty(fails: u32, max: Duration) -> Duration {
    let factor = 1_u32.checked_shl(fails).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(factor).min(max)
}

#[cfg(test)]
mod tests {
    use super::{FailoverConfig, penalty, read};
    use crate::config::scope::Scope;
    use std::time::Duration;

    #[test]
    fn a_penalty_grows_to_its_bound_and_never_falls_back() {
        let max = Duration::from_secs(30);
        let first: Vec<_> = (1..=6).map(|n| penalty(n, max).as_secs()).collect();
        assert_eq!(first, [2, 4, 8, 16, 30, 30]);
        // Flume's 32-bit arithmetic gives a negative or no penalty from the 22nd failure on.
        assert!((5..=70).all(|n| penalty(n, max) == max));
        assert_eq!(penalty(u32::MAX, max), max);
        assert_eq!(penalty(1, Duration::from_millis(500)).as_millis(), 500);
    }

    #[test]
    fn a_priority_that_flume_passes_over_is_told() {
        let given = [
            ("priority.k1", "5"),
            ("priority.k2", "5"),
            ("priority.k3", "high"),
            ("priority.k9", "1"),
            ("maxpenalty", "never"),
        ];
        let (start, said) = Scope::for_test(&given, |scope| {
            read(scope, &["k1".into(), "k2".into(), "k3".into(), "k4".into()])
        });
        assert_eq!(
            format!("{:?}", start.unwrap()),
            "StartFailover { priorities: [Some(5), None, Some(-1), Some(-2)], max_penalty: 30s }"
        );
        let codes: Vec<_> = said.iter().map(|d| (d.code, d.is_error())).collect();
        assert_eq!(
            codes,
            [
                ("replaced-value", false),
                ("unknown-sink", false),
                ("duplicate-priority", false),
                ("replaced-value", false),
            ]
        );
        assert_eq!(FailoverConfig::KEYS.len(), 2);
    }
}
