//! Dead letters in files, through crashes, full disks and other people's hands.

use super::{FileLetters, FileSettings};
use crate::clock::SystemClock;
use crate::deadletter::line::{Kept, Sender};
use crate::deadletter::{DeadLetters, Id, Letter, LetterError, read};
use crate::event::Headers;
use crate::status::happening::Telling;
use std::fs;
use std::io::Write;
use std::path::Path;

fn letters(dir: &Path, max_bytes: u64) -> FileLetters {
    let clock = SystemClock::shared();
    FileLetters::new(
        FileSettings { dir: dir.to_owned(), max_bytes },
        Sender { agent: "a1".to_owned(), component: "k1".to_owned() },
        clock.clone(),
        Telling::new(clock).of("sink", &"k1".into()),
    )
}

fn letter<'a>(number: u64, headers: &'a Headers, body: &'a [u8]) -> Letter<'a> {
    Letter {
        id: Id::in_channel(uuid::Uuid::from_u128(1), number),
        code: "record-too-large",
        reason: "it is too large".to_owned(),
        origin: vec![("topic", "t".to_owned())],
        headers,
        key: None,
        body,
    }
}

fn kept(dir: &Path) -> Vec<Kept> {
    let (mut kept, mut damage) = (Vec::new(), Vec::new());
    let each = |letter| {
        kept.push(letter);
        true
    };
    read::letters(dir, each, |_, why| damage.push(why)).unwrap();
    assert!(damage.is_empty(), "{damage:?}");
    kept
}

fn numbers(dir: &Path) -> Vec<u64> {
    kept(dir).iter().map(|letter| letter.id.number()).collect()
}

#[test]
fn what_was_kept_is_there_after_reopening_and_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("deep/er");
    let headers = Headers::from([("h".to_owned(), "v".to_owned())]);
    let large: Vec<u8> = (0..=255).cycle().take(2_500_000).collect();
    let mut first = letters(&place, 1 << 30);
    assert!(!place.exists(), "an agent without dead letters leaves nothing behind");
    let both = [letter(1, &headers, b"one"), letter(2, &headers, &large)];
    assert_eq!(first.keep(&both), Ok(2));
    assert_eq!(first.keep(&[letter(2, &headers, &large), letter(3, &headers, b"")]), Ok(1));
    drop(first);
    // R18: a crash before the position moved offers them again.
    let mut again = letters(&place, 1 << 30);
    assert_eq!(again.keep(&[letter(3, &headers, b""), letter(4, &headers, b"four")]), Ok(1));
    let all = kept(&place);
    assert_eq!(numbers(&place), [1, 2, 3, 4]);
    assert!(all[1].body == large && all[1].head.parts == 3 && all[0].head.headers["h"] == "v");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2, "one file and the lock");
}

#[test]
fn wherever_a_crash_tore_the_file_whole_letters_stay_and_the_torn_one_is_kept_again() {
    let headers = Headers::new();
    let large = vec![7_u8; 1_300_000];
    let dir = tempfile::tempdir().unwrap();
    let whole = {
        letters(dir.path(), 1 << 30).keep(&[letter(1, &headers, b"one")]).unwrap();
        let one = fs::metadata(dir.path().join(read::file_name(1))).unwrap().len();
        letters(dir.path(), 1 << 30).keep(&[letter(2, &headers, &large)]).unwrap();
        usize::try_from(one).unwrap()
    };
    let bytes = fs::read(dir.path().join(read::file_name(1))).unwrap();
    let second_line = bytes[whole..].iter().position(|b| *b == b'\n').unwrap() + whole;
    for cut in [1, whole - 1, whole, whole + 1, second_line, second_line + 1, bytes.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(read::file_name(1)), &bytes[..cut]).unwrap();
        let mut reopened = letters(dir.path(), 1 << 30);
        let kept_now = reopened.keep(&[letter(1, &headers, b"one"), letter(2, &headers, &large)]);
        assert_eq!(kept_now, Ok(if cut < whole { 2 } else { 1 }), "{cut}");
        assert_eq!(numbers(dir.path()), [1, 2], "{cut}");
        assert_eq!(fs::read(dir.path().join(read::file_name(1))).unwrap().len(), bytes.len());
    }
}

#[test]
fn what_is_full_says_so_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let headers = Headers::new();
    let body = vec![b'x'; 3000];
    let mut kept = letters(dir.path(), 6000);
    assert_eq!(kept.keep(&[letter(1, &headers, &body)]), Ok(1));
    let error = kept.keep(&[letter(2, &headers, &body)]).unwrap_err();
    assert!(matches!(error, LetterError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("`deadletter.maxBytes` is 6000"), "{error}");
    assert_eq!(numbers(dir.path()), [1], "nothing was thrown away to make room");
    assert_eq!(kept.keep(&[letter(1, &headers, &body)]), Ok(0), "what is there needs no room");
    fs::remove_file(dir.path().join(read::file_name(1))).unwrap();
    drop(kept);
    assert_eq!(letters(dir.path(), 6000).keep(&[letter(2, &headers, &body)]), Ok(1));
}

#[test]
fn a_directory_that_somebody_else_writes_to_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let headers = Headers::new();
    let mut first = letters(dir.path(), 1 << 20);
    first.keep(&[letter(1, &headers, b"x")]).unwrap();
    let error = letters(dir.path(), 1 << 20).keep(&[letter(2, &headers, b"x")]).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    assert_eq!(letters(dir.path(), 1 << 20).keep(&[letter(2, &headers, b"x")]), Ok(1));
    fs::write(dir.path().join("plain"), "x").unwrap();
    let below = dir.path().join("plain/dir");
    let error = letters(&below, 1 << 20).keep(&[letter(1, &headers, b"x")]).unwrap_err();
    assert!(matches!(error, LetterError::Unavailable { .. }), "{error}");
}

#[test]
fn damage_in_the_middle_is_told_and_hides_no_other_letter() {
    let dir = tempfile::tempdir().unwrap();
    let headers = Headers::new();
    letters(dir.path(), 1 << 20).keep(&[letter(1, &headers, b"x")]).unwrap();
    let path = dir.path().join(read::file_name(1));
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"not a letter\n").unwrap();
    let line = fs::read_to_string(&path).unwrap().lines().next().unwrap().replace(":1\"", ":2\"");
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
    let telling = Telling::new(SystemClock::shared());
    let mut reopened = letters(dir.path(), 1 << 20);
    reopened.teller = telling.of("sink", &"k1".into());
    assert_eq!(reopened.keep(&[letter(2, &headers, b"x"), letter(3, &headers, b"y")]), Ok(1));
    assert_eq!(telling.times("sink k1", "dead-letters-damaged"), 1);
    assert!(telling.newest()[0].happening.what.contains("1 lines"));
}

#[test]
fn after_a_failed_write_the_letters_are_kept_when_it_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let headers = Headers::new();
    let mut kept = letters(dir.path(), 1 << 20);
    kept.keep(&[letter(1, &headers, b"x")]).unwrap();
    // A file that cannot be written to stands in for a disk that fails.
    let path = dir.path().join(read::file_name(1));
    kept.open.as_mut().unwrap().current.as_mut().unwrap().file = fs::File::open(&path).unwrap();
    let error = kept.keep(&[letter(2, &headers, b"x")]).unwrap_err();
    assert!(error.to_string().contains("a file cannot be written"), "{error}");
    assert_eq!(kept.keep(&[letter(2, &headers, b"x")]), Ok(1));
    assert_eq!(numbers(dir.path()), [1, 2]);
    assert_eq!(
        read::files(dir.path()).unwrap().len(),
        2,
        "a file that failed is not written again"
    );
}
