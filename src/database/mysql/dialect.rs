//! The SQL that is MySQL's and MariaDB's own.

use crate::database::dialect::Dialect;

pub(in crate::database) static MYSQL: Dialect = Dialect {
    name: "MySQL",
    has_unsigned_bigint: true,
    has_parallel_writers: true,
    quote: '`',
    for_update: " FOR UPDATE",
    // MariaDB has no FOR SHARE; MySQL 8 still knows this.
    shared: " LOCK IN SHARE MODE",
    placeholders: 65_535,
    // Not INSERT IGNORE: that would store values cut to fit.
    leave_duplicates: "ON DUPLICATE KEY UPDATE {key}={key}",
    table_options: " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
    type_name: |kind| kind.to_string(),
    own_tables: &[
        ("tailwater_owners", OWNERS),
        ("tailwater_offsets", OFFSETS),
        ("tailwater_dead_letters", DEAD_LETTERS),
    ],
    find_table: "SELECT COALESCE(engine, '') AS t_engine FROM information_schema.tables \
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?",
    find_columns: "SELECT column_name AS t_name, column_type AS t_type, is_nullable = 'YES' AS n_null, \
         column_default IS NOT NULL OR extra <> '' AS n_fills FROM information_schema.columns \
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position",
    // Galera is MariaDB's; a group of MySQL 8 has as many primaries as it says.
    find_other_primaries: Some(
        "SELECT COUNT(*) AS n_there FROM information_schema.global_status \
         WHERE variable_name = 'WSREP_CLUSTER_SIZE' AND variable_value + 0 > 1",
    ),
};

const OWNERS: &str = "CREATE TABLE IF NOT EXISTS tailwater_owners (
  consumer VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  topic_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  partition_id INT NOT NULL,
  topic VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch BIGINT NOT NULL,
  next_offset BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  taken_ms BIGINT NOT NULL,
  owner VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (consumer, topic_id, partition_id)
) ENGINE=InnoDB";

const OFFSETS: &str = "CREATE TABLE IF NOT EXISTS tailwater_offsets (
  consumer VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  topic_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  partition_id INT NOT NULL,
  bucket SMALLINT NOT NULL,
  first_offset BIGINT NOT NULL,
  next_offset BIGINT NOT NULL,
  PRIMARY KEY (consumer, topic_id, partition_id, bucket, first_offset)
) ENGINE=InnoDB";

const DEAD_LETTERS: &str = "CREATE TABLE IF NOT EXISTS tailwater_dead_letters (
  consumer VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  id VARCHAR(300) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  part INT NOT NULL,
  parts INT NOT NULL,
  topic VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  partition_id INT NOT NULL,
  record_offset BIGINT NOT NULL,
  record_ms BIGINT NOT NULL,
  reason TEXT CHARACTER SET utf8mb4 NOT NULL,
  headers LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
  record_key LONGBLOB NULL,
  body LONGBLOB NULL,
  body_bytes BIGINT NULL,
  set_aside_ms BIGINT NOT NULL,
  replayed_ms BIGINT NULL,
  PRIMARY KEY (consumer, id, part)
) ENGINE=InnoDB";
