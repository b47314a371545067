//! The SQL that is `SQLite`'s own.

use crate::database::cell::Kind;
use crate::database::column::ColumnType;
use crate::database::dialect::Dialect;

pub(in crate::database) static SQLITE: Dialect = Dialect {
    name: "SQLite",
    has_unsigned_bigint: false,
    has_parallel_writers: false,
    quote: '"',
    for_update: "",
    shared: "",
    // Its limit is 32,766.
    placeholders: 32_700,
    leave_duplicates: "ON CONFLICT DO NOTHING",
    table_options: "",
    type_name,
    own_tables: &[
        ("tailwater_owners", OWNERS),
        ("tailwater_offsets", OFFSETS),
        ("tailwater_dead_letters", DEAD_LETTERS),
    ],
    // There are no schemas to look in but the file's own.
    find_table: "SELECT '' AS t_engine FROM sqlite_master \
         WHERE type IN ('table', 'view') AND COALESCE(?, 'main') <> '' AND name = ?",
    find_columns: "SELECT name AS t_name, type AS t_type, \"notnull\" = 0 AND pk = 0 AS n_null, \
         dflt_value IS NOT NULL OR pk > 0 AS n_fills \
         FROM (SELECT ? AS chosen) JOIN pragma_table_info(?)",
    find_other_primaries: None,
};

const OWNERS: &str = "CREATE TABLE IF NOT EXISTS tailwater_owners (
  consumer TEXT NOT NULL,
  topic_id TEXT NOT NULL,
  partition_id INTEGER NOT NULL,
  topic TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  taken_ms INTEGER NOT NULL,
  owner TEXT NOT NULL,
  PRIMARY KEY (consumer, topic_id, partition_id)
)";

const OFFSETS: &str = "CREATE TABLE IF NOT EXISTS tailwater_offsets (
  consumer TEXT NOT NULL,
  topic_id TEXT NOT NULL,
  partition_id INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_offset INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY (consumer, topic_id, partition_id, bucket, first_offset)
)";

const DEAD_LETTERS: &str = "CREATE TABLE IF NOT EXISTS tailwater_dead_letters (
  consumer TEXT NOT NULL,
  id TEXT NOT NULL,
  part INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  topic TEXT NOT NULL,
  partition_id INTEGER NOT NULL,
  record_offset INTEGER NOT NULL,
  record_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  headers TEXT NOT NULL,
  record_key BLOB NULL,
  body BLOB NULL,
  body_bytes INTEGER NULL,
  set_aside_ms INTEGER NOT NULL,
  replayed_ms INTEGER NULL,
  PRIMARY KEY (consumer, id, part)
)";

/// `SQLite` gives a column an affinity by its type's name: dates, decimals and JSON are kept as the text they are.
fn type_name(kind: ColumnType) -> String {
    match kind {
        ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::DateTime(_)
        | ColumnType::Timestamp(_)
        | ColumnType::Json => "TEXT".to_owned(),
        _ if kind.kind() == Kind::Bytes => "BLOB".to_owned(),
        _ => kind.to_string().to_ascii_uppercase(),
    }
}
