//! Flume's escapes in names: `%{header}` and the parts of a time, as `BucketPath` has them.

use crate::event::Headers;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// A name with escapes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Header(String),
    Time(char),
}

/// Why a name cannot be made of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// A part of the time is asked for, and the event has no `timestamp` header.
    #[error("the topic has a time in its name and the event has no `timestamp` header")]
    NoTimestamp,
    /// The `timestamp` header is not a number of milliseconds.
    #[error("the event's `timestamp` header is not a number of milliseconds")]
    BadTimestamp,
}

impl Escaped {
    /// Reads the escapes; what is none stays as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            let (piece, left) = escape(after);
            match piece {
                None => plain.push('%'),
                Some(piece) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                }
            }
            rest = left;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Self { pieces }
    }

    /// The name itself, where there is no escape in it.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Plain(text)] => Some(text),
            [] => Some(""),
            _ => None,
        }
    }

    /// The name for an event.
    pub fn expand(&self, headers: &Headers) -> Result<String, Unnamed> {
        let mut out = String::new();
        let mut time = None;
        for piece in &self.pieces {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Header(name) => out.push_str(headers.get(name).map_or("", String::as_str)),
                Piece::Time(letter) => {
                    let text = headers.get("timestamp").ok_or(Unnamed::NoTimestamp)?;
                    let at = match &time {
                        Some(at) => at,
                        None => time.insert(moment(text)?),
                    };
                    push_time(&mut out, *letter, at, text);
                }
            }
        }
        Ok(out)
    }
}

/// The escape after a `%`, if it is one, and what follows it.
fn escape(after: &str) -> (Option<Piece>, &str) {
    if let Some(inner) = after.strip_prefix('{') {
        let named = inner.split_once('}').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        });
        return match named {
            Some((name, left)) => (Some(Piece::Header(name.to_owned())), left),
            None => (None, after),
        };
    }
    let mut chars = after.chars();
    match chars.next() {
        Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' || letter == '%' => {
            (Some(Piece::Time(letter)), chars.as_str())
        }
        _ => (None, after),
    }
}

/// A moment, and what the agent's clock shows then.
struct Moment {
    at: Timestamp,
    shown: DateTime,
    zone: TimeZone,
}

fn moment(text: &str) -> Result<Moment, Unnamed> {
    let millis: i64 = text.trim().parse().map_err(|_| Unnamed::BadTimestamp)?;
    let at = Timestamp::from_millisecond(millis).map_err(|_| Unnamed::BadTimestamp)?;
    let zone = TimeZone::system();
    Ok(Moment { at, shown: zone.to_datetime(at), zone })
}

fn push_time(out: &mut String, letter: char, moment: &Moment, millis: &str) {
    let Moment { at, shown, zone } = moment;
    let hour = shown.hour();
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let pattern = match letter {
        'a' | 'A' | 'b' | 'B' | 'd' | 'j' | 'm' | 'H' | 'I' | 'M' | 'S' | 'p' | 'y' | 'Y' => {
            format!("%{letter}")
        }
        'c' => "%a %b %-d %H:%M:%S %Y".to_owned(),
        'D' => "%m/%d/%y".to_owned(),
        'e' => "%-d".to_owned(),
        'n' => "%-m".to_owned(),
        'k' => format!("{hour}"),
        'l' => format!("{twelve}"),
        's' => format!("{}", at.as_second()),
        't' => millis.to_owned(),
        'z' => {
            let minutes = zone.to_offset(*at).seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
        '%' => "%%".to_owned(),
        // Any other letter becomes nothing, as in Flume.
        _ => return,
    };
    write!(out, "{}", shown.strftime(&pattern)).expect("a String takes it");
}

#[cfg(test)]
mod tests {
    use super::{Escaped, Unnamed};
    use crate::event::Headers;

    fn expand(text: &str, headers: &[(&str, &str)]) -> Result<String, Unnamed> {
        let headers: Headers =
            headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Escaped::new(text).expand(&headers)
    }

    #[test]
    fn headers_are_put_in_and_what_is_no_escape_stays() {
        let headers = [("app", "shop"), ("x.y-z_1", "v")];
        assert_eq!(expand("log-%{app}.%{x.y-z_1}%{none}", &headers).unwrap(), "log-shop.v");
        assert_eq!(expand("50% %{sp ace} %{open", &headers).unwrap(), "50% %{sp ace} %{open");
        assert_eq!(Escaped::new("plain").as_plain(), Some("plain"));
        assert_eq!(Escaped::new("a%{b}").as_plain(), None);
    }

    #[test]
    fn a_time_needs_a_timestamp() {
        assert_eq!(expand("t-%Y", &[]), Err(Unnamed::NoTimestamp));
        assert_eq!(expand("t-%Y", &[("timestamp", "soon")]), Err(Unnamed::BadTimestamp));
        let noon = [("timestamp", "1795608000000")];
        assert_eq!(expand("t-%Y%%%t%s%v", &noon).unwrap(), "t-2026%17956080000001795608000");
    }
}
