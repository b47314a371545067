//! A channel in forty lines: a list of batches, of which the first so many are durable. What is not can be lost.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tailwater::channel::{
    BatchLimit, Channel, ChannelError, ChannelGauges, Lease, Promise, Receipt,
};
use tailwater::event::{Batch, ComponentName, Positions, Sequence};

/// What a put does.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Batches become durable by [`ListChannel::sync`] alone, not at once.
    pub by_hand: bool,
    /// As a memory channel: what is durable is lost with the process all the same, and `vouched` is what was settled.
    pub forgets: bool,
    /// Events it can hold, told as its capacity.
    pub capacity: Option<u64>,
    /// The next puts fail with these.
    pub refusals: VecDeque<ChannelError>,
    /// Larger events are refused.
    pub bytes_max: Option<u64>,
}

/// A channel that keeps everything it is given in a list.
#[derive(Debug)]
pub struct ListChannel {
    name: ComponentName,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    frames: Vec<Batch>,
    durable: usize,
    promises: Vec<Promise>,
    /// How many frames a forgetful channel's sinks have settled.
    settled: usize,
}

impl ListChannel {
    pub fn new(name: &str, rules: Rules) -> Arc<Self> {
        let state = Mutex::new(State { rules, ..State::default() });
        Arc::new(Self { name: name.into(), state })
    }

    pub fn state_rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.lock().rules);
    }

    /// Everything put so far is durable, and its receipts say so.
    pub fn sync(&self) {
        let mut state = self.lock();
        state.durable = state.frames.len();
        for promise in state.promises.drain(..) {
            promise.answer(Ok(()));
        }
    }

    /// Only the next so many frames become durable: a crash may come at any of them.
    pub fn sync_some(&self, frames: usize) {
        let mut state = self.lock();
        state.durable = (state.durable + frames).min(state.frames.len());
    }

    /// A sink has settled everything. Answers how many events were settled before.
    pub fn settle_all(&self) -> usize {
        let mut state = self.lock();
        let before = state.frames[..state.settled].iter().map(Batch::len).sum();
        state.settled = state.frames.len();
        before
    }

    /// What a new process finds of it.
    pub fn after_crash(&self) -> Arc<Self> {
        let mut state = self.lock();
        let durable = state.durable;
        let kept = if state.rules.forgets { Vec::new() } else { state.frames[..durable].to_vec() };
        let rules = state.rules.clone();
        state.promises.clear();
        let state =
            Mutex::new(State { rules, durable: kept.len(), frames: kept, ..State::default() });
        Arc::new(Self { name: self.name.clone(), state })
    }

    /// The bodies it has, in order.
    pub fn bodies(&self) -> Vec<String> {
        let state = self.lock();
        let events = state.frames.iter().flat_map(|batch| {
            batch.events().map(|e| String::from_utf8_lossy(e.body).into_owned()).collect::<Vec<_>>()
        });
        events.collect()
    }

    /// The batches it has, those without events among them.
    pub fn frames(&self) -> Vec<Batch> {
        self.lock().frames.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn positions(frames: &[Batch], source: &ComponentName) -> Positions {
        let mut positions = Positions::new();
        for batch in frames {
            if batch.origin.source.as_ref().is_some_and(|s| s.name == *source) {
                positions.add(&batch.origin);
            }
        }
        positions
    }
}

impl Channel for ListChannel {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn put(&self, batch: Batch) -> Result<Receipt, ChannelError> {
        let mut state = self.lock();
        if let Some(refusal) = state.rules.refusals.pop_front() {
            return Err(refusal);
        }
        let largest = batch.events().map(|e| u64::try_from(e.body.len()).unwrap()).max();
        if let (Some(limit), Some(bytes)) = (state.rules.bytes_max, largest)
            && bytes > limit
        {
            let channel = self.name.clone();
            return Err(ChannelError::TooLarge { channel, bytes, limit, key: "limit" });
        }
        state.frames.push(batch);
        if state.rules.by_hand {
            let closed = ChannelError::Closed { channel: self.name.clone() };
            let (promise, receipt) = Receipt::pending(closed);
            state.promises.push(promise);
            return Ok(receipt);
        }
        state.durable = state.frames.len();
        Ok(Receipt::kept())
    }

    fn take(&self, _: BatchLimit, _: Duration) -> Result<Option<Lease>, ChannelError> {
        Ok(None)
    }

    fn vouched(&self, source: &ComponentName) -> Positions {
        let state = self.lock();
        let vouched = if state.rules.forgets { state.settled } else { state.durable };
        Self::positions(&state.frames[..vouched], source)
    }

    fn taken(&self, source: &ComponentName) -> Positions {
        Self::positions(&self.lock().frames, source)
    }

    fn settled_elsewhere(&self, _: &[Range<Sequence>]) -> Result<Receipt, ChannelError> {
        Ok(Receipt::kept())
    }

    fn id(&self) -> uuid::Uuid {
        uuid::Uuid::nil()
    }

    fn gauges(&self) -> ChannelGauges {
        let capacity_events = self.lock().rules.capacity;
        ChannelGauges { capacity_events, capacity_bytes: 1 << 31, ..ChannelGauges::default() }
    }

    fn close(&self) {}
}
