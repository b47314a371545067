//! The small sinks on a real memory channel: what they take, what they leave, what they write.

use crate::support::parts::{Bench, batch, batch_with, left, read, sink};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailwater::channel::{
    BatchLimit, Channel, ChannelError, ChannelGauges, Lease, Receipt, Settle,
};
use tailwater::component::{Failure, Pass};
use tailwater::config::kind::Family;
use tailwater::event::{Batch, ComponentName, Positions, Sequence};
use tailwater::sink::Sink;
use tailwater::sink::registry::SINKS;

fn started(
    bench: &Bench,
    type_name: &str,
    given: &[(&str, &str)],
    channel: &Arc<dyn Channel>,
) -> Box<dyn Sink> {
    sink(type_name, given).start(&bench.context("sink", "k1"), channel.clone()).unwrap()
}

#[test]
fn the_null_sink_drops_everything_and_counts_it() {
    let bench = Bench::new();
    let channel = bench.channel("c1");
    let mut null = started(&bench, "null", &[("batchSize", "2")], &channel);
    for _ in 0..3 {
        channel.put(batch(&["a", "b", "c"])).unwrap().wait().unwrap();
    }
    assert_eq!(null.process(), Ok(Pass::Ready));
    assert_eq!(null.process(), Ok(Pass::Backoff));
    assert_eq!(channel.gauges().events, 0);
    assert_eq!(bench.counted("k1", "EventDrainSuccessCount"), 9);
    assert_eq!(bench.counted("k1", "BatchEmptyCount"), 1);
}

#[test]
fn the_logger_takes_what_it_writes() {
    let bench = Bench::new();
    let channel = bench.channel("c1");
    let mut logger = started(&bench, "logger", &[("maxBytesToLog", "5")], &channel);
    channel.put(batch(&["a", "b"])).unwrap().wait().unwrap();
    assert_eq!(logger.process(), Ok(Pass::Ready));
    assert_eq!(logger.process(), Ok(Pass::Backoff));
    assert!(left(&channel).is_empty());
    assert_eq!(bench.counted("k1", "EventDrainSuccessCount"), 2);
}

#[test]
fn a_byte_count_that_flume_never_reads_is_replaced_and_told() {
    let kind = SINKS.iter().find(|kind| kind.names.contains(&"logger")).unwrap();
    let (start, said) = read(Family::Sink, &[("maxBytesToLog", "all")], kind.read);
    assert!(start.is_some());
    assert_eq!((said.len(), said[0].code), (1, "replaced-value"));
}

/// The files of a folder, in the order of their numbers, and what is in them.
fn files(folder: &Path) -> Vec<(String, String)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn events_go_into_files_and_a_new_one_begins_when_it_is_time() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let channel = bench.channel("c1");
    let given = [
        ("sink.directory", folder.path().to_str().unwrap()),
        ("sink.rollInterval", "10"),
        ("sink.serializer", "header_and_text"),
        ("sink.pathManager.prefix", "log"),
        ("sink.pathManager.extension", "txt"),
    ];
    let mut roll = started(&bench, "file_roll", &given, &channel);
    let name = |number| format!("log1767225600000-{number}.txt");
    assert_eq!(files(folder.path()), [(name(1), String::new())], "begun before anything came");
    channel.put(batch_with(&[(&[("k", "v")], "a"), (&[], "b")])).unwrap().wait().unwrap();
    assert_eq!(roll.process(), Ok(Pass::Ready));
    bench.clock.turn(Duration::from_secs(9));
    assert_eq!(roll.process(), Ok(Pass::Backoff));
    bench.clock.turn(Duration::from_secs(1));
    assert_eq!(roll.process(), Ok(Pass::Backoff));
    bench.clock.turn(Duration::from_secs(10));
    channel.put(batch(&["c"])).unwrap().wait().unwrap();
    assert_eq!(roll.process(), Ok(Pass::Ready));
    roll.drain(Duration::ZERO);
    let expected = [(1, "{k=v} a\n{} b\n"), (2, ""), (3, "{} c\n")];
    assert_eq!(files(folder.path()), expected.map(|(n, text)| (name(n), text.to_owned())));
    assert!(left(&channel).is_empty());
    assert_eq!(bench.counted("k1", "ConnectionCreatedCount"), 3);
    assert_eq!(bench.counted("k1", "ConnectionClosedCount"), 3);
}

#[test]
fn a_file_that_is_there_already_is_not_written_into() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("1767225600000-1"), "somebody's").unwrap();
    let channel = bench.channel("c1");
    let given = [("sink.directory", folder.path().to_str().unwrap()), ("sink.rollInterval", "0")];
    let mut roll = started(&bench, "file_roll", &given, &channel);
    channel.put(batch(&["a"])).unwrap().wait().unwrap();
    bench.clock.turn(Duration::from_secs(1_000_000));
    assert_eq!(roll.process(), Ok(Pass::Ready));
    let expected = [("1767225600000-1", "somebody's"), ("1767225600000-2", "a\n")];
    assert_eq!(files(folder.path()), expected.map(|(n, t)| (n.to_owned(), t.to_owned())));
}

#[test]
fn a_directory_that_takes_no_file_is_told_with_what_to_do_and_tried_again() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let channel = bench.channel("c1");
    let missing = folder.path().join("missing");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for (path, advice) in [(&missing, "mkdir -p"), (&file, "is to name a directory")] {
        let path = path.to_str().unwrap();
        let start = sink("file_roll", &[("sink.directory", path)]);
        let refused = start.start(&bench.context("sink", "k1"), channel.clone());
        let error = refused.err().unwrap();
        assert!(!error.fatal && error.what.contains(path), "{error:?}");
        assert!(error.next.contains(advice), "{error:?}");
    }
}

#[test]
fn a_directory_that_vanishes_loses_no_event() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let directory = folder.path().join("d");
    fs::create_dir(&directory).unwrap();
    let channel = bench.channel("c1");
    let given = [("sink.directory", directory.to_str().unwrap()), ("sink.rollInterval", "1")];
    let mut roll = started(&bench, "file_roll", &given, &channel);
    fs::remove_dir_all(&directory).unwrap();
    bench.clock.turn(Duration::from_secs(1));
    channel.put(batch(&["a"])).unwrap().wait().unwrap();
    assert!(matches!(roll.process(), Err(Failure::Later(what)) if what.contains("mkdir -p")));
    assert_eq!(left(&channel), ["a"]);
    fs::create_dir(&directory).unwrap();
    assert_eq!(roll.process(), Ok(Pass::Ready));
    assert_eq!(files(&directory)[0].1, "a\n");
}

/// A channel with one lease, which notes what is in a folder when it is settled.
struct Watching {
    name: ComponentName,
    folder: PathBuf,
    seen: Arc<Mutex<Vec<String>>>,
    given: Mutex<Option<Batch>>,
}

struct Watch(PathBuf, Arc<Mutex<Vec<String>>>);

impl Settle for Watch {
    fn settle(
        &mut self,
        _: Range<Sequence>,
        _: &[Range<Sequence>],
    ) -> Result<Receipt, ChannelError> {
        let text = files(&self.0).into_iter().map(|(_, text)| text).collect();
        self.1.lock().unwrap().push(text);
        Ok(Receipt::kept())
    }

    fn put_back(&mut self, _: Range<Sequence>) {
        self.1.lock().unwrap().push("put back".to_owned());
    }
}

impl Channel for Watching {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn put(&self, _: Batch) -> Result<Receipt, ChannelError> {
        Ok(Receipt::kept())
    }

    fn take(&self, _: BatchLimit, _: Duration) -> Result<Option<Lease>, ChannelError> {
        let settle = Box::new(Watch(self.folder.clone(), self.seen.clone()));
        let lease = |batch: Batch| {
            let end = u64::try_from(batch.len()).unwrap();
            Lease::new(vec![batch], 0..end, settle)
        };
        Ok(self.given.lock().unwrap().take().map(lease))
    }

    fn vouched(&self, _: &ComponentName) -> Positions {
        Positions::new()
    }

    fn settled_elsewhere(&self, _: &[Range<Sequence>]) -> Result<Receipt, ChannelError> {
        Ok(Receipt::kept())
    }

    fn id(&self) -> uuid::Uuid {
        uuid::Uuid::nil()
    }

    fn gauges(&self) -> ChannelGauges {
        ChannelGauges::default()
    }

    fn close(&self) {}
}

#[test]
fn an_event_is_in_its_file_before_the_channel_forgets_it() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let channel: Arc<dyn Channel> = Arc::new(Watching {
        name: "c1".into(),
        folder: folder.path().to_owned(),
        seen: seen.clone(),
        given: Mutex::new(Some(batch(&["a", "b"]))),
    });
    let given = [("sink.directory", folder.path().to_str().unwrap())];
    let mut roll = started(&bench, "file_roll", &given, &channel);
    assert_eq!(roll.process(), Ok(Pass::Ready));
    assert_eq!(*seen.lock().unwrap(), ["a\nb\n"]);
}
