//! Draws remarks: the one place that does, so that all look alike.
//!
//! ```text
//! error[wrong-value]: `flumeBatchSize` cannot be `1k`
//!   --> conf/flume.conf:10:30
//!    |
//! 10 | a1.sinks.k1.flumeBatchSize = 1k
//!    |                              ^^ expected a whole number, 1 or more
//!    = help: the default is `100`
//!    = effect: `k1` will not start; the rest of `a1` will
//! ```

use crate::config::diagnostic::Diagnostic;
use crate::config::span::{Source, Sources, Span};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthChar;

/// A tab is drawn as so many blanks.
const TAB: &str = "    ";
/// A line wider than this is shown in part.
const COLUMNS_MAX: usize = 160;
/// So many bytes of a line on each side of a place are looked at: enough for the widest that is drawn.
const BYTES_AROUND: usize = 1000;
/// So much of a wide line is shown before what it is about.
const COLUMNS_BEFORE: usize = 60;

/// A remark in full, ending in a line end.
#[must_use]
pub fn full(remark: &Diagnostic, sources: &Sources) -> String {
    let mut out =
        format!("{}[{}]: {}\n", remark.severity.word(), remark.code, plain(&remark.message));
    let spans = remark.notes.iter().map(|note| note.span).chain([remark.span]);
    let digits = spans.map(|span| line_number(span, sources).to_string().len()).max().unwrap_or(1);
    put(&mut out, &format!("{:digits$}--> {}\n", "", plain(&sources.locate(remark.span))));
    let rule = format!("{:digits$} |\n", "");
    let mut shown = false;
    if let Some(drawn) = snippet(remark.span, '^', &remark.expected, sources, digits) {
        out.push_str(&rule);
        out.push_str(&drawn);
        shown = true;
    }
    for note in &remark.notes {
        let Some(drawn) = snippet(note.span, '-', &note.text, sources, digits) else { continue };
        if note.span.file != remark.span.file {
            put(&mut out, &format!("{:digits$}::: {}\n", "", plain(&sources.locate(note.span))));
        }
        out.push_str(&rule);
        out.push_str(&drawn);
    }
    if !shown && !remark.expected.is_empty() {
        put(&mut out, &format!("{:digits$} = {}\n", "", plain(&remark.expected)));
    }
    if let Some(help) = &remark.help {
        put(&mut out, &format!("{:digits$} = help: {}\n", "", plain(help)));
    }
    put(&mut out, &format!("{:digits$} = effect: {}\n", "", plain(&remark.effect)));
    out
}

/// A remark in one line, without its end: `file:line:column: error[code]: sentence`.
#[must_use]
pub fn short(remark: &Diagnostic, sources: &Sources) -> String {
    let place = sources.locate(remark.span);
    let word = remark.severity.word();
    format!("{}: {word}[{}]: {}", plain(&place), remark.code, plain(&remark.message))
}

/// A remark as a JSON object.
#[must_use]
pub fn json(remark: &Diagnostic, sources: &Sources) -> Value {
    let place = |span: Span| {
        let source = sources.get(span.file);
        let at = source.filter(|source| source.is_read()).map(|source| source.place(span.start));
        let end = source.filter(|source| source.is_read()).map(|source| source.place(span.end));
        json!({
            "file": source.map(Source::name),
            "line": at.map(|at| at.line),
            "column": at.map(|at| at.column),
            "end_line": end.map(|end| end.line),
            "end_column": end.map(|end| end.column),
        })
    };
    let notes: Vec<Value> = remark
        .notes
        .iter()
        .map(|note| json!({ "place": place(note.span), "text": note.text }))
        .collect();
    json!({
        "severity": remark.severity.word(),
        "code": remark.code,
        "message": remark.message,
        "place": place(remark.span),
        "expected": remark.expected,
        "notes": notes,
        "help": remark.help,
        "effect": remark.effect,
        "fatal": remark.fatal,
    })
}

fn line_number(span: Span, sources: &Sources) -> usize {
    sources.get(span.file).filter(|source| source.is_read()).map_or(1, |s| s.place(span.start).line)
}

/// The line a span begins in, and marks under as much of the span as is in it.
fn snippet(span: Span, mark: char, text: &str, sources: &Sources, digits: usize) -> Option<String> {
    let source = sources.get(span.file).filter(|source| source.is_read())?;
    let number = source.place(span.start).line;
    let line = source.line_around(span.start, BYTES_AROUND);
    let columns =
        |characters: &[(usize, char)]| characters.iter().map(|(_, c)| width(*c)).sum::<usize>();
    let (before, rest) =
        line.characters.split_at(line.characters.partition_point(|(at, _)| *at < span.start));
    let marked = rest.split_at(rest.partition_point(|(at, _)| *at < span.end)).0;
    let (mut skipped, mut lead) = (0, if line.cut_before { "…" } else { "" });
    if columns(before) + columns(marked).max(1) > COLUMNS_MAX {
        let fits =
            |from: &usize| columns(before.get(*from..).unwrap_or_default()) <= COLUMNS_BEFORE;
        skipped = (0..before.len()).find(fits).unwrap_or(before.len());
        lead = if skipped > 0 { "…" } else { lead };
    }
    let mut drawn = lead.to_owned();
    let (mut column, mut tail) = (lead.chars().count(), if line.cut_after { "…" } else { "" });
    for (_, c) in line.characters.iter().skip(skipped) {
        column += width(*c);
        if column > COLUMNS_MAX {
            tail = "…";
            break;
        }
        put_character(&mut drawn, *c);
    }
    drawn.push_str(tail);
    let indent = lead.chars().count() + columns(before.get(skipped..).unwrap_or_default());
    let marked = columns(marked).clamp(1, COLUMNS_MAX.saturating_sub(indent).max(1));
    let marks: String = std::iter::repeat_n(mark, marked).collect();
    let text = plain(text);
    let gap = if text.is_empty() { "" } else { " " };
    let text = format!("{marks}{gap}{text}");
    Some(format!("{number:>digits$} | {drawn}\n{:digits$} | {:indent$}{text}\n", "", ""))
}

/// How many columns a character is drawn in.
fn width(c: char) -> usize {
    match c {
        '\t' => TAB.len(),
        c if c.is_control() => 1,
        c => c.width().unwrap_or(0),
    }
}

/// A character as it is drawn: a tab as blanks, and none that could move the cursor.
fn put_character(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str(TAB),
        c if c.is_control() => out.push('\u{fffd}'),
        c => out.push(c),
    }
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
}

/// Text from the file within a sentence: nothing in it may break the line or move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{full, json, short};
    use crate::config::diagnostic::Diagnostic;
    use crate::config::span::{FileIndex, Source, Sources, Span};

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source::new("f.conf", text));
        sources
    }

    fn at(range: std::ops::Range<usize>) -> Span {
        Span::new(FileIndex(0), range)
    }

    #[test]
    fn marks_stand_under_what_they_are_about_through_tabs_and_wide_letters() {
        let sources = sources("\ta = 日本x\n");
        let remark = Diagnostic::error("c", at(11..12), "m", "e").expected("here").help("h");
        let expected = "\
error[c]: m
 --> f.conf:1:8
  |
1 |     a = 日本x
  |             ^ here
  = help: h
  = effect: e
";
        assert_eq!(full(&remark, &sources), expected);
    }

    #[test]
    fn the_gutter_is_as_wide_as_the_greatest_line_number() {
        let text = "x\n".repeat(11) + "ab\\\ncd\n";
        let remark = Diagnostic::warning("c", at(22..27), "m", "e").note(at(0..1), "before");
        let expected = "\
warning[c]: m
  --> f.conf:12:1
   |
12 | ab\\
   | ^^^
   |
 1 | x
   | - before
   = effect: e
";
        assert_eq!(full(&remark, &sources(&text)), expected);
    }

    #[test]
    fn a_point_and_the_end_of_the_file_have_a_mark_too() {
        let sources = sources("ab");
        let drawn = full(&Diagnostic::error("c", at(2..2), "m", "e"), &sources);
        assert!(drawn.contains("1 | ab\n  |   ^\n"), "{drawn}");
    }

    #[test]
    fn nothing_in_a_file_can_move_the_cursor() {
        let sources = sources("a = \u{1b}[2Jx\u{7}");
        let remark = Diagnostic::error("c", at(4..9), "`\u{1b}[2J`", "e");
        let drawn = full(&remark, &sources);
        assert!(!drawn.contains('\u{1b}') && !drawn.contains('\u{7}'), "{drawn:?}");
        assert!(!short(&remark, &sources).contains('\u{1b}'));
    }

    #[test]
    fn a_wide_line_is_shown_in_part() {
        let text = format!("k = {}BAD{}", "x".repeat(1000), "y".repeat(1000));
        let drawn = full(
            &Diagnostic::error("c", at(1004..1007), "m", "e").expected("here"),
            &sources(&text),
        );
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 180), "{drawn}");
        let column = lines[3].chars().position(|c| c == 'B').unwrap();
        assert_eq!(lines[4].chars().position(|c| c == '^'), Some(column), "{drawn}");
    }

    #[test]
    fn a_hidden_value_is_drawn_as_stars_with_the_marks_in_place() {
        let mut sources = Sources::default();
        let mut source = Source::new("f.conf", "password = geheim");
        source.hide(11..17);
        sources.add(source);
        let drawn = full(&Diagnostic::error("c", at(11..17), "m", "e"), &sources);
        assert!(drawn.contains("1 | password = ******\n  |            ^^^^^^\n"), "{drawn}");
    }

    #[test]
    fn a_file_that_was_not_read_has_a_name_and_no_line() {
        let mut sources = Sources::default();
        sources.add(Source::unread("gone.conf"));
        let remark = Diagnostic::error("unreadable-file", at(0..0), "m", "e").help("h");
        let expected = "error[unreadable-file]: m\n --> gone.conf\n  = help: h\n  = effect: e\n";
        assert_eq!(full(&remark, &sources), expected);
        assert_eq!(short(&remark, &sources), "gone.conf: error[unreadable-file]: m");
        assert_eq!(json(&remark, &sources)["place"]["line"], serde_json::Value::Null);
    }
}
