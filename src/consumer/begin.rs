//! Where a partition is begun (R20): with what the ledger has, else what the group has committed, else what the configuration
//! says; and what Kafka still has of that.
//!
//! Every answer of the database's is had with a session of its own: a cluster of many partitions that answers slowly would
//! otherwise keep one idle for longer than the server allows, each time again.

use crate::consumer::cluster::{Cluster, ClusterError};
use crate::consumer::counters::ConsumerCounters;
use crate::consumer::held::Held;
use crate::consumer::keys::OnGap;
use crate::database::{Identity, Known, Ledger, Store, StoreError};
use crate::status::happening::{Happening, Teller};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a group begins that has committed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// With the oldest record there is.
    Earliest,
    /// With the next record that comes.
    Latest,
    /// Not at all.
    Refuse,
}

/// Finds where to begin.
pub struct Beginning {
    /// Kafka.
    pub cluster: Cluster,
    /// The database.
    pub store: Arc<dyn Store>,
    /// What was delivered.
    pub ledger: Ledger,
    /// The consumer's group.
    pub group: String,
    /// Where it begins that has committed nothing.
    pub reset: Reset,
    /// What to do about records that Kafka has removed.
    pub on_gap: OnGap,
    /// Where it is told.
    pub teller: Teller,
    /// The numbers.
    pub counters: Arc<ConsumerCounters>,
}

/// Why a partition is not ours yet.
pub(super) enum NotYet {
    Store(StoreError),
    Cluster(ClusterError),
    /// Told already.
    Told,
}

impl From<StoreError> for NotYet {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ClusterError> for NotYet {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

/// By which name the ledger is asked about a topic.
#[derive(Debug, PartialEq, Eq)]
enum Naming<'a> {
    /// By this one.
    As(&'a str),
    /// By this one, once it has been told.
    NowAs(&'a str),
}

/// A cluster of old brokers gives a topic no id, and one that is being upgraded gives it from some of them. That is no reason to
/// take the topic for another one: what it is known by stays, until there is an id to know it by.
fn naming<'a>(name: &'a str, id: Option<&'a str>, known: &'a [Known]) -> Naming<'a> {
    let has = |id: &str| known.iter().any(|known| known.topic_id == id);
    match id {
        Some(id) if !has(id) && has(name) => Naming::NowAs(id),
        Some(id) => Naming::As(id),
        None => Naming::As(known.first().map_or(name, |latest| latest.topic_id.as_str())),
    }
}

impl Beginning {
    /// Enters what the ledger does not have of a topic (R20): all partitions at once, so that one that appears later is known
    /// to be new, and begins at 0. The id that the ledger has the topic under.
    pub(super) fn enter(&self, name: &str) -> Result<String, NotYet> {
        let topic = self.cluster.topic(name)?;
        let known = self.ledger.known(&mut *self.store.session()?, &self.group, name)?;
        let id = match naming(name, topic.id.as_deref(), &known) {
            Naming::As(id) => id.to_owned(),
            Naming::NowAs(id) => {
                let mut session = self.store.session()?;
                self.ledger.name_by_id(&mut *session, &self.group, name, id)?;
                drop(session);
                let what =
                    format!("topic `{name}` is known by its id now: the cluster has given it {id}");
                self.teller.tell(Happening::info("topic-has-id", what));
                return self.enter(name);
            }
        };
        let (same, other): (Vec<_>, Vec<_>) = known.iter().partition(|known| known.topic_id == id);
        let is_new = |p: &&i32| !same.iter().any(|known| known.partition == **p);
        let new: Vec<i32> = topic.partitions.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return Ok(id);
        }
        let begins = if !same.is_empty() {
            self.tell_begin(
                name,
                &format!("{} partitions are new", new.len()),
                "with their first record",
            );
            new.iter().map(|partition| (*partition, 0)).collect()
        } else if let Some(before) = other.first() {
            self.tell_made_again(name, &before.topic_id, &id);
            self.oldest(name, &new)?
        } else {
            self.first_begins(name, &new)?
        };
        let entries: Vec<(Identity, u64)> = begins
            .into_iter()
            .map(|(partition, begin)| (self.identity(name, &id, partition), begin))
            .collect();
        // Where somebody else was first, theirs holds: it is read when the partition is taken.
        self.ledger.enter(&mut *self.store.session()?, &entries)?;
        Ok(id)
    }

    /// R20: the group's committed offsets, else what `auto.offset.reset` says.
    fn first_begins(&self, name: &str, partitions: &[i32]) -> Result<BTreeMap<i32, u64>, NotYet> {
        let mut begins = self.cluster.committed(name, partitions)?;
        let open: Vec<i32> =
            partitions.iter().filter(|p| !begins.contains_key(p)).copied().collect();
        if !begins.is_empty() {
            let what = format!("{} partitions have offsets committed by the group", begins.len());
            self.tell_begin(name, &what, "there");
        }
        if open.is_empty() {
            return Ok(begins);
        }
        let what = format!("{} partitions were never read by the group", open.len());
        match self.reset {
            Reset::Earliest => {
                self.tell_begin(
                    name,
                    &what,
                    "with the oldest record there is (auto.offset.reset = earliest)",
                );
                begins.extend(self.oldest(name, &open)?);
            }
            Reset::Latest => {
                self.tell_begin(
                    name,
                    &what,
                    "with the next record that comes (auto.offset.reset = latest)",
                );
                for partition in open {
                    begins.insert(partition, self.cluster.ends(name, partition)?.1);
                }
            }
            Reset::Refuse => {
                self.teller.tell(
                    Happening::error("no-offsets", format!("{name}: {what}"))
                        .effect("nothing is read of it (auto.offset.reset = none)")
                        .next("commit offsets for the group (kafka-consumer-groups.sh), or set auto.offset.reset to earliest or latest"),
                );
                return Err(NotYet::Told);
            }
        }
        Ok(begins)
    }

    fn oldest(&self, name: &str, partitions: &[i32]) -> Result<BTreeMap<i32, u64>, NotYet> {
        let mut oldest = BTreeMap::new();
        for partition in partitions {
            oldest.insert(*partition, self.cluster.ends(name, *partition)?.0);
        }
        Ok(oldest)
    }

    /// The first offset to read: where delivery ended, or behind what Kafka has removed, told with the number.
    pub(super) fn read_from(&self, held: &Held) -> Result<u64, NotYet> {
        let (name, partition) = (held.identity.topic.as_str(), held.identity.partition);
        let (oldest, end) = self.cluster.ends(name, partition)?;
        let next = held.delivered_to();
        if next > end {
            self.teller.tell(
                Happening::error(
                    "offsets-beyond-end",
                    format!("{name}[{partition}] ends at {end}, and is delivered up to {next}"),
                )
                .effect("the partition is left alone: going on would skip what is written to it now")
                .next("the brokers have lost records; to go on at the end: UPDATE tailwater_owners SET next_offset = <end>, and DELETE its rows FROM tailwater_offsets"),
            );
            return Err(NotYet::Told);
        }
        if next >= oldest {
            return Ok(next);
        }
        let lost = held.undelivered(next..oldest);
        let gap = Happening::error(
            "records-lost-to-retention",
            format!(
                "{name}[{partition}]: Kafka has removed the records from {next} to {oldest}, up to {lost} of them not delivered"
            ),
        );
        if self.on_gap == OnGap::Stop {
            self.teller.tell(
                gap.effect("the partition is left alone (on-gap = stop)")
                    .next("set `on-gap = continue` to go on with the oldest record there is"),
            );
            return Err(NotYet::Told);
        }
        self.counters.lost_to_retention.add(usize::try_from(lost).unwrap_or(usize::MAX));
        self.teller.tell(
            gap.effect("they are not in the table, and cannot be had again")
                .next("it goes on with the oldest record there is; raise the topic's retention.ms or retention.bytes"),
        );
        Ok(oldest)
    }

    /// The partition, as the ledger has it.
    pub(super) fn identity(&self, topic: &str, topic_id: &str, partition: i32) -> Identity {
        Identity {
            group: self.group.clone(),
            topic_id: topic_id.to_owned(),
            topic: topic.to_owned(),
            partition,
        }
    }

    fn tell_begin(&self, topic: &str, what: &str, begin: &str) {
        let what = format!("{topic}: {what}: begins {begin}");
        self.teller.tell(Happening::info("begins-at", what));
    }

    fn tell_made_again(&self, topic: &str, before: &str, now: &str) {
        self.teller.tell(
            Happening::error(
                "topic-made-again",
                format!("topic `{topic}` is not the one that was read before: its id was {before} and is {now}"),
            )
            .effect("offsets of the old one mean nothing here: the new one is read from its oldest record")
            .next("if the same records were put into it again, their rows are doubled: look at the table"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Naming, naming};
    use crate::database::Known;

    /// R20. Which broker answers, and how old it is, is no property of the topic.
    #[test]
    fn an_upgrade_of_the_brokers_makes_no_topic_another_one() {
        let known = |ids: &[&str]| -> Vec<Known> {
            ids.iter().map(|id| Known { topic_id: (*id).to_owned(), partition: 0 }).collect()
        };
        for (id, ids, expected) in [
            (None, &[][..], Naming::As("logs")),
            (None, &["logs"], Naming::As("logs")),
            (Some("A"), &["logs"], Naming::NowAs("A")),
            (Some("A"), &["A"], Naming::As("A")),
            // A broker that is not upgraded yet answers.
            (None, &["A"], Naming::As("A")),
            (None, &["B", "A"], Naming::As("B")),
            // Made again.
            (Some("B"), &["A"], Naming::As("B")),
            (Some("A"), &["A", "logs"], Naming::As("A")),
        ] {
            assert_eq!(naming("logs", id, &known(ids)), expected, "{id:?} {ids:?}");
        }
    }
}
