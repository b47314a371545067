//! Which part of a source's input events came from, and how far somebody can vouch for it.

use super::ComponentName;
use crate::ranges::RangeSet;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

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
    use super::{Origin, Part, Positions, SourceId};
    use crate::event::ComponentName;
    use std::sync::Arc;

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
