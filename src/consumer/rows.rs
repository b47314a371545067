//! A record as a row: each column's value is found, checked and, where it does not fit, dealt with as the column says.

use crate::config::keys::choice;
use crate::consumer::decode::Format;
use crate::consumer::record::Record;
use crate::database::Cell;
use crate::database::column::{ColumnType, Given, TimeFormat, Zone};
use std::borrow::Cow;

choice! {
    /// What becomes of a value that does not fit its column.
    pub enum OnError {
        /// The record is set aside as a dead letter.
        DeadLetter = "deadletter",
        /// The column is NULL.
        Null = "null",
        /// The column has its default.
        Default = "default",
    }
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A field that the format finds.
    Field(usize),
    /// The record's value as a whole.
    Body,
    /// The record's key.
    Key,
    /// The topic's name.
    Topic,
    /// The partition.
    Partition,
    /// The offset.
    Offset,
    /// The record's time in Kafka.
    Timestamp,
    /// A header of the record.
    Header(String),
    /// The same for every row.
    Constant(String),
}

/// A column and how it is filled.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name, for reasons.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Where its value comes from.
    pub origin: Origin,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// What it holds where the record has nothing.
    pub default: Option<Cell<'static>>,
    /// What becomes of a value that does not fit.
    pub on_error: OnError,
    /// How a time is written.
    pub time: TimeFormat,
}

/// How records become rows.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<Column>,
    format: Box<dyn Format>,
    fields: usize,
    zone: Zone,
}

/// The place of a record that it does not know itself.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
}

impl Rows {
    /// Rows of `columns`; `format` finds `fields` fields.
    #[must_use]
    pub fn new(columns: Vec<Column>, format: Box<dyn Format>, fields: usize, zone: Zone) -> Self {
        Self { columns, format, fields, zone }
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Adds the record's row to `cells`; an error is the reason for its dead letter, and adds nothing.
    pub fn add<'a>(
        &'a self,
        record: &Record<'a>,
        place: Place<'a>,
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<(), String> {
        let mut fields = vec![Given::Missing; self.fields];
        if self.fields > 0 {
            let body = record.body.ok_or("the record has no value (it is a tombstone)")?;
            self.format.decode(body, &mut fields).map_err(|why| format!("the body {why}"))?;
        }
        let before = cells.len();
        for column in &self.columns {
            let given = column.given(record, place, &mut fields);
            match column.cell(given, &self.zone) {
                Ok(cell) => cells.push(cell),
                Err(why) => {
                    cells.truncate(before);
                    return Err(why);
                }
            }
        }
        Ok(())
    }
}

impl Column {
    fn given<'a>(
        &'a self,
        record: &Record<'a>,
        place: Place<'a>,
        fields: &mut [Given<'a>],
    ) -> Given<'a> {
        let bytes = |bytes: Option<&'a [u8]>| bytes.map_or(Given::Missing, Given::Bytes);
        match &self.origin {
            // Each field is one column's: it can be taken.
            Origin::Field(index) => fields
                .get_mut(*index)
                .map_or(Given::Missing, |f| std::mem::replace(f, Given::Missing)),
            Origin::Body => bytes(record.body),
            Origin::Key => bytes(record.key),
            Origin::Topic => Given::Text(Cow::Borrowed(place.topic)),
            Origin::Partition => Given::Whole(i64::from(place.partition)),
            Origin::Offset => Given::Whole(i64::try_from(record.offset).unwrap_or(i64::MAX)),
            Origin::Timestamp if record.time_ms < 0 => Given::Missing,
            Origin::Timestamp => Given::Millis(record.time_ms),
            Origin::Header(name) => bytes(record.header(name)),
            Origin::Constant(text) => Given::Text(Cow::Borrowed(text)),
        }
    }

    fn cell<'a>(&'a self, given: Given<'a>, zone: &Zone) -> Result<Cell<'a>, String> {
        let is_missing = given == Given::Missing;
        let cell = match self.kind.fit(given, &self.time, zone) {
            Ok(cell) => cell,
            Err(why) => match (self.on_error, self.default_cell()) {
                (OnError::Null, _) => Cell::Null,
                (OnError::Default, Some(default)) => default,
                _ => return Err(format!("column `{}` {why}", self.name)),
            },
        };
        if cell != Cell::Null || (self.nullable && !is_missing) {
            return Ok(cell);
        }
        match self.default_cell() {
            Some(default) => Ok(default),
            None if self.nullable => Ok(Cell::Null),
            None => Err(format!(
                "column `{}` may not be NULL, and the record has nothing for it",
                self.name
            )),
        }
    }

    fn default_cell(&self) -> Option<Cell<'_>> {
        self.default.as_ref().map(|default| match default {
            Cell::Text(text) => Cell::Text(Cow::Borrowed(text)),
            Cell::Bytes(bytes) => Cell::Bytes(Cow::Borrowed(bytes)),
            Cell::Null => Cell::Null,
            Cell::Signed(number) => Cell::Signed(*number),
            Cell::Unsigned(number) => Cell::Unsigned(*number),
            Cell::Double(number) => Cell::Double(*number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::OnError::{DeadLetter, Default, Null};
    use super::{Column, Origin, Place, Rows};
    use crate::config::value::Value;
    use crate::consumer::decode::{Json, Pointer};
    use crate::consumer::record::Records;
    use crate::database::Cell;
    use crate::database::column::{ColumnType, TimeFormat, Zone};

    fn column(name: &str, kind: &str, origin: Origin) -> Column {
        Column {
            name: name.to_owned(),
            kind: ColumnType::parse(kind).unwrap(),
            origin,
            nullable: true,
            default: None,
            on_error: DeadLetter,
            time: TimeFormat::Usual,
        }
    }

    fn row(columns: Vec<Column>, body: Option<&str>) -> Result<Vec<Cell<'static>>, String> {
        let mut records = Records::default();
        let headers: [(&str, Option<&[u8]>); 1] = [("host", Some(b"web1"))];
        records.push(42, 0, Some(b"key"), body.map(str::as_bytes), headers.into_iter());
        let format = Json::new(&[Pointer::member("n"), Pointer::member("s")]);
        let rows = Rows::new(columns, Box::new(format), 2, Zone::parse("UTC").unwrap());
        let mut cells = Vec::new();
        let record = records.get(0).unwrap();
        rows.add(&record, Place { topic: "logs", partition: 3 }, &mut cells)?;
        Ok(cells.into_iter().map(Cell::into_owned).collect())
    }

    #[test]
    fn a_row_is_made_of_body_place_and_headers() {
        let columns = vec![
            column("n", "int", Origin::Field(0)),
            column("topic", "varchar(9)", Origin::Topic),
            column("part", "int", Origin::Partition),
            column("off", "bigint", Origin::Offset),
            column("at", "datetime", Origin::Timestamp),
            column("host", "varchar(9)", Origin::Header("host".to_owned())),
            column("none", "varchar(9)", Origin::Header("none".to_owned())),
            column("k", "varbinary(3)", Origin::Key),
            column("env", "varchar(9)", Origin::Constant("test".to_owned())),
            column("body", "text", Origin::Body),
        ];
        let body = r#"{"n":7}"#;
        assert_eq!(
            row(columns, Some(body)).unwrap(),
            [
                Cell::Signed(7),
                "logs".into(),
                3.into(),
                42_i64.into(),
                "1970-01-01 00:00:00".into(),
                "web1".into(),
                Cell::Null,
                Cell::Bytes(b"key".as_slice().into()),
                "test".into(),
                body.into(),
            ]
        );
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_dealt_with_as_the_column_says() {
        let with = |nullable, default: Option<i64>, on_error| Column {
            nullable,
            default: default.map(Cell::Signed),
            on_error,
            ..column("n", "int", Origin::Field(0))
        };
        let of = |column, body| row(vec![column], Some(body)).map(|mut row| row.remove(0));
        let (missing, null, misfit) = ("{}", r#"{"n":null}"#, r#"{"n":"x"}"#);
        let refused =
            Err("column `n` may not be NULL, and the record has nothing for it".to_owned());
        assert_eq!(of(with(true, None, DeadLetter), missing), Ok(Cell::Null));
        assert_eq!(of(with(true, Some(5), DeadLetter), missing), Ok(Cell::Signed(5)));
        assert_eq!(of(with(true, Some(5), DeadLetter), null), Ok(Cell::Null));
        assert_eq!(of(with(false, Some(5), DeadLetter), null), Ok(Cell::Signed(5)));
        assert_eq!(of(with(false, None, DeadLetter), missing), refused);
        assert_eq!(
            of(with(true, None, DeadLetter), misfit),
            Err("column `n` cannot hold `x` as int".to_owned())
        );
        assert_eq!(of(with(true, Some(5), Null), misfit), Ok(Cell::Null));
        assert_eq!(of(with(true, Some(5), Default), misfit), Ok(Cell::Signed(5)));
    }

    #[test]
    fn a_body_that_cannot_be_read_is_a_reason_and_leaves_no_half_row() {
        let n =
            || vec![column("off", "bigint", Origin::Offset), column("n", "int", Origin::Field(0))];
        assert_eq!(row(n(), None), Err("the record has no value (it is a tombstone)".to_owned()));
        assert!(row(n(), Some("{")).unwrap_err().starts_with("the body is not JSON: EOF"));
    }
}
