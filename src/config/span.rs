//! Where something stands in the configuration's files.
//!
//! Entries keep their place from the parser until the plan is built, so that every remark, however late, can point at the
//! characters it is about. A [`Span`] is three numbers; [`Sources`] turns it back into a file, a line and a column.

use std::ops::Range;

/// A file's place in the order they were given in, which is the order they are merged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIndex(pub u32);

/// A stretch of one file's decoded text, in bytes of UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which file.
    pub file: FileIndex,
    /// The first byte.
    pub start: usize,
    /// One behind the last byte.
    pub end: usize,
}

impl Span {
    /// The stretch `range` of `file`.
    #[must_use]
    pub fn new(file: FileIndex, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }

    /// The stretch without its first `bytes`, as far as there are any.
    #[must_use]
    pub fn after(self, bytes: usize) -> Self {
        Self { start: (self.start + bytes).min(self.end), ..self }
    }

    /// How many bytes of the decoded text it covers.
    #[must_use]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether it is a mere point.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A line and a column as editors count them: from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

/// One file of the configuration: its name as the operator gave it, its decoded text, and what of it must not be shown.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Stretches that hold secrets, in order.
    hidden: Vec<Range<usize>>,
}

impl Source {
    /// A file called `name` that holds `text`.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            // A line ends where Java's parser ends it: at \n, \r, or both together.
            let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            if ends {
                lines.push(at + 1);
            }
        }
        Self { name: name.into(), text, lines, hidden: Vec::new() }
    }

    /// A file that could not be read: it has a name and nothing else.
    #[must_use]
    pub fn unread(name: impl Into<String>) -> Self {
        Self { name: name.into(), text: String::new(), lines: Vec::new(), hidden: Vec::new() }
    }

    /// Whether it was read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The name it was given with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its decoded text, whole.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and column of a byte; a byte behind the end counts as the end.
    #[must_use]
    pub fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|begin| *begin <= at).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(begin..at).map_or_else(
            || self.text.get(begin..).map_or(0, |rest| rest.chars().count()),
            |before| before.chars().count(),
        );
        Place { line, column: column + 1 }
    }

    /// The line that a byte is in: where it begins, and what of it lies within `around` bytes of the byte, each character
    /// with its place in the text. Secrets are blotted out.
    #[must_use]
    pub fn line_around(&self, at: usize, around: usize) -> Line {
        let number = self.place_of_line(at);
        let begin = self.lines.get(number).copied().unwrap_or_default();
        let end = self.lines.get(number + 1).copied().unwrap_or(self.text.len());
        let from = self.floor(at.saturating_sub(around).max(begin));
        let to = self.floor(at.saturating_add(around).min(end)).max(from);
        let shown = self.text.get(from..to).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let hidden: Vec<&Range<usize>> = self
            .hidden
            .iter()
            .filter(|hidden| hidden.start < from + shown.len() && hidden.end > from)
            .collect();
        let characters = shown.char_indices().map(|(offset, c)| {
            let at = from + offset;
            let secret = hidden.iter().any(|hidden| hidden.contains(&at));
            (at, if secret && c != '\t' { '*' } else { c })
        });
        let cut = |at: usize| !matches!(self.text.as_bytes().get(at), None | Some(b'\n' | b'\r'));
        Line {
            characters: characters.collect(),
            cut_before: from > begin,
            cut_after: cut(from + shown.len()) && from + shown.len() < end,
        }
    }

    /// The index of the line that a byte is in.
    fn place_of_line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at).saturating_sub(1)
    }

    /// The beginning of the character that a byte is in.
    fn floor(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or_default()
    }

    /// Declares a stretch a secret: whoever shows a line shows stars in its place.
    pub fn hide(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.hidden.push(range);
        }
    }
}

/// A line, or the part of a long one that somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its characters, each with its place in the text.
    pub characters: Vec<(usize, char)>,
    /// Whether there is more of it before these.
    pub cut_before: bool,
    /// Whether there is more of it behind these.
    pub cut_after: bool,
}

impl Line {
    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        self.characters.iter().map(|(_, c)| c).collect()
    }
}

/// The files of one configuration, in the order they were given.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a file and says which one it is.
    pub fn add(&mut self, source: Source) -> FileIndex {
        let index = FileIndex(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(source);
        index
    }

    /// The file with that index.
    #[must_use]
    pub fn get(&self, file: FileIndex) -> Option<&Source> {
        self.0.get(usize::try_from(file.0).ok()?)
    }

    /// The same, to hide secrets in it.
    pub fn get_mut(&mut self, file: FileIndex) -> Option<&mut Source> {
        self.0.get_mut(usize::try_from(file.0).ok()?)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// `file:line:column` of a span's beginning, which a terminal makes a link; the mere file if it could not be read.
    #[must_use]
    pub fn locate(&self, span: Span) -> String {
        match self.get(span.file) {
            Some(source) if !source.is_read() => source.name().to_owned(),
            Some(source) => {
                let place = source.place(span.start);
                format!("{}:{}:{}", source.name(), place.line, place.column)
            }
            None => String::from("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileIndex, Place, Source, Sources, Span};

    #[test]
    fn lines_end_where_java_ends_them() {
        let source = Source::new("f", "a\nb\r\nc\rd");
        for (at, line, column) in [(0, 1, 1), (1, 1, 2), (2, 2, 1), (5, 3, 1), (7, 4, 1), (8, 4, 2)]
        {
            assert_eq!(source.place(at), Place { line, column }, "byte {at}");
        }
        assert_eq!(source.line_around(2, 9).text(), "b");
        assert_eq!(source.line_around(7, 9).text(), "d");
    }

    #[test]
    fn columns_are_characters_not_bytes() {
        let source = Source::new("f", "日本 = x");
        assert_eq!(source.place(9), Place { line: 1, column: 6 });
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        let source = Source::new("f", "ab\n");
        assert_eq!(source.place(99), Place { line: 2, column: 1 });
        assert_eq!(source.line_around(99, 9).text(), "");
    }

    #[test]
    fn a_hidden_value_is_never_shown() {
        let mut source = Source::new("f", "password = geheim\nnext = 1");
        source.hide(11..17);
        assert_eq!(source.line_around(3, 99).text(), "password = ******");
        assert_eq!(source.line_around(20, 99).text(), "next = 1");
    }

    #[test]
    fn of_a_long_line_only_what_is_near_is_looked_at() {
        let source = Source::new("f", format!("{}é{}\n", "a".repeat(50), "b".repeat(50)));
        let line = source.line_around(50, 3);
        assert_eq!((line.text().as_str(), line.cut_before, line.cut_after), ("aaaéb", true, true));
        let line = source.line_around(0, 200);
        assert_eq!((line.characters.len(), line.cut_before, line.cut_after), (101, false, false));
    }

    #[test]
    fn a_span_is_located_by_file_line_and_column() {
        let mut sources = Sources::default();
        let first = sources.add(Source::new("one.conf", "a = 1\n"));
        let second = sources.add(Source::new("two.conf", "\n  b = 2"));
        assert_eq!(sources.locate(Span::new(first, 4..5)), "one.conf:1:5");
        assert_eq!(sources.locate(Span::new(second, 3..4)), "two.conf:2:3");
        assert_eq!(sources.locate(Span::new(FileIndex(7), 0..0)), "?");
    }
}
