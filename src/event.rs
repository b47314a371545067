//! What travels: events, in batches, with the origin they came from.
//!
//! Batches cross every boundary, never single events: a virtual call, a lock and a wake-up per batch cost nothing. A batch
//! is one reference-counted buffer with a table beside it; an [`Event`] is a view, made where somebody asks for one.

use crate::ranges::RangeSet;
use bytes::Bytes;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A channel's count of events since its creation: an event's identity inside one channel's life (R7).
pub type Sequence = u64;

/// The name of a component as the configuration has it, such as `k1`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(Arc<str>);

impl ComponentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ComponentName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's headers, in the order of their names.
pub type Headers = BTreeMap<String, String>;

/// One event of a batch, seen in place.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Shared with every event of the batch that has the same ones.
    pub headers: &'a Arc<Headers>,
    /// The bytes between the line ends, or whatever the source took for a body.
    pub body: &'a [u8],
}

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

/// One of a source's inputs: for TAILDIR one life of one file. The source chooses the text and alone understands it; a
/// name is never used again for another input.
pub type InputId = Arc<str>;

/// What lets a source recognise an input at a position again, such as checksums of what lies before it (R10). Opaque to
/// everyone else.
pub type Evidence = Arc<[u8]>;

/// Which part of a source's input a batch is. It lies in the same frame as the events, so that one write makes both
/// durable or neither (R2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The source, and the hash of its interceptors and selector, as one: `None` where the source cannot re-read.
    pub source: Option<SourceId>,
    /// The parts, one for each input that the batch has something of.
    pub parts: Vec<Part>,
    /// Inputs that are read to their end and gone: their marks are dropped with this batch.
    pub forgotten: Vec<InputId>,
}

/// Whose input an origin speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceId {
    /// The source's name in the configuration.
    pub name: ComponentName,
    /// Hash of the interceptors and selector between source and channel: where it changed, a channel's mark no longer
    /// says what that channel would have been given (R8).
    pub plan: u64,
}

/// The bytes `[from, to)` of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which input.
    pub input: InputId,
    /// Which of its bytes. A range and not a point: a point would claim what another channel was given (R2).
    pub range: Range<u64>,
    /// What recognises the input at `range.end`.
    pub evidence: Evidence,
}

/// How far into each input of one source a channel can vouch for: what a restart may skip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    inputs: BTreeMap<InputId, Mark>,
}

/// What is vouched for of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The bytes.
    pub ranges: RangeSet,
    /// For the end of each range in `ranges`, what recognises the input there.
    pub evidence: BTreeMap<u64, Evidence>,
    /// The plan's hash when the last range was added (R8).
    pub plan: u64,
}

impl Positions {
    /// Nothing is vouched for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a batch's origin says, the ranges and then what is forgotten.
    pub fn add(&mut self, origin: &Origin) {
        let Some(source) = &origin.source else { return };
        for part in &origin.parts {
            let mark = self.inputs.entry(part.input.clone()).or_default();
            mark.plan = source.plan;
            mark.ranges.insert(part.range.clone());
            mark.evidence.insert(part.range.end, part.evidence.clone());
            let ranges = &mark.ranges;
            // Only ends of ranges need evidence; ranges that merged leave ends behind.
            mark.evidence.retain(|end, _| {
                *end == 0 || (ranges.contains(*end - 1) && !ranges.contains(*end))
            });
        }
        for input in &origin.forgotten {
            self.inputs.remove(input);
        }
    }

    /// Puts a mark in place, as a checkpoint or snapshot has it.
    pub fn set(&mut self, input: InputId, mark: Mark) {
        self.inputs.insert(input, mark);
    }

    /// What is vouched for of one input.
    #[must_use]
    pub fn get(&self, input: &str) -> Option<&Mark> {
        self.inputs.get(input)
    }

    /// All inputs, in the order of their names.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&InputId, &Mark)> {
        self.inputs.iter()
    }

    /// Whether no input is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }
}

impl Mark {
    /// The end of the contiguous run from `from`, and what recognises the input there.
    #[must_use]
    pub fn contiguous_from(&self, from: u64) -> (u64, Option<&Evidence>) {
        let end = self.ranges.contiguous_from(from);
        (end, self.evidence.get(&end))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Batch, BatchBuilder, ComponentName, Headers, Origin, Part, Positions, Rewrite, SourceId,
    };
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

    #[test]
    fn a_mark_advances_only_over_adjoining_ranges() {
        let source = Some(SourceId { name: ComponentName::from("r1"), plan: 1 });
        let part = |range| Part { input: "f".into(), range, evidence: Arc::from([1_u8]) };
        let origin = |range| Origin {
            source: source.clone(),
            parts: vec![part(range)],
            ..Origin::default()
        };
        let mut positions = Positions::new();
        positions.add(&origin(0..10));
        positions.add(&origin(20..30));
        let mark = positions.get("f").unwrap();
        assert_eq!(mark.contiguous_from(0).0, 10);
        assert_eq!(mark.evidence.keys().copied().collect::<Vec<_>>(), [10, 30]);
        positions.add(&origin(10..20));
        let mark = positions.get("f").unwrap();
        assert_eq!(mark.contiguous_from(0).0, 30);
        assert_eq!(mark.evidence.keys().copied().collect::<Vec<_>>(), [30]);
        positions.add(&Origin { forgotten: vec!["f".into()], ..origin(30..31) });
        assert!(positions.is_empty());
    }
}
