//! `${date:yyyy-MM-dd}`: the time of loading, written by a pattern of Java's `FastDateFormat`.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// The moment `now_ms` in the machine's time zone; the letter that stands for nothing, if there is one.
pub(super) fn format(pattern: &str, now_ms: i64) -> Result<String, char> {
    let now = Timestamp::from_millisecond(now_ms)
        .unwrap_or_default()
        .to_zoned_datetime(TimeZone::system());
    format_at(pattern, &now)
}

fn format_at(pattern: &str, now: &ZonedDateTime) -> Result<String, char> {
    let mut out = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            quoted(&mut letters, &mut out);
        } else if letter.is_ascii_alphabetic() {
            let mut count = 1;
            while letters.next_if_eq(&letter).is_some() {
                count += 1;
            }
            out.push_str(&field(letter, count, now)?);
        } else {
            out.push(letter);
        }
    }
    Ok(out)
}

/// Text between quotes; two of them are one.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    if letters.next_if_eq(&'\'').is_some() {
        out.push('\'');
        return;
    }
    while let Some(letter) = letters.next() {
        if letter != '\'' {
            out.push(letter);
        } else if letters.next_if_eq(&'\'').is_some() {
            out.push('\'');
        } else {
            return;
        }
    }
}

/// One field, from a letter written `count` times.
fn field(letter: char, count: usize, now: &ZonedDateTime) -> Result<String, char> {
    let padded = |number: i64| format!("{number:0count$}");
    let date = now.date();
    let hour = i64::from(now.hour());
    Ok(match letter {
        'G' => "AD".to_owned(),
        'y' | 'Y' => {
            let year = if letter == 'y' { i64::from(now.year()) } else { week_year(date) };
            if count == 2 {
                format!("{:02}", year % 100)
            } else {
                format!("{year:0w$}", w = count.max(4))
            }
        }
        'M' if count >= 4 => now.strftime("%B").to_string(),
        'M' if count == 3 => now.strftime("%b").to_string(),
        'M' => padded(i64::from(now.month())),
        'd' => padded(i64::from(now.day())),
        'D' => padded(i64::from(now.day_of_year())),
        'E' if count >= 4 => now.strftime("%A").to_string(),
        'E' => now.strftime("%a").to_string(),
        'u' => padded(i64::from(now.weekday().to_monday_one_offset())),
        'F' => padded((i64::from(now.day()) - 1) / 7 + 1),
        'w' => padded(week_of_year(date)),
        'W' => padded((i64::from(now.day()) - 1 + first_weekday(date)) / 7 + 1),
        'a' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        'H' => padded(hour),
        'k' => padded(if hour == 0 { 24 } else { hour }),
        'K' => padded(hour % 12),
        'h' => padded((hour + 11) % 12 + 1),
        'm' => padded(i64::from(now.minute())),
        's' => padded(i64::from(now.second())),
        'S' => padded(i64::from(now.millisecond())),
        'z' if count >= 4 && now.offset().seconds() == 0 => "Coordinated Universal Time".to_owned(),
        'z' => now.strftime("%Z").to_string(),
        'Z' if count == 1 => now.strftime("%z").to_string(),
        'Z' | 'X' => zone(letter, count, now),
        other => return Err(other),
    })
}

/// The distance from UTC as ISO 8601 writes it.
fn zone(letter: char, count: usize, now: &ZonedDateTime) -> String {
    if now.offset().seconds() == 0 {
        return "Z".to_owned();
    }
    let written = now.strftime("%z").to_string();
    match (letter, count) {
        ('X', 1) => written.chars().take(3).collect(),
        ('X', 2) => written,
        _ => now.strftime("%:z").to_string(),
    }
}

/// Days from Sunday to the first of the month.
fn first_weekday(date: Date) -> i64 {
    i64::from(date.first_of_month().weekday().to_sunday_zero_offset())
}

/// The week of the year as Java counts in its root locale: weeks begin on Sunday, and the first has at least one day.
fn week_of_year(date: Date) -> i64 {
    if week_year(date) != i64::from(date.year()) {
        return 1;
    }
    let new_year = i64::from(date.first_of_year().weekday().to_sunday_zero_offset());
    (i64::from(date.day_of_year()) - 1 + new_year) / 7 + 1
}

/// The year that the date's week belongs to: the last days of December may be in the first week of the next.
fn week_year(date: Date) -> i64 {
    let last = date.last_of_year();
    let into_last_week = i64::from(last.weekday().to_sunday_zero_offset());
    let left = i64::from(last.day_of_year()) - i64::from(date.day_of_year());
    let next = last.weekday() != Weekday::Saturday && left <= into_last_week;
    i64::from(date.year()) + i64::from(next)
}

#[cfg(test)]
mod tests {
    use super::format_at;
    use jiff::civil::date;
    use jiff::tz::{Offset, TimeZone};

    /// Recorded from Flume 1.11 at this very moment.
    #[test]
    fn a_date_is_written_as_java_writes_it() {
        let moment =
            date(2026, 11, 24).at(15, 41, 53, 64_000_000).to_zoned_datetime(TimeZone::UTC).unwrap();
        for (pattern, expected) in [
            (
                "yyyy-MM-dd HH:mm:ss,SSS zzzz z ZZ Z X XX EEEE E a h K k D F w W u G Y",
                "2026-11-24 15:41:53,064 Coordinated Universal Time UTC Z +0000 Z Z Tuesday Tue PM 3 3 15 328 4 48 4 2 AD 2026",
            ),
            (
                "yy yyy y 'o''clock' '' MMM MMMM MMMMM MM M dd d EEE EEEEE DDD uu",
                "26 2026 2026 o'clock ' Nov November November 11 11 24 24 Tue Tuesday 328 02",
            ),
            ("", ""),
        ] {
            assert_eq!(format_at(pattern, &moment).as_deref(), Ok(expected), "{pattern}");
        }
        assert_eq!(format_at("yyyyQ", &moment), Err('Q'));
    }

    #[test]
    fn weeks_and_zones_are_javas() {
        let zone = TimeZone::fixed(Offset::from_hours(-3).unwrap());
        let eve = date(2026, 12, 31).at(23, 0, 0, 0).to_zoned_datetime(zone).unwrap();
        assert_eq!(format_at("w Y Z ZZ X XX", &eve).unwrap(), "1 2027 -0300 -03:00 -03 -0300");
    }
}
