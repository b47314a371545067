//! What a client has sent so far: lines, as Flume cuts them.
//!
//! A line ends at `\n` and keeps its `\r`. One that is too long, or that the character set does not have, ends the connection;
//! the lines before it count.

use crate::config::charset::Charset;

/// What became of a client's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More may come.
    GoOn,
    /// A line has more characters than it may.
    TooLong,
    /// A line is not of the character set.
    NotText,
}

/// The text of one client that is not yet a line.
pub(super) struct Text {
    encoding: Charset,
    /// Characters of a line at most, its end included. Java's characters: one outside the basic plane counts twice.
    line_length: usize,
    pending: Vec<u8>,
}

impl Text {
    pub(super) fn new(encoding: Charset, line_length: usize) -> Self {
        Self { encoding, line_length, pending: Vec::new() }
    }

    /// Takes what came, and hands out each line that is whole: as UTF-8, whatever it came in.
    pub(super) fn take(&mut self, came: &[u8], mut line: impl FnMut(&str)) -> Verdict {
        self.pending.extend_from_slice(came);
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', self.pending.get(from..).unwrap_or_default())
        {
            let bytes = self.pending.get(from..from + length).unwrap_or_default();
            let Some(text) = self.encoding.decode_all(bytes) else { return Verdict::NotText };
            if text.encode_utf16().count() >= self.line_length {
                return Verdict::TooLong;
            }
            line(&text);
            from += length + 1;
        }
        self.pending.drain(..from);
        // A character has at least one byte and at most four, so few bytes need no counting and many are too many.
        let (bytes, most) = (self.pending.len(), self.line_length);
        let too_long = bytes >= most
            && (bytes > most.saturating_mul(4)
                || self.encoding.decode(&self.pending).encode_utf16().count() >= most);
        if too_long { Verdict::TooLong } else { Verdict::GoOn }
    }

    /// Bytes of the line that is not whole.
    pub(super) fn unfinished(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, Verdict};
    use crate::config::charset::Charset;
    use crate::config::value::Value;

    fn taken(encoding: &str, line_length: usize, chunks: &[&[u8]]) -> (Vec<String>, Verdict) {
        let mut text = Text::new(Charset::parse(encoding).unwrap(), line_length);
        let mut lines = Vec::new();
        for chunk in chunks {
            let verdict = text.take(chunk, |line| lines.push(line.to_owned()));
            if verdict != Verdict::GoOn {
                return (lines, verdict);
            }
        }
        (lines, Verdict::GoOn)
    }

    #[test]
    fn lines_are_cut_as_flume_cuts_them() {
        let (lines, verdict) = taken("utf-8", 512, &[b"a\r\n\nb", b"c\n", b"d"]);
        assert_eq!(
            (lines, verdict),
            (vec!["a\r".into(), String::new(), "bc".into()], Verdict::GoOn)
        );
        assert_eq!(taken("iso-8859-1", 512, &[b"\xe9\n"]).0, ["é"]);
    }

    #[test]
    fn a_line_may_have_one_character_less_than_the_length_and_its_end() {
        assert_eq!(taken("utf-8", 5, &[b"abcd\n"]), (vec!["abcd".to_owned()], Verdict::GoOn));
        assert_eq!(
            taken("utf-8", 5, &[b"ok\nabcde\nf\n"]),
            (vec!["ok".to_owned()], Verdict::TooLong)
        );
        assert_eq!(
            taken("utf-8", 5, &[b"ok\nab", b"cde"]),
            (vec!["ok".to_owned()], Verdict::TooLong)
        );
        let (lines, verdict) = taken("utf-8", 5, &["éééé".as_bytes(), b"\n"]);
        assert_eq!((lines.len(), verdict), (1, Verdict::GoOn), "characters count, not bytes");
        assert_eq!(taken("utf-8", 5, &["😀😀a".as_bytes()]).1, Verdict::TooLong);
    }

    #[test]
    fn what_is_no_text_ends_the_connection_after_the_lines_before_it() {
        let (lines, verdict) = taken("utf-8", 512, &[b"ok\n\xff\nmore\n"]);
        assert_eq!((lines, verdict), (vec!["ok".to_owned()], Verdict::NotText));
    }
}
