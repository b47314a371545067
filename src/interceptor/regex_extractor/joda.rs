//! A time's pattern as Joda-Time's `DateTimeFormat` has it, and times read by it: what the extractor's millis serializer
//! needs. English names; the machine's time zone where the text names none. Letters that count weeks, centuries or eras are
//! refused.

use crate::config::value::{Value, Wrong};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use std::fmt;

/// The year of a text that names a month or a day and no year: Joda's.
const YEAR_LEFT_OUT: i16 = 2000;
/// Digits of a year, at most, where nothing numeric follows it.
const YEAR_DIGITS_MAX: usize = 9;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Short names of zones that Joda-Time knows when it reads.
const ZONES: [(&str, &str); 12] = [
    ("UTC", "UTC"),
    ("GMT", "UTC"),
    ("UT", "UTC"),
    ("EST", "America/New_York"),
    ("EDT", "America/New_York"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("MST", "America/Denver"),
    ("MDT", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("Z", "UTC"),
];

/// A time's pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimePattern {
    written: String,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Literal(String),
    /// A number of at most so many digits.
    Number(Unit, usize),
    /// The last two digits of a year.
    ShortYear,
    /// A fraction of a second, of at most so many digits.
    Fraction(usize),
    MonthName,
    WeekdayName,
    HalfDay,
    ZoneOffset,
    ZoneName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    DayOfYear,
    Hour,
    /// 1 to 24.
    ClockHour,
    /// 0 to 11, with AM and PM.
    HalfHour,
    /// 1 to 12, with AM and PM.
    HalfClockHour,
    Minute,
    Second,
}

/// What a text has said of its time so far.
#[derive(Default)]
struct Parts {
    pivot: i64,
    numbers: [Option<i64>; 10],
    nanosecond: i32,
    afternoon: bool,
    zone: Option<TimeZone>,
}

impl Unit {
    fn index(self) -> usize {
        match self {
            Self::Year => 0,
            Self::Month => 1,
            Self::Day => 2,
            Self::DayOfYear => 3,
            Self::Hour => 4,
            Self::ClockHour => 5,
            Self::HalfHour => 6,
            Self::HalfClockHour => 7,
            Self::Minute => 8,
            Self::Second => 9,
        }
    }
}

impl TimePattern {
    /// Milliseconds since 1970 of the time that `text` is; `None` if it is none. Two digits of a year are the year nearest to
    /// that of `now_ms` less thirty.
    pub(super) fn millis(&self, text: &str, now_ms: i64) -> Option<i64> {
        let now = Timestamp::from_millisecond(now_ms).ok()?;
        let year = Offset::UTC.to_datetime(now).year();
        let mut parts = Parts { pivot: i64::from(year) - 30, ..Parts::default() };
        let mut rest = text;
        for field in &self.fields {
            rest = field.read(rest, &mut parts)?;
        }
        rest.is_empty().then(|| parts.millis())?
    }
}

impl Field {
    /// What is left of `text` behind this field.
    fn read<'t>(&self, text: &'t str, parts: &mut Parts) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => strip_prefix_any_case(text, literal),
            Self::Number(unit, digits) => {
                let (number, rest) = number(text, *digits)?;
                parts.numbers[unit.index()] = Some(number);
                Some(rest)
            }
            Self::ShortYear => {
                let (number, rest) =
                    number(text, 2).filter(|(_, rest)| text.len() - rest.len() == 2)?;
                parts.numbers[Unit::Year.index()] = Some(near_year(number, parts.pivot));
                Some(rest)
            }
            Self::Fraction(digits) => {
                let (number, rest) = number(text, *digits)?;
                let read = text.len() - rest.len();
                let scale = u32::try_from(9_usize.checked_sub(read)?).ok()?;
                parts.nanosecond = i32::try_from(number * 10_i64.pow(scale)).ok()?;
                Some(rest)
            }
            Self::MonthName => {
                let (index, rest) = name(text, &MONTHS)?;
                parts.numbers[Unit::Month.index()] = i64::try_from(index + 1).ok();
                Some(rest)
            }
            Self::WeekdayName => name(text, &WEEKDAYS).map(|(_, rest)| rest),
            Self::HalfDay => {
                let afternoon = strip_prefix_any_case(text, "PM");
                parts.afternoon = afternoon.is_some();
                afternoon.or_else(|| strip_prefix_any_case(text, "AM"))
            }
            Self::ZoneOffset => {
                let (offset, rest) = offset(text)?;
                parts.zone = Some(TimeZone::fixed(offset));
                Some(rest)
            }
            Self::ZoneName => {
                let end = text.find(|c: char| !(c.is_alphanumeric() || "_/+-".contains(c)));
                let (zone, rest) = text.split_at(end.unwrap_or(text.len()));
                let known = ZONES.iter().find(|(short, _)| *short == zone);
                parts.zone = Some(TimeZone::get(known.map_or(zone, |(_, id)| id)).ok()?);
                Some(rest)
            }
        }
    }
}

impl Parts {
    fn get(&self, unit: Unit) -> Option<i64> {
        self.numbers[unit.index()]
    }

    fn millis(self) -> Option<i64> {
        let date = self.date()?;
        let time = Time::new(
            i8::try_from(self.hour()?).ok()?,
            i8::try_from(self.get(Unit::Minute).unwrap_or(0)).ok()?,
            i8::try_from(self.get(Unit::Second).unwrap_or(0)).ok()?,
            self.nanosecond,
        );
        let zone = self.zone.unwrap_or_else(TimeZone::system);
        let zoned = DateTime::from_parts(date, time.ok()?).to_zoned_datetime(zone).ok()?;
        Some(zoned.timestamp().as_millisecond())
    }

    fn date(&self) -> Option<Date> {
        let (month, day) = (self.get(Unit::Month), self.get(Unit::Day));
        let day_of_year = self.get(Unit::DayOfYear);
        let left_out = month.or(day).or(day_of_year).map_or(1970, |_| YEAR_LEFT_OUT);
        let year = self.get(Unit::Year).map_or(Ok(left_out), i16::try_from).ok()?;
        if let (Some(day), None) = (day_of_year, month) {
            let day = i16::try_from(day).ok()?;
            return Date::new(year, 1, 1).ok()?.with().day_of_year(day).build().ok();
        }
        let month = i8::try_from(month.unwrap_or(1)).ok()?;
        Date::new(year, month, i8::try_from(day.unwrap_or(1)).ok()?).ok()
    }

    fn hour(&self) -> Option<i64> {
        let half = |hour: i64| hour + if self.afternoon { 12 } else { 0 };
        let within = |range: std::ops::RangeInclusive<i64>| move |hour: &i64| range.contains(hour);
        if let Some(hour) = self.get(Unit::Hour) {
            Some(hour)
        } else if let Some(hour) = self.get(Unit::ClockHour) {
            Some(hour).filter(within(1..=24)).map(|hour| hour % 24)
        } else if let Some(hour) = self.get(Unit::HalfClockHour) {
            Some(hour).filter(within(1..=12)).map(|hour| half(hour % 12))
        } else if let Some(hour) = self.get(Unit::HalfHour) {
            Some(hour).filter(within(0..=11)).map(half)
        } else {
            Some(half(0))
        }
    }
}

fn number(text: &str, digits_max: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

/// The year that two digits stand for, within fifty years of `pivot`.
fn near_year(two_digits: i64, pivot: i64) -> i64 {
    let low = pivot - 50;
    low + (two_digits - low).rem_euclid(100)
}

/// Which name `text` begins with, in full or by its first three letters.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let whole = |name: &&str| strip_prefix_any_case(text, name);
    let short = |name: &&str| strip_prefix_any_case(text, name.get(..3)?);
    let found = |strip: &dyn Fn(&&str) -> Option<&'t str>| {
        names.iter().enumerate().find_map(|(index, name)| Some((index, strip(name)?)))
    };
    found(&whole).or_else(|| found(&short))
}

fn strip_prefix_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`.
fn offset(text: &str) -> Option<(Offset, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((Offset::UTC, rest));
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let rest = text.strip_prefix(['+', '-'])?;
    let (hours, rest) = number(rest, 2)?;
    let minutes = number(rest.strip_prefix(':').unwrap_or(rest), 2);
    let (minutes, rest) = minutes.unwrap_or((0, rest));
    let seconds = i32::try_from(sign * (hours * 60 + minutes) * 60).ok()?;
    Some((Offset::from_seconds(seconds).ok()?, rest))
}

impl fmt::Display for TimePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl Value for TimePattern {
    const EXPECTED: &'static str = "a Joda-Time pattern, such as `yyyy-MM-dd HH:mm:ss`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let mut fields = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let field;
            (field, rest) = if first.is_ascii_alphabetic() {
                let run = rest.chars().take_while(|c| *c == first).count();
                let (_, behind) = rest.split_at(run);
                (letter(first, run, behind)?, behind)
            } else {
                literal(rest)
            };
            fields.push(field);
        }
        if fields.is_empty() {
            Err(Wrong::Expected)
        } else {
            Ok(Self { written: text.to_owned(), fields })
        }
    }
}

/// A literal at the start of a pattern: quoted, or whatever is no letter.
fn literal(pattern: &str) -> (Field, &str) {
    let Some(quoted) = pattern.strip_prefix('\'') else {
        let end = pattern.find(|c: char| c.is_ascii_alphabetic() || c == '\'');
        let (text, rest) = pattern.split_at(end.unwrap_or(pattern.len()));
        return (Field::Literal(text.to_owned()), rest);
    };
    if let Some(rest) = quoted.strip_prefix('\'') {
        return (Field::Literal("'".to_owned()), rest);
    }
    let (mut text, mut rest) = (String::new(), quoted);
    loop {
        let (before, behind) = rest.split_once('\'').unwrap_or((rest, ""));
        text.push_str(before);
        match behind.strip_prefix('\'') {
            Some(after) => {
                text.push('\'');
                rest = after;
            }
            None => return (Field::Literal(text), behind),
        }
    }
}

/// The field that a run of one letter stands for. `behind` is what follows: a number that another adjoins is as long as its
/// run.
fn letter(letter: char, run: usize, behind: &str) -> Result<Field, Wrong> {
    let number = |unit, digits| Ok(Field::Number(unit, digits));
    let adjoined = behind.chars().next().is_some_and(|c| "yYMdDHhKkmsS".contains(c))
        && !behind.starts_with("MMM");
    match letter {
        'y' | 'Y' if run == 2 => Ok(Field::ShortYear),
        'y' | 'Y' => number(Unit::Year, if adjoined { run } else { YEAR_DIGITS_MAX }),
        'M' if run >= 3 => Ok(Field::MonthName),
        'M' => number(Unit::Month, 2),
        'd' => number(Unit::Day, 2),
        'D' => number(Unit::DayOfYear, 3),
        'H' => number(Unit::Hour, 2),
        'k' => number(Unit::ClockHour, 2),
        'K' => number(Unit::HalfHour, 2),
        'h' => number(Unit::HalfClockHour, 2),
        'm' => number(Unit::Minute, 2),
        's' => number(Unit::Second, 2),
        'S' if run <= 9 => Ok(Field::Fraction(run)),
        'a' => Ok(Field::HalfDay),
        'E' => Ok(Field::WeekdayName),
        'Z' if run <= 2 => Ok(Field::ZoneOffset),
        'z' | 'Z' => Ok(Field::ZoneName),
        other => Err(Wrong::Because(format!("the letter `{other}` of a pattern is not here"))),
    }
}

#[cfg(test)]
mod tests {
    use super::TimePattern;
    use crate::config::value::{Value, Wrong};
    use jiff::Timestamp;

    fn read(pattern: &str, text: &str) -> Option<String> {
        let in_2026 = 1_790_000_000_000;
        let millis = TimePattern::parse(pattern).unwrap().millis(text, in_2026)?;
        Some(Timestamp::from_millisecond(millis).unwrap().to_string())
    }

    /// In zones that the text names, so that the machine's own does not matter.
    #[test]
    fn times_are_read_as_joda_reads_them() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd HH:mm:ss Z", "2012-10-18 18:47:57 +0200", "2012-10-18T16:47:57Z"),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
                "2012-10-18T18:47:57.614+02:00",
                "2012-10-18T16:47:57.614Z",
            ),
            ("yyyyMMddHHmmssz", "20121018184757UTC", "2012-10-18T18:47:57Z"),
            ("dd/MMM/yyyy:HH:mm:ss Z", "05/feb/2024:01:02:03 -0130", "2024-02-05T02:32:03Z"),
            ("EEE, d MMMM yy h:mm a z", "Mon, 5 February 24 12:05 am GMT", "2024-02-05T00:05:00Z"),
            ("yy DDD kk Z", "46 365 24 Z", "1946-12-31T00:00:00Z"),
            ("K 'o''clock' a z", "11 o'clock PM UTC", "1970-01-01T23:00:00Z"),
            ("MMM d HH:mm:ss z", "Feb 29 10:00:00 UTC", "2000-02-29T10:00:00Z"),
            ("yy Z", "45 Z", "2045-01-01T00:00:00Z"),
            ("yyyy ZZZ", "2024 Europe/Paris", "2023-12-31T23:00:00Z"),
        ] {
            assert_eq!(read(pattern, text).as_deref(), Some(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for (pattern, text) in [
            ("yyyy-MM-dd Z", "2023-02-29 Z"),
            ("yyyy-MM-dd Z", "2023-02-28 Z and more"),
            ("yyyy-MM-dd Z", "2023-2x-01 Z"),
            ("h a z", "13 PM UTC"),
            ("HH z", "24 UTC"),
            ("MMM z", "Foo UTC"),
            ("yyyy z", "2024 Nowhere/Here"),
            ("yy z", "2024 UTC"),
            ("S", "é"),
        ] {
            assert_eq!(read(pattern, text), None, "{pattern} {text}");
        }
        assert!(
            matches!(TimePattern::parse("xxxx-ww"), Err(Wrong::Because(why)) if why.contains("`x`"))
        );
        assert_eq!(TimePattern::parse(""), Err(Wrong::Expected));
    }
}
