//! The table that rows go into: what the configuration says of it, the statement that makes it, and what is different in the
//! one that is there.

use crate::config::value::{Value, Wrong};
use crate::database::cell::Cell;
use crate::database::column::ColumnType;
use crate::database::dialect::Dialect;
use crate::database::error::StoreError;
use crate::database::statement::Statement;
use crate::database::store::Session;
use std::fmt;

/// A table's name, perhaps with the schema it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    name: String,
}

/// A name that is put between quotes and into a statement: what could end either is refused.
pub(crate) fn identifier(text: &str) -> Result<String, Wrong> {
    let forbidden = |c: char| c.is_control() || "?`\"'\\/".contains(c);
    if text.is_empty() || text.chars().count() > 64 || text.ends_with(' ') {
        return Err(Wrong::Because("a name has 1 to 64 characters".to_owned()));
    }
    match text.chars().find(|c| forbidden(*c)) {
        Some(c) => Err(Wrong::Because(format!("a name cannot have `{c}` in it"))),
        None => Ok(text.to_owned()),
    }
}

impl Value for TableName {
    const EXPECTED: &'static str = "a table's name, or `schema.table`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.split_once('.') {
            Some((schema, name)) => {
                Ok(Self { schema: Some(identifier(schema)?), name: identifier(name)? })
            }
            None => Ok(Self { schema: None, name: identifier(text)? }),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.pad(&self.name),
        }
    }
}

/// One column that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// The table that rows go into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// The columns that are written, in the order written.
    pub columns: Vec<TableColumn>,
    /// The columns of its primary key, if it is to have one.
    pub primary_key: Vec<String>,
}

impl Table {
    /// Its name, quoted.
    #[must_use]
    pub fn quoted(&self, dialect: &Dialect) -> String {
        let name = dialect.quoted(&self.name.name);
        match &self.name.schema {
            Some(schema) => format!("{}.{name}", dialect.quoted(schema)),
            None => name,
        }
    }

    /// The statement that makes it where it is not.
    #[must_use]
    pub fn create(&self, dialect: &Dialect) -> String {
        let is_key = |name: &String| self.primary_key.contains(name);
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                let null =
                    if column.nullable && !is_key(&column.name) { "NULL" } else { "NOT NULL" };
                let kind = (dialect.type_name)(column.kind);
                format!("  {} {kind} {null}", dialect.quoted(&column.name))
            })
            .collect();
        if !self.primary_key.is_empty() {
            let key: Vec<_> = self.primary_key.iter().map(|name| dialect.quoted(name)).collect();
            lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
        }
        let (name, lines) = (self.quoted(dialect), lines.join(",\n"));
        format!("CREATE TABLE IF NOT EXISTS {name} (\n{lines}\n){}", dialect.table_options)
    }

    /// Makes it where it is not.
    pub fn ensure(&self, session: &mut dyn Session, dialect: &Dialect) -> Result<(), StoreError> {
        session.execute(&Statement::new(&self.create(dialect), &[])).map(|_| ())
    }

    /// Compares it with the one that is there. An error: rows cannot go in as it is. Otherwise a sentence for each
    /// difference that may matter.
    pub fn compare(
        &self,
        session: &mut dyn Session,
        dialect: &Dialect,
        ddl_command: &str,
    ) -> Result<Vec<String>, StoreError> {
        let schema = self.name.schema.as_deref().map_or(Cell::Null, Cell::from);
        let place = [schema, Cell::from(self.name.name.as_str())];
        let found = session.query(&Statement::new(dialect.find_table, &place))?;
        let Some(found) = found.first() else {
            return Err(StoreError::environment(
                "table-missing",
                format!("there is no table `{}`", self.name),
                format!(
                    "make it with the statement that `{ddl_command}` prints, or set `create-table = true`"
                ),
            ));
        };
        check_engine(&self.name.to_string(), found.text(0))?;
        let columns = session.query(&Statement::new(dialect.find_columns, &place))?;
        let there: Vec<Column<'_>> = columns
            .iter()
            .map(|row| Column {
                name: row.text(0),
                kind: row.text(1),
                nullable: row.number(2) != 0,
                fills_itself: row.number(3) != 0,
            })
            .collect();
        self.differences(&there, dialect, ddl_command)
    }

    fn differences(
        &self,
        there: &[Column<'_>],
        dialect: &Dialect,
        ddl_command: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut said = Vec::new();
        let mut missing = Vec::new();
        for column in &self.columns {
            let Some(found) = there.iter().find(|c| c.name.eq_ignore_ascii_case(&column.name))
            else {
                missing.push(column.name.as_str());
                continue;
            };
            if !same_type(column.kind, found.kind, dialect) {
                said.push(format!(
                    "column `{}` is {} in the table and {} in the configuration",
                    column.name, found.kind, column.kind
                ));
            }
            if column.nullable && !found.nullable {
                said.push(format!(
                    "column `{0}` is NOT NULL in the table: a record without it is refused there; say `columns.{0}.null = false`",
                    column.name
                ));
            }
        }
        if !missing.is_empty() {
            return Err(StoreError::environment(
                "column-missing",
                format!("table `{}` has no column `{}`", self.name, missing.join("`, `")),
                format!(
                    "compare it with what `{ddl_command}` prints: add the column, or take it out of `columns`"
                ),
            ));
        }
        let is_written =
            |name: &str| self.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let unfilled =
            there.iter().filter(|c| !c.nullable && !c.fills_itself && !is_written(c.name));
        said.extend(unfilled.map(|c| {
            format!(
                "column `{}` is NOT NULL, has no default and is not written: rows will be refused",
                c.name
            )
        }));
        Ok(said)
    }
}

/// A row that cannot be rolled back cannot be written exactly once.
pub(super) fn check_engine(table: &str, engine: &str) -> Result<(), StoreError> {
    if engine.is_empty() || engine.eq_ignore_ascii_case("InnoDB") {
        return Ok(());
    }
    Err(StoreError::environment(
        "table-not-transactional",
        format!("table `{table}` is kept by the engine {engine}, which cannot undo a transaction"),
        format!("ALTER TABLE {table} ENGINE=InnoDB"),
    ))
}

/// A column that is there.
struct Column<'a> {
    name: &'a str,
    kind: &'a str,
    nullable: bool,
    fills_itself: bool,
}

/// Whether a column that is there holds the same values as ours.
fn same_type(ours: ColumnType, there: &str, dialect: &Dialect) -> bool {
    let ours_by_name = (dialect.type_name)(ours);
    if ours_by_name.eq_ignore_ascii_case(there) {
        return true;
    }
    let theirs = ColumnType::parse(there).map(|kind| (dialect.type_name)(kind));
    // MariaDB keeps `json` as a longtext, and `boolean` is a name for tinyint(1) everywhere.
    match (ours, theirs) {
        (_, Ok(theirs)) if theirs == ours_by_name => true,
        (ColumnType::Boolean, Ok(theirs)) => theirs == "tinyint",
        (ColumnType::Json, Ok(theirs)) => theirs == "longtext",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Table, TableColumn, TableName};
    use crate::config::value::{Value, Wrong};
    use crate::database::column::ColumnType;
    use crate::database::mysql::MYSQL;
    use crate::database::sqlite::SQLITE;

    fn table() -> Table {
        let column = |name: &str, kind: &str, nullable| TableColumn {
            name: name.to_owned(),
            kind: ColumnType::parse(kind).unwrap(),
            nullable,
        };
        Table {
            name: TableName::parse("weblog.access_log").unwrap(),
            columns: vec![
                column("id", "bigint", true),
                column("ts", "datetime(3)", false),
                column("ok", "boolean", true),
                column("doc", "json", true),
                column("price", "decimal(10,2)", true),
            ],
            primary_key: vec!["id".to_owned()],
        }
    }

    #[test]
    fn the_statement_that_makes_it_is_the_backends() {
        assert_eq!(
            table().create(&MYSQL),
            "CREATE TABLE IF NOT EXISTS `weblog`.`access_log` (\n  `id` bigint NOT NULL,\n  `ts` datetime(3) NOT NULL,\n  `ok` boolean NULL,\n  `doc` json NULL,\n  `price` decimal(10,2) NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        );
        assert_eq!(
            table().create(&SQLITE),
            "CREATE TABLE IF NOT EXISTS \"weblog\".\"access_log\" (\n  \"id\" BIGINT NOT NULL,\n  \"ts\" TEXT NOT NULL,\n  \"ok\" BOOLEAN NULL,\n  \"doc\" TEXT NULL,\n  \"price\" TEXT NULL,\n  PRIMARY KEY (\"id\")\n)"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        for text in ["a`b", "a\"b", "a?b", "", "x\n"] {
            assert!(matches!(TableName::parse(text), Err(Wrong::Because(_))), "{text}");
        }
        assert_eq!(TableName::parse("日志").unwrap().to_string(), "日志");
    }

    #[test]
    fn every_difference_from_the_table_that_is_there_is_said() {
        let there = |name, kind, nullable| Column { name, kind, nullable, fills_itself: false };
        let same = [
            there("ID", "bigint(20)", false),
            there("ts", "datetime(3)", false),
            there("ok", "tinyint(1)", true),
            there("doc", "longtext", true),
            there("price", "decimal(10,2)", true),
        ];
        let mut said = table().differences(&same, &MYSQL, "ddl").unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said.remove(0).starts_with("column `id` is NOT NULL in the table"));

        let other = [
            there("id", "int(11)", true),
            there("ts", "datetime", true),
            there("ok", "tinyint(1)", true),
            there("doc", "json", true),
            there("price", "varchar(40)", true),
            there("extra", "int(11)", false),
        ];
        assert_eq!(
            table().differences(&other, &MYSQL, "ddl").unwrap(),
            [
                "column `id` is int(11) in the table and bigint in the configuration",
                "column `ts` is datetime in the table and datetime(3) in the configuration",
                "column `price` is varchar(40) in the table and decimal(10,2) in the configuration",
                "column `extra` is NOT NULL, has no default and is not written: rows will be refused",
            ]
        );
        let refused = table().differences(&other[..3], &MYSQL, "ddl").unwrap_err();
        assert_eq!(refused.what, "table `weblog.access_log` has no column `doc`, `price`");
    }
}
