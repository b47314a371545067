//! The consumer's keys.

use crate::config::keys::{choice, keys};
use crate::config::value::{
    ByteSize, Count, HostPorts, Millis, Names, Secret, Section, Value, Wrong,
};
use crate::consumer::rows::OnError;
use crate::database::column::{ColumnType, TimeFormat, Zone};
use crate::database::{Access, Address, Mode, TableName};
use std::path::PathBuf;

keys! {
    /// Reads topics and writes a table, each record exactly once.
    pub struct ConsumerKeys = "consumer" {
        /// Brokers to ask for the cluster's layout.
        "kafka.bootstrap.servers" => bootstrap_servers: HostPorts,
        /// Topics to read, with commas between them.
        "kafka.topics" => topics: Option<Topics>,
        /// Topics to read, by a regular expression: those that appear later too. Instead of `kafka.topics`.
        "kafka.topics.regex" => topics_regex: Option<String>,
        /// Java consumer properties, translated. `group.id` is needed: it names what was delivered, in Kafka and in the database.
        "kafka.consumer.*" => consumer: Section,
        /// What a record's value is.
        "format" => format: FormatName = "json",
        /// Of `access-log`: the pattern of Tomcat's `AccessLogValve`, or `common` or `combined`.
        "format.pattern" => pattern: String = "common",
        /// Database to write: `mysql://user@host:3306/database`, or `sqlite:FILE`.
        "database.url" => address: Address,
        /// User, where the address names none.
        "database.user" => user: Option<String>,
        /// Password. Better in a file, or as `${env:NAME}`.
        "database.password" => password: Option<Secret>,
        /// File with the password on its first line; read again for each connection.
        "database.password.file" => password_file: Option<PathBuf>,
        /// File with the certificates (PEM) that the server's is checked against: the connection is then encrypted or not made.
        "database.tls.ca" => tls_ca: Option<PathBuf>,
        /// Table to write, or `schema.table`.
        "database.table" => table: TableName,
        /// Columns to write. Each has keys of its own below `columns.<name>.`: `from`, `type`, `null`, `default`, `on-error`, `format`.
        "columns" => columns: Names,
        /// Columns of the primary key, where the table is made here.
        "primary-key" => primary_key: Option<Names>,
        /// Whether to make the table where it is not. `tailwater consumer ddl` prints it.
        "create-table" => create_table: bool = "false",
        /// What becomes of a row whose key is there already.
        "mode" => mode: WriteMode = "insert",
        /// Zone whose clocks a `datetime` shows.
        "time-zone" => time_zone: Zone = "UTC",
        /// Connections that write at the same time.
        "writers" => writers: Count = "2",
        /// Records of one transaction at most.
        "batch.rows" => batch_rows: Count = "5000",
        /// Bytes of one transaction at most, unless a single record is larger.
        "batch.bytes" => batch_bytes: ByteSize = "4MiB",
        /// Longest a record waits for others while a writer is idle, in milliseconds.
        "batch.time" => batch_time: Millis = "50",
        /// Bytes of records held in memory; the fullest partitions are paused above it.
        "queue.bytes" => queue_bytes: ByteSize = "32MiB",
        /// What to do when Kafka has removed records that were not read yet.
        "on-gap" => on_gap: OnGap = "continue",
        /// Where a record goes that cannot be written: `table` is `tailwater_dead_letters`, in the same transaction.
        "deadletter" => dead_letter: DeadLetter = "table",
        /// Of `deadletter = file`: the directory.
        "deadletter.dir" => dead_letter_dir: PathBuf = "~/.flume/dead-letters/<agent>/<component>",
        /// Of `deadletter = file`: bytes of all its files together. When they are used up the consumer waits.
        "deadletter.maxBytes" => dead_letter_max_bytes: ByteSize = "1GiB",
    }
}

impl ConsumerKeys {
    /// The way to the database.
    #[must_use]
    pub fn access(&self) -> Access {
        Access {
            address: self.address.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            tls_ca: self.tls_ca.clone(),
        }
    }
}

keys! {
    /// A column of the table.
    pub struct ColumnKeys = "column" {
        /// Where its value comes from: a JSON pointer (`/time`) or a field of the format; `body`, `key`, `topic`, `partition`,
        /// `offset`, `timestamp` of the record; `header:NAME`; `constant:TEXT`. Left out: what the format has under the column's name.
        "from" => from: Option<String>,
        /// Its type, by MySQL's name.
        "type" => kind: ColumnType = "longtext",
        /// Whether it may be NULL.
        "null" => nullable: bool = "true",
        /// What it holds where the record has nothing.
        "default" => default: Option<String>,
        /// What becomes of a value that does not fit.
        "on-error" => on_error: OnError = "deadletter",
        /// How a time is written, where it is not ISO 8601, an access log's, or milliseconds since 1970.
        "format" => format: Option<TimeFormat>,
    }
}

choice! {
    /// What a record's value is.
    pub enum FormatName {
        /// A JSON document.
        Json = "json",
        /// One text, or bytes.
        Text = "text",
        /// A line of Tomcat's access log.
        AccessLog = "access-log",
    }
}

choice! {
    /// What to do when Kafka has removed records that were not read yet.
    pub enum OnGap {
        /// Go on with the oldest there is; the gap is told, with the number of records.
        Continue = "continue",
        /// Leave the partition alone until somebody decides; told again and again.
        Stop = "stop",
    }
}

choice! {
    /// Where a record goes that cannot be written.
    pub enum DeadLetter {
        /// A table of the same database, in the same transaction.
        Table = "table",
        /// Files below `deadletter.dir`, durable before the transaction.
        File = "file",
    }
}

/// Topics between commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics(pub Vec<String>);

impl Value for Topics {
    const EXPECTED: &'static str = "topics' names, with commas between them";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let names: Vec<String> = text
            .split([',', ' ', '\t'])
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(name) = names.iter().find(|n| n.len() > 249 || !n.chars().all(legal)) {
            return Err(Wrong::Because(format!("`{name}` cannot be a topic's name")));
        }
        if names.is_empty() { Err(Wrong::Expected) } else { Ok(Self(names)) }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMode(pub Mode);

impl Value for WriteMode {
    const EXPECTED: &'static str = Mode::EXPECTED;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if ["upsert", "replace"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
            let why = format!(
                "`{text}` is not to be had: it needs the records of a key in their order, and writers here run side by side; `insert-ignore` keeps the row that came first"
            );
            return Err(Wrong::Because(why));
        }
        Mode::parse(text).map(Self)
    }

    fn suggest(text: &str) -> Option<&'static str> {
        Mode::suggest(text)
    }
}
