//! Files that are renamed, copied, emptied, removed and made anew: every line once.

use crate::support::taildir::{Scene, append};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

#[test]
fn a_file_renamed_to_a_name_that_matches_is_not_read_again() {
    let mut scene = Scene::new("a.*");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "two\n");
    scene.pass();
    scene.rename("a.log.1", "a.log.2");
    scene.rename("a.log", "a.log.1");
    scene.append("a.log.1", "late\n");
    scene.append("a.log", "three\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "late", "three"]);
    scene.crash();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies().len(), 4, "nor after a restart");
}

#[test]
fn what_an_asynchronous_appender_writes_after_the_rename_is_read() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\n");
    let mut old = OpenOptions::new().append(true).open(scene.path("a.log")).unwrap();
    scene.start();
    scene.pass();
    scene.rename("a.log", "a.log.2026-01-01");
    old.write_all(b"two\n").unwrap();
    scene.append("a.log", "new\n");
    scene.pass();
    old.write_all(b"three\nno end").unwrap();
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "new", "three"]);
    scene.clock.turn(Duration::from_mins(3));
    scene.pass();
    assert_eq!(scene.bodies()[4..], ["no end"], "nobody completes it after `idleTimeout`");
}

#[test]
fn a_file_renamed_while_the_agent_is_away_is_read_to_its_end() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.crash();
    scene.append("a.log", "two\n");
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "three\n");
    scene.start();
    scene.pass();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["one", "three", "two"]);
}

// R10
#[test]
fn a_copied_and_emptied_file_is_read_on_in_its_copy() {
    for pattern in [r"a\.log", "a.*"] {
        let mut scene = Scene::new(pattern);
        scene.append("a.log", "one\ntwo\n");
        scene.start();
        scene.pass();
        scene.append("a.log", "three\n");
        scene.copytruncate("a.log", "a.log.1");
        scene.append("a.log", "four\n");
        scene.pass();
        scene.pass();
        let mut bodies = scene.bodies();
        bodies.sort();
        assert_eq!(bodies, ["four", "one", "three", "two"], "{pattern}");
        assert_eq!(scene.told("file-copied"), 1);
        scene.crash();
        scene.start();
        scene.pass();
        assert_eq!(scene.bodies().len(), 4, "{pattern}: after a restart");
    }
}

// R10
#[test]
fn an_emptied_file_that_has_grown_beyond_the_position_again_is_noticed() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\ntwo\n");
    scene.start();
    scene.pass();
    scene.copytruncate("a.log", "copy");
    scene.append("a.log", "three\nfour\nfive\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "three", "four", "five"]);
    // The same, closed for long and with nobody looking.
    scene.clock.turn(Duration::from_mins(10));
    scene.pass();
    scene.copytruncate("a.log", "copy2");
    scene.append("a.log", "six\nseven\neight\nnine\nten\n");
    scene.pass();
    assert_eq!(scene.bodies()[5..], ["six", "seven", "eight", "nine", "ten"]);
}

// R10
#[test]
fn a_copy_made_while_the_agent_is_away_is_read_on_from_the_mark() {
    let mut scene = Scene::new("a.*");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.crash();
    scene.append("a.log", "two\n");
    scene.copytruncate("a.log", "a.log.1");
    scene.append("a.log", "three is longer than one\n");
    scene.start();
    scene.pass();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["one", "three is longer than one", "two"]);
}

// R10
#[test]
fn a_copy_that_is_seen_before_its_original_is_emptied_is_not_read_as_a_new_file() {
    let mut scene = Scene::new("a.*");
    let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    scene.append("a.log", &lines);
    scene.start();
    scene.pass();
    // A copy in the making, then whole, then the original emptied: seen at every step.
    File::create(scene.path("a.log.1")).unwrap();
    scene.pass_at_once();
    let (first, rest) = lines.as_bytes().split_at(4096);
    append(&scene.path("a.log.1"), first);
    scene.pass_at_once();
    append(&scene.path("a.log.1"), rest);
    scene.pass_at_once();
    scene.empty("a.log");
    scene.append("a.log", "after\n");
    scene.pass();
    assert_eq!(scene.bodies().len(), 1001);
}

#[test]
fn a_file_that_only_begins_as_another_is_read_whole() {
    let mut scene = Scene::new("a.*");
    scene.append("a1", "# header\n");
    scene.start();
    scene.pass();
    scene.append("a2", "# header\n");
    scene.append("a3", "# header\nand a line\n");
    scene.pass_at_once();
    scene.pass();
    scene.pass();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["# header", "# header", "# header", "and a line"]);
}

#[test]
fn an_emptied_file_without_a_copy_is_told_with_what_may_be_lost() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\ntwo\nhalf");
    scene.start();
    scene.pass();
    scene.empty("a.log");
    scene.append("a.log", "new\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "two", "new"]);
    let newest = scene.around.telling.newest();
    let told = newest.iter().find(|t| t.happening.code == "file-emptied").unwrap();
    assert_eq!(told.happening.effect, "4 bytes are lost");
}

#[test]
fn a_file_removed_and_made_again_is_read_whole_and_the_old_one_to_its_end() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.append("a.log", "two\n");
    scene.remove("a.log");
    scene.append("a.log", "one\nthree\n");
    scene.pass();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["one", "one", "three", "two"]);
}

#[test]
fn an_inode_that_is_used_again_by_a_longer_file_is_another_file() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.clock.turn(Duration::from_mins(10));
    scene.pass();
    // Closed as idle, so that the inode is free: most file systems give it to the next file.
    scene.remove("a.log");
    scene.append("a.log", "a longer file\nwith two lines\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one", "a longer file", "with two lines"]);
}

#[test]
fn a_removed_file_is_read_to_its_end_before_the_source_stops() {
    let mut scene = Scene::new(r"a\.log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.append("a.log", "two\nno end");
    scene.remove("a.log");
    scene.stop();
    assert_eq!(scene.bodies(), ["one", "two", "no end"]);
}

#[test]
fn the_mark_of_a_file_that_is_gone_is_dropped() {
    let mut scene = Scene::new(r"a.*");
    scene.append("a1", "one\n");
    scene.append("a2", "two\n");
    scene.start();
    scene.pass();
    scene.remove("a1");
    scene.pass();
    scene.clock.turn(Duration::from_mins(5));
    scene.pass();
    scene.pass();
    let inputs: Vec<String> = scene
        .around
        .processor(&scene.channels)
        .vouched()
        .inputs()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(inputs.len(), 1, "{inputs:?}");
    assert!(inputs[0].contains("/a2#"));
}

#[test]
fn two_names_of_one_file_are_one_file() {
    let mut scene = Scene::new("a.*");
    scene.append("a1", "one\n");
    fs::hard_link(scene.path("a1"), scene.path("a2")).unwrap();
    std::os::unix::fs::symlink(scene.path("a1"), scene.path("a3")).unwrap();
    scene.start();
    for round in 0..5 {
        scene.append("a1", &format!("{round}\n"));
        scene.pass();
    }
    assert_eq!(scene.bodies(), ["one", "0", "1", "2", "3", "4"]);
}

#[test]
fn a_file_that_comes_and_goes_between_two_looks_harms_nobody() {
    let mut scene = Scene::new("a.*");
    scene.start();
    scene.pass();
    scene.append("a1", "one\n");
    scene.remove("a1");
    scene.append("a2", "two\n");
    scene.rename("a2", "b2");
    scene.append("a3", "three\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["three"]);
}
