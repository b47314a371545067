//! Java's two partitioners that are not a hash of the key, for files that name them in `partitioner.class`.

use super::properties::Placing;
use rdkafka::producer::Partitioner;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Records after which `UniformStickyPartitioner` moves on. Java's does when a batch is full: 16 KiB unless the file says
/// otherwise, some thirty log lines.
const STICKY_RECORDS: u32 = 32;

/// Chooses a partition without looking at the key.
#[derive(Debug)]
pub struct Placer {
    sticky: bool,
    topics: Mutex<HashMap<String, Turn>>,
}

#[derive(Debug)]
struct Turn {
    partition: i32,
    records: u32,
    /// State of a small generator: where to go next need not be unpredictable, only even.
    random: u64,
}

impl Placer {
    /// One for that way of placing; none where the client's own murmur2 does it.
    #[must_use]
    pub fn of(placing: Placing) -> Option<Self> {
        let sticky = match placing {
            Placing::Murmur2 => return None,
            Placing::Sticky => true,
            Placing::RoundRobin => false,
        };
        Some(Self { sticky, topics: Mutex::default() })
    }
}

impl Partitioner for Placer {
    fn partition(
        &self,
        topic: &str,
        _key: Option<&[u8]>,
        count: i32,
        is_available: impl Fn(i32) -> bool,
    ) -> i32 {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if !topics.contains_key(topic) {
            let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
            topics.insert(topic.to_owned(), Turn { partition: -1, records: 0, random });
        }
        let turn = topics.get_mut(topic).expect("it was put in just now");
        let stays = self.sticky
            && turn.records < STICKY_RECORDS
            && (0..count).contains(&turn.partition)
            && is_available(turn.partition);
        if stays {
            turn.records += 1;
            return turn.partition;
        }
        let first =
            if self.sticky { turn.draw(count) } else { (turn.partition + 1).rem_euclid(count) };
        let mut candidates = (0..count).map(|step| (first + step).rem_euclid(count));
        turn.partition = candidates.find(|partition| is_available(*partition)).unwrap_or(first);
        turn.records = 1;
        turn.partition
    }
}

impl Turn {
    fn draw(&mut self, count: i32) -> i32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let count = u64::try_from(count).unwrap_or(1).max(1);
        i32::try_from((self.random >> 33) % count).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Placer, STICKY_RECORDS};
    use crate::kafka::properties::Placing;
    use rdkafka::producer::Partitioner;
    use std::collections::BTreeSet;

    #[test]
    fn round_robin_goes_round_and_leaves_out_what_has_no_leader() {
        let placer = Placer::of(Placing::RoundRobin).unwrap();
        let next = |key: Option<&[u8]>| placer.partition("t", key, 4, |p| p != 2);
        let chosen: Vec<i32> = (0..6).map(|_| next(Some(b"same"))).collect();
        assert_eq!(chosen, [0, 1, 3, 0, 1, 3]);
        assert_eq!(placer.partition("other", None, 4, |_| true), 0, "each topic has its own turn");
        assert_eq!(placer.partition("gone", None, 3, |_| false), 0, "somewhere it has to wait");
    }

    #[test]
    fn sticky_stays_for_a_batch_and_reaches_all() {
        let placer = Placer::of(Placing::Sticky).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let batch: BTreeSet<i32> = (0..STICKY_RECORDS)
                .map(|i| placer.partition("t", Some(&i.to_le_bytes()), 5, |_| true))
                .collect();
            assert_eq!(batch.len(), 1);
            seen.extend(batch);
        }
        assert_eq!(seen, (0..5).collect());
        assert!(Placer::of(Placing::Murmur2).is_none());
    }
}
