//! The exec source with real commands: every line, every end, and nothing left behind.

use crate::support::channels::{ListChannel, Rules};
use crate::support::parts::read;
use crate::support::sources::Around;
use crossbeam_channel::{Receiver, Sender};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tailwater::channel::ChannelError;
use tailwater::clock::{Stop, SystemClock};
use tailwater::component::Failure;
use tailwater::config::kind::Family;
use tailwater::event::Batch;
use tailwater::interceptor::Interceptor;
use tailwater::source::Source;
use tailwater::source::registry::SOURCES;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells of every batch that passes.
struct Watch(Sender<Vec<String>>);

impl Interceptor for Watch {
    fn intercept(&mut self, batch: &mut Batch) {
        let text = |e: tailwater::event::Event<'_>| String::from_utf8_lossy(e.body).into_owned();
        drop(self.0.send(batch.events().map(text).collect()));
    }
}

struct Exec {
    around: Around,
    channel: Arc<ListChannel>,
    batches: Receiver<Vec<String>>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Exec {
    fn start(given: &[(&str, &str)], rules: Rules) -> Self {
        let around = Around::new(SystemClock::shared());
        let channel = ListChannel::new("c1", rules);
        let kind = SOURCES.iter().find(|kind| kind.names.contains(&"exec")).unwrap();
        let (start, said) = read(Family::Source, given, kind.read);
        assert!(said.is_empty(), "{said:?}");
        let (watch, batches) = crossbeam_channel::unbounded();
        let out =
            around.processor_with(std::slice::from_ref(&channel), vec![Box::new(Watch(watch))]);
        let Ok(Source::EventDriven(mut source)) = start.unwrap().start(&around.context(), out)
        else {
            panic!("exec has a loop of its own");
        };
        let stop = around.stop.clone();
        let thread = std::thread::spawn(move || source.run(&stop));
        Self { around, channel, batches, thread }
    }

    /// Runs a script to its end.
    fn script(script: &str, given: &[(&str, &str)]) -> (Vec<String>, Around) {
        let given = [&[("shell", "/bin/sh -c"), ("command", script)], given].concat();
        let exec = Self::start(&given, Rules::default());
        exec.thread.join().unwrap().unwrap();
        (exec.channel.bodies(), exec.around)
    }

    fn stop(self) -> (Result<(), Failure>, Vec<String>) {
        self.around.stop.request();
        let ended = self.thread.join().unwrap();
        (ended, self.channel.bodies())
    }
}

/// Whether a process runs: a zombie does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.starts_with(" Z")))
}

/// Whether a process that was signalled ends: the kernel takes its own time for that.
fn is_gone(pid: &str) -> bool {
    let never = Stop::new();
    (0..2000).any(|_| !runs(pid) || never.wait(Duration::from_millis(5)))
}

#[test]
fn every_line_is_an_event_and_the_end_is_told() {
    let (bodies, around) = Exec::script(r"printf 'a\nb\r\nc\rd\n\nlast'; exit 3", &[]);
    assert_eq!(bodies, ["a", "b", "c", "d", "", "last"]);
    assert_eq!(around.told("command-ended"), 1);
    let told = around.telling.newest();
    assert!(told[0].happening.what.ends_with("exited with 3"), "{told:?}");
}

#[test]
fn a_command_killed_by_a_signal_is_told_as_java_counts() {
    let (_, around) = Exec::script("kill -9 $$", &[]);
    let told = around.telling.newest();
    assert!(told[0].happening.what.ends_with("exited with 137"), "{told:?}");
}

#[test]
fn many_lines_come_whole_and_in_order() {
    let (bodies, _) = Exec::script("seq 1 200000", &[("batchSize", "1000")]);
    assert_eq!(bodies.len(), 200_000);
    assert!(bodies.iter().enumerate().all(|(index, body)| *body == (index + 1).to_string()));
}

#[test]
fn bytes_that_are_no_character_are_replaced_and_latin1_has_none() {
    assert_eq!(Exec::script(r"printf 'a\377b'", &[]).0, ["a\u{fffd}b"]);
    let given = [("command", "printf a\\377b"), ("charset", "ISO-8859-1")];
    let exec = Exec::start(&given, Rules::default());
    assert_eq!(exec.batches.recv_timeout(PATIENCE).unwrap().len(), 1);
    exec.thread.join().unwrap().unwrap();
    assert_eq!(exec.channel.frames()[0].event(0).unwrap().body, b"a\xffb");
}

#[test]
fn a_command_that_complains_a_lot_is_not_held_up() {
    let (bodies, _) = Exec::script("seq 1 200000 >&2; echo done", &[("logStdErr", "true")]);
    assert_eq!(bodies, ["done"]);
}

#[test]
fn a_batch_that_does_not_fill_goes_after_its_time() {
    let script = ("command", "echo a; exec sleep 1000");
    let given = [("shell", "/bin/sh -c"), script, ("batchTimeout", "50")];
    let exec = Exec::start(&given, Rules::default());
    assert_eq!(exec.batches.recv_timeout(PATIENCE).unwrap(), ["a"]);
    assert_eq!(exec.stop().0, Ok(()));
}

#[test]
fn a_command_is_started_again_where_that_is_asked_for() {
    let given = [("command", "echo again"), ("restart", "true"), ("restartThrottle", "1")];
    let exec = Exec::start(&given, Rules::default());
    for _ in 0..3 {
        assert_eq!(exec.batches.recv_timeout(PATIENCE).unwrap(), ["again"]);
    }
    assert!(exec.around.told("command-ended") >= 2);
    assert_eq!(exec.stop().0, Ok(()));
}

#[test]
fn a_command_that_is_not_there_is_tried_again_by_the_runner() {
    let exec = Exec::start(&[("command", "/no/such/command -x")], Rules::default());
    let ended = exec.thread.join().unwrap();
    assert!(
        matches!(&ended, Err(Failure::Restart(why)) if why.contains("/no/such/command -x")),
        "{ended:?}"
    );
}

#[test]
fn a_stop_takes_what_was_said_and_ends_what_the_command_started() {
    let script = "sleep 1000 & echo $!; echo waiting; trap 'echo bye; exit' TERM; wait";
    let given = [("shell", "/bin/sh -c"), ("command", script), ("batchTimeout", "20")];
    let exec = Exec::start(&given, Rules::default());
    let mut said = Vec::new();
    while !said.contains(&"waiting".to_owned()) {
        said.extend(exec.batches.recv_timeout(PATIENCE).unwrap());
    }
    assert!(runs(&said[0]));
    let (ended, bodies) = exec.stop();
    assert_eq!(ended, Ok(()));
    assert_eq!(bodies.last().unwrap(), "bye");
    assert!(is_gone(&said[0]), "the grandchild is left behind");
}

#[test]
fn a_command_that_does_not_heed_the_stop_is_killed() {
    let script = "trap '' TERM; echo $$; while :; do sleep 1; done";
    let given = [("shell", "/bin/sh -c"), ("command", script), ("batchTimeout", "20")];
    let exec = Exec::start(&given, Rules::default());
    let pid = exec.batches.recv_timeout(PATIENCE).unwrap().remove(0);
    let around_telling = exec.around.telling.clone();
    assert_eq!(exec.stop().0, Ok(()));
    assert_eq!(around_telling.times("source r1", "command-killed"), 1);
    assert!(is_gone(&pid), "{pid} runs on");
}

#[test]
fn a_full_channel_holds_the_command_up_and_loses_nothing() {
    let full = ChannelError::Full { channel: "c1".into(), detail: "no room".into() };
    let rules = Rules { refusals: [full.clone(), full].into(), ..Rules::default() };
    let exec = Exec::start(&[("command", "seq 1 50"), ("batchSize", "10")], rules);
    exec.thread.join().unwrap().unwrap();
    assert_eq!(exec.channel.bodies().len(), 50);
    assert!(exec.around.told("channel-full") >= 1);
}

#[test]
fn lines_that_a_broken_channel_does_not_take_are_told() {
    let broken = ChannelError::Broken { channel: "c1".into(), why: "EIO".into() };
    let rules = Rules { refusals: [broken].into(), ..Rules::default() };
    let exec = Exec::start(&[("command", "seq 1 5")], rules);
    assert!(matches!(exec.thread.join().unwrap(), Err(Failure::Restart(_))));
    assert_eq!(exec.around.told("lines-lost"), 1);
    assert!(exec.around.telling.newest()[0].happening.what.starts_with("5 lines"));
}
