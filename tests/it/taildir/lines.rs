//! What becomes an event, and what is held back.

use crate::support::taildir::{Scene, append};
use std::time::Duration;

#[test]
fn lines_are_events_and_the_bytes_are_not_touched() {
    let mut scene = Scene::new(".*log");
    append(&scene.path("a.log"), b"first\r\n\n\xff\x00\rx\nlast\n");
    scene.start();
    scene.pass();
    let frames = scene.channels[0].frames();
    let bodies: Vec<Vec<u8>> = frames
        .iter()
        .flat_map(|f| f.events().map(|e| e.body.to_vec()).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        bodies,
        [b"first".to_vec(), b"".to_vec(), b"\xff\x00\rx".to_vec(), b"last".to_vec()]
    );
}

#[test]
fn a_line_that_a_slow_writer_cuts_in_two_is_one_event() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "whole\nha");
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["whole"]);
    for _ in 0..100 {
        // Far longer than `idleTimeout`: Flume would give out the half here.
        scene.pass();
    }
    scene.append("a.log", "lf");
    scene.pass();
    assert_eq!(scene.bodies(), ["whole"]);
    scene.append("a.log", " a line\nnext\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["whole", "half a line", "next"]);
}

#[test]
fn a_last_line_that_nobody_completes_is_given_out_in_the_end() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "whole\nno end");
    scene.start();
    scene.pass();
    scene.clock.turn(Duration::from_mins(50));
    scene.pass();
    assert_eq!(scene.bodies(), ["whole"]);
    scene.clock.turn(Duration::from_mins(20));
    scene.pass();
    assert_eq!(scene.bodies(), ["whole", "no end"]);
    scene.pass();
    assert_eq!(scene.bodies().len(), 2, "once");
    // As in Flume, what follows is another event.
    scene.append("a.log", " after all\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["whole", "no end", " after all"]);
}

#[test]
fn a_long_line_comes_whole_however_it_is_written() {
    let mut scene = Scene::new(".*log");
    scene.start();
    let piece = "0123456789abcdef".repeat(60_000);
    for _ in 0..7 {
        scene.append("a.log", &piece);
        scene.pass();
        assert!(scene.bodies().is_empty());
    }
    scene.append("a.log", "\nshort\n");
    scene.pass();
    let bodies = scene.bodies();
    assert_eq!(bodies[0].len(), piece.len() * 7);
    assert!(bodies[0].as_bytes().chunks(16).all(|c| c == b"0123456789abcdef"));
    assert_eq!(bodies[1], "short");
}

#[test]
fn long_and_short_lines_of_every_length_around_a_block_come_whole() {
    let mut scene = Scene::new(".*log");
    scene.start();
    let lengths =
        [0, 1, 255, 256, 257, 262_143, 262_144, 262_145, 524_288, 70, 300_000, 3, 1 << 20];
    let lines: Vec<String> = lengths
        .iter()
        .map(|n| char::from(b'a' + u8::try_from(n % 26).unwrap()).to_string().repeat(*n))
        .collect();
    scene.append("a.log", &format!("{}\n", lines.join("\n")));
    scene.pass();
    assert!(scene.bodies() == lines, "a line is not what was written");
}

#[test]
fn headers_are_the_groups_and_the_files_path_if_wanted() {
    let keys =
        [("headers.g.app", "shop"), ("headers.g.file", "overridden"), ("fileHeader", "true")];
    let mut scene = Scene::with(".*log", &keys, Scene::new("x").channels);
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    let frames = scene.channels[0].frames();
    let headers = frames.iter().find_map(|f| f.event(0)).unwrap().headers.clone();
    assert_eq!(headers["app"], "shop");
    assert_eq!(headers["file"], scene.path("a.log").display().to_string());
}

#[test]
fn each_event_has_the_offset_of_its_line_if_wanted() {
    let mut scene = Scene::with(".*log", &[("byteOffsetHeader", "true")], Scene::new("x").channels);
    scene.append("a.log", "one\r\n\nthree\n");
    scene.start();
    scene.pass();
    scene.append("a.log", "four\n");
    scene.pass();
    let frames = scene.channels[0].frames();
    let offsets = frames
        .iter()
        .flat_map(|f| f.events().map(|e| e.headers["byteoffset"].clone()).collect::<Vec<_>>());
    assert_eq!(offsets.collect::<Vec<_>>(), ["0", "5", "6", "12"]);
}

#[test]
fn a_busy_file_does_not_starve_the_others() {
    let keys = [("batchSize", "2"), ("maxBatchCount", "2")];
    let mut scene = Scene::with(".*log", &keys, Scene::new("x").channels);
    scene.append("a.log", &(0..10).map(|n| format!("a{n}\n")).collect::<String>());
    scene.append("b.log", &(0..3).map(|n| format!("b{n}\n")).collect::<String>());
    scene.start();
    scene.step().unwrap();
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["a0", "a1", "a2", "a3", "b0", "b1", "b2"]);
    scene.pass();
    assert_eq!(scene.bodies().len(), 13);
}

#[test]
fn what_the_kernel_tells_of_is_read_without_waiting_for_the_next_look() {
    let mut scene = Scene::new(".*log");
    scene.append("a.log", "one\n");
    scene.start();
    scene.pass();
    scene.append("a.log", "two\n");
    scene.pass_at_once();
    assert_eq!(scene.bodies(), ["one", "two"]);
    scene.append("b.log", "three\n");
    scene.append("other", "not this\n");
    scene.pass_at_once();
    assert_eq!(scene.bodies(), ["one", "two", "three"]);
    scene.rename("b.log", "b.old");
    append(&scene.path("b.old"), b"four\n");
    scene.pass_at_once();
    assert_eq!(scene.bodies(), ["one", "two", "three", "four"]);
}

#[test]
fn a_directory_that_is_made_later_is_read_and_told_of() {
    let mut scene = Scene::new(".*log");
    std::fs::remove_dir(scene.path("")).unwrap();
    scene.start();
    scene.pass();
    assert_eq!(scene.told("directory-missing"), 1);
    std::fs::create_dir(scene.path("")).unwrap();
    scene.append("a.log", "one\n");
    scene.pass();
    assert_eq!(scene.bodies(), ["one"]);
    assert_eq!(scene.told("directory-found"), 1);
}

#[test]
fn what_is_no_file_is_not_read() {
    let mut scene = Scene::new(".*log");
    std::fs::create_dir(scene.path("dir.log")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        scene.path("pipe.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink("nowhere", scene.path("dangling.log")).unwrap();
    scene.append("real", "linked\n");
    std::os::unix::fs::symlink("real", scene.path("link.log")).unwrap();
    scene.start();
    scene.pass();
    assert_eq!(scene.bodies(), ["linked"]);
}
