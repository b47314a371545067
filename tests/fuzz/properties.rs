//! The parser against `java.util.Properties`: keys, values, and the order Java walks them in.
//!
//! Where there is a Java, each seed's file is put to it; where there is none, the recorded answers of
//! `tests/fixtures/properties/answers.txt` are held (`cargo test --test fuzz -- record` writes them, with a Java). A line there is a file and its
//! answer: hexadecimal bytes, then `!` if Java refuses them, else `key=value` in UTF-16.

use crate::random::Random;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use tailwater::config::java::properties_order;
use tailwater::config::span::FileIndex;
use tailwater::config::syntax::parse;

/// What decides how a properties file is read, and a few letters.
const SYMBOLS: &[&[u8]] = &[
    b"a",
    b"b",
    b"=",
    b"=",
    b":",
    b" ",
    b" ",
    b"\t",
    b"\x0c",
    b"\\",
    b"\\",
    b"\\",
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"#",
    b"!",
    b"u",
    b"\\u0041",
    b"\\u00",
    b"41",
    b"\\uD83D\\uDE00",
    b"\\uD83D",
    b"\xe9",
    b"\\t",
    b"\0",
    b"x.y",
];

/// The file of a seed. Every fortieth has many keys, for the order.
pub(crate) fn file(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut file = Vec::new();
    if seed.is_multiple_of(40) {
        for _ in 0..random.below(80) {
            let (kind, name) = (random.below(3), random.below(30));
            let kind = ["sources", "channels", "sinks"][kind];
            file.extend(
                format!("a{}.{kind}.n{name}.k{}=v\n", random.below(3), random.below(4)).bytes(),
            );
        }
        return file;
    }
    for _ in 0..random.below(14) {
        file.extend(*random.one_of(SYMBOLS));
    }
    file
}

/// What we read in a file, in the form of an answer.
fn our_answer(file: &[u8]) -> String {
    let text: String = file.iter().map(|byte| char::from(*byte)).collect();
    let parsed = parse(FileIndex(0), &text);
    if parsed.diagnostics.iter().any(|remark| remark.code == "malformed-escape") {
        return "!".to_owned();
    }
    let hex =
        |text: &str| text.encode_utf16().map(|unit| format!("{unit:04x}")).collect::<String>();
    let order = properties_order(parsed.entries.iter().map(|entry| entry.key.as_str()));
    let pair = |key: &str| {
        let last = parsed.entries.iter().rev().find(|entry| entry.key == key).expect("one of them");
        format!("{}={}", hex(key), hex(&last.value))
    };
    order.into_iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// The pairs of an answer in no order, where half a character in a key gives it another place than in Java.
fn sorted(answer: &str) -> Vec<&str> {
    let mut pairs: Vec<&str> = answer.split(' ').collect();
    pairs.sort_unstable();
    pairs
}

/// Whether ours and Java's are the same.
fn agree(ours: &str, theirs: &str) -> bool {
    ours == theirs || (ours.contains("fffd") && sorted(ours) == sorted(theirs))
}

/// Java's answer, with half a character as it is here.
fn comparable(answer: &str) -> String {
    let half = |pair: &str| -> String {
        let units = |hex: &str| -> Vec<u16> {
            let digits: Vec<char> = hex.chars().collect();
            let unit = |four: &[char]| u16::from_str_radix(&four.iter().collect::<String>(), 16);
            digits.chunks(4).map(|four| unit(four).expect("four digits")).collect()
        };
        let whole = |hex: &str| -> String {
            let text = String::from_utf16_lossy(&units(hex));
            text.encode_utf16().map(|unit| format!("{unit:04x}")).collect()
        };
        pair.split('=').map(whole).collect::<Vec<_>>().join("=")
    };
    if answer == "!" {
        "!".to_owned()
    } else {
        answer.split(' ').filter(|pair| !pair.is_empty()).map(half).collect::<Vec<_>>().join(" ")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/properties")
}

/// A Java that answers line by line.
struct Java {
    /// Ends with us, as its input does.
    _child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Java {
    fn start() -> Option<Self> {
        let mut child = Command::new("java")
            .arg(root().join("Answers.java"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (questions, answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut java = Self { _child: child, questions, answers };
        // One that cannot run the program (too old, no compiler) says nothing.
        (java.ask(b"a=b").as_deref() == Some("0061=0062")).then_some(java)
    }

    fn ask(&mut self, file: &[u8]) -> Option<String> {
        writeln!(self.questions, "{}", hex(file)).ok()?;
        self.questions.flush().ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok().filter(|read| *read > 0)?;
        Some(answer.trim_end_matches('\n').to_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn java() -> Option<&'static Mutex<Java>> {
    static JAVA: OnceLock<Option<Mutex<Java>>> = OnceLock::new();
    JAVA.get_or_init(|| Java::start().map(Mutex::new)).as_ref()
}

/// Puts the file of a seed to Java, if there is one.
pub(crate) fn run(seed: u64) {
    let file = file(seed);
    let ours = our_answer(&file);
    let Some(java) = java() else { return };
    let answer = java.lock().expect("no panic while it was held").ask(&file).expect("Java answers");
    let theirs = comparable(&answer);
    let shown = String::from_utf8_lossy(&file);
    assert!(agree(&ours, &theirs), "{shown:?}\n  Java: {theirs}\n  here: {ours}");
}

/// Writes down what Java answers to the first files.
pub(crate) fn record() -> bool {
    let Some(java) = java() else { return false };
    let mut java = java.lock().expect("no panic while it was held");
    let line = |seed| {
        let file = file(seed);
        let answer = java.ask(&file).expect("Java answers");
        format!("{}\t{answer}\n", hex(&file))
    };
    let lines: String = (1..1500).map(line).collect();
    std::fs::write(root().join("answers.txt"), lines).is_ok()
}

/// Holds every recorded answer against ours.
pub(crate) fn recorded_answers_hold() -> bool {
    let recorded =
        std::fs::read_to_string(root().join("answers.txt")).expect("the recorded answers");
    let mut wrong = 0;
    let mut count = 0;
    for line in recorded.lines() {
        let (file, answer) = line.split_once('\t').expect("a file and its answer");
        let digits: Vec<char> = file.chars().collect();
        let byte = |two: &[char]| {
            u8::from_str_radix(&two.iter().collect::<String>(), 16).expect("two digits")
        };
        let file: Vec<u8> = digits.chunks(2).map(byte).collect();
        let (ours, theirs) = (our_answer(&file), comparable(answer));
        if !agree(&ours, &theirs) {
            println!("{:?}\n  Java: {theirs}\n  here: {ours}", String::from_utf8_lossy(&file));
            wrong += 1;
        }
        count += 1;
    }
    let with = if java().is_some() { "and a Java to ask" } else { "and no Java to ask" };
    println!("{:<12} {count} recorded answers {with}: {wrong} differ", "properties");
    wrong == 0 && count >= 1000
}
