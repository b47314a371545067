//! The partitions that the group gives us: being taken over, or read; paused, or not.

use crate::consumer::chunk::Cutter;
use crate::consumer::cluster::TopicPartition;
use crate::consumer::held::Held;
use crate::consumer::progress::PartitionProgress;
use crate::consumer::takeover::{TakenOver, Wanted};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A partition that the group gives us.
pub(super) enum Partition {
    /// It is not read before the database has said where to begin.
    Taking(Arc<Wanted>),
    /// It is read, but while it is paused.
    Reading { cutter: Cutter, paused: bool },
}

/// All of them.
#[derive(Default)]
pub(super) struct Assigned {
    /// By topic, so that a record's topic is looked up without being copied.
    partitions: HashMap<String, BTreeMap<i32, Partition>>,
    /// Bytes of closed chunks that are not delivered yet, of all partitions.
    waiting: Arc<AtomicUsize>,
}

/// A partition to pause, or to resume.
pub(super) struct Turn {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) pause: bool,
}

impl Assigned {
    /// A partition is to be taken over. What we had of it before is let go.
    pub(super) fn want(&mut self, topic: &str, partition: i32) -> Arc<Wanted> {
        let wanted = Wanted::new(topic, partition);
        let of_topic = self.partitions.entry(topic.to_owned()).or_default();
        if let Some(before) = of_topic.insert(partition, Partition::Taking(wanted.clone())) {
            before.let_go();
        }
        wanted
    }

    /// Whether what was taken over is what is still wanted.
    pub(super) fn is_wanted(&self, wanted: &Arc<Wanted>) -> bool {
        let found = self.get(&wanted.topic, wanted.partition);
        matches!(found, Some(Partition::Taking(now)) if Arc::ptr_eq(now, wanted))
    }

    /// Whether it is as this that a partition is read now.
    pub(super) fn is_read_as(&self, held: &Arc<Held>) -> bool {
        let found = self.get(&held.identity.topic, held.identity.partition);
        matches!(found, Some(Partition::Reading { cutter, .. }) if Arc::ptr_eq(cutter.held(), held))
    }

    /// It is read from here on.
    pub(super) fn read(&mut self, over: TakenOver) {
        let cutter = Cutter::new(over.held, self.waiting.clone(), &over.delivered);
        let of_topic = self.partitions.entry(over.wanted.topic.clone()).or_default();
        of_topic.insert(over.wanted.partition, Partition::Reading { cutter, paused: false });
    }

    /// It is not ours any more.
    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(gone) = self.partitions.get_mut(topic).and_then(|all| all.remove(&partition)) {
            gone.let_go();
        }
    }

    /// None of them is ours any more.
    pub(super) fn let_go(&self) {
        self.partitions.values().flat_map(BTreeMap::values).for_each(Partition::let_go);
    }

    fn get(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.partitions.get(topic)?.get(&partition)
    }

    /// What a partition's records are put into, if it is read.
    pub(super) fn cutter(&mut self, topic: &str, partition: i32) -> Option<&mut Cutter> {
        match self.partitions.get_mut(topic)?.get_mut(&partition)? {
            Partition::Reading { cutter, .. } => Some(cutter),
            Partition::Taking(_) => None,
        }
    }

    /// Those that are read.
    pub(super) fn reading(&mut self) -> impl Iterator<Item = &mut Cutter> {
        self.each_read().map(|(_, cutter, _)| cutter)
    }

    /// Those that are read and not paused, with their names.
    pub(super) fn flowing(&mut self) -> impl Iterator<Item = (TopicPartition, &mut Cutter)> {
        let flowing = self.each_read().filter(|(_, _, paused)| !**paused);
        flowing.map(|((topic, partition), cutter, _)| ((topic.to_owned(), partition), cutter))
    }

    fn each_read(&mut self) -> impl Iterator<Item = ((&str, i32), &mut Cutter, &mut bool)> {
        let all = self.partitions.iter_mut().flat_map(|(topic, of_topic)| {
            of_topic.iter_mut().map(move |(partition, state)| (topic.as_str(), *partition, state))
        });
        all.filter_map(|(topic, partition, state)| match state {
            Partition::Reading { cutter, paused } => Some(((topic, partition), cutter, paused)),
            Partition::Taking(_) => None,
        })
    }

    /// Bytes of records in memory.
    pub(super) fn bytes(&mut self) -> usize {
        let open: usize = self.reading().map(|cutter| cutter.open().bytes()).sum();
        self.waiting.load(Ordering::Relaxed) + open
    }

    /// Whether one waits for something that no message tells of: to be taken over, or resumed.
    pub(super) fn is_waiting(&self) -> bool {
        self.partitions.values().flat_map(BTreeMap::values).any(|partition| {
            matches!(partition, Partition::Taking(_) | Partition::Reading { paused: true, .. })
        })
    }

    /// When the oldest open chunk was opened.
    pub(super) fn oldest_open(&mut self) -> Option<Duration> {
        let open = self.reading().filter(|cutter| !cutter.open().is_empty());
        open.map(|cutter| cutter.opened_at()).min()
    }

    /// Which fill the memory and are to be paused, and which may go on because half of it is free: of all that `limit` lets
    /// in, or of their share.
    pub(super) fn regulate(&mut self, limit: usize) -> Vec<Turn> {
        let total = self.bytes();
        let share = limit / self.reading().count().max(1);
        let mut turns = Vec::new();
        for ((topic, partition), cutter, paused) in self.each_read() {
            let bytes = cutter.held().waiting_bytes() + cutter.open().bytes();
            let pause = if *paused {
                total > limit / 2 && bytes > share / 2
            } else {
                total >= limit && bytes >= share
            };
            if pause != *paused {
                *paused = pause;
                turns.push(Turn { topic: topic.to_owned(), partition, pause });
            }
        }
        turns
    }

    /// How far each of them is; `end` says where a partition ends.
    pub(super) fn progress(
        &self,
        end: impl Fn(&TopicPartition) -> Option<u64>,
    ) -> Vec<PartitionProgress> {
        let mut shown = Vec::new();
        for (topic, of_topic) in &self.partitions {
            for (partition, state) in of_topic {
                let reading = match state {
                    Partition::Reading { cutter, paused } => Some((cutter.held(), *paused)),
                    Partition::Taking(_) => None,
                };
                shown.push(PartitionProgress {
                    topic: topic.clone(),
                    partition: *partition,
                    delivered_to: reading.map(|(held, _)| held.delivered_to()),
                    end: end(&(topic.clone(), *partition)),
                    waiting_bytes: reading.map_or(0, |(held, _)| held.waiting_bytes()),
                    paused: reading.is_some_and(|(_, paused)| paused),
                });
            }
        }
        shown
    }
}

impl Partition {
    fn let_go(&self) {
        match self {
            Self::Taking(wanted) => wanted.give_up(),
            Self::Reading { cutter, .. } => cutter.held().let_go(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Assigned;
    use crate::consumer::held::Held;
    use crate::consumer::takeover::{TakenOver, Wanted};
    use crate::database::{Identity, Taken};
    use std::sync::Arc;
    use std::time::Duration;

    fn held(partition: i32) -> Arc<Held> {
        let identity = Identity {
            group: "g".to_owned(),
            topic_id: "id".to_owned(),
            topic: "t".to_owned(),
            partition,
        };
        Arc::new(Held::new(identity, &Taken { epoch: 1, watermark: 0, ranges: Vec::new() }))
    }

    /// Wanted, taken over, read.
    fn read(assigned: &mut Assigned, partition: i32) -> Arc<Held> {
        let (wanted, held) = (assigned.want("t", partition), held(partition));
        assert!(assigned.is_wanted(&wanted));
        let over = TakenOver { wanted, held: held.clone(), delivered: Vec::new(), read_from: 0 };
        assigned.read(over);
        held
    }

    fn fill(assigned: &mut Assigned, partition: i32, bytes: usize) {
        let cutter = assigned.cutter("t", partition).unwrap();
        let body = vec![b'x'; bytes];
        let offset = cutter.next();
        cutter.take(offset, Duration::ZERO, |open| {
            open.push(offset, 0, None, Some(&body), [].into_iter());
        });
    }

    /// R16. Chunks of what was let go are thrown away; nothing of it may be written under the new owner.
    #[test]
    fn what_is_taken_away_or_taken_over_again_is_let_go() {
        let mut assigned = Assigned::default();
        let first = read(&mut assigned, 0);
        assert!(assigned.is_read_as(&first) && !first.is_gone());
        assigned.want("t", 0);
        assert!(first.is_gone() && !assigned.is_read_as(&first));
        let second = read(&mut assigned, 0);
        assigned.remove("t", 0);
        assert!(second.is_gone() && assigned.cutter("t", 0).is_none());
        let third = read(&mut assigned, 1);
        assigned.let_go();
        assert!(third.is_gone());
    }

    /// R16. The takeover thread may be late: what it took over for an earlier assignment is not read.
    #[test]
    fn only_what_was_wanted_last_is_begun() {
        let mut assigned = Assigned::default();
        let first = assigned.want("t", 0);
        let second = assigned.want("t", 0);
        assert!(first.is_given_up() && !assigned.is_wanted(&first));
        assert!(assigned.is_wanted(&second));
        assigned.remove("t", 0);
        assert!(second.is_given_up() && !assigned.is_wanted(&second));
        assert!(!assigned.is_wanted(&Wanted::new("t", 0)));
    }

    #[test]
    fn the_fullest_are_paused_and_go_on_when_half_is_free() {
        let mut assigned = Assigned::default();
        read(&mut assigned, 0);
        read(&mut assigned, 1);
        fill(&mut assigned, 1, 10);
        let turned = |assigned: &mut Assigned| -> Vec<_> {
            assigned.regulate(100_000).iter().map(|turn| (turn.partition, turn.pause)).collect()
        };
        assert_eq!((turned(&mut assigned), assigned.is_waiting()), (vec![], false));
        fill(&mut assigned, 0, 100_000);
        assert_eq!((turned(&mut assigned), assigned.is_waiting()), (vec![(0, true)], true));
        let chunk = assigned.cutter("t", 0).unwrap().close().unwrap();
        assert_eq!(turned(&mut assigned), [], "it waits for a writer, and is in memory still");
        drop(chunk);
        assert_eq!((turned(&mut assigned), assigned.is_waiting()), (vec![(0, false)], false));
    }
}
