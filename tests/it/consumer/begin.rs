//! Where it begins (R20), whatever the group, the cluster and retention say.

use super::{Gate, Running, Scene, all, execute};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Duration;
use tailwater::kafka::mock::MockBroker;

/// The group commits an offset of partition 0 by other means.
fn commit(scene: &Scene, offset: i64) {
    let spark: BaseConsumer = scene.broker.client_config().set("group.id", "g").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("logs", 0, Offset::Offset(offset)).unwrap();
    spark.commit(&list, CommitMode::Sync).unwrap();
}

#[test]
fn the_first_start_goes_on_from_the_groups_offsets_and_no_later_one_does() {
    let scene = Scene::new(1);
    scene.produce(0..20);
    commit(&scene, 15);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 5);
    assert_eq!(first.told("begins-at"), 1);
    first.stop();
    // The group's offset is 20 now. Somebody takes the database back to 17, and the database is right.
    execute(&scene.database(), "UPDATE tailwater_owners SET next_offset = 17");
    execute(&scene.database(), "DELETE FROM tailwater_offsets");
    execute(&scene.database(), "DELETE FROM rows WHERE id >= 17");
    scene.produce(20..25);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 10);
    second.stop();
    assert_eq!(scene.ids(), all(15..25));
}

#[test]
fn a_group_that_has_read_nothing_begins_where_the_configuration_says() {
    let reset = |value| [("kafka.consumer.auto.offset.reset", value)];
    let scene = Scene::new(1);
    scene.produce(0..10);
    let none = Running::start(scene.plan(&reset("none")));
    none.until("it is told", |r| r.told("no-offsets") > 0);
    none.stop();
    assert_eq!(scene.ask("SELECT COUNT(*) AS n FROM tailwater_owners"), [0]);
    let latest = Running::start(scene.plan(&reset("latest")));
    latest.until("it reads", |r| r.consumer.progress().iter().any(|p| p.delivered_to.is_some()));
    scene.produce(10..15);
    latest.until("what comes", |_| scene.ids().contains(&14));
    latest.stop();
    assert_eq!(scene.ids(), all(10..15));
}

#[test]
fn no_record_is_skipped_by_a_consumer_that_comes_back_to_a_slow_broker() {
    const PARTITIONS: i64 = 16;
    let scene = Scene::new(16);
    scene.produce(0..PARTITIONS);
    let first = Running::start(scene.plan(&[]));
    first.until("the first rows", |_| scene.ids().len() == 16);
    first.stop();
    // Of each partition one record an answer: reading them all takes longer than any question about it.
    for round in 1..=20 {
        scene.produce(PARTITIONS * round..PARTITIONS * (round + 1));
    }
    scene.broker.answer_after(Duration::from_millis(100));
    let second = Running::start(scene.plan(&[]));
    second.until("the others", |_| scene.ids().len() == 21 * 16);
    second.stop();
    assert_eq!(scene.ids(), all(0..21 * PARTITIONS));
}

#[test]
fn a_topic_made_again_is_told_and_never_continued() {
    let mut scene = Scene::new(1);
    scene.produce(0..10);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 10);
    first.stop();
    scene.broker = MockBroker::start("logs", 1).unwrap();
    scene.produce(10..15);
    // The group has read of the new one already, by other means: the table has nothing of it.
    commit(&scene, 3);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 15);
    assert_eq!(second.told("topic-made-again"), 1);
    second.stop();
    assert_eq!(scene.ids(), all(0..15));
}

#[test]
fn a_topic_that_was_known_by_its_name_is_continued_by_its_id() {
    let scene = Scene::new(2);
    scene.produce(0..100);
    let first = Running::start(scene.plan(&[("batch.rows", "7")]));
    first.until("the rows", |_| scene.ids().len() >= 100);
    first.stop();
    for table in ["tailwater_owners", "tailwater_offsets"] {
        execute(&scene.database(), &format!("UPDATE {table} SET topic_id = 'logs'"));
    }
    scene.produce(100..120);
    let second = Running::start(scene.plan(&[]));
    second.until("the rows", |_| scene.ids().len() >= 120);
    assert_eq!((second.told("topic-made-again"), second.told("topic-has-id")), (0, 1));
    second.stop();
    assert_eq!(scene.ids(), all(0..120));
    assert_eq!(scene.ask("SELECT COUNT(*) AS n FROM tailwater_owners"), [2]);
}

#[test]
fn a_partition_that_appears_later_begins_with_its_first_record() {
    let scene = Scene::new(2);
    scene.produce(0..20);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 20);
    first.stop();
    // The mock's topics do not grow: so the ledger has known one partition only.
    for table in ["tailwater_owners", "tailwater_offsets"] {
        execute(&scene.database(), &format!("DELETE FROM {table} WHERE partition_id = 1"));
    }
    execute(&scene.database(), "DELETE FROM rows WHERE part = 1");
    let second = Running::start(scene.plan(&[("kafka.consumer.auto.offset.reset", "latest")]));
    second.until("its rows", |_| scene.ids().len() >= 20);
    assert_eq!(second.told("begins-at"), 1);
    second.stop();
    assert_eq!(scene.ids(), all(0..20));
}

#[test]
fn records_lost_to_retention_are_told_with_their_number() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 10);
    first.stop();
    let body = "x".repeat(100_000);
    scene.send(10..110, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));

    let stopped = Running::start(scene.plan(&[("on-gap", "stop")]));
    stopped.until("it is told", |r| r.told("records-lost-to-retention") > 0);
    stopped.stop();
    assert_eq!(scene.ids(), all(0..10));

    let second = Running::start(scene.plan(&[]));
    second.until("the last row", |_| scene.ids().contains(&109));
    let lost = second.consumer.counters().lost_to_retention.get();
    second.stop();
    let ids = scene.ids();
    assert!(lost > 0);
    assert_eq!(i64::try_from(ids.len()).unwrap() + lost, 110);
    assert_eq!(ids[10..], all(10 + lost..110));
}

#[test]
fn records_removed_while_it_runs_are_told_and_reading_goes_on() {
    let scene = Scene::new(1);
    let plan = scene.plan(&[("queue.bytes", "1MiB"), ("batch.bytes", "200KiB")]);
    let gate = Gate::before(&plan);
    let running = Running::start_with(plan, gate.clone());
    scene.produce(0..10);
    running.until("it works", |_| scene.ids().len() >= 10);
    gate.set(false);
    let body = "x".repeat(100_000);
    scene.send(10..30, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));
    running.until("it is paused", |r| r.consumer.counters().paused.get() == 1);
    scene.send(30..112, |id| format!("{{\"id\":{id},\"text\":\"{body}\"}}"));
    gate.set(true);
    running.until("the last row", |_| scene.ids().contains(&111));
    let lost = running.consumer.counters().lost_to_retention.get();
    assert!(running.told("records-lost-to-retention") > 0);
    running.stop();
    assert_eq!(i64::try_from(scene.ids().len()).unwrap() + lost, 112);
}

#[test]
fn a_partition_that_ends_before_what_is_delivered_is_told_and_left_alone() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let first = Running::start(scene.plan(&[]));
    first.until("the rows", |_| scene.ids().len() >= 10);
    first.stop();
    execute(&scene.database(), "DELETE FROM tailwater_offsets");
    execute(&scene.database(), "UPDATE tailwater_owners SET next_offset = 50");
    let second = Running::start(scene.plan(&[]));
    second.until("it is told", |r| r.told("offsets-beyond-end") > 0);
    second.stop();
    assert_eq!(scene.ids(), all(0..10));
    assert_eq!(scene.ask("SELECT next_offset AS n FROM tailwater_owners"), [50]);
}
