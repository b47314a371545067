//! Dates and times on their way into a column.
//!
//! A text with an offset is an instant, and is stored as the clocks of the consumer's `time-zone` showed it; a text without
//! one is stored as it stands. A number is an instant too. Digits of a second beyond the column's are cut off, not rounded:
//! rounding would move a record into the next day.

use crate::config::value::{Value, Wrong};
use crate::database::column::time_pattern::TimePattern;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};

/// How a column's text or number is to be read as a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601 (`2026-11-24T15:28:56.789+08:00`, with a blank for the `T`, without offset, date alone) or as Tomcat and
    /// Apache log it (`24/Nov/2026:15:28:56 +0800`); a number is milliseconds since 1970.
    #[default]
    Usual,
    /// Seconds since 1970, with or without a fraction.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// By Java's date pattern.
    Pattern(TimePattern),
}

impl Value for TimeFormat {
    const EXPECTED: &'static str =
        "`epoch-millis`, `epoch-seconds` or a Java date pattern such as `dd/MM/yyyy HH:mm:ss`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "epoch-millis" => Ok(Self::EpochMillis),
            "epoch-seconds" => Ok(Self::EpochSeconds),
            _ => TimePattern::new(text).map(Self::Pattern).map_err(Wrong::Because),
        }
    }
}

/// The zone whose clocks a `datetime` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub(super) TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Value for Zone {
    const EXPECTED: &'static str = "a time zone, such as `UTC`, `Asia/Shanghai` or `+08:00`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let fixed = || {
            let pieces = format!("1970-01-01T00:00:00{text}");
            let offset = Pieces::parse(&pieces).ok()?.to_numeric_offset()?;
            Some(TimeZone::fixed(offset))
        };
        let zone = if text.starts_with(['+', '-']) { fixed() } else { TimeZone::get(text).ok() };
        zone.map(Self).ok_or(Wrong::Expected)
    }
}

/// A time as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The same everywhere.
    Instant(Timestamp),
    /// What a clock on the wall showed, nobody knows where.
    Wall(DateTime),
}

impl Moment {
    pub(super) fn from_millis(millis: i64) -> Option<Self> {
        Timestamp::from_millisecond(millis).ok().map(Self::Instant)
    }

    fn from_seconds(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = fraction.get(..9).unwrap_or(fraction);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let nanos: i32 = format!("{digits:0<9}").parse().ok()?;
        let seconds: i64 = whole.parse().ok()?;
        let nanos = if whole.starts_with('-') { -nanos } else { nanos };
        Timestamp::new(seconds, nanos).ok().map(Self::Instant)
    }

    /// Reads a text or a number's text.
    pub(super) fn parse(text: &str, is_number: bool, format: &TimeFormat) -> Option<Self> {
        match format {
            TimeFormat::EpochSeconds => Self::from_seconds(text),
            TimeFormat::EpochMillis => Self::from_millis(text.parse().ok()?),
            TimeFormat::Usual if is_number => Self::from_millis(text.parse().ok()?),
            TimeFormat::Usual => iso(text).or_else(|| common_log(text)),
            TimeFormat::Pattern(pattern) => {
                let parts = pattern.parse(text)?;
                let date = parts.to_date().ok()?;
                let time = parts.to_time().unwrap_or(Time::midnight());
                Some(at(date.to_datetime(time), parts.offset()))
            }
        }
    }

    /// What the column's clock shows.
    pub(super) fn in_zone(self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Instant(instant) => zone.to_datetime(instant),
            Self::Wall(shown) => shown,
        }
    }
}

fn at(shown: DateTime, offset: Option<Offset>) -> Moment {
    match offset.map(|offset| offset.to_timestamp(shown)) {
        Some(Ok(instant)) => Moment::Instant(instant),
        _ => Moment::Wall(shown),
    }
}

fn iso(text: &str) -> Option<Moment> {
    let pieces = Pieces::parse(text).ok()?;
    let shown = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    Some(at(shown, pieces.to_numeric_offset()))
}

/// `24/Nov/2026:15:28:56 +0800`: the form of access logs, read by hand because there is one in every line.
fn common_log(text: &str) -> Option<Moment> {
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let bytes = text.as_bytes();
    let [
        _,
        _,
        b'/',
        m1,
        m2,
        m3,
        b'/',
        _,
        _,
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
        b' ',
        sign,
        _,
        _,
        _,
        _,
    ] = bytes
    else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name.as_bytes() == [*m1, *m2, *m3])?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let small = |from: usize, to: usize| i8::try_from(number(from, to)?).ok();
    let year = i16::try_from(number(7, 11)?).ok()?;
    let date = Date::new(year, i8::try_from(month + 1).ok()?, small(0, 2)?).ok()?;
    let time = Time::new(small(12, 14)?, small(15, 17)?, small(18, 20)?, 0).ok()?;
    let seconds = i32::from(number(22, 24)?) * 3600 + i32::from(number(24, 26)?) * 60;
    let offset = Offset::from_seconds(match sign {
        b'+' => seconds,
        b'-' => -seconds,
        _ => return None,
    });
    Some(at(date.to_datetime(time), Some(offset.ok()?)))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-11-24`.
pub(super) fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// `2026-11-24 15:28:56.789`, with `digits` digits of a second.
pub(super) fn datetime_text(shown: DateTime, digits: u8) -> String {
    let mut text = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        shown.year(),
        shown.month(),
        shown.day(),
        shown.hour(),
        shown.minute(),
        shown.second()
    );
    if digits > 0 {
        let fraction = format!("{:09}", shown.subsec_nanosecond());
        text.push('.');
        text.extend(fraction.chars().take(usize::from(digits)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Moment, TimeFormat, Zone, datetime_text};
    use crate::config::value::Value;

    fn shown(text: &str, is_number: bool, format: &str, zone: &str) -> Option<String> {
        let format =
            if format.is_empty() { TimeFormat::Usual } else { TimeFormat::parse(format).unwrap() };
        let moment = Moment::parse(text, is_number, &format)?;
        Some(datetime_text(moment.in_zone(&Zone::parse(zone).unwrap().0), 3))
    }

    #[test]
    fn an_instant_is_shown_by_the_clocks_of_the_zone_and_a_wall_clock_as_it_stands() {
        for (text, is_number, format, zone, expected) in [
            ("2026-11-24T15:28:56.7899+08:00", false, "", "UTC", "2026-11-24 07:28:56.789"),
            ("2026-11-24 15:28:56Z", false, "", "Asia/Shanghai", "2026-11-24 23:28:56.000"),
            ("2026-11-24 15:28:56", false, "", "Asia/Shanghai", "2026-11-24 15:28:56.000"),
            ("2026-11-24", false, "", "UTC", "2026-11-24 00:00:00.000"),
            ("24/Nov/2026:15:28:56 +0800", false, "", "UTC", "2026-11-24 07:28:56.000"),
            ("[24/Nov/2026:15:28:56 -0130]", false, "", "+01:00", "2026-11-24 17:58:56.000"),
            ("1795620536789", true, "", "UTC", "2026-11-25 15:28:56.789"),
            ("1795620536.7", true, "epoch-seconds", "UTC", "2026-11-25 15:28:56.700"),
            ("1795620536", false, "epoch-millis", "UTC", "1970-01-21 18:47:00.536"),
            ("24.11.2026 08:01", false, "dd.MM.yyyy HH:mm", "UTC", "2026-11-24 08:01:00.000"),
            (
                "20261124 080102.5 +0100",
                false,
                "yyyyMMdd HHmmss.SSS Z",
                "UTC",
                "2026-11-24 07:01:02.500",
            ),
        ] {
            assert_eq!(shown(text, is_number, format, zone).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "yesterday",
            "24/Foo/2026:15:28:56 +0800",
            "2026-13-01",
            "31/Feb/2026:15:28:56 +0800",
        ] {
            assert_eq!(shown(text, false, "", "UTC"), None, "{text}");
        }
        assert_eq!(shown("1.5", true, "", "UTC"), None);
        assert!(Zone::parse("Middle/Earth").is_err() && Zone::parse("+8x").is_err());
    }
}
