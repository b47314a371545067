//! What becomes of records: rows, each once, and letters.

use super::{Running, Scene, all, execute};

#[test]
fn every_record_becomes_one_row_also_across_a_restart() {
    let scene = Scene::new(3);
    scene.produce(0..500);
    let first = Running::start(scene.plan(&[("batch.rows", "37")]));
    first.until("the first rows", |_| scene.ids().len() >= 500);
    first.stop();
    scene.produce(500..800);
    let second = Running::start(scene.plan(&[]));
    second.until("the others", |_| scene.ids().len() >= 800);
    scene.produce(800..810);
    second.until("what comes while it runs", |_| scene.ids().len() >= 810);
    assert_eq!(second.told("begins-at"), 0, "it goes on from the database");
    second.stop();
    assert_eq!(scene.ids(), all(0..810));
    assert_eq!(scene.ask("SELECT COUNT(DISTINCT part * 1000000 + pos) AS n FROM rows"), [810]);
}

#[test]
fn two_consumers_share_the_partitions_and_double_nothing_when_they_come_and_go() {
    let scene = Scene::new(4);
    scene.produce(0..400);
    let small = [("batch.rows", "10"), ("kafka.consumer.session.timeout.ms", "6000")];
    let first = Running::start(scene.plan(&small));
    first.until("some rows", |_| scene.ids().len() >= 100);
    let second = Running::start(scene.plan(&small));
    scene.produce(400..800);
    second.until("the second has some", |second| second.consumer.progress().len() == 2);
    scene.produce(800..1200);
    first.stop();
    scene.produce(1200..1300);
    second.until("all rows", |_| scene.ids().len() >= 1300);
    second.until("it has all partitions", |second| second.consumer.progress().len() == 4);
    second.stop();
    assert_eq!(scene.ids(), all(0..1300));
}

#[test]
fn bad_records_are_set_aside_and_the_others_written() {
    let scene = Scene::new(2);
    scene.send(0..300, |id| match id {
        7 | 8 => "no json".to_owned(),
        100 => "{\"id\":\"many\"}".to_owned(),
        // The same key again: the database alone can know that.
        150 => "{\"id\":148}".to_owned(),
        _ => format!("{{\"id\":{id}}}"),
    });
    let running = Running::start(scene.plan(&[("primary-key", "id")]));
    running.until("all of them", |_| scene.ids().len() >= 296);
    running.until("the letters", |r| r.consumer.counters().dead_letters.get() == 4);
    assert!(running.told("dead-letter") > 0);
    running.stop();
    let bad = [7, 8, 100, 150];
    assert_eq!(scene.ids(), (0..300).filter(|id| !bad.contains(id)).collect::<Vec<_>>());
    let offsets =
        "SELECT record_offset * 2 + partition_id AS n FROM tailwater_dead_letters ORDER BY 1";
    assert_eq!(scene.ask(offsets), bad);
}

#[test]
fn letters_go_into_files_where_that_is_said() {
    let scene = Scene::new(1);
    let folder = scene.folder.path().join("letters");
    scene.send(0..10, |id| if id == 4 { "no".to_owned() } else { format!("{{\"id\":{id}}}") });
    let running = Running::start(
        scene.plan(&[("deadletter", "file"), ("deadletter.dir", folder.to_str().unwrap())]),
    );
    running.until("all of them", |_| scene.ids().len() >= 9);
    running.stop();
    let file = std::fs::read_to_string(folder.join("dead-letters-000001.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 1);
    assert!(file.contains("is not JSON") && file.contains("\"body\":\"bm8=\""), "{file}");
}

#[test]
fn a_missing_table_is_waited_for_and_costs_nothing() {
    let scene = Scene::new(1);
    scene.produce(0..10);
    let running = Running::start(scene.plan(&[("create-table", "false")]));
    running.until("it is told", |r| r.told("table-missing") > 0);
    let told = running.telling.newest();
    let missing = told.iter().find(|t| t.happening.code == "table-missing").unwrap();
    assert!(missing.happening.next.contains("tailwater consumer ddl"), "{missing:?}");
    execute(&scene.database(), "CREATE TABLE rows (id INT, text TEXT, part INT, pos BIGINT)");
    running.until("the rows", |_| scene.ids().len() >= 10);
    running.stop();
    assert_eq!(scene.ask("SELECT COUNT(*) AS n FROM tailwater_dead_letters"), [0]);
}

/// Bounds so small that no record fits: one at a time passes, and none stands still.
#[test]
fn the_smallest_bounds_slow_it_down_and_stop_nothing() {
    let scene = Scene::new(2);
    scene.produce(0..20);
    let small = [("queue.bytes", "1"), ("batch.bytes", "1"), ("batch.rows", "1")];
    let running = Running::start(scene.plan(&small));
    running.until("all rows", |_| scene.ids().len() >= 20);
    running.stop();
    assert_eq!(scene.ids(), all(0..20));
}

#[test]
fn a_body_of_forty_megabytes_is_one_row() {
    let scene = Scene::new(1);
    let running = Running::start(scene.plan(&[]));
    running.until("it reads", |r| r.consumer.progress().iter().any(|p| p.delivered_to.is_some()));
    let text = "0123456789abcdef".repeat((40 << 20) / 16);
    scene.send(1..2, |id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"));
    running.until("the row", |_| scene.ids() == [1]);
    running.stop();
    assert_eq!(scene.ask("SELECT LENGTH(text) AS n FROM rows"), [40 << 20]);
}
