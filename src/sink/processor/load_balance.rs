//! The load-balancing processor: the sinks of a group take turns, or any of them does; one that fails is passed over, and
//! with `backoff` left alone for a while.

use super::{ProcessorKind, SinkProcessor, StartProcessor};
use crate::component::{Context, Failure, Pass};
use crate::config::keys::{Scope, choice, keys};
use crate::event::ComponentName;
use crate::sink::Sink;
use crate::status::happening::Happening;
use std::time::Duration;

keys! {
    /// Lets the sinks of its group take turns.
    pub struct LoadBalanceConfig = "org.apache.flume.sink.LoadBalancingSinkProcessor" {
        /// Which sink comes next.
        "selector" => order: Order = "round_robin",
        /// Whether a sink that failed is left alone for a while.
        "backoff" => backoff: bool = "false",
        /// The longest such while, in milliseconds; 0 stands for 30000.
        "selector.maxTimeOut" => max_timeout_ms: u64 = "30000",
    }
}

choice! {
    /// Which sink comes next.
    pub enum Order {
        /// In turn.
        RoundRobin = "round_robin",
        /// Any.
        Random = "random",
    }
}

/// The row in the registry.
pub const KIND: ProcessorKind = ProcessorKind {
    names: &[LoadBalanceConfig::TYPE, "load_balance"],
    about: LoadBalanceConfig::ABOUT,
    keys: LoadBalanceConfig::KEYS,
    read,
};

/// Flume's default for `selector.maxTimeOut`.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// Failures further apart than this, beyond the back-off itself, do not add up.
const SEQUENTIAL: Duration = Duration::from_hours(1);
/// Failures that add up, at most.
const FAILS_MAX: u32 = 16;

fn read(scope: &mut Scope<'_>, sinks: &[ComponentName]) -> Option<Box<dyn StartProcessor>> {
    let config = LoadBalanceConfig::read(scope)?;
    if sinks.len() < 2 {
        let message = format!(
            "`load_balance` is for two sinks or more, and `{}` has {}",
            scope.component(),
            sinks.len()
        );
        let remark = scope.error("wrong-sinks", scope.place(), message);
        scope.report(remark.help("add a sink to the group, or use `default`"));
        return None;
    }
    Some(Box::new(config))
}

impl StartProcessor for LoadBalanceConfig {
    fn start(&self, context: &Context, sinks: &[ComponentName]) -> Box<dyn SinkProcessor> {
        let max = Some(Duration::from_millis(self.max_timeout_ms)).filter(|max| !max.is_zero());
        Box::new(LoadBalance {
            context: context.clone(),
            turns: Turns { order: self.order, head: 0, random: fastrand::Rng::new() },
            standings: sinks.iter().map(|name| Standing::new(name.clone())).collect(),
            back_off: self.backoff.then(|| max.unwrap_or(MAX_TIMEOUT)),
        })
    }
}

/// How a sink stands in its group.
struct Standing {
    name: ComponentName,
    fails: u32,
    failed_at: Option<Duration>,
    back_at: Duration,
    /// Whether something it sent may be unsettled.
    in_flight: bool,
}

impl Standing {
    fn new(name: ComponentName) -> Self {
        Self { name, fails: 0, failed_at: None, back_at: Duration::ZERO, in_flight: false }
    }

    /// Flume's count: failures near each other add up, and a success does not take them away.
    fn fail(&mut self, now: Duration, max: Duration) {
        let near = back_off(self.fails, max) + SEQUENTIAL;
        let adds_up = self.failed_at.is_some_and(|at| now.saturating_sub(at) < near);
        self.fails = if adds_up { (self.fails + 1).min(FAILS_MAX) } else { 1 };
        self.failed_at = Some(now);
        self.back_at = now + back_off(self.fails, max);
    }
}

fn back_off(fails: u32, max: Duration) -> Duration {
    Duration::from_secs(1 << fails.min(FAILS_MAX)).min(max)
}

/// In which order the eligible sinks are tried.
struct Turns {
    order: Order,
    head: usize,
    random: fastrand::Rng,
}

impl Turns {
    fn next(&mut self, mut eligible: Vec<usize>) -> Vec<usize> {
        match self.order {
            Order::Random => self.random.shuffle(&mut eligible),
            Order::RoundRobin if eligible.is_empty() => {}
            Order::RoundRobin => {
                let first = if self.head < eligible.len() { self.head } else { 0 };
                self.head = (first + 1) % eligible.len();
                eligible.rotate_left(first);
            }
        }
        eligible
    }
}

struct LoadBalance {
    context: Context,
    turns: Turns,
    standings: Vec<Standing>,
    /// The longest back-off, if sinks that failed are left alone at all.
    back_off: Option<Duration>,
}

impl SinkProcessor for LoadBalance {
    fn process(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<Pass, Failure> {
        self.settle(sinks);
        let now = self.context.clock.now();
        let all = 0..self.standings.len();
        let eligible = all.filter(|i| self.back_off.is_none() || self.standings[*i].back_at <= now);
        let order = self.turns.next(eligible.collect());
        for index in order {
            match sinks[index].process() {
                Ok(pass) => {
                    self.standings[index].in_flight |= pass == Pass::Ready;
                    return Ok(pass);
                }
                Err(failure) => self.fail(index, &failure),
            }
        }
        let what = "All configured sinks have failed";
        let happening = Happening::error("no-sink-left", what);
        let effect = "the events stay in their channel";
        self.context.teller.tell(happening.effect(effect).next("trying again in 5 s"));
        Err(Failure::Later(what.to_owned()))
    }
}

impl LoadBalance {
    /// Settles what the sinks have in flight from earlier turns.
    fn settle(&mut self, sinks: &mut [Box<dyn Sink>]) {
        for (index, sink) in sinks.iter_mut().enumerate() {
            if !self.standings[index].in_flight {
                continue;
            }
            match sink.settle() {
                Ok(in_flight) => self.standings[index].in_flight = in_flight,
                Err(failure) => self.fail(index, &failure),
            }
        }
    }

    fn fail(&mut self, index: usize, failure: &Failure) {
        let now = self.context.clock.now();
        let standing = &mut self.standings[index];
        standing.in_flight = false;
        let next = match self.back_off {
            Some(max) => {
                standing.fail(now, max);
                format!(
                    "leaving it alone for {} ms",
                    standing.back_at.saturating_sub(now).as_millis()
                )
            }
            None => "trying it again in its turn".to_owned(),
        };
        let name = &standing.name;
        let what = format!(
            "Sink {name} failed to consume event. Attempting next sink if available: {failure}"
        );
        let happening = Happening::warning("sink-passed-over", what);
        let effect = "its events are back in the channel, for the other sinks";
        self.context.teller.tell(happening.effect(effect).next(next));
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Standing, Turns, read};
    use crate::config::scope::Scope;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn turns(order: Order) -> Turns {
        Turns { order, head: 0, random: fastrand::Rng::with_seed(7) }
    }

    #[test]
    fn everyone_has_a_turn_and_a_smaller_circle_starts_again() {
        let mut turns = turns(Order::RoundRobin);
        let firsts: Vec<_> = (0..4).map(|_| turns.next(vec![0, 1, 2])).collect();
        assert_eq!(firsts, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        turns.next(vec![0, 1, 2]);
        assert_eq!(turns.next(vec![0, 2]), [0, 2], "the head lay beyond the circle");
        assert_eq!(turns.next(vec![0, 2]), [2, 0]);
        assert!(turns.next(vec![]).is_empty());
    }

    #[test]
    fn at_random_every_order_comes_up() {
        let mut turns = turns(Order::Random);
        let orders: BTreeSet<_> = (0..200).map(|_| turns.next(vec![0, 1, 2])).collect();
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn failures_near_each_other_add_up_to_the_longest_back_off() {
        let (at, max) = (Duration::from_secs, Duration::from_secs(30));
        let mut standing = Standing::new("k1".into());
        let waits: Vec<_> = (0..20)
            .map(|n| {
                standing.fail(at(100 + n), max);
                standing.back_at.saturating_sub(at(100 + n)).as_secs()
            })
            .collect();
        assert_eq!(waits[..6], [2, 4, 8, 16, 30, 30]);
        assert!(waits[6..].iter().all(|wait| *wait == 30));
        standing.fail(at(100 + 20 + 3600 + 31), max);
        assert_eq!(standing.fails, 1, "an hour later it is a first failure again");
    }

    #[test]
    fn one_sink_cannot_take_turns() {
        let (start, said) = Scope::for_test(&[], |scope| read(scope, &["k1".into()]));
        assert!(start.is_none() && said[0].is_error());
        let given = [("selector", "RANDOM"), ("selector.maxTimeOut", "0"), ("backoff", "true")];
        let (start, said) =
            Scope::for_test(&given, |scope| read(scope, &["k1".into(), "k2".into()]));
        assert!(start.is_some() && said.is_empty(), "{said:?}");
    }
}
