//! Where the source goes on: after a crash, beside Flume, with several channels, with a channel that forgets.

use crate::support::channels::{ListChannel, Rules};
use crate::support::sources::Choose;
use crate::support::taildir::Scene;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

fn by_hand() -> Rules {
    Rules { by_hand: true, ..Rules::default() }
}

#[test]
fn after_a_crash_what_was_not_durable_is_read_again_and_nothing_else() {
    let mut scene = Scene::with(".*log", &[], vec![ListChannel::new("c1", Rules::default())]);
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    scene.channels[0].state_rules(|rules| rules.by_hand = true);
    scene.append("a.log", "three\n");
    scene.pass();
    scene.crash();
    assert_eq!(scene.bodies(), ["one", "two"]);
    scene.channels[0].state_rules(|rules| rules.by_hand = false);
    scene.append("a.log", "four\n");
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three", "four"]);
}

// R10
#[test]
fn the_position_file_is_flumes_and_frames_win_over_an_older_one_of_ours() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    let inode = fs::metadata(scene.path("a.log")).unwrap().ino();
    let file = scene.path("a.log").display().to_string();
    assert_eq!(scene.positions(), format!(r#"[{{"inode":{inode},"pos":8,"file":"{file}"}}]"#));
    scene.append("a.log", "three\n");
    scene.pass_at_once();
    assert!(scene.positions().contains("\"pos\":8"), "not written again yet");
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three"]);
    assert!(scene.positions().contains("\"pos\":14"));
}

// R10
#[test]
fn positions_that_flume_wrote_are_gone_on_from() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\ntwo\n");
    scene.append("b.log", "three\n");
    scene.append("c.log", "four\n");
    let inode = |name: &str| fs::metadata(scene.path(name)).unwrap().ino();
    let text = format!(
        r#"[{{"inode":{},"pos":4,"file":"{}"}},{{"inode":{},"pos":6,"file":"{}"}},{{"inode":{},"pos":2,"file":"/else"}}]"#,
        inode("a.log"),
        scene.path("a.log").display(),
        inode("b.log"),
        scene.path("b.log").display(),
        inode("c.log"),
    );
    fs::create_dir_all(scene.position_file().parent().unwrap()).unwrap();
    fs::write(scene.position_file(), text).unwrap();
    scene.start();
    assert_eq!(scene.told("position-file-taken"), 1);
    scene.pass();
    scene.crash();
    scene.start();
    scene.pass();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["four", "two"], "c.log was another path, so it is new, as in Flume");
}

// R10
#[test]
fn a_position_file_that_somebody_changed_wins_and_is_told() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    scene.stop();
    let text = scene.positions();
    fs::write(scene.position_file(), text.replace("\"pos\":8", "\"pos\":4")).unwrap();
    scene.start();
    assert_eq!(scene.told("position-file-changed"), 1);
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "two"]);
    // What was moved back is not forgotten half-way through.
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "two"]);
}

// R10
#[test]
fn a_position_moved_back_is_read_again_though_a_crash_comes_in_between() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\ntwo\nthree\n");
    scene.start();
    scene.pass();
    scene.stop();
    let text = scene.positions();
    fs::write(scene.position_file(), text.replace("\"pos\":14", "\"pos\":4")).unwrap();
    scene.start();
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three", "two", "three"]);
}

// R10
#[test]
fn a_removed_position_file_reads_everything_again_as_flume_does() {
    for skip in ["false", "true"] {
        let mut scene = Scene::with(".*log", &[("skipToEnd", skip)], Scene::new("x").channels);
        scene.start();
        scene.pass();
        scene.append("a.log", "one\n");
        scene.pass();
        scene.stop();
        fs::remove_file(scene.position_file()).unwrap();
        scene.start();
        scene.pass();
        let again = if skip == "true" { 1 } else { 2 };
        assert_eq!(scene.bodies().len(), again, "skipToEnd = {skip}");
    }
}

#[test]
fn a_position_file_that_is_none_starts_nothing_and_one_cut_off_is_as_none() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\n");
    fs::create_dir_all(scene.position_file().parent().unwrap()).unwrap();
    fs::write(scene.position_file(), "{}").unwrap();
    let error = scene.try_start().unwrap_err();
    assert!(error.what.contains("it is not a list") && !error.fatal, "{error:?}");
    fs::write(scene.position_file(), "[{\"inode\":1,").unwrap();
    scene.start();
    assert_eq!(scene.told("position-file-cut"), 1);
    scene.pass();
    assert_eq!(scene.bodies(), ["one"]);
}

#[test]
fn skip_to_end_skips_what_was_there_at_the_first_start_and_nothing_else() {
    let mut scene = Scene::with(".*log", &[("skipToEnd", "true")], Scene::new("x").channels);
    scene.append("a.log", "before\n");
    scene.start();
    scene.crash();
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.append("b.log", "two\n");
    scene.pass();
    scene.stop();
    scene.rename("a.log", "a.old");
    scene.clock.turn(Duration::from_mins(1));
    scene.append("a.log", "three\n");
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three"]);
}

// R8
#[test]
fn each_of_several_channels_gets_what_it_lacks_and_nothing_twice() {
    let channels = [ListChannel::new("c1", by_hand()), ListChannel::new("c2", by_hand())];
    let sync = |scene: &Scene| scene.channels.iter().for_each(|channel| channel.sync());
    for (first, second) in [(0, 3), (1, 3), (3, 0), (2, 1), (0, 0), (3, 3)] {
        let mut scene = Scene::with(
            ".*log",
            &[],
            channels.iter().map(|_| ListChannel::new("c", Rules::default())).collect(),
        );
        scene.channels = vec![
            ListChannel::new("c1", Rules::default()),
            ListChannel::new("c2", Rules::default()),
        ];
        scene.start();
        scene.channels.iter().for_each(|channel| channel.state_rules(|rules| rules.by_hand = true));
        for line in ["one", "two", "three"] {
            scene.append("a.log", &format!("{line}\n"));
            scene.pass();
        }
        scene.channels[0].sync_some(first);
        scene.channels[1].sync_some(second);
        scene.crash();
        scene
            .channels
            .iter()
            .for_each(|channel| channel.state_rules(|rules| rules.by_hand = false));
        scene.start();
        scene.pass();
        sync(&scene);
        for channel in &scene.channels {
            assert_eq!(channel.bodies(), ["one", "two", "three"], "{first} {second}");
        }
    }
}

// R8
#[test]
fn a_channel_that_is_new_begins_where_the_others_are() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.stop();
    scene.append("a.log", "two\n");
    scene.channels.push(ListChannel::new("c2", Rules::default()));
    scene.start();
    scene.pass();
    assert_eq!(scene.channels[0].bodies(), ["one", "two"]);
    assert_eq!(scene.channels[1].bodies(), ["two"]);
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.channels[1].bodies(), ["two"]);
}

// R8
#[test]
fn with_load_balancing_what_any_channel_has_is_not_read_again() {
    let channels =
        vec![ListChannel::new("c1", Rules::default()), ListChannel::new("c2", Rules::default())];
    let mut scene = Scene::with(".*log", &[], channels).choose(Choose::InTurn);
    scene.start();
    scene.channels.iter().for_each(|channel| channel.state_rules(|rules| rules.by_hand = true));
    for line in ["one", "two", "three", "four"] {
        scene.append("a.log", &format!("{line}\n"));
        scene.pass_at_once();
    }
    // Of one channel all is durable, of the other nothing.
    scene.channels[0].sync();
    scene.crash();
    scene.channels.iter().for_each(|channel| channel.state_rules(|rules| rules.by_hand = false));
    scene.start();
    scene.pass();
    let mut bodies = [scene.channels[0].bodies(), scene.channels[1].bodies()].concat();
    bodies.sort();
    assert_eq!(bodies, ["four", "one", "three", "two"]);
    scene.pass();
    for channel in &scene.around.processor(&scene.channels).vouched().channels {
        let ranges = channel.positions.iter().map(|(_, mark)| mark.ranges.iter().count());
        assert!(ranges.max().unwrap() <= 1, "marks do not fill with holes");
    }
}

// R9
#[test]
fn a_channel_that_forgets_loses_nothing_at_a_crash() {
    let forgets = Rules { forgets: true, ..Rules::default() };
    let mut scene = Scene::with(".*log", &[], vec![ListChannel::new("c1", forgets)]);
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.channels[0].settle_all();
    scene.append("a.log", "two\n");
    scene.pass();
    assert!(scene.positions().contains("\"pos\":4"), "{}", scene.positions());
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["two"], "what was delivered is not, what was not is read again");
    // The second life remembers what the first did, and what it did itself.
    scene.channels[0].settle_all();
    scene.pass();
    assert!(scene.positions().contains("\"pos\":8"), "{}", scene.positions());
    scene.crash();
    scene.start();
    scene.pass();
    assert!(scene.bodies().is_empty());
}

// R9
#[test]
fn a_source_that_is_started_again_beside_its_channel_doubles_nothing() {
    let forgets = Rules { forgets: true, ..Rules::default() };
    let mut scene = Scene::with(".*log", &[], vec![ListChannel::new("c1", forgets)]);
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    scene.stop();
    scene.start();
    scene.append("a.log", "three\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three"]);
}

// R8
#[test]
fn a_changed_plan_offers_again_what_not_every_channel_has_and_says_so() {
    let mut scene = Scene::new(".*log");
    scene.channels =
        vec![ListChannel::new("c1", Rules::default()), ListChannel::new("c2", Rules::default())];
    scene.start();
    scene.channels.iter().for_each(|channel| channel.state_rules(|rules| rules.by_hand = true));
    scene.append("a.log", "one\n");
    scene.pass();
    scene.channels[0].sync_some(1);
    scene.crash();
    scene.channels.iter().for_each(|channel| channel.state_rules(|rules| rules.by_hand = false));
    scene.around.plan = 2;
    scene.start();
    scene.pass();
    assert_eq!(scene.channels[0].bodies(), ["one", "one"]);
    assert_eq!(scene.channels[1].bodies(), ["one"]);
    assert_eq!(scene.told("plan-changed"), 1);
}

#[test]
fn a_directory_that_cannot_be_looked_into_forgets_nothing() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.clock.turn(Duration::from_mins(10));
    scene.pass();
    let away = scene.folder.path().join("away");
    rustix::fs::rename(scene.path(""), &away).unwrap();
    for _ in 0..3 {
        scene.pass();
    }
    scene.crash();
    scene.start();
    scene.pass();
    rustix::fs::rename(&away, scene.path("")).unwrap();
    scene.append("a.log", "two\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two"]);
}

#[test]
fn files_copied_to_another_disk_with_their_times_are_not_read_again() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    scene.stop();
    let modified = fs::metadata(scene.path("a.log")).unwrap().modified().unwrap();
    fs::copy(scene.path("a.log"), scene.path("b")).unwrap();
    scene.remove("a.log");
    scene.rename("b", "a.log");
    let file = fs::File::options().append(true).open(scene.path("a.log")).unwrap();
    file.set_modified(modified).unwrap();
    let born = fs::metadata(scene.path("a.log")).unwrap().created().unwrap();
    scene.start();
    scene.pass();
    if born > modified {
        assert_eq!(scene.bodies(), ["one", "two"]);
    }
}
