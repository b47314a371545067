//! Sorted, disjoint ranges of `u64`, merged where they adjoin.
//!
//! Delivery is counted in ranges everywhere: acknowledged sequences of a channel, bytes read of a file (R2), records
//! delivered to Kafka (R12), offsets written to a database (R14). A point would claim what lies before it; a range
//! claims only itself.

use std::ops::Range;

/// A set of `u64`, kept as its maximal ranges in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range<u64>>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds a range; what overlaps or adjoins becomes one. An empty range adds nothing.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // The common case by far: the next range adjoins the last one.
        if let Some(last) = self.ranges.last_mut() {
            if range.start >= last.start && range.start <= last.end {
                last.end = last.end.max(range.end);
                return;
            }
            if range.start > last.end {
                self.ranges.push(range);
                return;
            }
        } else {
            self.ranges.push(range);
            return;
        }
        let first = self.ranges.partition_point(|r| r.end < range.start);
        let past = self.ranges.partition_point(|r| r.start <= range.end);
        let start = self.ranges.get(first).map_or(range.start, |r| r.start.min(range.start));
        let end = match past.checked_sub(1).and_then(|i| self.ranges.get(i)) {
            Some(r) if past > first => r.end.max(range.end),
            _ => range.end,
        };
        let start = if past > first { start } else { range.start };
        self.ranges.splice(first..past, std::iter::once(start..end));
    }

    /// Takes a range out; a range around it becomes two.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|r| r.end <= range.start);
        let past = self.ranges.partition_point(|r| r.start < range.end);
        if first >= past {
            return;
        }
        let before = self.ranges[first].start..range.start;
        let after = range.end..self.ranges[past - 1].end;
        let kept = [before, after].into_iter().filter(|r| r.start < r.end);
        self.ranges.splice(first..past, kept);
    }

    /// Whether every value of `range` is in the set.
    #[must_use]
    pub fn contains_range(&self, range: &Range<u64>) -> bool {
        if range.is_empty() {
            return true;
        }
        let at = self.ranges.partition_point(|r| r.end <= range.start);
        self.ranges.get(at).is_some_and(|r| r.start <= range.start && range.end <= r.end)
    }

    /// Whether `value` is in the set.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        let at = self.ranges.partition_point(|r| r.end <= value);
        self.ranges.get(at).is_some_and(|r| r.start <= value)
    }

    /// The end of the contiguous run that covers `from`: how far one may count from there without a hole.
    #[must_use]
    pub fn contiguous_from(&self, from: u64) -> u64 {
        let at = self.ranges.partition_point(|r| r.end <= from);
        self.ranges.get(at).filter(|r| r.start <= from).map_or(from, |r| r.end)
    }

    /// The parts of `within` that are not in the set, ascending.
    pub fn gaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.ranges.partition_point(|r| r.end <= within.start);
        let mut at = within.start;
        let mut covers = self.ranges[first..].iter();
        std::iter::from_fn(move || {
            while at < within.end {
                let Some(cover) = covers.next() else {
                    let gap = at..within.end;
                    at = within.end;
                    return Some(gap);
                };
                let gap = at..cover.start.min(within.end);
                at = cover.end.max(at);
                if !gap.is_empty() {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// The maximal ranges, ascending.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many values are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::RangeSet;
    use std::collections::BTreeSet;

    /// A small generator, so that the comparison below is the same on every run.
    fn next(state: &mut u64) -> u64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn a_set_of_ranges_answers_as_a_set_of_numbers() {
        let mut state = 7;
        for _ in 0..300 {
            let (mut set, mut model) = (RangeSet::new(), BTreeSet::new());
            for _ in 0..40 {
                let start = next(&mut state) % 60;
                let range = start..start + next(&mut state) % 9;
                if next(&mut state).is_multiple_of(3) {
                    set.remove(range.clone());
                    model.retain(|n| !range.contains(n));
                } else {
                    set.insert(range.clone());
                    model.extend(range);
                }
                assert!(
                    (0..80).all(|n| set.contains(n) == model.contains(&n)),
                    "{set:?} {model:?}"
                );
                let ranges: Vec<_> = set.iter().collect();
                assert!(ranges.windows(2).all(|w| w[0].end < w[1].start), "not maximal: {set:?}");
                let gaps: Vec<u64> = set.gaps(5..70).flatten().collect();
                let expected: Vec<u64> = (5..70).filter(|n| !model.contains(n)).collect();
                assert_eq!(gaps, expected);
                let contiguous = (10..=80).find(|n| !model.contains(n)).unwrap();
                assert_eq!(set.contiguous_from(10), contiguous);
                assert!(set.contains_range(&(10..contiguous)));
                assert!(!set.contains_range(&(10..contiguous + 1)));
                assert_eq!(set.count(), u64::try_from(model.len()).unwrap());
            }
        }
    }
}
