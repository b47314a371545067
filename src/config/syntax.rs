//! From the bytes of a file to its entries: `java.util.Properties`, surprises included, with a place for each part.
//!
//! The grammar (`grammar/flume.pest`) finds keys and values; what they say is read here: lines are joined first and escapes
//! taken after, so that even `\u00` and `41` on two lines are an `A`, as in Java. Entries and remarks are returned, never one
//! or the other.

use crate::config::diagnostic::Diagnostic;
use crate::config::span::{FileIndex, Span};
use layout::{FlumeConf, Rule};
use pest::Parser;
use pest::iterators::Pair;

/// What `pest` makes of the grammar, which has its own comments.
mod layout {
    #![allow(missing_docs, unreachable_pub, reason = "made by a macro")]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/flume.pest"]
    pub struct FlumeConf;
}

/// One `key = value` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, unescaped. May be empty.
    pub key: String,
    /// The value, unescaped, with the blanks at its end. May be empty.
    pub value: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands, without the blanks at its end.
    pub value_span: Span,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its entries, in order, equal keys included.
    pub entries: Vec<Entry>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the text of `file`.
#[must_use]
pub fn parse(file: FileIndex, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let pairs = match FlumeConf::parse(Rule::file, text) {
        Ok(pairs) => pairs,
        // The grammar takes any text; should it not, that is told like everything else.
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => {
                    at
                }
            };
            parsed.diagnostics.push(
                Diagnostic::error(
                    "unreadable-line",
                    Span::new(file, at..at),
                    "the file cannot be read from here on",
                    "nothing starts",
                )
                .fatal(),
            );
            return parsed;
        }
    };
    for pair in pairs.flat_map(Pair::into_inner).filter(|pair| pair.as_rule() == Rule::entry) {
        read_entry(file, text, pair, &mut parsed);
    }
    parsed
}

/// Reads one entry; none if all it says is "go on in the next line".
fn read_entry(file: FileIndex, text: &str, pair: Pair<'_, Rule>, parsed: &mut Parsed) {
    let whole = pair.as_span();
    let mut halves = pair.into_inner();
    let (Some(key), Some(value)) = (halves.next(), halves.next()) else { return };
    let (key, value) = (key.as_span(), value.as_span());
    let nothing = joined(whole.as_str()).is_empty();
    if nothing && !is_javas_empty_entry(text, whole.end()) {
        return;
    }
    let mut half = |span: pest::Span<'_>| {
        let (text, mistakes) = unescape(span.as_str());
        for (at, mistake) in mistakes {
            let start = span.start() + at;
            parsed.diagnostics.push(mistake.told(Span::new(file, start..start + 2)));
        }
        text
    };
    let (key_text, value_text) = (half(key), half(value));
    let shown = value.as_str().trim_end_matches([' ', '\t', '\u{c}']).len();
    parsed.entries.push(Entry {
        key: key_text,
        value: value_text,
        key_span: Span::new(file, key.start()..key.end()),
        value_span: Span::new(file, value.start()..value.start() + shown),
    });
}

/// Java makes an entry with neither key nor value of a lone backslash that ends the file, with or without a line break
/// behind it, unless that is `\r\n`. Flume remarks on it, so it counts.
fn is_javas_empty_entry(text: &str, end: usize) -> bool {
    end == text.len() && (text.ends_with('\\') || text.ends_with("\\\n") || text.ends_with("\\\r"))
}

/// What is wrong with an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// `\u` without four hexadecimal digits.
    MalformedUnicode,
    /// Half a character of those that Java needs two for.
    LoneSurrogate,
}

impl Mistake {
    fn told(self, span: Span) -> Diagnostic {
        match self {
            Self::MalformedUnicode => Diagnostic::error(
                "malformed-escape",
                span,
                "`\\u` is not followed by four hexadecimal digits",
                "nothing starts: Flume gives up the whole file",
            )
            .expected("expected `\\u0041` or the like")
            .help("write `\\\\u` for a backslash and a `u`")
            .fatal(),
            Self::LoneSurrogate => Diagnostic::warning(
                "half-character",
                span,
                "this escape is half a character",
                "`\u{fffd}` stands in its place",
            )
            .expected("expected two escapes, such as `\\uD83D\\uDE00`"),
        }
    }
}

/// A raw text with its continuation lines joined, each character with its place in the raw text.
fn joined(raw: &str) -> Vec<(usize, char)> {
    let mut out = Vec::with_capacity(raw.len());
    let mut characters = raw.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if c != '\\' {
            out.push((at, c));
            continue;
        }
        match characters.next() {
            // The last backslash of a file takes nothing with it.
            None => {}
            Some((_, line_end @ ('\n' | '\r'))) => {
                if line_end == '\r' {
                    characters.next_if(|(_, next)| *next == '\n');
                }
                while characters.next_if(|(_, next)| matches!(next, ' ' | '\t' | '\u{c}')).is_some()
                {
                }
            }
            Some(escaped) => {
                out.push((at, c));
                out.push(escaped);
            }
        }
    }
    out
}

/// A raw key or value as Java understands it, and the places of its mistakes.
fn unescape(raw: &str) -> (String, Vec<(usize, Mistake)>) {
    if !raw.contains('\\') {
        return (raw.to_owned(), Vec::new());
    }
    let mut text = String::with_capacity(raw.len());
    let mut mistakes = Vec::new();
    let mut high: Option<(usize, u16)> = None;
    let characters = joined(raw);
    let mut rest = characters.iter().copied();
    while let Some((at, c)) = rest.next() {
        let mut unit = None;
        let plain = match c {
            '\\' => match rest.next() {
                Some((_, 'u')) => {
                    unit = hexadecimal(&mut rest);
                    if unit.is_none() {
                        mistakes.push((at, Mistake::MalformedUnicode));
                        continue;
                    }
                    None
                }
                Some((_, 't')) => Some('\t'),
                Some((_, 'n')) => Some('\n'),
                Some((_, 'r')) => Some('\r'),
                Some((_, 'f')) => Some('\u{c}'),
                Some((_, other)) => Some(other),
                None => None,
            },
            other => Some(other),
        };
        if let (Some((_, first)), Some(second)) = (high, unit)
            && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
        {
            text.push(pair);
            high = None;
            continue;
        }
        if let Some((place, _)) = high.take() {
            mistakes.push((place, Mistake::LoneSurrogate));
            text.push(char::REPLACEMENT_CHARACTER);
        }
        match (unit.map(|unit| (unit, char::from_u32(u32::from(unit)))), plain) {
            (Some((_, Some(c))), _) | (None, Some(c)) => text.push(c),
            (Some((unit, None)), _) => high = Some((at, unit)),
            (None, None) => {}
        }
    }
    if let Some((place, _)) = high {
        mistakes.push((place, Mistake::LoneSurrogate));
        text.push(char::REPLACEMENT_CHARACTER);
    }
    (text, mistakes)
}

/// The four digits after `\u`; takes nothing when they are not there.
fn hexadecimal(rest: &mut (impl Iterator<Item = (usize, char)> + Clone)) -> Option<u16> {
    let mut ahead = rest.clone();
    let mut unit = 0_u16;
    for _ in 0..4 {
        let digit = ahead.next()?.1.to_digit(16)?;
        unit = (unit << 4) | u16::try_from(digit).ok()?;
    }
    *rest = ahead;
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::config::span::FileIndex;

    fn entries(text: &str) -> Vec<(String, String)> {
        let parsed = parse(FileIndex(0), text);
        assert!(parsed.diagnostics.is_empty(), "{text:?}: {:?}", parsed.diagnostics);
        parsed.entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    /// Each line was read by java.util.Properties.
    #[test]
    fn a_file_says_what_java_reads_in_it() {
        for (text, expected) in [
            ("", &[][..]),
            ("a b c", &[("a", "b c")][..]),
            ("d:e=f", &[("d", "e=f")]),
            ("g==h", &[("g", "=h")]),
            ("e\t:\tf", &[("e", "f")]),
            ("k=v # c", &[("k", "v # c")]),
            ("  # comment \\\nk=v", &[("k", "v")]),
            ("! comment\rk=v\r\nl=w", &[("k", "v"), ("l", "w")]),
            ("a=1\\\n# x", &[("a", "1# x")]),
            ("a=1\\\n\nb=2", &[("a", "1"), ("b", "2")]),
            ("a = 1 \\\r\n   2", &[("a", "1 2")]),
            ("a\\\n  = b", &[("a", "b")]),
            ("a\\=b = c", &[("a=b", "c")]),
            ("a\\ b c", &[("a b", "c")]),
            ("x\\u003dy = 1", &[("x=y", "1")]),
            ("x=\\u00\\\n  41", &[("x", "A")]),
            ("x=C:\\dir\\\\y", &[("x", "C:dir\\y")]),
            ("x=\\ y ", &[("x", " y ")]),
            ("x=\\t\\n\\r\\f\\q", &[("x", "\t\n\r\u{c}q")]),
            ("=x", &[("", "x")]),
            ("x", &[("x", "")]),
            ("x=\\uD83D\\uDE00", &[("x", "😀")]),
            ("x=a\\", &[("x", "a")]),
            ("\\", &[("", "")]),
            ("\\\n", &[("", "")]),
            ("\\\r\n", &[]),
            ("\\\n ", &[]),
            ("\\\n\n#c\na=b", &[("a", "b")]),
            ("\\\n#c=d", &[]),
            ("\\\n\\\n", &[("", "")]),
            ("a=b \\\n", &[("a", "b ")]),
            ("a \\\n", &[("a", "")]),
            ("\u{feff}a=b", &[("\u{feff}a", "b")]),
            ("a=b\na=c", &[("a", "b"), ("a", "c")]),
        ] {
            let read = entries(text);
            let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn a_malformed_escape_is_told_where_it_stands_and_the_rest_is_read() {
        let parsed = parse(FileIndex(0), "a = C:\\users\nb = 1");
        assert_eq!(parsed.entries.len(), 2);
        let remark = &parsed.diagnostics[0];
        assert_eq!((remark.code, remark.span.start, remark.span.end), ("malformed-escape", 6, 8));
        assert!(remark.fatal);
    }

    #[test]
    fn half_a_character_is_told() {
        let parsed = parse(FileIndex(0), "a = x\\ud800y");
        assert_eq!(parsed.entries[0].value, "x\u{fffd}y");
        assert_eq!(parsed.diagnostics[0].code, "half-character");
    }

    #[test]
    fn spans_cover_what_is_written_without_the_blanks_behind_it() {
        let text = "  a.b \\\n = c d  \n";
        let parsed = parse(FileIndex(0), text);
        let entry = &parsed.entries[0];
        assert_eq!(text.get(entry.key_span.start..entry.key_span.end), Some("a.b"));
        assert_eq!(text.get(entry.value_span.start..entry.value_span.end), Some("c d"));
    }
}
