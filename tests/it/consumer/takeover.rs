//! Whose a partition is (R16), when two believe that it is theirs.

use super::{Running, Scene, all, execute};

#[test]
fn a_partition_that_was_taken_by_somebody_else_is_taken_again() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("the rows", |_| scene.ids().len() >= 10);
    execute(&scene.database(), "UPDATE tailwater_owners SET epoch = epoch + 1");
    scene.produce(10..20);
    running.until("the others", |_| scene.ids().len() >= 20);
    assert_eq!(running.told("partition-taken-over"), 1);
    running.stop();
    assert_eq!(scene.ids(), all(0..20));
}

#[test]
fn a_member_of_an_old_generation_waits_and_gives_nothing_up() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[]));
    running.until("the rows", |_| scene.ids().len() >= 10);
    let by = "epoch = epoch + 1, owner = 'another', taken_ms = 9000000000000000";
    let taken = format!("UPDATE tailwater_owners SET {by}, generation = generation + 9");
    execute(&scene.database(), &taken);
    scene.produce(10..20);
    running.until("it is refused", |r| r.told("takeover-refused") > 0);
    assert_eq!(scene.ids(), all(0..10));
    execute(&scene.database(), "UPDATE tailwater_owners SET generation = 0");
    running.until("the others", |_| scene.ids().len() >= 20);
    running.stop();
    assert_eq!(scene.ids(), all(0..20));
}
