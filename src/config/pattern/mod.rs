//! A regular expression as `java.util.regex` reads it, on top of `fancy-regex`.
//!
//! Flume's patterns are Java's: look-around, back-references, possessive quantifiers, `\Q…\E`, `\p{Alpha}`, and classes
//! (`\d`, `\w`, `\s`, `.`) that mean ASCII and all of Java's line ends. `translate` writes one language in the other; what
//! cannot be said is refused with its reason. The one difference left: `(?i)` folds all letters, not only ASCII's.

mod translate;

use crate::config::value::{Value, Wrong};
use fancy_regex::Regex;
use std::fmt;
use std::sync::OnceLock;
use translate::{Ends, translate};

/// A Java pattern, compiled.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    /// For texts that do not end in a line end, where `$` is simply the end: most of them, and much faster.
    plain: Regex,
    /// For texts that do, where Java's `$` also matches before it; only where the pattern has a `$`.
    before_line_end: Option<Regex>,
    whole: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The expression to search `text` with. Its calls fail, instead of taking for ever, when a pattern backtracks more than
    /// a million times on one text.
    #[must_use]
    pub fn regex_for(&self, text: &str) -> &Regex {
        match &self.before_line_end {
            Some(regex) if text.ends_with(translate::LINE_ENDS) => regex,
            _ => &self.plain,
        }
    }

    /// Whether the pattern is found somewhere in `text` (`Matcher#find`).
    pub fn is_found_in(&self, text: &str) -> Result<bool, fancy_regex::Error> {
        self.regex_for(text).is_match(text)
    }

    /// Whether the pattern matches the whole of `text` (`Matcher#matches`).
    pub fn is_all_of(&self, text: &str) -> Result<bool, fancy_regex::Error> {
        let whole = self.whole.get_or_init(|| {
            let body = translate(&self.written, Ends::BeforeLineEnd).ok()?.pattern;
            Regex::new(&format!(r"\A(?:{body})\z")).ok()
        });
        match whole {
            Some(regex) => regex.is_match(text),
            // What compiles alone compiles between anchors; should it not, the longest match decides.
            None => {
                Ok(self.regex_for(text).find(text)?.is_some_and(|found| found.as_str() == text))
            }
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.written)
    }
}

impl Value for Pattern {
    const EXPECTED: &'static str = "a regular expression as Java's";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let plain = translate(text, Ends::End).map_err(Wrong::Because)?;
        let compile =
            |pattern: &str| Regex::new(pattern).map_err(|error| Wrong::Because(reason(&error)));
        let before_line_end = if plain.has_line_end {
            let other = translate(text, Ends::BeforeLineEnd).map_err(Wrong::Because)?;
            Some(compile(&other.pattern)?)
        } else {
            None
        };
        Ok(Self {
            written: text.to_owned(),
            plain: compile(&plain.pattern)?,
            before_line_end,
            whole: OnceLock::new(),
        })
    }
}

/// What is wrong with a pattern, in a line.
fn reason(error: &fancy_regex::Error) -> String {
    let text = error.to_string();
    let last =
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("not a pattern");
    let last = last.strip_prefix("error: ").unwrap_or(last);
    format!("not a regular expression: {last}")
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::config::value::{Value, Wrong};

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    /// Each line was checked with java.util.regex: pattern, text, found, the whole.
    #[test]
    fn patterns_find_what_javas_find() {
        for (written, text, found, whole) in [
            (r"^\d+$", "123", true, true),
            (r"^\d+$", "123\n", true, false),
            (r"^\d+$", "123\r", true, false),
            (r"^\d+$", "١٢٣", false, false),
            (r"\w+", "é", false, false),
            (r"a.b", "a\rb", false, false),
            (r"(?s)a.b", "a\nb", true, true),
            (r"(?s:a.)b.", "a\nb\n", false, false),
            (r"\Qa.b\E+", "a.bb", true, true),
            (r"\p{Alpha}+", "abc", true, true),
            (r"\p{Upper}", "É", false, false),
            (r"\p{IsAlphabetic}", "é", true, true),
            (r"[\p{Punct}&&[^_]]", "_", false, false),
            (r"(a+)+b", "aab", true, true),
            (r"a*+a", "aaa", false, false),
            (r"(?<y>\d{4})-\k<y>", "2024-2024", true, true),
            (r"(\w)\1", "aa", true, true),
            (r"(?<=x)y", "xy", true, false),
            (r"(?i)ERROR", "an error", true, false),
            (r"a|ab", "ab", true, true),
            (r"[[:x]]", ":", true, true),
            (r"[+--z]", "z", true, true),
            (r"[+--z]", "a", false, false),
            (r"[\w-.]+", "a-.", true, true),
            (r"[a-z&&[^b-d]]+", "aez", true, true),
            (r"[#~:-]+", "#~:-", true, true),
            (r"^(\S+) (\S+)$", "a b\r\n", true, false),
            (r"\x41\u0042\0103\cD", "ABC\u{4}", true, true),
            (r"a\Z", "a\n", true, false),
            (r"\s", "\u{a0}", false, false),
            (r"\h\R", "\u{a0}\r\n", true, true),
            (r"(?m)^b$", "a\nb\r\nc", true, false),
            (r"\é\-\#", "é-#", true, true),
            (r"(?x) a b # c", "ab", true, true),
            (r"(?dU)\w", "é", true, true),
            (r"[]a]", "]", true, true),
            ("", "", true, true),
        ] {
            let compiled = pattern(written);
            assert_eq!(compiled.is_found_in(text).unwrap(), found, "{written:?} in {text:?}");
            assert_eq!(compiled.is_all_of(text).unwrap(), whole, "{written:?} all of {text:?}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_its_reason() {
        for (written, part) in [
            ("(", "not a regular expression"),
            ("[a", "`[`"),
            (r"\p{InGreek}", "block"),
            (r"\p{javaMirrored}", "javaMirrored"),
            (r"\X", r"`\X`"),
            (r"\y", r"`\y`"),
            ("a\\", "backslash"),
            (r"\u12", r"`\u`"),
        ] {
            match Pattern::parse(written) {
                Err(Wrong::Because(why)) => assert!(why.contains(part), "{written}: {why}"),
                other => panic!("{written}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_pattern_that_runs_wild_ends_in_an_error_not_in_silence() {
        let wild = pattern(r"^(?:(?=(a))a|(?=(a))aa?)+b");
        assert!(wild.is_found_in(&"a".repeat(60)).is_err());
    }
}
