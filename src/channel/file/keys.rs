//! The keys of the file channel: Flume's, and `capacityBytes` and `segmentBytes`, which are ours.

use super::FileChannel;
use super::open::{Opening, SEGMENT_BYTES_MIN};
use crate::channel::{Channel, StartChannel};
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::config::scope::Scope;
use crate::config::value::{ByteSize, Count, Seconds, Section};
use crate::status::happening::Happening;
use crate::storage::disk::Disk;
use std::path::PathBuf;
use std::sync::Arc;

keys! {
    /// Keeps events on disk until they are delivered: what was accepted survives `kill -9` and a power cut.
    pub struct FileChannelConfig = "org.apache.flume.channel.file.FileChannel" {
        /// Where the lock is kept; Flume kept its checkpoint here.
        "checkpointDir" => checkpoint_dir: PathBuf = "~/.flume/file-channel/checkpoint",
        /// Where the segments are kept, separated by commas; they are filled in turn.
        "dataDirs" => data_dirs: String = "~/.flume/file-channel/data",
        /// Events it holds at most; bytes alone are the limit when it is left out.
        "capacity" => capacity: Option<Count>,
        /// Bytes it takes on disk, reserved at the first start.
        "capacityBytes" => capacity_bytes: ByteSize = "2147483648",
        /// Bytes of one of its files; the largest event is a little smaller.
        "segmentBytes" => segment_bytes: ByteSize = "67108864",
        /// Events that a source or sink may move at once.
        "transactionCapacity" => transaction_capacity: Count = "10000" or default,
        /// Seconds that a source waits for room before it is told that there is none.
        "keep-alive" => keep_alive: Seconds = "3" or default,
        /// Bytes that must be free on the file systems for events to be accepted; delivering goes on.
        "minimumRequiredSpace" => minimum_required_space: ByteSize = "524288000" or default,
        /// Bytes of one of Flume's files; `segmentBytes` is its successor.
        "maxFileSize" => max_file_size: Option<ByteSize>,
        /// Milliseconds between checkpoints in Flume; here each segment begins with one.
        "checkpointInterval" => checkpoint_interval: Option<String>,
        /// Flume's checkpoint at a stop; here each segment begins with one.
        "checkpointOnClose" => checkpoint_on_close: Option<String>,
        /// Flume's copy of its checkpoint; here the segments alone suffice.
        "useDualCheckpoints" => use_dual_checkpoints: Option<String>,
        /// Where Flume's copy was kept.
        "backupCheckpointDir" => backup_checkpoint_dir: Option<String>,
        /// Whether Flume's copy was compressed.
        "compressBackupCheckpoint" => compress_backup_checkpoint: Option<String>,
        /// Flume's replay of version 1.2.
        "use-log-replay-v1" => use_log_replay_v1: Option<String>,
        /// Flume's replay without a queue.
        "use-fast-replay" => use_fast_replay: Option<String>,
        /// Whether each commit is synced. Here, as in fact in Flume, it always is.
        "fsyncPerTransaction" => fsync_per_transaction: Option<String>,
        /// Seconds between syncs in Flume without `fsyncPerTransaction`; here each commit is synced.
        "fsyncInterval" => fsync_interval: Option<String>,
        /// Flume's encryption of its files, which is not here: a channel that asks for it does not start.
        "encryption.*" => encryption: Section,
    }
}

/// The largest, in bytes: a frame's length has 32 bits.
const SEGMENT_MAX: u64 = 2 << 30;
/// Segments a channel has at least: one to write, one to fill behind it, and the reserve (R4).
const SEGMENTS_MIN: u64 = 4;

impl FileChannelConfig {
    /// Reads the keys and the rules between them.
    pub(crate) fn start_channel(scope: &mut Scope<'_>) -> Option<Box<dyn StartChannel>> {
        let config = Self::read(scope)?;
        let mut good = true;
        let segment = config.segment_bytes.get();
        if !config.encryption.is_empty() {
            let what = "`encryption` is not here: events would lie on disk in the clear".to_owned();
            let span = scope.value_span("encryption.keyProvider");
            let remark = scope.error("not-here", span, what).expected("no `encryption.*`");
            scope.report(remark.help("keep `dataDirs` on an encrypted file system"));
            good = false;
        }
        if !(SEGMENT_BYTES_MIN..=SEGMENT_MAX).contains(&segment) {
            let what = format!("`segmentBytes` cannot be {segment}");
            let remark = scope.error("wrong-value", scope.value_span("segmentBytes"), what);
            scope.report(remark.expected(format!("{SEGMENT_BYTES_MIN} to {SEGMENT_MAX} bytes")));
            good = false;
        } else if config.capacity_bytes.get() < segment.saturating_mul(SEGMENTS_MIN) {
            let least = segment.saturating_mul(SEGMENTS_MIN);
            let what = format!(
                "`capacityBytes` ({}) is less than {SEGMENTS_MIN} segments",
                config.capacity_bytes.get()
            );
            let remark = scope.error("wrong-value", scope.value_span("capacityBytes"), what);
            let help =
                format!("write `capacityBytes = {least}` or more, or a smaller `segmentBytes`");
            scope.report(remark.expected(format!("{least} or more")).help(help));
            good = false;
        }
        if config.directories(scope.home()).is_empty() {
            let remark = scope.error(
                "wrong-value",
                scope.value_span("dataDirs"),
                "`dataDirs` names no directory".to_owned(),
            );
            scope.report(remark.expected("a directory, or several separated by commas"));
            good = false;
        }
        let data_dirs = config.directories(scope.home());
        if !good {
            return None;
        }
        Some(Box::new(StartFileChannel { config, data_dirs }))
    }

    fn directories(&self, home: &str) -> Vec<PathBuf> {
        let named = self.data_dirs.split(',').map(str::trim).filter(|dir| !dir.is_empty());
        named
            .map(|dir| {
                dir.strip_prefix("~/")
                    .map_or_else(|| dir.into(), |below| PathBuf::from(home).join(below))
            })
            .collect()
    }

    /// Keys that are written down and mean nothing here.
    fn without_meaning(&self) -> Vec<&'static str> {
        let keys = [
            ("checkpointInterval", self.checkpoint_interval.is_some()),
            ("checkpointOnClose", self.checkpoint_on_close.is_some()),
            ("useDualCheckpoints", self.use_dual_checkpoints.is_some()),
            ("backupCheckpointDir", self.backup_checkpoint_dir.is_some()),
            ("compressBackupCheckpoint", self.compress_backup_checkpoint.is_some()),
            ("use-log-replay-v1", self.use_log_replay_v1.is_some()),
            ("use-fast-replay", self.use_fast_replay.is_some()),
            ("fsyncPerTransaction", self.fsync_per_transaction.is_some()),
            ("fsyncInterval", self.fsync_interval.is_some()),
            ("maxFileSize", self.max_file_size.is_some()),
        ];
        keys.into_iter().filter(|(_, written)| *written).map(|(key, _)| key).collect()
    }
}

/// A file channel whose keys are right.
#[derive(Debug)]
struct StartFileChannel {
    config: FileChannelConfig,
    data_dirs: Vec<PathBuf>,
}

impl StartChannel for StartFileChannel {
    fn start(&self, context: &Context) -> Result<Arc<dyn Channel>, StartError> {
        let idle = self.config.without_meaning();
        if !idle.is_empty() {
            let what = format!("{} mean nothing here", idle.join(", "));
            let effect = "none: every commit is synced, and every segment begins with a checkpoint";
            context.teller.tell(Happening::info("keys-without-meaning", what).effect(effect));
        }
        let opening = Opening {
            checkpoint_dir: self.config.checkpoint_dir.clone(),
            data_dirs: self.data_dirs.clone(),
            capacity_events: self
                .config
                .capacity
                .map(|count| u64::try_from(count.get()).unwrap_or(u64::MAX)),
            capacity_bytes: self.config.capacity_bytes.get(),
            segment_bytes: self.config.segment_bytes.get(),
            keep_alive: self.config.keep_alive.duration(),
            minimum_required_space: self.config.minimum_required_space.get(),
        };
        let channel: Arc<FileChannel> = opening.open(&Disk, context)?;
        Ok(channel)
    }

    fn transaction_capacity(&self) -> Option<u64> {
        u64::try_from(self.config.transaction_capacity.get()).ok()
    }
}
