//! The rolling file sink: events into files of a directory, a new file every so many seconds.
//!
//! A lease is committed when its events are synced. So nothing is lost by `kill -9` or a power cut (Flume does not sync); what
//! was written and not yet committed then is written again. A write that fails leaves no half of a batch behind: the file is
//! cut back to where it was synced. A file whose sync failed is never written again.

mod names;
mod output;

use super::serializer::{Serializer, SerializerType};
use super::{PASS_WAIT_MAX, Sink, SinkKind, StartSink};
use crate::channel::{BatchLimit, Channel, Lease, Receipts};
use crate::clock::Clock;
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::{Scope, choice, keys};
use crate::config::value::Count;
use crate::event::Batch;
use crate::status::counters::SinkCounters;
use names::Names;
use output::Output;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Writes events into files of a directory.
    pub struct FileRollConfig = "org.apache.flume.sink.RollingFileSink" {
        /// The directory, which must exist.
        "sink.directory" => directory: PathBuf,
        /// Seconds after which a new file is begun, whether or not events came; 0 or less for one file for ever.
        "sink.rollInterval" => roll_interval_s: i64 = "30",
        /// Events in one transaction, as Flume checks it against the channel's `transactionCapacity`; more may be taken at
        /// once.
        "sink.batchSize" => batch_size: Count = "100",
        /// How an event is written. The serializer's own keys are `sink.serializer.<key>`.
        "sink.serializer" => serializer: SerializerType = "text",
        /// How files are named: by the start of the sink, or by the second they begin in.
        "sink.pathManager" => path_manager: PathManager = "default",
        /// What file names begin with.
        "sink.pathManager.prefix" => prefix: String = "",
        /// What file names end with, after a dot.
        "sink.pathManager.extension" => extension: String = "",
    }
}

choice! {
    /// How files are named.
    pub enum PathManager {
        /// Milliseconds since 1970 at the start, a dash, a number that counts files.
        Default = "default" | "org.apache.flume.formatter.output.DefaultPathManager$Builder",
        /// `yyyyMMddHHmmss`, a dash, a number that counts the files of that second.
        RollTime = "rolltime" | "org.apache.flume.formatter.output.RollTimePathManager$Builder",
    }
}

/// The row in the registry.
pub const KIND: SinkKind = SinkKind {
    names: &[FileRollConfig::TYPE, "file_roll"],
    about: FileRollConfig::ABOUT,
    keys: FileRollConfig::KEYS,
    read,
};

/// Events taken at once, where `sink.batchSize` is less: one sync serves all of them.
const LEASE_EVENTS: usize = 4096;
/// Bytes taken at once.
const LEASE_BYTES: u64 = 4 << 20;
/// Commits that may wait for their sync while the next leases are written.
const COMMITS_MAX: usize = 16;

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartSink>> {
    let config = FileRollConfig::read(scope)?;
    let serializer = config.serializer.read(&mut scope.nested("sink.serializer."))?;
    Some(Box::new(StartFileRoll { config, serializer }))
}

#[derive(Debug)]
struct StartFileRoll {
    config: FileRollConfig,
    serializer: Arc<dyn Serializer>,
}

impl StartSink for StartFileRoll {
    fn start(
        &self,
        context: &Context,
        channel: Arc<dyn Channel>,
    ) -> Result<Box<dyn Sink>, StartError> {
        let config = &self.config;
        let counters = Arc::new(SinkCounters::default());
        context.teller.register(counters.clone());
        let interval = u64::try_from(config.roll_interval_s).ok().filter(|s| *s > 0);
        let batch_size = config.batch_size.get();
        let mut sink = FileRollSink {
            directory: config.directory.clone(),
            names: Names::new(config, context.clock.wall_ms()),
            serializer: self.serializer.clone(),
            channel,
            clock: context.clock.clone(),
            counters,
            batch_size,
            limit: BatchLimit { events: batch_size.max(LEASE_EVENTS), bytes: LEASE_BYTES },
            roll_interval: interval.map(Duration::from_secs),
            output: None,
            opened_at: context.clock.now(),
            commits: Receipts::default(),
        };
        sink.open().map_err(|(what, next)| StartError::transient(what, next))?;
        Ok(Box::new(sink))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.config.batch_size.get()).ok()
    }
}

struct FileRollSink {
    directory: PathBuf,
    names: Names,
    serializer: Arc<dyn Serializer>,
    channel: Arc<dyn Channel>,
    clock: Arc<dyn Clock>,
    counters: Arc<SinkCounters>,
    batch_size: usize,
    limit: BatchLimit,
    roll_interval: Option<Duration>,
    /// The file that is written; none after it was closed or has failed.
    output: Option<Output>,
    opened_at: Duration,
    commits: Receipts,
}

impl FileRollSink {
    /// Begins the next file. A failure is what went wrong, and what to do.
    fn open(&mut self) -> Result<&mut Output, (String, String)> {
        let now_ms = self.clock.wall_ms();
        match Output::create(&self.directory, &mut self.names, now_ms) {
            Ok(output) => {
                self.counters.connection_created.add(1);
                self.opened_at = self.clock.now();
                Ok(self.output.insert(output))
            }
            Err(error) => {
                self.counters.connection_failed.add(1);
                let directory = self.directory.display();
                Err((
                    format!("no file can be made in {directory}: {error}"),
                    advice(&self.directory, &error),
                ))
            }
        }
    }

    fn close(&mut self) {
        if self.output.take().is_some() {
            self.counters.connection_closed.add(1);
        }
    }

    /// Writes and syncs a lease.
    fn write(&mut self, lease: &Lease) -> Result<(), Failure> {
        let serializer = self.serializer.clone();
        let output = match &mut self.output {
            Some(output) => output,
            None => {
                self.open().map_err(|(what, next)| Failure::Later(format!("{what}; {next}")))?
            }
        };
        let events = lease.batches().iter().flat_map(Batch::events);
        let Err(failed) = output.write(events, &*serializer) else { return Ok(()) };
        self.counters.event_write_fail.add(1);
        if !failed.usable {
            self.close();
        }
        Err(Failure::Later(failed.what))
    }
}

/// What an operator can do about a directory that takes no file.
fn advice(directory: &Path, error: &io::Error) -> String {
    let directory = directory.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("`mkdir -p {directory}`: the sink makes no directories"),
        io::ErrorKind::NotADirectory => "`sink.directory` is to name a directory".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!("let the agent's user write in it: `chown` or `chmod` {directory}")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the disk".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing".to_owned(),
        _ => format!("look at {directory}"),
    }
}

impl Sink for FileRollSink {
    fn process(&mut self) -> Result<Pass, Failure> {
        let age = self.clock.now().saturating_sub(self.opened_at);
        if self.roll_interval.is_some_and(|interval| age >= interval) {
            self.close();
        }
        if self.output.is_none() {
            // Flume begins a file before it knows whether there is an event for it: an empty file says "nothing came".
            self.open().map_err(|(what, next)| Failure::Later(format!("{what}; {next}")))?;
        }
        let lease = self.channel.take(self.limit, PASS_WAIT_MAX)?;
        let events = lease.as_ref().map_or(0, Lease::len);
        self.counters.took(events, self.batch_size);
        let Some(lease) = lease else {
            self.commits.look(COMMITS_MAX)?;
            return Ok(Pass::Backoff);
        };
        self.write(&lease)?;
        let receipt = lease.commit()?;
        self.commits.push(receipt, COMMITS_MAX)?;
        self.counters.event_drain_success.add(events);
        Ok(Pass::Ready)
    }

    fn drain(&mut self, _bound: Duration) {
        // A pass ends with its events synced: nothing is ever in flight but acknowledgements, which the channel syncs.
        self.close();
    }
}
