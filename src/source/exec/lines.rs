//! Cuts what a command says into lines, as Java's `BufferedReader#readLine` does: at `\n`, at `\r`, and at both together.
//! A last line without an end is a line.

/// Bytes of a line at most. A longer one is cut into several, told: a command that never ends its line must not fill the
/// memory.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// Cuts chunks into lines; a line may lie in several.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of the line that the last chunk did not end.
    carry: Vec<u8>,
    /// Whether `carry` was handed out and is to be forgotten.
    handed_out: bool,
    /// Whether the last line ended in `\r`, so that a `\n` belongs to it.
    after_return: bool,
    /// Lines cut because they were too long.
    pub(super) cut: u64,
}

impl Lines {
    /// The next line of `rest`, which is shortened by it. `None` when the rest has no end of a line: it is kept.
    pub(super) fn next<'l, 'c: 'l>(&'l mut self, rest: &mut &'c [u8]) -> Option<&'l [u8]> {
        if std::mem::take(&mut self.handed_out) {
            self.carry.clear();
        }
        if std::mem::take(&mut self.after_return) {
            if rest.is_empty() {
                self.after_return = true;
                return None;
            }
            *rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let room = LINE_BYTES_MAX.saturating_sub(self.carry.len());
        let end = memchr::memchr2(b'\n', b'\r', rest);
        if end.unwrap_or(rest.len()) > room {
            self.cut += 1;
            return Some(self.hand_out(rest, room, 0));
        }
        let Some(end) = end else {
            self.carry.extend_from_slice(rest);
            *rest = &[];
            return None;
        };
        self.after_return = rest.get(end) == Some(&b'\r');
        Some(self.hand_out(rest, end, 1))
    }

    /// What is left at the end of the output, if it is a line.
    pub(super) fn last(&mut self) -> Option<&[u8]> {
        let left = !self.handed_out && !self.carry.is_empty();
        self.handed_out = true;
        left.then_some(self.carry.as_slice())
    }

    /// The carry and `length` bytes of `rest` as one line; `ending` bytes after it are passed over.
    fn hand_out<'l, 'c: 'l>(
        &'l mut self,
        rest: &mut &'c [u8],
        length: usize,
        ending: usize,
    ) -> &'l [u8] {
        let (line, behind) = rest.split_at(length);
        *rest = behind.get(ending..).unwrap_or_default();
        if self.carry.is_empty() {
            return line;
        }
        self.carry.extend_from_slice(line);
        self.handed_out = true;
        &self.carry
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, Lines};

    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut keep = |line: &[u8]| found.push(String::from_utf8(line.to_vec()).unwrap());
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(line) = lines.next(&mut rest) {
                keep(line);
            }
        }
        if let Some(line) = lines.last() {
            keep(line);
        }
        found
    }

    #[test]
    fn lines_end_where_java_ends_them_wherever_the_chunks_do() {
        let text = b"a\nbc\r\nd\re\n\n\r\rf";
        let expected = ["a", "bc", "d", "e", "", "", "", "f"];
        assert_eq!(cut(&[text]), expected);
        for at in 0..=text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(cut(&[first, second]), expected, "cut at {at}");
            assert_eq!(cut(&[first, b"", second]), expected, "cut at {at}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(cut(&single), expected);
        assert_eq!(cut(&[b"a\n"]), ["a"]);
        assert_eq!(cut(&[b"a\r", b"\n"]), ["a"]);
        assert!(cut(&[b""]).is_empty());
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; 1 << 20];
        let (mut bytes, mut found) = (0, 0);
        for _ in 0..130 {
            let mut rest = chunk.as_slice();
            while let Some(line) = lines.next(&mut rest) {
                bytes += line.len();
                found += 1;
            }
        }
        assert_eq!((found, lines.cut, bytes), (2, 2, 2 * LINE_BYTES_MAX));
        assert_eq!(lines.last().unwrap().len(), (130 << 20) - 2 * LINE_BYTES_MAX);
        assert!(lines.last().is_none());
    }
}
