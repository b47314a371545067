//! Broker and database away: told, waited for, and nothing lost.

use super::{Gate, Running, Scene, all};
use std::time::Duration;
use tailwater::clock::SystemClock;

/// Nobody waits for a broker that is not there, least of all somebody who was told to stop.
#[test]
fn a_stop_is_heeded_while_kafka_is_away() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("the rows", |_| scene.ids().len() >= 10);
    scene.broker.down();
    running.until("it is told", |r| r.told("broker-away") > 0);
    running.stop.request();
    assert!(running.consumer.wait(Duration::from_secs(20)), "it waits for the broker");
    assert_eq!(scene.ids(), all(0..10));
}

#[test]
fn a_database_that_hangs_costs_lag_and_not_membership_nor_memory() {
    let scene = Scene::new(2);
    let plan = scene.plan(&[
        ("queue.bytes", "64KiB"),
        ("batch.bytes", "16KiB"),
        ("kafka.consumer.max.poll.interval.ms", "6000"),
        ("kafka.consumer.session.timeout.ms", "6000"),
    ]);
    let gate = Gate::before(&plan);
    let running = Running::start_with(plan, gate.clone());
    scene.produce(0..10);
    running.until("it works", |_| scene.ids().len() >= 10);
    gate.set(false);
    let text = "x".repeat(1000);
    scene.send(10..2000, |id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"));
    running.until("it is paused", |r| r.consumer.counters().paused.get() == 2);
    // Longer than the group would wait for a member that does not poll.
    let clock = SystemClock::shared();
    let began = clock.now();
    running.until("the interval is over", |_| {
        clock.now().saturating_sub(began) > Duration::from_secs(8)
    });
    let held = running.consumer.counters().waiting_bytes.get();
    assert!((1..200_000).contains(&held), "{held} bytes in memory");
    gate.set(true);
    running.until("all rows", |_| scene.ids().len() >= 2000);
    assert_eq!((running.told("poll-exceeded"), running.consumer.counters().fenced.get()), (0, 0));
    running.stop();
    assert_eq!(scene.ids(), all(0..2000));
}

#[test]
fn a_broker_that_goes_is_told_and_so_is_its_return() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("it works", |_| scene.ids().len() == 10);
    scene.broker.down();
    running.until("it is told", |r| r.told("broker-away") > 0);
    assert_eq!(running.told("broker-back"), 0);
    scene.broker.up();
    running.until("its return is told", |r| r.told("broker-back") == 1);
    scene.produce(10..20);
    running.until("it goes on", |_| scene.ids().len() == 20);
    running.stop();
}
