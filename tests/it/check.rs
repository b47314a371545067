//! `tailwater check` as an operator sees it: for each file of `tests/fixtures/check` the complete output, and the exit status.
//!
//! A message cannot change without somebody reading the new one. An expectation that is not there is written, to be read.

use std::path::Path;
use std::process::{Command, Output};

fn tailwater(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", "/home/flume")
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check")
}

/// What a command printed and how it ended.
fn transcript(arguments: &[&str]) -> String {
    let output = tailwater(arguments, &folder());
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(err, "", "{arguments:?} complains");
    format!("{out}exit {}\n", output.status.code().unwrap())
}

#[test]
fn each_file_is_told_what_is_wrong_with_it_in_full() {
    let mut wrong = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "conf"))
    {
        let name = file.file_name().unwrap().to_str().unwrap();
        let said = transcript(&["check", name]);
        let expectation = file.with_extension("out");
        match std::fs::read_to_string(&expectation) {
            Ok(expected) if expected == said => {}
            Ok(_) => wrong.push(format!("{name} is told something else:\n{said}")),
            Err(_) => {
                std::fs::write(&expectation, &said).unwrap();
                wrong.push(format!("{name} had no expectation: read {}", expectation.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let large = std::fs::File::create(directory.path().join("large")).unwrap();
    large.set_len(100 << 20).unwrap();
    std::fs::create_dir(directory.path().join("directory")).unwrap();
    for (name, why) in [
        ("gone", "there is no such file"),
        ("directory", "it is a directory"),
        ("large", "it is larger than 4 MiB"),
        ("/proc/self/mem", "Input/output error"),
    ] {
        let output = tailwater(&["check", name], directory.path());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with(&format!("error[unreadable-file]: `{name}` cannot be read: {why}")),
            "{said}"
        );
        assert!(said.contains("1 error, 0 warnings"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn short_and_json_are_a_line_for_each_finding() {
    let short = transcript(&["check", "--format", "short", "ten-mistakes.conf"]);
    let json = transcript(&["check", "--format", "json", "ten-mistakes.conf"]);
    assert_eq!(short.lines().count(), json.lines().count());
    assert!(
        short.lines().filter(|line| line.starts_with("ten-mistakes.conf:")).count() >= 10,
        "{short}"
    );
    for line in json.lines().filter(|line| !line.starts_with("exit")) {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["place"]["line"].is_u64() && finding["effect"].is_string(), "{line}");
    }
}

#[test]
fn one_name_is_judged_alone_and_strict_lets_nothing_pass() {
    assert!(transcript(&["check", "-n", "al", "ten-mistakes.conf"]).ends_with("exit 2\n"));
    assert!(transcript(&["check", "-n", "a1", "ten-mistakes.conf"]).ends_with("exit 1\n"));
    assert!(
        transcript(&["check", "-n", "a1", "--strict", "characters.conf"]).ends_with("exit 2\n")
    );
    assert!(transcript(&["check", "--strict", "nothing-wrong.conf"]).ends_with("exit 0\n"));
}

#[test]
fn system_properties_and_several_files_count() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let whole = std::fs::read_to_string(folder().join("nothing-wrong.conf")).unwrap();
    write("base", &whole.replace("type = logger", "type = ${sys:kind}"));
    write("over", "a1.sinks.k1.type = null\n");
    let status = |arguments: &[&str]| tailwater(arguments, directory.path()).status.code();
    assert_eq!(status(&["check", "base"]), Some(2));
    assert_eq!(status(&["check", "-Dkind=logger", "base"]), Some(0));
    assert_eq!(status(&["check", "base", "over"]), Some(0));
}
