//! Where lines end: from the bytes of a file to the table of a batch.

use crate::event::Entry;

/// Where a batch must end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Lines at most.
    pub(super) lines: usize,
    /// Bytes at most, unless one line is longer.
    pub(super) bytes: usize,
    /// The first line end at or behind this place in the buffer.
    pub(super) at: usize,
}

/// The lines of `bytes[from..to]` up to a limit, and where they end: at least one line, and never a part of one but for a
/// last piece without a line end. As Flume: `\n` ends a line, and one `\r` right before it belongs to the end.
pub(super) fn split(bytes: &[u8], from: usize, to: usize, limit: Limit) -> (Vec<Entry>, usize) {
    let within = bytes.get(from..to).unwrap_or_default();
    let mut table = Vec::with_capacity((within.len() / 64).clamp(1, limit.lines.max(1)));
    let mut begin = from;
    for newline in memchr::memchr_iter(b'\n', within) {
        let end = from + newline;
        if !table.is_empty() && end + 1 - from > limit.bytes {
            return (table, begin);
        }
        let body = if end > begin && bytes.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
        table.push(entry(begin, body));
        begin = end + 1;
        if table.len() >= limit.lines || begin >= limit.at {
            return (table, begin);
        }
    }
    if begin < to && (table.is_empty() || to - from <= limit.bytes) {
        table.push(entry(begin, to));
        begin = to;
    }
    (table, begin)
}

/// Header sets are the caller's.
fn entry(from: usize, to: usize) -> Entry {
    let narrow = |n: usize| u32::try_from(n).expect("a buffer is smaller than 4 GiB");
    Entry { start: narrow(from), length: narrow(to - from), headers: 0 }
}

#[cfg(test)]
mod tests {
    use super::{Limit, split};

    const NONE: Limit = Limit { lines: usize::MAX, bytes: usize::MAX, at: usize::MAX };

    fn lines(text: &str, limit: Limit) -> (Vec<&str>, usize) {
        let (table, end) = split(text.as_bytes(), 0, text.len(), limit);
        let body = |e: &crate::event::Entry| {
            let (from, length) = (e.start.try_into().unwrap(), usize::try_from(e.length).unwrap());
            text.get(from..from + length).unwrap()
        };
        (table.iter().map(body).collect(), end)
    }

    #[test]
    fn lines_end_as_in_flume() {
        let (found, end) = lines("a\n\nb\r\n\r\n\r\r\nc\rd\n", NONE);
        assert_eq!(found, ["a", "", "b", "", "\r", "c\rd"]);
        assert_eq!(end, 15);
        assert_eq!(lines("a\nrest", NONE), (vec!["a", "rest"], 6));
    }

    #[test]
    fn a_batch_ends_at_whichever_limit_comes_first_and_has_at_least_one_line() {
        let text = "aaaa\nbb\ncc\ndddd\n";
        assert_eq!(lines(text, Limit { lines: 2, ..NONE }), (vec!["aaaa", "bb"], 8));
        assert_eq!(lines(text, Limit { bytes: 8, ..NONE }), (vec!["aaaa", "bb"], 8));
        assert_eq!(lines(text, Limit { bytes: 10, ..NONE }), (vec!["aaaa", "bb"], 8));
        assert_eq!(lines(text, Limit { bytes: 1, ..NONE }), (vec!["aaaa"], 5));
        assert_eq!(lines(text, Limit { at: 8, ..NONE }), (vec!["aaaa", "bb"], 8));
        assert_eq!(lines(text, Limit { at: 6, ..NONE }), (vec!["aaaa", "bb"], 8));
        assert_eq!(lines("a\nlong", Limit { bytes: 3, ..NONE }), (vec!["a"], 2));
    }
}
