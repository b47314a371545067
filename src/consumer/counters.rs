//! The consumer's numbers, as `/metrics` shows them.

use crate::status::counters::{Counter, CounterSet};

macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $field:ident = $name:literal,)+) => {
        /// The numbers of one consumer.
        #[derive(Debug, Default)]
        pub struct ConsumerCounters { $($(#[doc = $doc])+ pub $field: Counter,)+ }

        impl CounterSet for ConsumerCounters {
            fn kind(&self) -> &'static str {
                "CONSUMER"
            }

            fn values(&self) -> Vec<(&'static str, i64)> {
                vec![$(($name, self.$field.get()),)+]
            }
        }
    };
}

numbers! {
    /// Records read from Kafka.
    records_polled = "RecordPollCount",
    /// Bytes of their keys and values.
    bytes_polled = "RecordPollBytes",
    /// Rows written, or left alone because they were there (`insert-ignore`).
    rows_written = "RowWriteCount",
    /// Records set aside with their reason.
    dead_letters = "DeadLetterCount",
    /// Transactions committed.
    commits = "TransactionCommitCount",
    /// Time that commits took, statements included, in milliseconds.
    commit_ms = "TransactionCommitTimer",
    /// Transactions tried again.
    retries = "TransactionRetryCount",
    /// Transactions cut in two because of a row that was refused.
    splits = "TransactionSplitCount",
    /// Transactions that were found to be delivered already.
    repeats = "TransactionRepeatCount",
    /// Transactions refused because somebody else has the partition.
    fenced = "TransactionFencedCount",
    /// Partitions held.
    partitions = "PartitionCount",
    /// Partitions paused because their records wait for the database.
    paused = "PartitionPausedCount",
    /// Bytes of records that wait for the database.
    waiting_bytes = "RecordWaitingBytes",
    /// Records in Kafka that are not in the table yet, in all partitions held.
    lag = "RecordLag",
    /// The same of the partition that is furthest behind.
    lag_max = "RecordLagMax",
    /// Records that Kafka had removed before they were read.
    lost_to_retention = "RecordLostCount",
}
