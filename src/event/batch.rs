//! Many events in one buffer: how they are put together, looked at, changed and cut.

use super::{Event, Headers, Origin};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// What becomes of an event in [`Batch::rewrite`].
#[derive(Debug)]
pub enum Rewrite {
    /// It stays as it is.
    Keep,
    /// It stays with other headers.
    Headers(Arc<Headers>),
    /// It stays with another body.
    Body(Vec<u8>),
    /// It is left out. The origin stays: what was dropped was read.
    Drop,
}

/// Where an event lies in its batch's buffer, and which of the batch's header sets it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Offset of the body in the buffer, in bytes.
    pub start: u32,
    /// Length of the body, in bytes.
    pub length: u32,
    /// Index into the batch's header sets.
    pub headers: u32,
}

/// Events that become visible together or not at all, and the origin they came from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Bytes,
    table: Arc<Vec<Entry>>,
    header_sets: Arc<Vec<Arc<Headers>>>,
    /// Which part of the source's input this batch is.
    pub origin: Origin,
}

impl Batch {
    /// The largest buffer of one batch, in bytes: offsets in the table are 32 bits wide.
    pub const BYTES_MAX: usize = 0xffff_ffff;

    /// A batch over a buffer that holds the bodies, where `table` says.
    ///
    /// # Panics
    /// When an entry lies outside the buffer or names a header set that is not there: the caller made both.
    #[must_use]
    pub fn new(
        bytes: Bytes,
        table: Vec<Entry>,
        header_sets: Vec<Arc<Headers>>,
        origin: Origin,
    ) -> Self {
        let inside = |e: &Entry| {
            u64::from(e.start) + u64::from(e.length)
                <= u64::try_from(bytes.len()).unwrap_or(u64::MAX)
                && usize::try_from(e.headers).is_ok_and(|i| i < header_sets.len())
        };
        assert!(table.iter().all(inside), "a batch's table lies within its buffer and header sets");
        Self { bytes, table: Arc::new(table), header_sets: Arc::new(header_sets), origin }
    }

    /// No events: what tells a channel that a part of the input had nothing for it (R8).
    #[must_use]
    pub fn position_only(origin: Origin) -> Self {
        Self { origin, ..Self::default() }
    }

    /// The events, in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> + Clone {
        self.table.iter().map(|entry| self.view(entry))
    }

    /// The event at `index`, if there is one.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<Event<'_>> {
        self.table.get(index).map(|entry| self.view(entry))
    }

    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no events; the origin may still say something.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of all bodies together.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.table.iter().map(|entry| u64::from(entry.length)).sum()
    }

    /// The buffer the bodies lie in; it may hold more than the bodies.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where each event lies.
    #[must_use]
    pub fn table(&self) -> &[Entry] {
        &self.table
    }

    /// The distinct header sets.
    #[must_use]
    pub fn header_sets(&self) -> &[Arc<Headers>] {
        &self.header_sets
    }

    /// The events of `range` as a batch of their own, over the same buffer and with the whole origin.
    ///
    /// # Panics
    /// When the range reaches beyond the batch.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        if range == (0..self.len()) {
            return self.clone();
        }
        Self {
            bytes: self.bytes.clone(),
            table: Arc::new(self.table[range].to_vec()),
            header_sets: self.header_sets.clone(),
            origin: self.origin.clone(),
        }
    }

    /// The events that `keep` answers true for, by index, over the same buffer and with the whole origin.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(usize, Event<'_>) -> bool) -> Self {
        let kept = self.table.iter().enumerate().filter(|(i, entry)| keep(*i, self.view(entry)));
        let table = kept.map(|(_, entry)| *entry).collect();
        Self { table: Arc::new(table), ..self.clone() }
    }

    /// Changes the headers of all events that share a set at once: what most interceptors need, at a cost per set.
    /// `None` keeps the set as it is.
    pub fn rewrite_headers(&mut self, mut change: impl FnMut(&Headers) -> Option<Headers>) {
        for set in Arc::make_mut(&mut self.header_sets) {
            if let Some(changed) = change(set) {
                *set = Arc::new(changed);
            }
        }
    }

    /// Decides for each event what becomes of it.
    pub fn rewrite(&mut self, mut decide: impl FnMut(Event<'_>) -> Rewrite) {
        let mut table = Vec::with_capacity(self.table.len());
        let mut sets: Vec<Arc<Headers>> = self.header_sets.to_vec();
        let mut bodies: Vec<(usize, Vec<u8>)> = Vec::new();
        for entry in self.table.iter() {
            let mut entry = *entry;
            match decide(self.view(&entry)) {
                Rewrite::Keep => {}
                Rewrite::Drop => continue,
                Rewrite::Headers(headers) => entry.headers = index_of(&mut sets, headers),
                Rewrite::Body(body) => bodies.push((table.len(), body)),
            }
            table.push(entry);
        }
        if !bodies.is_empty() {
            self.bytes = replace_bodies(&self.bytes, &mut table, bodies);
        }
        self.table = Arc::new(table);
        self.header_sets = Arc::new(sets);
    }

    fn view(&self, entry: &Entry) -> Event<'_> {
        let start = usize::try_from(entry.start).expect("usize has 32 bits or more");
        let length = usize::try_from(entry.length).expect("usize has 32 bits or more");
        let set = usize::try_from(entry.headers).expect("usize has 32 bits or more");
        Event { headers: &self.header_sets[set], body: &self.bytes[start..start + length] }
    }
}

/// The index of `headers` among `sets`, added if it is new. Looks at the last few only: neighbours share headers.
fn index_of(sets: &mut Vec<Arc<Headers>>, headers: Arc<Headers>) -> u32 {
    const LOOK_BACK: usize = 4;
    let from = sets.len().saturating_sub(LOOK_BACK);
    let known = sets[from..].iter().position(|s| Arc::ptr_eq(s, &headers) || **s == *headers);
    let index = known.map_or(sets.len(), |i| from + i);
    if index == sets.len() {
        sets.push(headers);
    }
    u32::try_from(index).expect("a batch has fewer header sets than events, and a 32-bit table")
}

/// A new buffer with all bodies of `table` in order, those in `bodies` (ascending by index) replaced.
fn replace_bodies(old: &Bytes, table: &mut [Entry], bodies: Vec<(usize, Vec<u8>)>) -> Bytes {
    let mut new = Vec::with_capacity(old.len());
    let mut bodies = bodies.into_iter().peekable();
    for (index, entry) in table.iter_mut().enumerate() {
        let at = new.len();
        if let Some((_, body)) = bodies.next_if(|(i, _)| *i == index) {
            new.extend_from_slice(&body);
        } else {
            let start = usize::try_from(entry.start).expect("usize has 32 bits or more");
            let length = usize::try_from(entry.length).expect("usize has 32 bits or more");
            new.extend_from_slice(&old[start..start + length]);
        }
        entry.start = u32::try_from(at).expect("bodies of one batch stay below 4 GiB");
        entry.length = u32::try_from(new.len() - at).expect("bodies of one batch stay below 4 GiB");
    }
    Bytes::from(new)
}

/// Builds a batch event by event, copying the bodies: for sources whose input is not lines of a file.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    table: Vec<Entry>,
    header_sets: Vec<Arc<Headers>>,
}

impl BatchBuilder {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event after the last.
    ///
    /// # Panics
    /// When all bodies together exceed [`Batch::BYTES_MAX`]; look at [`Self::body_bytes`] first.
    pub fn push(&mut self, headers: &Arc<Headers>, body: &[u8]) {
        let start = u32::try_from(self.bytes.len()).expect("bodies of one batch stay below 4 GiB");
        self.bytes.extend_from_slice(body);
        let length = u32::try_from(body.len()).expect("bodies of one batch stay below 4 GiB");
        let headers = index_of(&mut self.header_sets, headers.clone());
        self.table.push(Entry { start, length, headers });
    }

    /// How many events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no events yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of all bodies so far.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch.
    #[must_use]
    pub fn build(self, origin: Origin) -> Batch {
        Batch::new(Bytes::from(self.bytes), self.table, self.header_sets, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, BatchBuilder, Rewrite};
    use crate::event::{Headers, Origin};
    use std::sync::Arc;

    fn batch(bodies: &[&str]) -> Batch {
        let mut builder = BatchBuilder::new();
        let headers = Arc::new(Headers::from([("h".into(), "1".into())]));
        for body in bodies {
            builder.push(&headers, body.as_bytes());
        }
        builder.build(Origin::default())
    }

    fn bodies(batch: &Batch) -> Vec<&str> {
        batch.events().map(|e| std::str::from_utf8(e.body).unwrap()).collect()
    }

    #[test]
    fn a_rewritten_batch_has_the_new_bodies_and_headers_and_none_of_the_dropped() {
        let mut batch = batch(&["a", "drop", "", "long", "z"]);
        let other = Arc::new(Headers::from([("h".into(), "2".into())]));
        batch.rewrite(|event| match event.body {
            b"drop" => Rewrite::Drop,
            b"long" => Rewrite::Body(b"longer than it was".to_vec()),
            b"z" => Rewrite::Headers(other.clone()),
            _ => Rewrite::Keep,
        });
        assert_eq!(bodies(&batch), ["a", "", "longer than it was", "z"]);
        let headers: Vec<_> = batch.events().map(|e| e.headers["h"].clone()).collect();
        assert_eq!(headers, ["1", "1", "1", "2"]);
        assert_eq!(bodies(&batch.slice(1..3)), ["", "longer than it was"]);
        assert_eq!(bodies(&batch.filter(|i, _| i % 2 == 0)), ["a", "longer than it was"]);
    }

    #[test]
    fn a_rewrite_leaves_other_clones_of_the_batch_alone() {
        let original = batch(&["a", "b"]);
        let mut changed = original.clone();
        changed.rewrite_headers(|_| Some(Headers::new()));
        changed.rewrite(|_| Rewrite::Body(b"x".to_vec()));
        assert_eq!(bodies(&original), ["a", "b"]);
        assert!(original.events().all(|e| e.headers.len() == 1));
        assert!(changed.events().all(|e| e.headers.is_empty() && e.body == b"x"));
    }
}
