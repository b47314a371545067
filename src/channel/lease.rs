//! Events a sink has taken and not settled. A lease that is dropped puts everything back in order, so that no path through
//! a sink can lose an event by forgetting to say something.

use super::{ChannelError, Receipt};
use crate::event::{Batch, Sequence};
use std::fmt;
use std::ops::Range;

/// The channel's side of a lease.
pub trait Settle: Send {
    /// `done` is delivered or set aside; what else of `leased` there is goes back in order. The ranges lie within `leased`.
    fn settle(
        &mut self,
        leased: Range<Sequence>,
        done: &[Range<Sequence>],
    ) -> Result<Receipt, ChannelError>;
    /// All of `leased` goes back in order.
    fn put_back(&mut self, leased: Range<Sequence>);
}

/// Events a sink has taken and not settled: one contiguous range of sequences (R11).
#[must_use = "a lease that is dropped puts its events back"]
pub struct Lease {
    batches: Vec<Batch>,
    sequences: Range<Sequence>,
    /// Taken away when settled, so that the drop that follows does nothing.
    settle: Option<Box<dyn Settle>>,
}

impl Lease {
    /// A lease over `batches`, whose events have `sequences` in order.
    ///
    /// # Panics
    /// When the counts do not agree: the channel made both.
    pub fn new(batches: Vec<Batch>, sequences: Range<Sequence>, settle: Box<dyn Settle>) -> Self {
        let events: usize = batches.iter().map(Batch::len).sum();
        let counted = sequences.end - sequences.start;
        assert_eq!(u64::try_from(events), Ok(counted), "a lease has one sequence for each event");
        Self { batches, sequences, settle: Some(settle) }
    }

    /// The events, in order.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Their sequences in the channel.
    #[must_use]
    pub fn sequences(&self) -> Range<Sequence> {
        self.sequences.clone()
    }

    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.iter().map(Batch::len).sum()
    }

    /// Whether there are none. A channel hands out no such lease.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// These are done with and will not be handed out again once the receipt says so; the rest goes back.
    ///
    /// # Panics
    /// When a range lies outside the lease: settling for others would lose their events.
    pub fn settle(mut self, done: &[Range<Sequence>]) -> Result<Receipt, ChannelError> {
        let within =
            |r: &Range<Sequence>| self.sequences.start <= r.start && r.end <= self.sequences.end;
        assert!(done.iter().all(within), "a lease settles its own events only");
        let mut settle =
            self.settle.take().expect("taken by settle or drop alone, and both consume the lease");
        settle.settle(self.sequences.clone(), done)
    }

    /// The whole of it is done with.
    pub fn commit(self) -> Result<Receipt, ChannelError> {
        let all = self.sequences.clone();
        self.settle(&[all])
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut settle) = self.settle.take() {
            settle.put_back(self.sequences.clone());
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:?}, {} batches)", self.sequences, self.batches.len())
    }
}
