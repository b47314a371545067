//! Where a source that can re-read goes on: what its channels vouch for, put together (R8).
//!
//! Every channel vouches for itself. With `Marks::Each` a restart reads from the least of the required channels and each is
//! offered only what lies beyond its own mark; with `Marks::Union` what any channel has is done. Where the plan of
//! interceptors and selector has changed, a channel's own mark no longer says what it would have been given, and what lies
//! between the least and the greatest is offered again: doubled and told, never lost.

use crate::event::{ComponentName, Evidence, InputId, Mark, Origin, Part, Positions};
use crate::ranges::RangeSet;
use crate::selector::Marks;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The input whose empty mark says: this channel belongs to the source, and what it has no mark of it has none of. A channel
/// without it is new to the source, and begins where the others are.
pub const KNOWN: &str = "*";

/// Where the source began with an input: an input's name ends in `@` and that offset, so that a channel which was given
/// nothing of it yet (a crash came between two channels' syncs) begins there too.
#[must_use]
pub fn began(input: &str) -> u64 {
    input.rsplit_once('@').and_then(|(_, offset)| offset.parse().ok()).unwrap_or(0)
}

/// What the channels of a source vouch for.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// How the channels' marks make up what is done.
    pub marks: Marks,
    /// How they did when the marks were made, where that is known.
    pub marks_before: Option<Marks>,
    /// The hash of the plan now.
    pub plan: u64,
    /// For each channel of the source, in the processor's order, what it has.
    pub channels: Vec<ChannelMarks>,
}

/// What one channel vouches for.
#[derive(Clone, Debug)]
pub struct ChannelMarks {
    /// Which channel.
    pub channel: ComponentName,
    /// Whether it counts for the least.
    pub required: bool,
    /// How far it has each input.
    pub positions: Positions,
}

impl ChannelMarks {
    /// Whether the channel has heard of the source before.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.positions.get(KNOWN).is_some()
    }
}

impl Vouched {
    /// Every input that some channel has a mark of.
    #[must_use]
    pub fn inputs(&self) -> BTreeSet<InputId> {
        let all = self.channels.iter().flat_map(|c| c.positions.iter().map(|(id, _)| id.clone()));
        all.filter(|id| &**id != KNOWN).collect()
    }

    /// Whether no channel has heard of the source.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.channels.iter().any(ChannelMarks::is_known)
    }

    /// The bytes of an input that need not be read again.
    #[must_use]
    pub fn done(&self, input: &str) -> RangeSet {
        let counted = self.counted();
        let mode = if self.is_changed(input) { self.marks_before } else { Some(self.marks) };
        let ranges = counted.iter().map(|c| c.positions.get(input).map(|mark| &mark.ranges));
        match mode {
            Some(Marks::Union) => ranges.flatten().flat_map(RangeSet::iter).collect(),
            Some(Marks::Each) | None => {
                let begins = || std::iter::once(0..began(input)).collect();
                let mut ranges = ranges.map(|r| r.cloned().unwrap_or_else(begins));
                let first = ranges.next().unwrap_or_default();
                ranges.fold(first, |both, other| intersection(&both, &other))
            }
        }
    }

    /// How far an input is done without a hole from its beginning.
    #[must_use]
    pub fn position(&self, input: &str) -> u64 {
        if let [only] = self.channels.as_slice() {
            let mark = only.positions.get(input);
            return mark.map_or_else(|| began(input), |mark| mark.ranges.contiguous_from(0));
        }
        self.done(input).contiguous_from(0)
    }

    /// What recognises an input at `end`, as any channel has it.
    #[must_use]
    pub fn evidence(&self, input: &str, end: u64) -> Option<&Evidence> {
        self.marks_of(input).find_map(|mark| mark.evidence.get(&end))
    }

    /// Whether interceptors or selector were others when some channel was given the last of this input.
    #[must_use]
    pub fn is_changed(&self, input: &str) -> bool {
        self.marks_of(input).any(|mark| !mark.ranges.is_empty() && mark.plan != self.plan)
    }

    /// How many bytes of an input some channel is offered again because the plan has changed.
    #[must_use]
    pub fn offered_again(&self, input: &str) -> u64 {
        if !self.is_changed(input) {
            return 0;
        }
        let done = self.done(input);
        let beyond = |mark: &Mark| {
            mark.ranges.iter().flat_map(|r| done.gaps(r).collect::<Vec<_>>()).collect::<RangeSet>()
        };
        let again: RangeSet =
            self.marks_of(input).flat_map(|m| beyond(m).iter().collect::<Vec<_>>()).collect();
        again.count()
    }

    /// What every channel must be told before anything else, so that all of them have at least what is done, and know the
    /// source. Empty where they `have` and do: a channel that forgets has less than is remembered of it elsewhere.
    #[must_use]
    pub fn catch_up(&self, have: &Self) -> Vec<Part> {
        let mut parts = Vec::new();
        for input in self.inputs() {
            let done = self.done(&input);
            let has = |c: &ChannelMarks| {
                let mark = c.positions.get(&input);
                mark.is_some_and(|m| done.iter().all(|r| m.ranges.contains_range(&r)))
            };
            if !have.channels.iter().all(has) {
                let none: Evidence = Evidence::from([]);
                parts.extend(done.iter().map(|range| Part {
                    evidence: self.evidence(&input, range.end).unwrap_or(&none).clone(),
                    input: input.clone(),
                    range,
                }));
            }
        }
        if !have.channels.iter().all(ChannelMarks::is_known) {
            parts.push(Part { input: KNOWN.into(), range: 0..0, evidence: Evidence::from([]) });
        }
        parts
    }

    /// With `Union`, what every channel is told so that their marks do not fill with the holes that the others' batches leave:
    /// what is done without a hole, where more than one range says it. Empty with `Each`, which leaves no holes.
    #[must_use]
    pub fn joined(&self) -> Vec<Part> {
        if self.marks == Marks::Each {
            return Vec::new();
        }
        let is_whole = |input: &InputId, to: u64| {
            let whole = |c: &ChannelMarks| {
                c.positions.get(input).is_some_and(|m| m.ranges.contains_range(&(0..to)))
            };
            self.channels.iter().all(whole)
        };
        let part = |input: InputId| {
            let to = self.position(&input);
            let evidence = self.evidence(&input, to)?.clone();
            (to > 0 && !is_whole(&input, to)).then_some(Part { input, range: 0..to, evidence })
        };
        self.inputs().into_iter().filter_map(part).collect()
    }

    /// The channels whose marks say what is done: the required ones (all, where none is) that know the source. A new one
    /// begins where the others are.
    fn counted(&self) -> Vec<&ChannelMarks> {
        let known = || self.channels.iter().filter(|c| c.is_known());
        let required: Vec<_> = known().filter(|c| c.required).collect();
        if required.is_empty() { known().collect() } else { required }
    }

    fn marks_of(&self, input: &str) -> impl Iterator<Item = &Mark> {
        self.channels.iter().filter_map(move |c| c.positions.get(input))
    }
}

/// What each channel need not be offered again while a source re-reads.
#[derive(Debug, Default)]
pub(super) struct Skips {
    channels: Vec<BTreeMap<InputId, RangeSet>>,
}

impl Skips {
    pub(super) fn new(vouched: &Vouched) -> Self {
        let inputs = vouched.inputs();
        let mut channels = vec![BTreeMap::new(); vouched.channels.len()];
        for input in &inputs {
            let done = vouched.done(input);
            let usable = !vouched.is_changed(input);
            let of = |c: &ChannelMarks| {
                let own = c.positions.get(input).filter(|_| usable);
                let mut ranges = own.map(|mark| mark.ranges.clone()).unwrap_or_default();
                // At least what is done: a new channel begins where the others are.
                done.iter().for_each(|range| ranges.insert(range));
                ranges
            };
            let all: Vec<RangeSet> = vouched.channels.iter().map(of).collect();
            // Where no channel is ahead there is nothing to skip: what is done the source does not read.
            if all.iter().any(|ranges| *ranges != done) {
                for (channel, ranges) in channels.iter_mut().zip(all) {
                    channel.insert(input.clone(), ranges);
                }
            }
        }
        Self { channels }
    }

    /// Whether a channel has all that a batch is of.
    pub(super) fn has(&self, channel: usize, origin: &Origin) -> bool {
        let Some(inputs) = self.channels.get(channel).filter(|inputs| !inputs.is_empty()) else {
            return false;
        };
        let covers = |p: &Part| inputs.get(&p.input).is_some_and(|r| r.contains_range(&p.range));
        origin.parts.iter().any(|p| !p.range.is_empty()) && origin.parts.iter().all(covers)
    }

    /// Where a batch of `input` that begins at `from` must end at the latest, so that no channel has only a part of it.
    pub(super) fn boundary(&self, input: &str, from: u64) -> Option<u64> {
        let ranges = self.channels.iter().filter_map(|inputs| inputs.get(input));
        let edges = ranges.flat_map(RangeSet::iter).flat_map(|Range { start, end }| [start, end]);
        edges.filter(|edge| *edge > from).min()
    }

    pub(super) fn forget(&mut self, input: &str) {
        for inputs in &mut self.channels {
            inputs.remove(input);
        }
    }
}

fn intersection(a: &RangeSet, b: &RangeSet) -> RangeSet {
    let mut both = a.clone();
    for range in a.iter() {
        for gap in b.gaps(range) {
            both.remove(gap);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::{ChannelMarks, KNOWN, Skips, Vouched};
    use crate::event::{Mark, Origin, Part, Positions};
    use crate::selector::Marks;

    /// A channel with these ranges of input `f@0`; `None` has no mark of it.
    fn channel(required: bool, ranges: Option<&[(u64, u64)]>, plan: u64) -> ChannelMarks {
        let mut positions = Positions::new();
        positions.set(KNOWN.into(), Mark::default());
        if let Some(ranges) = ranges {
            let evidence = ranges.iter().map(|(_, end)| (*end, Vec::new().into())).collect();
            let ranges = ranges.iter().map(|(start, end)| *start..*end).collect();
            let mark = Mark { ranges, evidence, plan };
            positions.set("f@0".into(), mark);
        }
        ChannelMarks { channel: "c".into(), required, positions }
    }

    fn vouched(marks: Marks, channels: Vec<ChannelMarks>) -> Vouched {
        Vouched { marks, marks_before: None, plan: 1, channels }
    }

    // R8
    #[test]
    fn a_restart_reads_from_the_least_of_the_required_channels() {
        let channels = || {
            vec![
                channel(true, Some(&[(0, 50)]), 1),
                channel(true, Some(&[(0, 30)]), 1),
                channel(false, Some(&[(0, 10)]), 1),
            ]
        };
        assert_eq!(vouched(Marks::Each, channels()).position("f@0"), 30);
        assert_eq!(vouched(Marks::Union, channels()).position("f@0"), 50);
        let only_optional = channels().split_off(2);
        assert_eq!(vouched(Marks::Each, only_optional).position("f@0"), 10);
    }

    // R8
    #[test]
    fn a_channel_that_had_nothing_yet_is_not_taken_for_a_new_one() {
        let had_nothing =
            vouched(Marks::Each, vec![channel(true, Some(&[(0, 50)]), 1), channel(true, None, 1)]);
        assert_eq!(had_nothing.position("f@0"), 0, "it knows the source, and has none of this");
        let mut new = had_nothing.clone();
        new.channels[1].positions = Positions::new();
        assert_eq!(new.position("f@0"), 50, "it begins where the others are");
        let told = new.catch_up(&new);
        assert_eq!(told.iter().map(|p| &*p.input).collect::<Vec<_>>(), ["f@0", KNOWN]);
        let source = Some(crate::event::SourceId { name: "r1".into(), plan: 1 });
        let origin = Origin { source, parts: told, ..Origin::default() };
        new.channels[1].positions.add(&origin);
        assert_eq!((new.position("f@0"), new.catch_up(&new).len()), (50, 0));
    }

    #[test]
    fn an_input_that_was_begun_in_the_middle_is_begun_there_by_every_channel() {
        let mut both = vouched(Marks::Each, vec![channel(true, None, 1), channel(true, None, 1)]);
        let ranges = std::iter::once(0..700).collect();
        let mark = Mark { ranges, plan: 1, ..Mark::default() };
        both.channels[0].positions.set("f@600".into(), mark);
        assert_eq!(both.position("f@600"), 600);
    }

    // R8
    #[test]
    fn where_the_plan_changed_what_one_channel_has_is_offered_again_and_counted() {
        let old = |end| channel(true, Some(&[(0, end)]), 7);
        let changed = vouched(Marks::Each, vec![old(50), old(30)]);
        assert!(changed.is_changed("f@0"));
        assert_eq!((changed.position("f@0"), changed.offered_again("f@0")), (30, 20));
        let part = Part { input: "f@0".into(), range: 30..50, evidence: Vec::new().into() };
        let origin = Origin { parts: vec![part], ..Origin::default() };
        assert!(!Skips::new(&changed).has(0, &origin), "it may have been given something else");
        let mut same = changed;
        same.plan = 7;
        assert!(Skips::new(&same).has(0, &origin) && !Skips::new(&same).has(1, &origin));
        assert_eq!(Skips::new(&same).boundary("f@0", 30), Some(50));
    }

    // R8
    #[test]
    fn from_load_balancing_to_replicating_nothing_that_any_channel_has_is_read_again() {
        let channels = vec![
            channel(true, Some(&[(0, 10), (20, 30)]), 7),
            channel(true, Some(&[(10, 20), (30, 40)]), 7),
        ];
        let mut turned = vouched(Marks::Each, channels);
        assert_eq!(turned.position("f@0"), 0, "nobody knows how the marks were made");
        turned.marks_before = Some(Marks::Union);
        assert_eq!(turned.position("f@0"), 40);
        assert_eq!(turned.catch_up(&turned)[0].range, 0..40);
    }
}
