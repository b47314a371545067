//! Java's date patterns (`dd/MM/yyyy HH:mm:ss Z`), as Tomcat's logs and operators' configurations have them.
//!
//! Letters are translated into what `jiff` parses by; a letter that cannot be is refused when the configuration is read, and
//! never guessed at. Month and weekday names are English, as in a log.

use jiff::fmt::strtime::{self, BrokenDownTime};
use std::fmt::Write as _;

/// A pattern that can be read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePattern {
    java: String,
    translated: String,
}

impl TimePattern {
    /// Translates Java's pattern; the error says which letter cannot be.
    pub fn new(java: &str) -> Result<Self, String> {
        let mut translated = String::new();
        let mut letters = java.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter == '\'' {
                quoted(&mut letters, &mut translated);
            } else if letter.is_ascii_alphabetic() {
                let mut count = 1;
                while letters.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                let specifier = specifier(letter, count).ok_or_else(|| {
                    let run = letter.to_string().repeat(count);
                    format!("`{run}` of the date pattern `{java}` cannot be read here")
                })?;
                translated.push_str(specifier);
            } else {
                literal(letter, &mut translated);
            }
        }
        if !["%Y", "%y"].iter().any(|year| translated.contains(year)) {
            return Err(format!("the date pattern `{java}` has no year"));
        }
        Ok(Self { java: java.to_owned(), translated })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn java(&self) -> &str {
        &self.java
    }

    pub(super) fn parse(&self, text: &str) -> Option<BrokenDownTime> {
        strtime::parse(&self.translated, text).ok()
    }
}

/// The specifier for a run of one of Java's letters.
fn specifier(letter: char, count: usize) -> Option<&'static str> {
    Some(match (letter, count) {
        ('y' | 'u', 2) => "%y",
        ('y' | 'u', _) => "%Y",
        ('M' | 'L', 1 | 2) => "%m",
        ('M' | 'L', 3) => "%b",
        ('M' | 'L', _) => "%B",
        ('d', 1 | 2) => "%d",
        ('D', _) => "%j",
        ('E', 1..=3) => "%a",
        ('E', _) => "%A",
        ('H', 1 | 2) => "%H",
        ('h', 1 | 2) => "%I",
        ('m', 1 | 2) => "%M",
        ('s', 1 | 2) => "%S",
        ('S' | 'n', _) => "%f",
        ('a', _) => "%p",
        ('X' | 'x', 3) => "%:z",
        ('Z', 1..=3) | ('X' | 'x', 2) => "%z",
        _ => return None,
    })
}

/// What stands between two single quotes; two of them in a row are one.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, translated: &mut String) {
    if letters.next_if_eq(&'\'').is_some() {
        literal('\'', translated);
        return;
    }
    while let Some(letter) = letters.next() {
        if letter != '\'' {
            literal(letter, translated);
        } else if letters.next_if_eq(&'\'').is_some() {
            literal('\'', translated);
        } else {
            return;
        }
    }
}

fn literal(letter: char, translated: &mut String) {
    let escaped = if letter == '%' { "%" } else { "" };
    write!(translated, "{escaped}{letter}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::TimePattern;

    #[test]
    fn javas_patterns_read_what_java_wrote() {
        for (pattern, text) in [
            ("dd/MMM/yyyy:HH:mm:ss Z", "24/Nov/2026:15:28:56 +0000"),
            (concat!("yyyy-MM-dd'T'HH:mm:ss.SSSX", "XX"), "2026-11-24T15:28:56.789+08:00"),
            ("EEE, d MMM yyyy hh:mm a", "Tue, 24 Nov 2026 03:28 PM"),
            ("yyyy'年'MM'月'dd'日' HH 'o''clock'", "2026年11月24日 15 o'clock"),
        ] {
            let parsed = TimePattern::new(pattern).unwrap().parse(text);
            let date = parsed.unwrap_or_else(|| panic!("{pattern}")).to_date().unwrap();
            assert_eq!(date.to_string(), "2026-11-24");
        }
    }

    #[test]
    fn a_letter_that_cannot_be_translated_is_named() {
        let refused = TimePattern::new("yyyy-MM-dd zzz").unwrap_err();
        assert_eq!(refused, "`zzz` of the date pattern `yyyy-MM-dd zzz` cannot be read here");
        assert!(TimePattern::new("HH:mm").unwrap_err().ends_with("has no year"));
    }
}
