//! Rows into a table, a thousand to a statement.
//!
//! A statement of a constant number of rows is prepared once for a connection's life, and faster than any other way in that
//! was measured, `LOAD DATA LOCAL` included. What is left over goes in one odd statement that is not kept.

use crate::config::keys::choice;
use crate::database::cell::{Cell, Kind};
use crate::database::dialect::Dialect;
use crate::database::error::StoreError;
use crate::database::statement::Statement;
use crate::database::store::{Limits, Session};
use crate::database::table::Table;
use std::ops::Range;

choice! {
    /// What becomes of a row whose key is there already.
    pub enum Mode {
        /// It is set aside as a dead letter.
        Insert = "insert",
        /// The row that is there stays; this one is counted and left out.
        InsertIgnore = "insert-ignore",
    }
}

/// Rows of a full statement. Measured: 1000 beats 100 and 5000.
const ROWS: usize = 1000;

/// The statement for one table, for any number of rows.
#[derive(Debug)]
pub struct Insert {
    head: String,
    row: String,
    tail: String,
    kinds: Vec<Kind>,
    /// Rows of a full statement, and its text.
    full_rows: usize,
    full: String,
}

impl Insert {
    /// The statement for `table`.
    #[must_use]
    pub fn new(table: &Table, mode: Mode, dialect: &Dialect) -> Self {
        let columns: Vec<_> = table.columns.iter().map(|c| dialect.quoted(&c.name)).collect();
        let head = format!("INSERT INTO {} ({}) VALUES ", table.quoted(dialect), columns.join(","));
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let tail = match mode {
            Mode::Insert => String::new(),
            Mode::InsertIgnore => {
                let key = columns.first().map_or("", String::as_str);
                format!(" {}", dialect.leave_duplicates.replace("{key}", key))
            }
        };
        let kinds: Vec<_> = table.columns.iter().map(|column| column.kind.kind()).collect();
        let full_rows = (dialect.placeholders / kinds.len().max(1)).clamp(1, ROWS);
        let mut insert = Self { head, row, tail, kinds, full_rows, full: String::new() };
        insert.full = insert.text(full_rows);
        insert
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.kinds.len()
    }

    fn text(&self, rows: usize) -> String {
        let mut text =
            String::with_capacity(self.head.len() + rows * (self.row.len() + 1) + self.tail.len());
        text.push_str(&self.head);
        for index in 0..rows {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&self.row);
        }
        text.push_str(&self.tail);
        text
    }

    /// Writes rows that lie one after the other in `cells`.
    pub fn run(
        &self,
        session: &mut dyn Session,
        cells: &[Cell<'_>],
        limits: Limits,
    ) -> Result<(), StoreError> {
        let width = self.width();
        for rows in self.statements(cells, limits) {
            let part = cells.get(rows.start * width..rows.end * width).unwrap_or_default();
            let is_full = rows.len() == self.full_rows;
            if is_full {
                session.execute(&Statement::rows(&self.full, &self.kinds, part, true))?;
            } else {
                let text = self.text(rows.len());
                session.execute(&Statement::rows(&text, &self.kinds, part, false))?;
            }
        }
        Ok(())
    }

    /// Which rows go into which statement: as many as may, in rows and in bytes, and one at least.
    fn statements(&self, cells: &[Cell<'_>], limits: Limits) -> Vec<Range<usize>> {
        let mut statements = Vec::new();
        let (mut first, mut bytes) = (0, self.head.len());
        let rows = cells.chunks(self.width().max(1)).map(|row| self.row_bytes(row));
        let mut count = 0;
        for (index, row) in rows.enumerate() {
            let is_full = index - first == self.full_rows;
            if index > first && (is_full || bytes + row > limits.statement_bytes) {
                statements.push(first..index);
                (first, bytes) = (index, self.head.len());
            }
            bytes += row;
            count = index + 1;
        }
        if count > first {
            statements.push(first..count);
        }
        statements
    }

    /// What a row takes in a statement, in bytes, at most.
    #[must_use]
    pub fn row_bytes(&self, row: &[Cell<'_>]) -> usize {
        // Two bytes of type and a bit of null for each value.
        row.iter().map(|cell| cell.size() + 3).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Insert, Mode};
    use crate::config::value::Value;
    use crate::database::cell::Cell;
    use crate::database::column::ColumnType;
    use crate::database::mysql::MYSQL;
    use crate::database::sqlite::SQLITE;
    use crate::database::store::Limits;
    use crate::database::table::{Table, TableColumn, TableName};

    fn table(columns: usize) -> Table {
        let column = |n| TableColumn {
            name: format!("c{n}"),
            kind: ColumnType::parse("text").unwrap(),
            nullable: true,
        };
        Table {
            name: TableName::parse("t").unwrap(),
            columns: (0..columns).map(column).collect(),
            primary_key: Vec::new(),
        }
    }

    #[test]
    fn a_statement_stays_under_the_placeholders_of_the_backend() {
        let of = |columns| Insert::new(&table(columns), Mode::Insert, &MYSQL).full_rows;
        assert_eq!((of(10), of(65), of(66), of(1000), of(65_535)), (1000, 1000, 992, 65, 1));
        assert_eq!(Insert::new(&table(100), Mode::Insert, &SQLITE).full_rows, 327);
    }

    #[test]
    fn duplicates_are_left_alone_without_losing_the_checks_of_values() {
        let of = |dialect| Insert::new(&table(2), Mode::InsertIgnore, dialect).text(2);
        assert_eq!(
            of(&MYSQL),
            "INSERT INTO `t` (`c0`,`c1`) VALUES (?,?),(?,?) ON DUPLICATE KEY UPDATE `c0`=`c0`"
        );
        assert_eq!(
            of(&SQLITE),
            "INSERT INTO \"t\" (\"c0\",\"c1\") VALUES (?,?),(?,?) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn rows_are_cut_into_statements_by_number_and_by_bytes() {
        let insert = Insert::new(&table(1), Mode::Insert, &MYSQL);
        let limits = Limits { row_bytes: 1 << 20, statement_bytes: 1000, setting: "" };
        let cells = |sizes: &[usize]| -> Vec<Cell<'static>> {
            sizes.iter().map(|size| Cell::Text("x".repeat(*size).into())).collect()
        };
        let cut = |sizes: &[usize]| insert.statements(&cells(sizes), limits);
        assert!(cut(&[]).is_empty());
        assert_eq!(cut(&[400, 400, 400]), [0..2, 2..3]);
        assert_eq!(cut(&[10, 5000, 10]), [0..1, 1..2, 2..3], "one that is larger goes alone");
        let wide = Limits { statement_bytes: 1 << 20, ..limits };
        assert_eq!(
            insert.statements(&cells(&vec![1; 2500]), wide),
            [0..1000, 1000..2000, 2000..2500]
        );
    }
}
