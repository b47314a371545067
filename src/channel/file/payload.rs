//! What frames carry: batches, settled ranges, snapshots. `FORMAT.md` §4 to §6.

use super::wire::{Reader, Writer};
use crate::event::{Batch, Entry, Headers, Mark, Origin, Part, Positions, Sequence, SourceId};
use crate::ranges::RangeSet;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A batch as a frame's payload: what precedes the bodies, and the bodies, which are not copied where they lie close.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) meta: Vec<u8>,
    pub(super) bodies: Bytes,
    pub(super) crc: u32,
}

impl Encoded {
    pub(super) fn length(&self) -> u64 {
        u64::try_from(self.meta.len() + self.bodies.len()).expect("a payload fits in memory")
    }
}

/// Of the buffer's span, so much may be gaps between bodies before they are closed up by a copy: one part in this many.
const GAPS_MAX_PART: u64 = 8;

/// Encodes a batch and takes its checksum.
pub(super) fn encode_batch(batch: &Batch) -> Encoded {
    let mut out = Writer::default();
    out.u32(batch.header_sets().len());
    for headers in batch.header_sets() {
        out.u32(headers.len());
        for (name, value) in headers.iter() {
            out.bytes(name.as_bytes());
            out.bytes(value.as_bytes());
        }
    }
    encode_origin(&mut out, &batch.origin);
    let (bodies, table) = close_up(batch);
    for entry in &table {
        for number in [entry.start, entry.length, entry.headers] {
            out.0.extend_from_slice(&number.to_le_bytes());
        }
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out.0), &bodies);
    Encoded { meta: out.0, bodies, crc }
}

/// The part of the buffer that has the bodies, and a table that fits it. Lines of a file have their ends between them,
/// which are written along; where interceptors left much out, the rest is copied together.
fn close_up(batch: &Batch) -> (Bytes, Vec<Entry>) {
    let wide = |n: u32| usize::try_from(n).expect("usize has 32 bits or more");
    let start = batch.table().iter().map(|e| wide(e.start)).min().unwrap_or(0);
    let end = batch.table().iter().map(|e| wide(e.start) + wide(e.length)).max().unwrap_or(0);
    let span = u64::try_from(end - start).expect("a buffer fits in memory");
    let bodies = batch.body_bytes();
    if span <= bodies + bodies / GAPS_MAX_PART + 64 {
        let shift = u32::try_from(start).expect("offsets in a batch have 32 bits");
        let table = batch.table().iter().map(|e| Entry { start: e.start - shift, ..*e }).collect();
        return (batch.bytes().slice(start..end), table);
    }
    let mut copy = Vec::with_capacity(usize::try_from(bodies).unwrap_or(0));
    let mut table = Vec::with_capacity(batch.len());
    for (entry, event) in batch.table().iter().zip(batch.events()) {
        let start = u32::try_from(copy.len()).expect("bodies of one batch stay below 4 GiB");
        copy.extend_from_slice(event.body);
        table.push(Entry { start, ..*entry });
    }
    (Bytes::from(copy), table)
}

/// The batch of a payload whose checksum held; its bodies stay where they are. `None` for a payload of another shape.
pub(super) fn decode_batch(payload: &Bytes, count: u32) -> Option<Batch> {
    let mut from = Reader(payload);
    let mut sets = Vec::new();
    for _ in 0..from.count(4)? {
        let mut headers = Headers::new();
        for _ in 0..from.count(8)? {
            let name = from.text()?.to_owned();
            headers.insert(name, from.text()?.to_owned());
        }
        sets.push(Arc::new(headers));
    }
    let origin = decode_origin(&mut from)?;
    let mut table = Vec::with_capacity(usize::try_from(count).ok()?.min(payload.len() / 12));
    for _ in 0..count {
        table.push(Entry { start: from.u32()?, length: from.u32()?, headers: from.u32()? });
    }
    let bodies = payload.slice_ref(from.0);
    let space = u64::try_from(bodies.len()).ok()?;
    let inside = |e: &Entry| {
        u64::from(e.start) + u64::from(e.length) <= space
            && usize::try_from(e.headers).is_ok_and(|i| i < sets.len())
    };
    table.iter().all(inside).then(|| Batch::new(bodies, table, sets, origin))
}

/// The origin alone: what replay needs of a batch that is already settled or will be read later.
pub(super) fn decode_origin_of_batch(payload: &[u8]) -> Option<Origin> {
    let mut from = Reader(payload);
    for _ in 0..from.count(4)? {
        for _ in 0..from.count(8)? {
            from.text()?;
            from.text()?;
        }
    }
    decode_origin(&mut from)
}

fn encode_origin(out: &mut Writer, origin: &Origin) {
    let Some(source) = &origin.source else {
        out.bytes(b"");
        return;
    };
    out.bytes(source.name.as_str().as_bytes());
    out.u64(source.plan);
    out.u32(origin.parts.len());
    for part in &origin.parts {
        out.bytes(part.input.as_bytes());
        out.u64(part.range.start);
        out.u64(part.range.end);
        out.bytes(&part.evidence);
    }
    out.u32(origin.forgotten.len());
    for input in &origin.forgotten {
        out.bytes(input.as_bytes());
    }
}

fn decode_origin(from: &mut Reader<'_>) -> Option<Origin> {
    let name = from.text()?;
    if name.is_empty() {
        return Some(Origin::default());
    }
    let source = Some(SourceId { name: name.into(), plan: from.u64()? });
    let mut parts = Vec::new();
    for _ in 0..from.count(24)? {
        let input = from.text()?.into();
        let range = from.u64()?..from.u64()?;
        parts.push(Part { input, range, evidence: from.bytes()?.into() });
    }
    let mut forgotten = Vec::new();
    for _ in 0..from.count(4)? {
        forgotten.push(from.text()?.into());
    }
    Some(Origin { source, parts, forgotten })
}

/// Settled ranges as a payload.
pub(super) fn encode_ranges(ranges: impl ExactSizeIterator<Item = Range<u64>>) -> Vec<u8> {
    let mut out = Writer::default();
    write_ranges(&mut out, ranges);
    out.0
}

fn write_ranges(out: &mut Writer, ranges: impl ExactSizeIterator<Item = Range<u64>>) {
    out.u32(ranges.len());
    for range in ranges {
        out.u64(range.start);
        out.u64(range.end);
    }
}

/// The ranges of a payload.
pub(super) fn decode_ranges(payload: &[u8]) -> Option<Vec<Range<u64>>> {
    read_ranges(&mut Reader(payload))
}

fn read_ranges(from: &mut Reader<'_>) -> Option<Vec<Range<u64>>> {
    let count = from.count(16)?;
    (0..count).map(|_| Some(from.u64()?..from.u64()?)).collect()
}

/// An older segment that still has events nobody settled, as a snapshot lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Number of the file.
    pub(super) slot: u32,
    /// Its life.
    pub(super) generation: u64,
    /// Sequence of its first event.
    pub(super) first: Sequence,
    /// Sequence behind its last event.
    pub(super) end: Sequence,
    /// Bytes of it that are frames.
    pub(super) length: u64,
}

/// The state of a channel, as each segment begins with it (R3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The channel's identity (R7).
    pub(super) id: uuid::Uuid,
    /// The sequence of the next event.
    pub(super) next: Sequence,
    /// What is settled.
    pub(super) settled: RangeSet,
    /// What the channel vouches for, of each source.
    pub(super) marks: BTreeMap<crate::event::ComponentName, Positions>,
    /// The older segments that are still needed, oldest first.
    pub(super) segments: Vec<Listed>,
}

impl Snapshot {
    /// The state of a channel that is new, or of which no more than its identity is known.
    pub(super) fn new(id: Option<uuid::Uuid>) -> Self {
        Self { id: id.unwrap_or_else(uuid::Uuid::new_v4), ..Self::default() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(self.id.as_bytes());
        out.u64(self.next);
        write_ranges(&mut out, self.settled.iter());
        out.u32(self.segments.len());
        for listed in &self.segments {
            out.0.extend_from_slice(&listed.slot.to_le_bytes());
            for number in [listed.generation, listed.first, listed.end, listed.length] {
                out.u64(number);
            }
        }
        out.u32(self.marks.len());
        for (source, positions) in &self.marks {
            out.bytes(source.as_str().as_bytes());
            out.u32(positions.iter().len());
            for (input, mark) in positions.iter() {
                out.bytes(input.as_bytes());
                out.u64(mark.plan);
                write_ranges(&mut out, mark.ranges.iter());
                out.u32(mark.evidence.len());
                for (end, evidence) in &mark.evidence {
                    out.u64(*end);
                    out.bytes(evidence);
                }
            }
        }
        out.0
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut from = Reader(payload);
        let id = uuid::Uuid::from_slice(from.bytes()?).ok()?;
        let next = from.u64()?;
        let settled = read_ranges(&mut from)?.into_iter().collect();
        let mut segments = Vec::new();
        for _ in 0..from.count(36)? {
            segments.push(Listed {
                slot: from.u32()?,
                generation: from.u64()?,
                first: from.u64()?,
                end: from.u64()?,
                length: from.u64()?,
            });
        }
        let mut marks = BTreeMap::new();
        for _ in 0..from.count(8)? {
            let source = from.text()?.into();
            marks.insert(source, decode_positions(&mut from)?);
        }
        Some(Self { id, next, settled, marks, segments })
    }
}

fn decode_positions(from: &mut Reader<'_>) -> Option<Positions> {
    let mut positions = Positions::new();
    for _ in 0..from.count(20)? {
        let input = from.text()?.into();
        let plan = from.u64()?;
        let ranges = read_ranges(from)?.into_iter().collect();
        let mut evidence = BTreeMap::new();
        for _ in 0..from.count(12)? {
            let end = from.u64()?;
            evidence.insert(end, from.bytes()?.into());
        }
        positions.set(input, Mark { ranges, evidence, plan });
    }
    Some(positions)
}

#[cfg(test)]
mod tests {
    use super::{
        Listed, Snapshot, decode_batch, decode_origin_of_batch, decode_ranges, encode_batch,
        encode_ranges,
    };
    use crate::event::{Batch, Entry, Headers, Origin, Part, Positions, SourceId};
    use bytes::Bytes;
    use std::sync::Arc;

    fn origin() -> Origin {
        let part = Part { input: "i".into(), range: 5..17, evidence: Arc::from(*b"proof") };
        let source = Some(SourceId { name: "r1".into(), plan: 3 });
        Origin { source, parts: vec![part], forgotten: vec!["old".into()] }
    }

    fn batch() -> Batch {
        let headers = vec![Arc::new(Headers::from([("k".into(), "v".into())])), Arc::default()];
        let entry = |start, length, headers| Entry { start, length, headers };
        let table = vec![entry(2, 3, 0), entry(6, 0, 1), entry(7, 4, 1)];
        Batch::new(Bytes::from_static(b"##one\n\nfour\n"), table, headers, origin())
    }

    fn whole(batch: &Batch) -> Bytes {
        let encoded = encode_batch(batch);
        let payload = [encoded.meta.as_slice(), &encoded.bodies].concat();
        assert_eq!(crc32c::crc32c(&payload), encoded.crc);
        Bytes::from(payload)
    }

    fn events(batch: &Batch) -> Vec<(Headers, Vec<u8>)> {
        batch.events().map(|e| ((**e.headers).clone(), e.body.to_vec())).collect()
    }

    #[test]
    fn a_batch_comes_back_with_its_headers_bodies_and_origin() {
        let back = decode_batch(&whole(&batch()), 3).unwrap();
        assert_eq!((events(&back), &back.origin), (events(&batch()), &origin()));
        assert_eq!(decode_origin_of_batch(&whole(&batch())), Some(origin()));
        let sparse = batch().filter(|i, _| i == 2);
        assert_eq!(events(&decode_batch(&whole(&sparse), 1).unwrap()), events(&sparse));
        let nothing = Batch::position_only(origin());
        assert_eq!(decode_batch(&whole(&nothing), 0).unwrap().origin, origin());
    }

    #[test]
    fn what_was_left_out_in_the_middle_is_not_written() {
        let bytes = Bytes::from(vec![b'x'; 100_000]);
        let table = vec![
            Entry { start: 0, length: 10, headers: 0 },
            Entry { start: 99_990, length: 10, headers: 0 },
        ];
        let batch = Batch::new(bytes, table, vec![Arc::default()], Origin::default());
        assert_eq!(encode_batch(&batch).bodies.len(), 20);
        assert_eq!(events(&decode_batch(&whole(&batch), 2).unwrap()), events(&batch));
    }

    #[test]
    fn ranges_and_snapshots_come_back() {
        let ranges = vec![0..4, 9..12];
        assert_eq!(decode_ranges(&encode_ranges(ranges.clone().into_iter())), Some(ranges.clone()));
        let mut positions = Positions::new();
        positions.add(&Origin { forgotten: vec![], ..origin() });
        let snapshot = Snapshot {
            id: uuid::Uuid::from_u128(77),
            next: 12,
            settled: ranges.into_iter().collect(),
            marks: [("r1".into(), positions)].into(),
            segments: vec![Listed { slot: 3, generation: 8, first: 2, end: 9, length: 640 }],
        };
        assert_eq!(Snapshot::decode(&snapshot.encode()), Some(snapshot));
    }

    #[test]
    fn no_payload_cut_short_or_changed_makes_a_panic() {
        let payload = whole(&batch());
        for short in 0..payload.len() {
            drop(decode_batch(&payload.slice(..short), 3));
            drop(Snapshot::decode(&payload[..short]));
            drop(decode_ranges(&payload[..short]));
        }
        for at in 0..payload.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = payload.to_vec();
                changed[at] = byte;
                let changed = Bytes::from(changed);
                for count in [0, 3, u32::MAX] {
                    drop(decode_batch(&changed, count));
                }
                drop(Snapshot::decode(&changed));
            }
        }
    }
}
