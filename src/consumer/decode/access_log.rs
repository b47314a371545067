//! Tomcat's access log, by the pattern that its `AccessLogValve` writes it with.
//!
//! The pattern becomes a regular expression, in linear time whatever stands in a line: each code takes as little as lets
//! the rest fit. A hyphen is how Tomcat writes that there is nothing. Tomcat escapes header values, cookies, attributes and
//! the user (`\"`, `\\`, `\n`, `\u00e4`); that is undone.
//!
//! A field is named by its code (`%s`, `%{User-Agent}i`) or by a word for it (`status`, `user-agent`); the parts of the
//! request line (`method`, `path`, `query`, `protocol`) can be had from `%r`.

use crate::consumer::decode::{Format, Unreadable, utf8};
use crate::database::column::{Given, TimeFormat, TimePattern};
use regex::Regex;
use std::borrow::Cow;

/// The presets of Tomcat.
const PRESETS: [(&str, &str); 2] = [
    ("common", r#"%h %l %u %t "%r" %s %b"#),
    ("combined", r#"%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-Agent}i""#),
];

/// Words for codes.
const WORDS: [(&str, &str); 24] = [
    ("host", "%h"),
    ("remote-ip", "%a"),
    ("local-ip", "%A"),
    ("ident", "%l"),
    ("user", "%u"),
    ("time", "%t"),
    ("request", "%r"),
    ("method", "%m"),
    ("path", "%U"),
    ("query", "%q"),
    ("protocol", "%H"),
    ("status", "%s"),
    ("bytes", "%b"),
    ("bytes-sent", "%B"),
    ("duration", "%D"),
    ("seconds", "%T"),
    ("first-byte", "%F"),
    ("port", "%p"),
    ("server", "%v"),
    ("session", "%S"),
    ("thread", "%I"),
    ("connection", "%X"),
    ("referer", "%{Referer}i"),
    ("user-agent", "%{User-Agent}i"),
];

/// A code of the pattern: its letter, and the name before it in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Code {
    name: Option<String>,
    letter: char,
}

impl Code {
    /// What it can be, as a regular expression. The numbers are narrow so that a quote in a request does not confuse.
    fn expression(&self) -> &'static str {
        match (self.letter, &self.name) {
            ('t', None) => r"\[[^\]]*\]",
            ('s', None) | ('b' | 'B' | 'D' | 'F' | 'p', _) => r"-|-?[0-9]+",
            ('T', _) => r"-|-?[0-9.]+",
            ('U', _) => r"[^?]*?",
            ('q', _) => r"(?:\?.*?)?",
            ('h' | 'a' | 'A' | 'l' | 'm' | 'H' | 'v' | 'S', _) => r"\S*?",
            _ if self.is_escaped() => r"(?:\\.|[^\\])*?",
            _ => ".*?",
        }
    }

    /// Whether Tomcat escapes it.
    fn is_escaped(&self) -> bool {
        matches!(self.letter, 'i' | 'o' | 'c' | 'u')
            || (self.name.is_some() && "rs".contains(self.letter))
    }

    /// Header names are the same in any case; everything else is as written.
    fn is(&self, other: &Self) -> bool {
        let same_name = match (&self.name, &other.name) {
            (Some(one), Some(two)) if "io".contains(self.letter) => one.eq_ignore_ascii_case(two),
            (one, two) => one == two,
        };
        self.letter == other.letter && same_name
    }

    fn time_format(&self) -> Result<TimeFormat, String> {
        let Some(name) = &self.name else { return Ok(TimeFormat::Usual) };
        let name = ["begin:", "end:"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
        match name {
            "begin" | "end" => Ok(TimeFormat::Usual),
            "sec" => Ok(TimeFormat::EpochSeconds),
            "msec" => Ok(TimeFormat::EpochMillis),
            pattern => TimePattern::new(pattern).map(TimeFormat::Pattern),
        }
    }
}

/// A part of the request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Method,
    Path,
    Query,
    Protocol,
}

/// Where a field comes from: a group of the expression, and perhaps a part of what it holds.
#[derive(Clone, Debug)]
struct Field {
    group: usize,
    part: Option<Part>,
    is_escaped: bool,
}

/// The format, for the fields that are wanted.
#[derive(Debug)]
pub struct AccessLog {
    expression: Regex,
    fields: Vec<Field>,
}

/// A pattern that was read.
#[derive(Debug)]
pub struct Pattern {
    codes: Vec<Code>,
    expression: Regex,
}

impl Pattern {
    /// Reads Tomcat's pattern, or the name of a preset.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let pattern =
            PRESETS.iter().find(|(name, _)| *name == pattern).map_or(pattern, |(_, text)| text);
        let mut codes = Vec::new();
        let mut expression = String::from(r"(?s)\A");
        let mut rest = pattern;
        while let Some((literal, after)) = rest.split_once('%') {
            expression.push_str(&regex::escape(literal));
            let (code, after) = code(after)?;
            expression.push('(');
            expression.push_str(code.expression());
            expression.push(')');
            codes.push(code);
            rest = after;
        }
        expression.push_str(&regex::escape(rest));
        expression.push_str(r"\r?\z");
        if codes.is_empty() {
            return Err("the pattern has no code such as `%h`".to_owned());
        }
        let expression = Regex::new(&expression)
            .map_err(|why| format!("the pattern is too large to be read by: {why}"))?;
        Ok(Self { codes, expression })
    }

    /// What the pattern writes at `name`, if it writes that.
    fn field(&self, name: &str) -> Option<(usize, Option<Part>)> {
        let word = name.replace('_', "-").to_ascii_lowercase();
        let wanted = WORDS.iter().find(|(w, _)| *w == word).map_or(name, |(_, code)| code);
        let (wanted, after) = code(wanted.strip_prefix('%')?).ok()?;
        if !after.is_empty() {
            return None;
        }
        let group = |code: &Code| self.codes.iter().position(|c| c.is(code)).map(|at| at + 1);
        if let Some(group) = group(&wanted) {
            return Some((group, None));
        }
        if wanted == (Code { name: None, letter: 't' }) {
            // The time by any other pattern is still the time.
            let other = self.codes.iter().position(|c| c.letter == 't');
            return other.map(|at| (at + 1, None));
        }
        let part = match wanted.letter {
            'm' => Part::Method,
            'U' => Part::Path,
            'q' => Part::Query,
            'H' => Part::Protocol,
            _ => return None,
        };
        group(&Code { name: None, letter: 'r' }).map(|group| (group, Some(part)))
    }

    /// Whether the pattern writes `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// How a time column reads the field; an error if the pattern's dates cannot be read.
    pub fn time_format(&self, name: &str) -> Result<TimeFormat, String> {
        let code = self.field(name).and_then(|(group, _)| self.codes.get(group - 1));
        code.filter(|code| code.letter == 't').map_or(Ok(TimeFormat::Usual), Code::time_format)
    }

    /// The format for `names`; the n-th goes into the n-th field. An error names what the pattern does not write.
    pub fn wanting(self, names: &[&str]) -> Result<AccessLog, String> {
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let Some((group, part)) = self.field(name) else {
                return Err(format!("the pattern does not write `{name}`"));
            };
            let is_escaped = self.codes.get(group - 1).is_some_and(Code::is_escaped);
            fields.push(Field { group, part, is_escaped });
        }
        Ok(AccessLog { expression: self.expression, fields })
    }
}

/// The code after a `%`, and what follows it.
fn code(text: &str) -> Result<(Code, &str), String> {
    let (name, rest) = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((name, rest)) => (Some(name.to_owned()), rest),
        None => (None, text),
    };
    let mut letters = rest.chars();
    let letter = letters.next().ok_or("the pattern ends in the middle of a code")?;
    let known = match &name {
        Some(_) => "icoaprstT".contains(letter),
        None => "aAbBDFhHlmpqrsStTuUvIX".contains(letter),
    };
    if !known {
        let shown = name.map_or_else(|| format!("%{letter}"), |n| format!("%{{{n}}}{letter}"));
        return Err(format!("`{shown}` is no code of Tomcat's AccessLogValve"));
    }
    Ok((Code { name, letter }, letters.as_str()))
}

impl Format for AccessLog {
    fn decode<'a>(&self, body: &'a [u8], fields: &mut [Given<'a>]) -> Result<(), Unreadable> {
        let line = utf8(body)?;
        let Some(found) = self.expression.captures(line) else {
            return Err(Unreadable("is not a line of the access log's pattern".to_owned()));
        };
        for (field, given) in self.fields.iter().zip(fields) {
            let text = found.get(field.group).map_or("", |group| group.as_str());
            *given = match field.part {
                Some(part) => part_of(text, part),
                None if text == "-" || text.is_empty() => Given::Null,
                None if field.is_escaped => Given::Text(unescaped(text)),
                None => Given::Text(Cow::Borrowed(text)),
            };
        }
        Ok(())
    }
}

/// A part of `GET /path?query HTTP/1.1`.
fn part_of(request: &str, part: Part) -> Given<'_> {
    let (method, rest) = request.split_once(' ').unwrap_or((request, ""));
    let (target, protocol) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let (path, query) = target
        .split_once('?')
        .map_or((target, ""), |(path, _)| (path, target.strip_prefix(path).unwrap_or_default()));
    let text = match part {
        Part::Method if method == "-" => "",
        Part::Method => method,
        Part::Path => path,
        // With its question mark, as `%q` writes it.
        Part::Query => query,
        Part::Protocol => protocol,
    };
    if text.is_empty() { Given::Null } else { Given::Text(Cow::Borrowed(text)) }
}

/// Undoes Tomcat's escapes. What is none stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        units.extend(plain.encode_utf16());
        let mut letters = escape.chars();
        let letter = letters.next();
        rest = letters.as_str();
        let hex = rest.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
        match (letter, hex) {
            (Some('u'), Some(unit)) => {
                units.push(unit);
                rest = rest.get(4..).unwrap_or_default();
            }
            (Some(letter), _) => {
                let meant = match letter {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'f' => '\u{c}',
                    'v' => '\u{b}',
                    other => other,
                };
                units.extend(meant.encode_utf16(&mut [0; 2]).iter());
            }
            (None, _) => units.push(u16::from(b'\\')),
        }
    }
    units.extend(rest.encode_utf16());
    Cow::Owned(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::consumer::decode::Format;
    use crate::database::column::{Given, TimeFormat};

    fn decode<'a>(pattern: &str, names: &[&str], line: &'a str) -> Result<Vec<Given<'a>>, String> {
        let log = Pattern::new(pattern).unwrap().wanting(names)?;
        let mut fields = vec![Given::Missing; names.len()];
        log.decode(line.as_bytes(), &mut fields).map_err(|why| why.0)?;
        Ok(fields)
    }

    fn texts(pattern: &str, names: &[&str], line: &str) -> Vec<String> {
        let text = |given: Given<'_>| match given {
            Given::Text(text) => text.into_owned(),
            Given::Null => "NULL".to_owned(),
            other => format!("{other:?}"),
        };
        decode(pattern, names, line).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn a_common_line_is_taken_apart() {
        let line = r#"10.0.0.7 - - [24/Nov/2026:15:28:56 +0800] "POST /wx/upload?id=7&x=%22 HTTP/1.1" 200 -"#;
        let names =
            ["host", "user", "%t", "method", "path", "query", "protocol", "status", "bytes"];
        assert_eq!(
            texts("common", &names, line),
            [
                "10.0.0.7",
                "NULL",
                "[24/Nov/2026:15:28:56 +0800]",
                "POST",
                "/wx/upload",
                "?id=7&x=%22",
                "HTTP/1.1",
                "200",
                "NULL"
            ]
        );
    }

    #[test]
    fn quotes_and_escapes_in_a_header_do_not_confuse() {
        let line = r#"h - \u00e4lice [t] "GET /"x" HTTP/1.1" 404 17 "-" "M\"ozilla\\ \t\u56fe 5 200 \ud83d\ude00""#;
        let names = ["user", "request", "status", "Referer", "user_agent", "%{USER-AGENT}i"];
        assert_eq!(
            texts("combined", &names, line),
            [
                "älice",
                "GET /\"x\" HTTP/1.1",
                "404",
                "NULL",
                "M\"ozilla\\ \t图 5 200 😀",
                "M\"ozilla\\ \t图 5 200 😀"
            ]
        );
    }

    #[test]
    fn any_pattern_of_tomcats_can_be_read_by() {
        let pattern = "%a|%{X-Forwarded-For}i|%{yyyy-MM-dd HH:mm:ss.SSS}t|%m %U%q %H|%s|%B|%D|%T|%F|%{JSESSIONID}c|%I|%X";
        let line = "::1|1.2.3.4, 5.6.7.8|2026-11-24 15:28:56.789|GET /a HTTP/2.0|200|0|12|0.012|-|abc|exec 7|-\r";
        let names = ["%a", "%{x-forwarded-for}i", "time", "query", "seconds", "%F", "thread", "%X"];
        assert_eq!(
            texts(pattern, &names, line),
            [
                "::1",
                "1.2.3.4, 5.6.7.8",
                "2026-11-24 15:28:56.789",
                "NULL",
                "0.012",
                "NULL",
                "exec 7",
                "NULL"
            ]
        );
        let read = Pattern::new(pattern).unwrap();
        assert!(matches!(read.time_format("time"), Ok(TimeFormat::Pattern(_))));
        assert_eq!(
            Pattern::new("%{msec}t").unwrap().time_format("%t"),
            Ok(TimeFormat::EpochMillis)
        );
        assert_eq!(
            Pattern::new("%{begin:sec}t").unwrap().time_format("%t"),
            Ok(TimeFormat::EpochSeconds)
        );
        assert_eq!(Pattern::new("common").unwrap().time_format("time"), Ok(TimeFormat::Usual));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(
            decode("common", &["status"], "java.lang.NullPointerException"),
            Err("is not a line of the access log's pattern".to_owned())
        );
        assert_eq!(
            decode("common", &["user-agent"], ""),
            Err("the pattern does not write `user-agent`".to_owned())
        );
        let refused = |pattern| Pattern::new(pattern).unwrap_err();
        assert_eq!(refused("%h %Z"), "`%Z` is no code of Tomcat's AccessLogValve");
        assert_eq!(refused("%{a}q"), "`%{a}q` is no code of Tomcat's AccessLogValve");
        assert_eq!(refused("plain"), "the pattern has no code such as `%h`");
        assert_eq!(refused("%h %"), "the pattern ends in the middle of a code");
    }
}
