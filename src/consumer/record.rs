//! Records as they lie between the poll thread and a writer: one buffer for a chunk, and a table beside it.
//!
//! What librdkafka hands out is copied once, here, and borrowed from then on; a record of its own per message would cost three
//! allocations each.

use std::ops::Range;

/// One record, seen in place.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: u64,
    /// Its time in milliseconds since 1970; -1 for none.
    pub time_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none in a tombstone.
    pub body: Option<&'a [u8]>,
    records: &'a Records,
    entry: &'a Entry,
}

impl<'a> Record<'a> {
    /// Its headers, in the order they were written; a name may come more than once, and a value may be null.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let (records, entry) = (self.records, self.entry);
        let headers = records.headers.get(entry.headers.clone()).unwrap_or_default();
        headers.iter().map(move |header| {
            let name = std::str::from_utf8(records.part(&header.name)).unwrap_or_default();
            (name, header.value.as_ref().map(|value| records.part(value)))
        })
    }

    /// The last header of a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(n, _)| *n == name).last().and_then(|(_, value)| value)
    }
}

/// Records in order of their offsets.
#[derive(Debug, Default)]
pub struct Records {
    buffer: Vec<u8>,
    table: Vec<Entry>,
    headers: Vec<Header>,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    time_ms: i64,
    key: Option<Range<usize>>,
    body: Option<Range<usize>>,
    headers: Range<usize>,
}

#[derive(Debug)]
struct Header {
    name: Range<usize>,
    value: Option<Range<usize>>,
}

impl Records {
    /// Adds a record. Offsets only rise.
    pub fn push<'h>(
        &mut self,
        offset: u64,
        time_ms: i64,
        key: Option<&[u8]>,
        body: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) {
        // A large body is not to be copied again by the growing of the buffer.
        self.buffer.reserve(key.map_or(0, <[u8]>::len) + body.map_or(0, <[u8]>::len));
        let key = key.map(|bytes| self.keep(bytes));
        let body = body.map(|bytes| self.keep(bytes));
        let first = self.headers.len();
        for (name, value) in headers {
            let name = self.keep(name.as_bytes());
            let value = value.map(|bytes| self.keep(bytes));
            self.headers.push(Header { name, value });
        }
        let headers = first..self.headers.len();
        self.table.push(Entry { offset, time_ms, key, body, headers });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len() + self.table.len() * size_of::<Entry>()
    }

    /// Each of them, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.table.iter().map(|entry| self.view(entry))
    }

    /// The one at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.table.get(index).map(|entry| self.view(entry))
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> Record<'a> {
        Record {
            offset: entry.offset,
            time_ms: entry.time_ms,
            key: entry.key.as_ref().map(|range| self.part(range)),
            body: entry.body.as_ref().map(|range| self.part(range)),
            records: self,
            entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Records;

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let mut records = Records::default();
        let headers: [(&str, Option<&[u8]>); 3] =
            [("a", Some(b"1")), ("b", None), ("a", Some(b"2"))];
        records.push(7, 1000, Some(b"k"), Some(b"body"), headers.into_iter());
        records.push(9, -1, None, None, [].into_iter());
        let first = records.get(0).unwrap();
        assert_eq!(
            (first.offset, first.time_ms, first.key, first.body),
            (7, 1000, Some(&b"k"[..]), Some(&b"body"[..]))
        );
        assert_eq!(first.headers().collect::<Vec<_>>(), headers);
        assert_eq!(
            (first.header("a"), first.header("b"), first.header("c")),
            (Some(&b"2"[..]), None, None)
        );
        let second = records.iter().nth(1).unwrap();
        assert_eq!(
            (second.offset, second.key, second.body, second.headers().count()),
            (9, None, None, 0)
        );
        assert_eq!(records.len(), 2);
    }
}
