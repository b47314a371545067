//! What was delivered, kept beside the rows: the ranges of offsets, and who may write.
//!
//! - `tailwater_offsets` has a row for each range of offsets whose rows are in the table. The row goes in *first* in the
//!   transaction of its rows (R13), so that the database refuses the same chunk a second time, whoever brings it.
//! - `tailwater_owners` has a row for each partition: the offset below which everything is delivered (the watermark), and
//!   the epoch of whoever took the partition last. Every chunk looks at it *last*, under a shared lock (R16): a late commit of
//!   a former owner is refused by the database, not by luck.
//!
//! Ranges that adjoin the watermark are merged into it, in one transaction (R14), so that both tables stay small.

use crate::database::answer::Answer;
use crate::database::cell::Cell;
use crate::database::dialect::Dialect;
use crate::database::error::{ErrorKind, StoreError};
use crate::database::statement::Statement;
use crate::database::store::Session;
use crate::database::table::check_engine;
use std::ops::Range;

/// A partition, as the ledger knows it. The topic's id is the cluster's own, so that a topic made again is another one (R20).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The consumer: its group's name.
    pub group: String,
    /// The topic's id, or its name where the cluster gives none.
    pub topic_id: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

/// A partition that the ledger has under a topic's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The topic's id.
    pub topic_id: String,
    /// The partition.
    pub partition: i32,
}

/// A partition's row in `tailwater_owners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Counts who took the partition.
    pub epoch: i64,
    /// Everything below is delivered.
    pub watermark: u64,
    /// The group's generation when it was taken.
    pub generation: i64,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: i64,
    /// Who took it: host and process.
    pub owner: String,
}

/// What came of taking a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Ours(Taken),
    /// Somebody of a later generation has it.
    Refused(Owner),
    /// The ledger has no such partition.
    Unknown,
}

/// A partition that is ours, and what was delivered of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Our epoch: what is written under an older one is refused.
    pub epoch: i64,
    /// Everything below is delivered.
    pub watermark: u64,
    /// What is delivered above, in order of offsets.
    pub ranges: Vec<Range<u64>>,
}

/// A later generation keeps a lower one out for so long, in milliseconds: longer than any member believes itself in a group
/// that has gone on without it. A group that was deleted and made again counts from 1: it gets in after that.
const GENERATION_HOLDS_MS: i64 = 10 * 60 * 1000;

/// The ledger of one database.
#[derive(Debug)]
pub struct Ledger {
    dialect: &'static Dialect,
    owner_for_update: String,
    owner_shared: String,
}

const OWNER: &str = "SELECT epoch AS n_epoch, next_offset AS n_next, generation AS n_generation, \
     taken_ms AS n_taken, owner AS t_owner FROM tailwater_owners \
     WHERE consumer = ? AND topic_id = ? AND partition_id = ?";

impl Ledger {
    /// The ledger by the SQL of `dialect`.
    #[must_use]
    pub fn new(dialect: &'static Dialect) -> Self {
        Self {
            dialect,
            owner_for_update: format!("{OWNER}{}", dialect.for_update),
            owner_shared: format!("{OWNER}{}", dialect.shared),
        }
    }

    /// Makes those tables of ours that are not there; their names.
    pub fn ensure(&self, session: &mut dyn Session) -> Result<Vec<&'static str>, StoreError> {
        let mut made = Vec::new();
        for (name, create) in self.dialect.own_tables {
            let place = [Cell::Null, Cell::from(*name)];
            let found = session.query(&Statement::new(self.dialect.find_table, &place))?;
            if let Some(found) = found.first() {
                // R16: a range that stays when its rows are undone would vouch for what is not there.
                check_engine(name, found.text(0))?;
            } else {
                session.execute(&Statement::new(create, &[])).map_err(|error| StoreError {
                    next: format!(
                        "{}; or let somebody who may run these:\n{};",
                        error.next,
                        self.dialect.own_tables().collect::<Vec<_>>().join(";\n")
                    ),
                    ..error
                })?;
                made.push(*name);
            }
        }
        Ok(made)
    }

    /// Whether rows could be written on another server at the same time: nothing here is exactly once then.
    pub fn has_other_primaries(&self, session: &mut dyn Session) -> bool {
        let Some(question) = self.dialect.find_other_primaries else { return false };
        // A server that does not know the question is none of those.
        session
            .query(&Statement::new(question, &[]))
            .is_ok_and(|rows| rows.first().is_some_and(|row| row.number(0) > 0))
    }

    /// What the ledger has under a topic's name, what was taken last first.
    pub fn known(
        &self,
        session: &mut dyn Session,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Known>, StoreError> {
        let text = "SELECT topic_id AS t_id, partition_id AS n_partition FROM tailwater_owners \
             WHERE consumer = ? AND topic = ? ORDER BY taken_ms DESC";
        let rows = session.query(&Statement::new(text, &[group.into(), topic.into()]))?;
        let known = |row: &Answer| Known {
            topic_id: row.text(0).to_owned(),
            partition: i32::try_from(row.number(1)).unwrap_or(i32::MAX),
        };
        Ok(rows.iter().map(known).collect())
    }

    /// A topic that was known by its name, because the cluster gave it no id, is known by its id from now on. Whoever holds its
    /// partitions finds them gone, and takes them again (R16).
    pub fn name_by_id(
        &self,
        session: &mut dyn Session,
        group: &str,
        topic: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        session.begin()?;
        for table in ["tailwater_owners", "tailwater_offsets"] {
            let text =
                format!("UPDATE {table} SET topic_id = ? WHERE consumer = ? AND topic_id = ?");
            let cells = [id.into(), group.into(), topic.into()];
            session.execute(&Statement::new(&text, &cells))?;
        }
        session.commit()
    }

    /// Enters partitions with the offsets to begin at, before anything of them is delivered (R20). False: somebody else
    /// has entered them meanwhile, and theirs holds.
    pub fn enter(
        &self,
        session: &mut dyn Session,
        partitions: &[(Identity, u64)],
    ) -> Result<bool, StoreError> {
        let text = "INSERT INTO tailwater_owners (consumer, topic_id, partition_id, topic, epoch, \
             next_offset, generation, taken_ms, owner) VALUES (?, ?, ?, ?, 0, ?, 0, 0, '')";
        session.begin()?;
        for (identity, begin) in partitions {
            let Identity { group, topic_id, topic, partition } = identity;
            let cells: [Cell<'_>; 5] = [
                group.as_str().into(),
                topic_id.as_str().into(),
                (*partition).into(),
                topic.as_str().into(),
                offset(*begin),
            ];
            match session.execute(&Statement::new(text, &cells)) {
                Ok(_) => {}
                Err(StoreError { kind: ErrorKind::Duplicate, .. }) => {
                    return session.rollback().map(|()| false);
                }
                Err(error) => return Err(error),
            }
        }
        session.commit().map(|()| true)
    }

    /// Takes a partition: raises its epoch and commits, then, in a transaction of its own, reads what was delivered (R16).
    /// Read together, a former owner's chunk that commits in between would be missed.
    pub fn take(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
        generation: i64,
        owner: &str,
        now_ms: i64,
    ) -> Result<Claim, StoreError> {
        session.begin()?;
        let Some(before) = find_owner(session, identity, &self.owner_for_update)? else {
            return session.rollback().map(|()| Claim::Unknown);
        };
        let fresh = now_ms.saturating_sub(before.taken_ms) < GENERATION_HOLDS_MS;
        if generation < before.generation && fresh {
            return session.rollback().map(|()| Claim::Refused(before));
        }
        let text = "UPDATE tailwater_owners SET epoch = ?, generation = ?, owner = ?, taken_ms = ? \
             WHERE consumer = ? AND topic_id = ? AND partition_id = ?";
        let epoch = before.epoch + 1;
        let [group, topic_id, partition] = key(identity);
        let cells = [
            epoch.into(),
            generation.into(),
            owner.into(),
            now_ms.into(),
            group,
            topic_id,
            partition,
        ];
        session.execute(&Statement::new(text, &cells))?;
        session.commit()?;
        self.read(session, identity, epoch)
    }

    /// What was delivered of a partition that was taken under `epoch`.
    fn read(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
        epoch: i64,
    ) -> Result<Claim, StoreError> {
        session.begin()?;
        let owner = find_owner(session, identity, &self.owner_shared)?;
        let text = "SELECT first_offset AS n_first, next_offset AS n_next FROM tailwater_offsets \
             WHERE consumer = ? AND topic_id = ? AND partition_id = ? ORDER BY first_offset";
        let rows = session.query(&Statement::new(text, &key(identity)))?;
        session.commit()?;
        Ok(match owner {
            None => Claim::Unknown,
            Some(owner) if owner.epoch != epoch => Claim::Refused(owner),
            Some(owner) => {
                let range = |row: &Answer| number(row.number(0))..number(row.number(1));
                Claim::Ours(Taken {
                    epoch,
                    watermark: owner.watermark,
                    ranges: rows.iter().map(range).collect(),
                })
            }
        })
    }

    /// Enters a range: the first statement of its rows' transaction (R13).
    pub fn claim(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
        range: &Range<u64>,
    ) -> Result<(), StoreError> {
        let text = "INSERT INTO tailwater_offsets (consumer, topic_id, partition_id, bucket, \
             first_offset, next_offset) VALUES (?, ?, ?, 0, ?, ?)";
        let [group, topic_id, partition] = key(identity);
        let cells = [group, topic_id, partition, offset(range.start), offset(range.end)];
        session.execute(&Statement::new(text, &cells)).map(|_| ())
    }

    /// The end of the range that is entered at `first`, if there is one.
    pub fn entered(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
        first: u64,
    ) -> Result<Option<u64>, StoreError> {
        let text = "SELECT next_offset AS n_next FROM tailwater_offsets WHERE consumer = ? \
             AND topic_id = ? AND partition_id = ? AND bucket = 0 AND first_offset = ?";
        let [group, topic_id, partition] = key(identity);
        let rows =
            session.query(&Statement::new(text, &[group, topic_id, partition, offset(first)]))?;
        Ok(rows.first().map(|row| number(row.number(0))))
    }

    /// Who owns the partition: the last statement before a chunk's commit, which nobody can change until then (R16).
    pub fn check(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
    ) -> Result<Option<Owner>, StoreError> {
        find_owner(session, identity, &self.owner_shared)
    }

    /// Moves the watermark `over` ranges that adjoin, and deletes their rows, in one transaction (R14). False: the partition is
    /// no longer ours, or the ledger is not as we left it. A server that crashed before it had synced, or a replica that took
    /// over, has lost again what it had said was committed: rows and ranges alike. What is not there is not moved over.
    pub fn merge(
        &self,
        session: &mut dyn Session,
        identity: &Identity,
        epoch: i64,
        over: &Range<u64>,
        firsts: &[u64],
    ) -> Result<bool, StoreError> {
        session.begin()?;
        // The ranges first and the owner last, in the order of those who deliver: the other way round each waits for the other.
        // One by one: many at once are looked for in the whole table while it is small, and so among the locks of everybody.
        let text = "DELETE FROM tailwater_offsets WHERE consumer = ? AND topic_id = ? \
             AND partition_id = ? AND bucket = 0 AND first_offset = ?";
        let mut deleted = 0;
        for first in firsts {
            let [group, topic_id, partition] = key(identity);
            let cells = [group, topic_id, partition, offset(*first)];
            deleted += session.execute(&Statement::new(text, &cells))?;
        }
        let owner = find_owner(session, identity, &self.owner_for_update)?;
        match owner.filter(|owner| owner.epoch == epoch).map(|owner| owner.watermark) {
            Some(watermark) if watermark == over.start && deleted == firsts.len() => {}
            // R13: it was made already, and the answer was lost.
            Some(watermark) if watermark == over.end => return session.rollback().map(|()| true),
            _ => return session.rollback().map(|()| false),
        }
        let text = "UPDATE tailwater_owners SET next_offset = ? \
             WHERE consumer = ? AND topic_id = ? AND partition_id = ?";
        let [group, topic_id, partition] = key(identity);
        session.execute(&Statement::new(text, &[offset(over.end), group, topic_id, partition]))?;
        session.commit().map(|()| true)
    }
}

fn find_owner(
    session: &mut dyn Session,
    identity: &Identity,
    text: &str,
) -> Result<Option<Owner>, StoreError> {
    let rows = session.query(&Statement::new(text, &key(identity)))?;
    Ok(rows.first().map(|row| Owner {
        epoch: row.number(0),
        watermark: number(row.number(1)),
        generation: row.number(2),
        taken_ms: row.number(3),
        owner: row.text(4).to_owned(),
    }))
}

fn key(identity: &Identity) -> [Cell<'_>; 3] {
    [identity.group.as_str().into(), identity.topic_id.as_str().into(), identity.partition.into()]
}

/// Kafka's offsets have a sign, and are never negative.
fn offset(offset: u64) -> Cell<'static> {
    Cell::Signed(i64::try_from(offset).unwrap_or(i64::MAX))
}

fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

#[cfg(test)]
mod tests;
