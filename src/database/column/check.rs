//! A value against its column: made to fit without loss, or refused with the reason.

use crate::database::cell::Cell;
use crate::database::column::number::Digits;
use crate::database::column::time::{Moment, TimeFormat, Zone, date_text, datetime_text};
use crate::database::column::{ColumnType, Length, Width};
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// A value as a record has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<'a> {
    /// The record has nothing there.
    Missing,
    /// The record says that there is nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A number of ours: an offset, a partition.
    Whole(i64),
    /// An instant of ours, in milliseconds since 1970.
    Millis(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// A JSON object or array, as written.
    Json(&'a str),
    /// Bytes that may or may not be text: a body, a key, a header.
    Bytes(&'a [u8]),
}

/// Why a value does not fit: completes "column `x` …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

type Fit<'a> = Result<Cell<'a>, Misfit>;

/// A value is quoted in a reason up to so many characters.
const QUOTED: usize = 60;

impl ColumnType {
    /// The value as the column stores it. `Missing` and `Null` are both NULL: who may be NULL is the table's business.
    pub fn fit<'a>(&self, given: Given<'a>, format: &TimeFormat, zone: &Zone) -> Fit<'a> {
        if matches!(given, Given::Missing | Given::Null) {
            return Ok(Cell::Null);
        }
        match *self {
            Self::Boolean => boolean(&given),
            Self::Integer { width, unsigned } => integer(&given, width, unsigned, *self),
            Self::Float | Self::Double => double(&given, *self),
            Self::Decimal { precision, scale } => decimal(&given, precision, scale, *self),
            Self::Char(most) | Self::Varchar(most) => characters(text(given)?, most),
            Self::Text(length) => long_text(text(given)?, length),
            Self::Binary(most) | Self::Varbinary(most) => bytes(given, u64::from(most)),
            Self::Blob(length) => bytes(given, length.bytes()),
            Self::Date => {
                let shown = moment(&given, format, *self)?.in_zone(&zone.0);
                in_years(shown.year()).map(|()| Cell::Text(date_text(shown.date()).into()))
            }
            Self::DateTime(digits) => {
                let shown = moment(&given, format, *self)?.in_zone(&zone.0);
                in_years(shown.year()).map(|()| Cell::Text(datetime_text(shown, digits).into()))
            }
            Self::Timestamp(digits) => timestamp(moment(&given, format, *self)?, digits, zone),
            Self::Json => json(given),
        }
    }
}

fn misfit<T>(why: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit(why.into()))
}

/// The value in a reason: short, and on one line.
fn quote(given: &Given<'_>) -> String {
    let shorten = |text: &str| {
        let short: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
        if text.chars().nth(QUOTED).is_some() {
            format!("`{short}…`")
        } else {
            format!("`{short}`")
        }
    };
    match given {
        Given::Missing | Given::Null => "nothing".to_owned(),
        Given::Bool(truth) => format!("`{truth}`"),
        Given::Number(text) => shorten(text),
        Given::Whole(number) | Given::Millis(number) => format!("`{number}`"),
        Given::Text(text) => shorten(text),
        Given::Json(text) => format!("a JSON value of {} bytes", text.len()),
        Given::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_or_else(|_| format!("{} bytes", bytes.len()), shorten)
        }
    }
}

fn cannot_be<T>(kind: ColumnType, given: &Given<'_>) -> Result<T, Misfit> {
    misfit(format!("cannot hold {} as {kind}", quote(given)))
}

/// What is to be read as a number, and whether it was one.
fn number_text<'g>(given: &'g Given<'_>) -> Option<(Cow<'g, str>, bool)> {
    match given {
        Given::Number(text) => Some((Cow::Borrowed(text), true)),
        Given::Whole(number) | Given::Millis(number) => Some((number.to_string().into(), true)),
        Given::Text(text) => Some((Cow::Borrowed(text.trim()), false)),
        Given::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok().map(|text| (Cow::Borrowed(text.trim()), false))
        }
        Given::Missing | Given::Null | Given::Bool(_) | Given::Json(_) => None,
    }
}

fn digits(given: &Given<'_>) -> Option<Digits> {
    match given {
        Given::Bool(truth) => Digits::parse(if *truth { "1" } else { "0" }),
        _ => number_text(given).and_then(|(text, _)| Digits::parse(&text)),
    }
}

fn boolean<'a>(given: &Given<'a>) -> Fit<'a> {
    let truth = match given {
        Given::Bool(truth) => Some(*truth),
        _ => number_text(given).and_then(|(text, _)| match text.as_ref() {
            "1" => Some(true),
            "0" => Some(false),
            word if word.eq_ignore_ascii_case("true") => Some(true),
            word if word.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }),
    };
    match truth {
        Some(truth) => Ok(Cell::Signed(i64::from(truth))),
        None => cannot_be(ColumnType::Boolean, given),
    }
}

fn integer<'a>(given: &Given<'a>, width: Width, unsigned: bool, kind: ColumnType) -> Fit<'a> {
    // Most numbers by far are plain and small.
    let plain = number_text(given).and_then(|(text, _)| text.parse::<i64>().ok()).map(i128::from);
    let Some(number) = plain.or_else(|| digits(given)?.whole()) else {
        return cannot_be(kind, given);
    };
    let bits = width.bits();
    let (least, most) = if unsigned {
        (0, (1_i128 << bits) - 1)
    } else {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    };
    if number < least || number > most {
        return misfit(format!("cannot hold {number}: {kind} goes from {least} to {most}"));
    }
    let cell = if unsigned && width == Width::Big {
        u64::try_from(number).map(Cell::Unsigned)
    } else {
        i64::try_from(number).map(Cell::Signed)
    };
    cell.or_else(|_| cannot_be(kind, given))
}

fn double<'a>(given: &Given<'a>, kind: ColumnType) -> Fit<'a> {
    // Only what is written as a number: Rust's own reading takes `inf` and `nan` too.
    let written = number_text(given).filter(|(text, _)| Digits::parse(text).is_some());
    let number = written.and_then(|(text, _)| text.parse::<f64>().ok());
    let most = if kind == ColumnType::Float { f64::from(f32::MAX) } else { f64::MAX };
    match number {
        Some(number) if number.abs() <= most => Ok(Cell::Double(number)),
        _ => cannot_be(kind, given),
    }
}

fn decimal<'a>(given: &Given<'a>, precision: u8, scale: u8, kind: ColumnType) -> Fit<'a> {
    let Some(digits) = digits(given) else { return cannot_be(kind, given) };
    if digits.fraction_digits() > usize::from(scale) {
        // MySQL would round: not with what may be somebody's money.
        return misfit(format!(
            "cannot hold {} without rounding: {kind} keeps {scale} digits after the point",
            quote(given)
        ));
    }
    if digits.whole_digits() > usize::from(precision - scale) {
        return cannot_be(kind, given);
    }
    Ok(Cell::Text(digits.text().into()))
}

/// The value as text.
fn text(given: Given<'_>) -> Result<Cow<'_, str>, Misfit> {
    Ok(match given {
        Given::Missing | Given::Null => Cow::Borrowed(""),
        Given::Text(text) => text,
        Given::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        Given::Number(text) | Given::Json(text) => Cow::Borrowed(text),
        Given::Whole(number) | Given::Millis(number) => Cow::Owned(number.to_string()),
        Given::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(at) => {
                return misfit(format!(
                    "cannot hold bytes that are not UTF-8 (at byte {}): a `blob` can",
                    at.valid_up_to()
                ));
            }
        },
    })
}

fn characters(text: Cow<'_, str>, most: u32) -> Fit<'_> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // A text of so many bytes cannot have more characters: nothing to count in most cases.
    if text.len() > most {
        let count = text.chars().count();
        if count > most {
            return misfit(format!("holds {most} characters and the value has {count}"));
        }
    }
    Ok(Cell::Text(text))
}

fn within(length: usize, most: u64) -> Result<(), Misfit> {
    if u64::try_from(length).is_ok_and(|length| length <= most) {
        return Ok(());
    }
    misfit(format!("holds {most} bytes and the value has {length}"))
}

fn long_text(text: Cow<'_, str>, length: Length) -> Fit<'_> {
    within(text.len(), length.bytes()).map(|()| Cell::Text(text))
}

fn bytes(given: Given<'_>, most: u64) -> Fit<'_> {
    let bytes = match given {
        Given::Bytes(bytes) => Cow::Borrowed(bytes),
        other => match text(other)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    };
    within(bytes.len(), most).map(|()| Cell::Bytes(bytes))
}

fn moment(given: &Given<'_>, format: &TimeFormat, kind: ColumnType) -> Result<Moment, Misfit> {
    let moment = match given {
        Given::Millis(millis) => Moment::from_millis(*millis),
        _ => {
            number_text(given).and_then(|(text, is_number)| Moment::parse(&text, is_number, format))
        }
    };
    moment.map_or_else(|| cannot_be(kind, given), Ok)
}

/// MySQL's calendar.
fn in_years(year: i16) -> Result<(), Misfit> {
    if (1000..=9999).contains(&year) {
        return Ok(());
    }
    misfit(format!("cannot hold the year {year}: MySQL's calendar goes from 1000 to 9999"))
}

/// MySQL keeps an instant, and the session's clock is UTC's: a text without an offset is taken by the consumer's zone.
fn timestamp<'a>(moment: Moment, digits: u8, zone: &Zone) -> Fit<'a> {
    let instant = match moment {
        Moment::Instant(instant) => Some(instant),
        Moment::Wall(shown) => zone.0.to_timestamp(shown).ok(),
    };
    match instant {
        Some(instant) if (1..=2_147_483_647).contains(&instant.as_second()) => {
            let shown = TimeZone::UTC.to_datetime(instant);
            Ok(Cell::Text(datetime_text(shown, digits).into()))
        }
        _ => misfit("cannot hold a time outside 1970-01-01 to 2038-01-19: a `datetime` can"),
    }
}

fn json(given: Given<'_>) -> Fit<'_> {
    Ok(Cell::Text(match given {
        Given::Text(text) => match serde_json::to_string(&text) {
            Ok(json) => json.into(),
            Err(why) => return misfit(format!("cannot be written as JSON: {why}")),
        },
        Given::Bytes(body) => {
            let document = text(Given::Bytes(body))?;
            if let Err(why) = serde_json::from_str::<serde::de::IgnoredAny>(&document) {
                return misfit(format!("cannot hold what is not JSON: {why}"));
            }
            document
        }
        other => text(other)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::Given;
    use crate::config::value::Value;
    use crate::database::cell::Cell;
    use crate::database::column::{ColumnType, TimeFormat, Zone};

    fn fit(kind: &str, given: Given<'static>) -> Result<Cell<'static>, String> {
        let kind = ColumnType::parse(kind).unwrap();
        let zone = Zone::parse("Asia/Shanghai").unwrap();
        kind.fit(given, &TimeFormat::Usual, &zone).map(Cell::into_owned).map_err(|why| why.0)
    }

    fn text(text: &'static str) -> Given<'static> {
        Given::Text(text.into())
    }

    #[test]
    fn what_fits_is_stored_as_it_is() {
        let stored = |text: &'static str| Ok(Cell::from(text));
        for (kind, given, expected) in [
            ("bigint", Given::Number("-9223372036854775808"), Ok(Cell::Signed(i64::MIN))),
            ("bigint unsigned", text(" 18446744073709551615 "), Ok(Cell::Unsigned(u64::MAX))),
            ("int", Given::Number("1e3"), Ok(Cell::Signed(1000))),
            ("int", Given::Number("12.0"), Ok(Cell::Signed(12))),
            ("tinyint", Given::Bool(true), Ok(Cell::Signed(1))),
            ("boolean", text("FALSE"), Ok(Cell::Signed(0))),
            ("double", Given::Number("0.1"), Ok(Cell::Double(0.1))),
            ("decimal(10,2)", Given::Number("12.50"), stored("12.5")),
            ("varchar(3)", text("图图图"), stored("图图图")),
            ("varchar(30)", Given::Number("1.50"), stored("1.50")),
            ("text", Given::Json(r#"{"a":1}"#), stored(r#"{"a":1}"#)),
            ("json", text("a\"b"), stored(r#""a\"b""#)),
            ("json", Given::Bytes(b"[1]"), stored("[1]")),
            ("longblob", Given::Bytes(b"\xff\x00"), Ok(Cell::Bytes(b"\xff\x00".as_slice().into()))),
            ("date", text("2026-11-24T23:00:00Z"), stored("2026-11-25")),
            ("datetime(3)", Given::Millis(0), stored("1970-01-01 08:00:00.000")),
            ("timestamp", text("2026-11-24 08:00:00"), stored("2026-11-24 00:00:00")),
            ("int", Given::Missing, Ok(Cell::Null)),
            ("json", Given::Null, Ok(Cell::Null)),
        ] {
            assert_eq!(fit(kind, given.clone()), expected, "{kind} {given:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason_and_never_cut() {
        for (kind, given, why) in [
            ("tinyint", Given::Number("128"), "cannot hold 128: tinyint goes from -128 to 127"),
            (
                "int unsigned",
                Given::Whole(-1),
                "cannot hold -1: int unsigned goes from 0 to 4294967295",
            ),
            ("int", Given::Number("12.5"), "cannot hold `12.5` as int"),
            ("int", text("12abc"), "cannot hold `12abc` as int"),
            ("int", text(""), "cannot hold `` as int"),
            ("boolean", text("yes"), "cannot hold `yes` as boolean"),
            ("double", text("NaN"), "cannot hold `NaN` as double"),
            ("double", Given::Number("1e309"), "cannot hold `1e309` as double"),
            ("float", Given::Number("1e39"), "cannot hold `1e39` as float"),
            ("decimal(4,2)", Given::Number("123"), "cannot hold `123` as decimal(4,2)"),
            (
                "decimal(4,2)",
                Given::Number("1.234"),
                "cannot hold `1.234` without rounding: decimal(4,2) keeps 2 digits after the point",
            ),
            ("varchar(2)", text("图图图"), "holds 2 characters and the value has 3"),
            ("varbinary(2)", text("图"), "holds 2 bytes and the value has 3"),
            (
                "varchar(9)",
                Given::Bytes(b"ab\xff"),
                "cannot hold bytes that are not UTF-8 (at byte 2): a `blob` can",
            ),
            ("datetime", text("soon\nish"), "cannot hold `soon\\nish` as datetime"),
            (
                "date",
                text("0999-01-01"),
                "cannot hold the year 999: MySQL's calendar goes from 1000 to 9999",
            ),
            (
                "timestamp",
                text("2040-01-01"),
                "cannot hold a time outside 1970-01-01 to 2038-01-19: a `datetime` can",
            ),
            ("int", Given::Json("{}"), "cannot hold a JSON value of 2 bytes as int"),
        ] {
            assert_eq!(fit(kind, given.clone()), Err(why.to_owned()), "{kind} {given:?}");
        }
        let long: &'static str = Box::leak("x".repeat(300).into_boxed_str());
        assert_eq!(
            fit("tinytext", text(long)).unwrap_err(),
            "holds 255 bytes and the value has 300"
        );
        assert!(fit("int", text(long)).unwrap_err().ends_with("x…` as int"));
    }
}
