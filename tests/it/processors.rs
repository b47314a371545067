//! Which sink of a group works, with sinks that do what a script says. They pipeline: what a pass sent may fail later.

use crate::support::parts::{Bench, read};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailwater::component::{Failure, Pass};
use tailwater::config::kind::Family;
use tailwater::event::ComponentName;
use tailwater::sink::Sink;
use tailwater::sink::processor::SinkProcessor;
use tailwater::sink::registry::PROCESSORS;

#[derive(Default)]
struct Script {
    /// What the next passes come to; ready when there is nothing written.
    passes: VecDeque<Result<Pass, Failure>>,
    /// What the next settlings come to; nothing in flight when there is nothing written.
    settles: VecDeque<Result<bool, Failure>>,
    passed: usize,
    settled: usize,
}

struct Scripted(Arc<Mutex<Script>>);

impl Sink for Scripted {
    fn process(&mut self) -> Result<Pass, Failure> {
        let mut script = self.0.lock().unwrap();
        script.passed += 1;
        script.passes.pop_front().unwrap_or(Ok(Pass::Ready))
    }

    fn settle(&mut self) -> Result<bool, Failure> {
        let mut script = self.0.lock().unwrap();
        script.settled += 1;
        script.settles.pop_front().unwrap_or(Ok(false))
    }

    fn drain(&mut self, _: Duration) {}
}

/// A group of sinks k0, k1, ….
struct Group {
    bench: Bench,
    processor: Box<dyn SinkProcessor>,
    sinks: Vec<Box<dyn Sink>>,
    scripts: Vec<Arc<Mutex<Script>>>,
}

impl Group {
    fn new(type_name: &str, sinks: usize, given: &[(&str, &str)]) -> Self {
        let bench = Bench::new();
        let names: Vec<_> = (0..sinks).map(|n| ComponentName::from(&*format!("k{n}"))).collect();
        let kind = PROCESSORS.iter().find(|kind| kind.names.contains(&type_name)).unwrap();
        let (start, said) = read(Family::Processor, given, |scope| (kind.read)(scope, &names));
        assert!(said.is_empty(), "{said:?}");
        let processor = start.unwrap().start(&bench.context("sinkgroup", "g1"), &names);
        let scripts: Vec<Arc<Mutex<Script>>> = names.iter().map(|_| Arc::default()).collect();
        let sinks = scripts.iter().map(|s| Box::new(Scripted(s.clone())) as Box<dyn Sink>);
        Self { bench, processor, sinks: sinks.collect(), scripts }
    }

    fn failover() -> Self {
        Self::new("failover", 2, &[("priority.k0", "10"), ("priority.k1", "5")])
    }

    fn will(&self, sink: usize, passes: &[Result<Pass, Failure>]) {
        self.scripts[sink].lock().unwrap().passes.extend(passes.iter().cloned());
    }

    fn will_settle(&self, sink: usize, settles: &[Result<bool, Failure>]) {
        self.scripts[sink].lock().unwrap().settles.extend(settles.iter().cloned());
    }

    /// What a pass comes to, and which sinks made one.
    fn pass(&mut self) -> (Result<Pass, Failure>, Vec<usize>) {
        let count = |s: &Arc<Mutex<Script>>| s.lock().unwrap().passed;
        let before: Vec<_> = self.scripts.iter().map(count).collect();
        let pass = self.processor.process(&mut self.sinks);
        let after = self.scripts.iter().map(count);
        let passed = after.zip(before).enumerate().filter(|(_, (after, before))| after > before);
        (pass, passed.map(|(sink, _)| sink).collect())
    }

    fn settled(&self, sink: usize) -> usize {
        self.scripts[sink].lock().unwrap().settled
    }

    fn turn(&self, seconds: u64) {
        self.bench.clock.turn(Duration::from_secs(seconds));
    }

    fn told(&self, code: &'static str) -> u64 {
        self.bench.telling.times("sinkgroup g1", code)
    }
}

fn ready(sinks: &[usize]) -> (Result<Pass, Failure>, Vec<usize>) {
    (Ok(Pass::Ready), sinks.to_vec())
}

fn away<T>() -> Result<T, Failure> {
    Err(Failure::Later("broker away".into()))
}

#[test]
fn the_highest_priority_works_and_the_next_takes_over_in_the_same_pass() {
    let mut group = Group::failover();
    assert_eq!(group.pass(), ready(&[0]));
    group.will(0, &[away()]);
    assert_eq!(group.pass(), ready(&[0, 1]));
    assert_eq!(group.pass(), ready(&[1]), "it has a penalty of 2 s");
    assert_eq!(group.told("sink-failed-over"), 1);
    group.turn(2);
    assert_eq!(group.pass(), ready(&[0]), "it is tried");
    assert_eq!(group.pass(), ready(&[0]), "and works again");
    assert_eq!(group.told("sink-back"), 1);
}

#[test]
fn penalties_double_while_a_sink_fails_and_begin_anew_when_it_was_back() {
    let mut group = Group::failover();
    group.will(0, &[away(), away(), away(), Ok(Pass::Ready), away()]);
    assert_eq!(group.pass().1, [0, 1]);
    for penalty in [2, 4] {
        group.turn(penalty - 1);
        assert_eq!(group.pass().1, [1]);
        group.turn(1);
        assert_eq!(group.pass().1, [0, 1], "tried after {penalty} s, and failed");
    }
    group.turn(8);
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.pass().1, [0, 1], "it fails afresh");
    group.turn(2);
    assert_eq!(group.pass(), ready(&[0]));
}

#[test]
fn a_failure_that_shows_later_fails_over_at_the_next_pass() {
    let mut group = Group::failover();
    assert_eq!(group.pass(), ready(&[0]), "ready, and all of it in flight");
    group.will_settle(0, &[away()]);
    assert_eq!(group.pass(), ready(&[1]), "the failure is learnt before the pass");
    assert_eq!(group.told("sink-failed-over"), 1);
}

#[test]
fn a_sink_on_trial_holds_nobody_up() {
    let mut group = Group::failover();
    group.will(0, &[away()]);
    assert_eq!(group.pass().1, [0, 1]);
    group.turn(2);
    // It takes one lease, and the broker says neither yes nor no.
    group.will_settle(0, &[Ok(true), Ok(true), Ok(true), away()]);
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.pass(), ready(&[1]));
    assert_eq!(group.pass(), ready(&[1]));
    assert_eq!(group.pass(), ready(&[1]), "the trial is lost here");
    group.turn(3);
    assert_eq!(group.pass(), ready(&[1]), "the second penalty is 4 s");
    group.turn(1);
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.pass(), ready(&[0]), "this trial was won at once");
}

#[test]
fn a_sink_that_is_passed_over_is_settled_until_nothing_is_in_flight() {
    let mut group = Group::failover();
    group.will(0, &[away()]);
    assert_eq!(group.pass(), ready(&[0, 1]));
    group.turn(2);
    group.will_settle(1, &[Ok(true), Ok(true), Ok(false)]);
    for _ in 0..5 {
        assert_eq!(group.pass(), ready(&[0]));
    }
    assert_eq!(group.settled(1), 3, "k1 has no turn any more and yet is settled");
}

#[test]
fn a_failed_sink_with_nothing_to_take_is_neither_back_nor_punished() {
    let mut group = Group::failover();
    group.will(0, &[away(), Ok(Pass::Backoff), Ok(Pass::Backoff)]);
    assert_eq!(group.pass().1, [0, 1]);
    group.turn(2);
    assert_eq!(group.pass(), (Ok(Pass::Backoff), vec![0]));
    assert_eq!(group.pass(), (Ok(Pass::Backoff), vec![0]));
    assert_eq!(group.pass(), ready(&[0]));
}

#[test]
fn when_none_is_left_the_pass_fails_and_the_trial_goes_on_alone() {
    let mut group = Group::failover();
    group.will(0, &[away()]);
    group.will(1, &[away()]);
    let (pass, sinks) = group.pass();
    assert_eq!(sinks, [0, 1]);
    assert!(pass.unwrap_err().to_string().contains("nothing left to failover to"));
    assert_eq!(group.pass().1, [0; 0], "both have a penalty");
    assert_eq!(group.told("no-sink-left"), 2);
    group.turn(2);
    group.will_settle(0, &[Ok(true), Ok(true)]);
    group.will(1, &[away()]);
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.pass(), ready(&[0, 1]), "k1 failed again, so the trial may as well go on");
}

#[test]
fn a_sink_with_anothers_priority_is_never_used() {
    let bench = Bench::new();
    let names = ["k0".into(), "k1".into()];
    let kind = PROCESSORS.iter().find(|kind| kind.names.contains(&"failover")).unwrap();
    let given = [("priority.k0", "5"), ("priority.k1", "5")];
    let (start, said) = read(Family::Processor, &given, |scope| (kind.read)(scope, &names));
    assert_eq!(said[0].code, "duplicate-priority");
    let mut processor = start.unwrap().start(&bench.context("sinkgroup", "g1"), &names);
    let script = Arc::new(Mutex::new(Script { passes: [away()].into(), ..Script::default() }));
    let other: Arc<Mutex<Script>> = Arc::default();
    let mut sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(Scripted(script)), Box::new(Scripted(other.clone()))];
    assert!(processor.process(&mut sinks).is_err());
    assert_eq!(other.lock().unwrap().passed, 0);
}

#[test]
fn sinks_take_turns_and_one_that_fails_is_passed_over() {
    let mut group = Group::new("load_balance", 3, &[]);
    let turns: Vec<_> = (0..4).map(|_| group.pass().1[0]).collect();
    assert_eq!(turns, [0, 1, 2, 0]);
    group.will(1, &[away()]);
    assert_eq!(group.pass(), ready(&[1, 2]));
    assert_eq!(group.told("sink-passed-over"), 1);
    group.will(1, &[away()]);
    let _anyone = group.pass();
    let _anyone = group.pass();
    assert_eq!(group.pass(), ready(&[1, 2]), "without `backoff` it has its turn as ever");
}

#[test]
fn with_backoff_a_failed_sink_is_left_alone() {
    let mut group =
        Group::new("load_balance", 2, &[("backoff", "true"), ("selector.maxTimeOut", "5000")]);
    group.will(0, &[away()]);
    assert_eq!(group.pass(), ready(&[0, 1]));
    assert_eq!(group.pass(), ready(&[1]));
    group.turn(2);
    group.will(0, &[away(), away()]);
    let _anyone = group.pass();
    let _anyone = group.pass();
    group.turn(3);
    assert_eq!(group.pass(), ready(&[1]), "the second time it is 4 s");
    group.turn(1);
    let _anyone = group.pass();
    let _anyone = group.pass();
    group.turn(5);
    let both: Vec<_> = (0..2).map(|_| group.pass().1[0]).collect();
    assert!(both.contains(&0), "the third time 5 s, not 8");
    group.will(0, &[away()]);
    group.will(1, &[away()]);
    let (pass, _) = group.pass();
    assert!(pass.unwrap_err().to_string().contains("All configured sinks have failed"));
    assert_eq!(group.pass().1, [0; 0], "all are left alone");
}

#[test]
fn what_is_in_flight_is_settled_while_others_have_their_turn() {
    let mut group = Group::new("load_balance", 2, &[]);
    group.will_settle(0, &[Ok(true), away()]);
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.pass(), ready(&[1]));
    assert_eq!(group.pass(), ready(&[0]));
    assert_eq!(group.told("sink-passed-over"), 1, "what k0 had in flight failed, and was told");
}

#[test]
fn a_group_of_one_is_passed_through() {
    let mut group = Group::new("default", 1, &[]);
    group.will(0, &[away(), Ok(Pass::Backoff)]);
    assert_eq!(group.pass(), (away(), vec![0]));
    assert_eq!(group.pass(), (Ok(Pass::Backoff), vec![0]));
}
