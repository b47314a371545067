//! What a consumer is told by its keys: checked, and nothing opened yet.

use crate::config::diagnostic::Diagnostic;
use crate::config::scope::Scope;
use crate::config::value::{Names, Value, Wrong};
use crate::consumer::decode::{Format, Json, LogPattern, Pointer, Text};
use crate::consumer::keys::{ColumnKeys, ConsumerKeys, FormatName};
use crate::consumer::rows::{Column, OnError, Origin, Rows};
use crate::database::column::{ColumnType, Given, Misfit, TimeFormat, Zone};
use crate::database::{Access, Cell, Dialect, Kind, Table, TableColumn, dialect_of, identifier};
use std::sync::Arc;

/// A consumer whose keys are right.
#[derive(Debug)]
pub struct Plan {
    /// Its keys.
    pub keys: ConsumerKeys,
    /// The way to the database.
    pub access: Access,
    /// The table.
    pub table: Table,
    /// How records become its rows.
    pub rows: Arc<Rows>,
    /// The consumer's group: its name in the ledger, too.
    pub group: String,
}

/// The ledger keeps a group's name in so many characters.
const GROUP_MAX: usize = 190;

impl Plan {
    /// Reads the keys below `<agent>.consumers.<name>.`; says all that is wrong in one run.
    pub fn read(scope: &mut Scope<'_>) -> Option<Self> {
        let keys = ConsumerKeys::read(scope);
        // The columns are read even when something else is wrong, so that all is said at once.
        let columns = columns(scope, keys.as_ref());
        let keys = keys?;
        let is_right = [topics_are_right(scope, &keys), primary_key_is_right(scope, &keys)];
        let group = group(scope, &keys);
        let (table_columns, rows) = columns?;
        if is_right.contains(&false) {
            return None;
        }
        let primary_key = keys.primary_key.iter().flat_map(Names::iter);
        let table = Table {
            name: keys.table.clone(),
            columns: table_columns,
            primary_key: primary_key.map(str::to_owned).collect(),
        };
        let access = keys.access();
        Some(Self { access, table, rows: Arc::new(rows), group: group?, keys })
    }

    /// The statements that make the table and the consumer's own tables: what `tailwater consumer ddl` prints.
    #[must_use]
    pub fn ddl(&self) -> String {
        let dialect = dialect_of(&self.access.address);
        let own = dialect.own_tables().map(str::to_owned);
        let statements = std::iter::once(self.table.create(dialect)).chain(own);
        statements.map(|statement| format!("{statement};\n")).collect::<Vec<_>>().join("\n")
    }
}

fn wrong(scope: &mut Scope<'_>, key: &str, message: String, expected: &str) {
    let remark = scope.error("wrong-value", scope.value_span(key), message);
    scope.report(remark.expected(expected));
}

fn topics_are_right(scope: &mut Scope<'_>, keys: &ConsumerKeys) -> bool {
    match (&keys.topics, &keys.topics_regex) {
        (Some(_), Some(_)) => {
            let message = "both `kafka.topics` and `kafka.topics.regex` are given".to_owned();
            wrong(scope, "kafka.topics.regex", message, "only one of them");
            false
        }
        (None, None) => {
            let message = format!("`{}` has no `kafka.topics`", scope.path());
            let remark = scope.error("missing-key", scope.place(), message);
            scope.report(remark.expected("needs `kafka.topics` or `kafka.topics.regex`"));
            false
        }
        (None, Some(pattern)) => match regex::Regex::new(pattern) {
            Ok(_) => true,
            Err(why) => {
                let message = format!("`kafka.topics.regex` is no regular expression: {why}");
                wrong(scope, "kafka.topics.regex", message, "a regular expression");
                false
            }
        },
        (Some(_), None) => true,
    }
}

fn primary_key_is_right(scope: &mut Scope<'_>, keys: &ConsumerKeys) -> bool {
    let is_column = |name: &str| keys.columns.iter().any(|column| column == name);
    let stranger = keys.primary_key.iter().flat_map(Names::iter).find(|n| !is_column(n));
    if let Some(name) = stranger {
        let message = format!("`primary-key` names `{name}`, which is not one of `columns`");
        wrong(scope, "primary-key", message, "columns that are written");
        return false;
    }
    true
}

fn group(scope: &mut Scope<'_>, keys: &ConsumerKeys) -> Option<String> {
    let key = "kafka.consumer.group.id";
    match keys.consumer.get("group.id").map(str::trim) {
        None | Some("") => {
            let message = format!("`{}` has no `{key}`", scope.path());
            let remark = scope.error("missing-key", scope.place(), message);
            scope.report(
                remark.expected(
                    "needs it: a name for what was delivered, in Kafka and in the database",
                ),
            );
            None
        }
        Some(group) if group.chars().count() > GROUP_MAX => {
            let message = format!("`{key}` has {} characters", group.chars().count());
            wrong(scope, key, message, "at most 190 characters");
            None
        }
        Some(group) => Some(group.to_owned()),
    }
}

/// The columns, as the table has them and as rows are made of them.
fn columns(scope: &mut Scope<'_>, keys: Option<&ConsumerKeys>) -> Option<(Vec<TableColumn>, Rows)> {
    let names = scope.peek("columns").map(|found| found.value.to_owned()).unwrap_or_default();
    let dialect = keys.map(|keys| dialect_of(&keys.address));
    let mut fields = Fields::new(scope, keys)?;
    let (mut of_table, mut of_rows, mut failed) = (Vec::new(), Vec::new(), false);
    let mut seen: Vec<String> = Vec::new();
    for name in names.split_ascii_whitespace() {
        match column(scope, name, &seen, keys, dialect, &mut fields) {
            Some(column) => {
                of_table.push(TableColumn {
                    name: name.to_owned(),
                    kind: column.kind,
                    nullable: column.nullable,
                });
                of_rows.push(column);
            }
            None => failed = true,
        }
        seen.push(name.to_ascii_lowercase());
    }
    if !failed && of_rows.is_empty() {
        let message = format!("`{}` writes no columns", scope.path());
        wrong(scope, "columns", message, "one column's name, or more");
    }
    let keys = keys?;
    let count = fields.names.len();
    let format = fields.format(scope)?;
    (!failed && !of_rows.is_empty())
        .then(|| (of_table, Rows::new(of_rows, format, count, keys.time_zone.clone())))
}

/// One column.
fn column(
    scope: &mut Scope<'_>,
    name: &str,
    seen: &[String],
    keys: Option<&ConsumerKeys>,
    dialect: Option<&'static Dialect>,
    fields: &mut Fields,
) -> Option<Column> {
    let mut below = scope.nested(&format!("columns.{name}."));
    let read = ColumnKeys::read(&mut below);
    if let Err(Wrong::Because(why)) = identifier(name) {
        wrong(scope, "columns", format!("`{name}` cannot be a column: {why}"), "columns' names");
        return None;
    }
    if seen.contains(&name.to_ascii_lowercase()) {
        let message = format!("`{name}` stands twice in `columns`");
        wrong(scope, "columns", message, "each column once");
        return None;
    }
    let read = read?;
    let origin = fields.origin(&mut below, name, read.from.as_deref())?;
    if dialect.is_some_and(|d| !d.has_unsigned_bigint) && read.kind.kind() == Kind::Unsigned {
        let message = format!("`{name}` cannot be `{}`: SQLite has no such numbers", read.kind);
        wrong(&mut below, "type", message, "`bigint` or `decimal(20)`");
        return None;
    }
    let time = match read.format.clone() {
        Some(format) => format,
        None => fields.time_format(&mut below, &origin, read.kind)?,
    };
    let zone = keys.map(|keys| keys.time_zone.clone()).unwrap_or_default();
    let default = match read.default.as_deref().map(|text| fit(text, read.kind, &time, &zone)) {
        None => None,
        Some(Ok(cell)) => Some(cell),
        Some(Err(why)) => {
            let message = format!("`default` of column `{name}` does not fit: it {why}");
            wrong(&mut below, "default", message, "a value of the column's type");
            return None;
        }
    };
    let contradiction = match read.on_error {
        OnError::Null if !read.nullable => Some("`on-error = null` and `null = false`"),
        OnError::Default if read.default.is_none() => Some("`on-error = default` and no `default`"),
        _ => None,
    };
    if let Some(what) = contradiction {
        let message = format!("column `{name}` has {what}");
        wrong(&mut below, "on-error", message, "what the column can hold");
        return None;
    }
    Some(Column {
        name: name.to_owned(),
        kind: read.kind,
        origin,
        nullable: read.nullable,
        default,
        on_error: read.on_error,
        time,
    })
}

fn fit(
    text: &str,
    kind: ColumnType,
    time: &TimeFormat,
    zone: &Zone,
) -> Result<Cell<'static>, Misfit> {
    kind.fit(Given::Text(text.into()), time, zone).map(Cell::into_owned)
}

/// The fields that columns want of the format, while they are being collected.
struct Fields {
    kind: FormatName,
    pattern: Option<LogPattern>,
    names: Vec<String>,
    pointers: Vec<Pointer>,
}

impl Fields {
    fn new(scope: &mut Scope<'_>, keys: Option<&ConsumerKeys>) -> Option<Self> {
        let kind = keys.map_or(FormatName::Json, |keys| keys.format);
        let pattern = match keys.filter(|keys| keys.format == FormatName::AccessLog) {
            None => None,
            Some(keys) => match LogPattern::new(&keys.pattern) {
                Ok(pattern) => Some(pattern),
                Err(why) => {
                    let message = format!("`format.pattern` cannot be read by: {why}");
                    wrong(scope, "format.pattern", message, "a pattern of Tomcat's AccessLogValve");
                    return None;
                }
            },
        };
        Some(Self { kind, pattern, names: Vec::new(), pointers: Vec::new() })
    }

    /// What `from` names; left out, what the format has under the column's name.
    fn origin(&mut self, below: &mut Scope<'_>, name: &str, from: Option<&str>) -> Option<Origin> {
        let text = match (from, self.kind) {
            (Some(from), _) => from.to_owned(),
            (None, FormatName::Json) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            (None, FormatName::Text) => "body".to_owned(),
            (None, FormatName::AccessLog) => name.to_owned(),
        };
        let known = match text.as_str() {
            "body" => Some(Origin::Body),
            "key" => Some(Origin::Key),
            "topic" => Some(Origin::Topic),
            "partition" => Some(Origin::Partition),
            "offset" => Some(Origin::Offset),
            "timestamp" => Some(Origin::Timestamp),
            other => other
                .strip_prefix("header:")
                .map(|header| Origin::Header(header.to_owned()))
                .or_else(|| {
                    other.strip_prefix("constant:").map(|t| Origin::Constant(t.to_owned()))
                }),
        };
        if known.is_some() {
            return known;
        }
        let refused = match self.kind {
            FormatName::Json => match Pointer::parse(&text) {
                Ok(pointer) => {
                    self.pointers.push(pointer);
                    None
                }
                Err(_) => Some(format!("`{text}` is no JSON pointer: it begins with `/`")),
            },
            FormatName::Text => Some(format!("the format `text` has no field `{text}`")),
            FormatName::AccessLog => {
                let has = self.pattern.as_ref().is_some_and(|pattern| pattern.has(&text));
                (!has).then(|| format!("`format.pattern` does not write `{text}`"))
            }
        };
        if let Some(message) = refused {
            let key = if from.is_some() { "from" } else { "type" };
            let expected = "`body`, `key`, `topic`, `partition`, `offset`, `timestamp`, `header:NAME`, `constant:TEXT`, or a field of the format";
            wrong(below, key, message, expected);
            return None;
        }
        self.names.push(text);
        Some(Origin::Field(self.names.len() - 1))
    }

    /// How a time column reads its field, where the column does not say.
    fn time_format(
        &self,
        below: &mut Scope<'_>,
        origin: &Origin,
        kind: ColumnType,
    ) -> Option<TimeFormat> {
        use ColumnType::{Date, DateTime, Timestamp};
        let (Some(pattern), Origin::Field(index), Date | DateTime(_) | Timestamp(_)) =
            (&self.pattern, origin, kind)
        else {
            return Some(TimeFormat::Usual);
        };
        let name = self.names.get(*index).map_or("", String::as_str);
        match pattern.time_format(name) {
            Ok(format) => Some(format),
            Err(why) => {
                wrong(below, "type", why, "a text type, or a pattern whose dates can be read");
                None
            }
        }
    }

    fn format(self, scope: &mut Scope<'_>) -> Option<Box<dyn Format>> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match (self.kind, self.pattern) {
            (FormatName::AccessLog, Some(pattern)) => match pattern.wanting(&names) {
                Ok(format) => Some(Box::new(format)),
                Err(why) => {
                    scope.report(Diagnostic::error(
                        "wrong-value",
                        scope.value_span("format.pattern"),
                        why,
                        scope.left_out(),
                    ));
                    None
                }
            },
            (FormatName::Json, _) => Some(Box::new(Json::new(&self.pointers))),
            (FormatName::Text | FormatName::AccessLog, _) => Some(Box::new(Text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::config::scope::Scope;

    const WHOLE: &[(&str, &str)] = &[
        ("kafka.bootstrap.servers", "localhost:9092"),
        ("kafka.topics", "xcxInfoLog"),
        ("kafka.consumer.group.id", "access-to-mysql"),
        ("format", "json"),
        ("database.url", "mysql://user@localhost/weblog"),
        ("database.table", "access_log"),
        ("columns", "ts user"),
        ("columns.ts.from", "/time"),
        ("columns.ts.type", "datetime(3)"),
        ("columns.user.type", "varchar(40)"),
    ];

    fn read(changes: &[(&'static str, &'static str)]) -> (Option<Plan>, Vec<String>) {
        let is_replaced = |key: &str| changes.iter().any(|(k, _)| *k == key);
        let kept = WHOLE.iter().filter(|(key, _)| !is_replaced(key));
        let given: Vec<_> =
            kept.chain(changes.iter().filter(|(_, value)| *value != "-")).copied().collect();
        let (plan, said) = Scope::for_test(&given, Plan::read);
        (plan, said.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn the_example_is_a_consumer() {
        let (plan, said) = read(&[]);
        assert_eq!(said, [""; 0]);
        let plan = plan.unwrap();
        assert_eq!((plan.group.as_str(), plan.rows.width()), ("access-to-mysql", 2));
        assert!(
            plan.ddl()
                .starts_with("CREATE TABLE IF NOT EXISTS `access_log` (\n  `ts` datetime(3) NULL")
        );
        assert!(plan.ddl().contains("CREATE TABLE IF NOT EXISTS tailwater_offsets"));
    }

    #[test]
    fn every_mistake_is_said_in_one_run() {
        let (plan, said) = read(&[
            ("kafka.topics", "-"),
            ("kafka.consumer.group.id", "-"),
            ("mode", "upsert"),
            ("columns", "ts user user bad`name n"),
            ("columns.ts.from", "time"),
            ("columns.ts.type", "datetime(9)"),
            ("columns.n.type", "int"),
            ("columns.n.default", "many"),
            ("columns.bad`name.type", "int"),
            ("colums", "x"),
        ]);
        assert!(plan.is_none());
        let expect = [
            "`mode` cannot be `upsert`",
            "`type` cannot be `datetime(9)`",
            "`user` stands twice in `columns`",
            "`bad`name` cannot be a column: a name cannot have ``` in it",
            "`default` of column `n` does not fit: it cannot hold `many` as int",
            "`a1.sinks.k1` has no key `colums`",
        ];
        for message in expect {
            assert!(said.iter().any(|s| s == message), "{message}: {said:#?}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (changes, message) in [
            (
                &[("columns.ts.on-error", "default")][..],
                "column `ts` has `on-error = default` and no `default`",
            ),
            (&[("primary-key", "id")], "`primary-key` names `id`, which is not one of `columns`"),
            (&[("format", "text")], "the format `text` has no field `/time`"),
            (&[("format", "access-log"), ("columns.ts.from", "time")], ""),
            (
                &[("format", "access-log"), ("columns.ts.from", "%D")],
                "`format.pattern` does not write `%D`",
            ),
            (
                &[("format", "access-log"), ("format.pattern", "%Q")],
                "`format.pattern` cannot be read by: `%Q` is no code of Tomcat's AccessLogValve",
            ),
            (
                &[("kafka.topics.regex", "x.*")],
                "both `kafka.topics` and `kafka.topics.regex` are given",
            ),
            (&[("kafka.topics", "a,b/c")], "`kafka.topics` cannot be `a,b/c`"),
            (
                &[("database.url", "sqlite:r.db"), ("columns.user.type", "bigint unsigned")],
                "`user` cannot be `bigint unsigned`: SQLite has no such numbers",
            ),
        ] {
            let (plan, said) = read(changes);
            assert_eq!(said.first().map_or("", String::as_str), message, "{changes:?}");
            assert_eq!(plan.is_none(), !message.is_empty(), "{changes:?}");
        }
    }
}
