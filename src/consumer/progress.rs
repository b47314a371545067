//! How far a consumer is, for whoever looks: the page, `/metrics`, monitoring tools of Kafka's.

use crate::consumer::cluster::Client;
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::Held;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::{Arc, Mutex, PoisonError};

/// How far one partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Its topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Everything below is in the table. `None` until it is taken over.
    pub delivered_to: Option<u64>,
    /// Where it ended when Kafka was last heard.
    pub end: Option<u64>,
    /// Bytes of it that wait for writers.
    pub waiting_bytes: usize,
    /// Whether it is paused because of them.
    pub paused: bool,
}

impl PartitionProgress {
    /// Records that are not in the table yet, where that is known.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        Some(self.end?.saturating_sub(self.delivered_to?))
    }
}

/// Where the poll thread's partitions can be seen.
pub type Progress = Arc<Mutex<Vec<PartitionProgress>>>;

/// Shows how far the partitions are, in order, and moves the gauges.
pub fn show(progress: &Progress, counters: &ConsumerCounters, mut shown: Vec<PartitionProgress>) {
    shown.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let lags = || shown.iter().filter_map(PartitionProgress::lag);
    counters.partitions.set(count(shown.len()));
    counters.paused.set(count(shown.iter().filter(|p| p.paused).count()));
    counters.waiting_bytes.set(count(shown.iter().map(|p| p.waiting_bytes).sum()));
    counters.lag.set(gauge(lags().sum()));
    counters.lag_max.set(gauge(lags().max().unwrap_or(0)));
    *progress.lock().unwrap_or_else(PoisonError::into_inner) = shown;
}

/// Tells the group how far it is. The database alone decides where to begin; monitoring tools look at this.
pub fn commit_for_monitoring(client: &Client, held: &[Arc<Held>], mode: CommitMode) {
    let mut list = TopicPartitionList::new();
    for held in held.iter().filter(|held| !held.is_gone()) {
        let to = Offset::Offset(i64::try_from(held.delivered_to()).unwrap_or(i64::MAX));
        let added = list.add_partition_offset(&held.identity.topic, held.identity.partition, to);
        if let Err(error) = added {
            log::debug!("an offset that Kafka cannot have: {error}");
        }
    }
    if list.count() > 0
        && let Err(error) = client.commit(&list, mode)
    {
        log::debug!("the group's offsets are not committed: {error}");
    }
}
