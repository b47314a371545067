//! The memory channel: quick, bounded, and honest about what it promises.
//!
//! Nothing here survives the process. So it vouches for nothing but what its sinks have settled, and of that only the part
//! before the first hole (R9): a source that can re-read then loses nothing through `kill -9`, where Flume's would.

use crate::channel::order::{Order, rest};
use crate::channel::{
    BatchLimit, Channel, ChannelError, ChannelGauges, Lease, Receipt, Settle, StartChannel,
};
use crate::clock::Clock;
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::config::scope::Scope;
use crate::config::value::{Count, Seconds, Value, Wrong};
use crate::event::{Batch, ComponentName, Event, Origin, Positions, Sequence};
use crate::status::counters::ChannelCounters;
use crate::status::happening::Teller;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What `byteCapacity = auto` stands for, in bytes, before the buffer percentage: see [`set_default_byte_capacity`].
static DEFAULT_BYTES: AtomicU64 = AtomicU64::new(256 << 20);

/// Sets what an unwritten `byteCapacity` stands for in this process: 80 % of `-Xmx` where somebody wrote one, as in Flume;
/// 256 MiB otherwise. Called once by the command line, before a channel starts.
pub fn set_default_byte_capacity(bytes: u64) {
    DEFAULT_BYTES.store(bytes, Ordering::Relaxed);
}

/// Flume counts bodies in slots of so many bytes, one at least for each event. Headers are not counted: they are what
/// `byteCapacityBufferPercentage` is for.
const SLOT_BYTES: u64 = 100;

keys! {
    /// Holds events in memory: quick, and gone with the process. Sources that can re-read lose nothing by that.
    pub struct MemoryChannelConfig = "org.apache.flume.channel.MemoryChannel" {
        /// Events it holds at most.
        "capacity" => capacity: Count = "100" or default,
        /// Events that a source or sink may move at once.
        "transactionCapacity" => transaction_capacity: Count = "100" or default,
        /// Seconds that a source waits for room before it is told that there is none.
        "keep-alive" => keep_alive: Seconds = "3" or default,
        /// Bytes of bodies it holds at most; `auto` is 80 % of `-Xmx` where that was given, else 256 MiB, and then a
        /// larger event passes alone. `0` is no limit, as in Flume.
        "byteCapacity" => byte_capacity: ByteCapacity = "auto" or default,
        /// Percentage of `byteCapacity` that is kept free for headers, which are not counted.
        "byteCapacityBufferPercentage" => buffer_percentage: u64 = "20" or default,
    }
}

/// The value of `byteCapacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteCapacity {
    /// What the process has for a default; it bounds what is held, and not what may pass.
    Auto,
    /// What is written: nothing larger passes.
    Bytes(u64),
}

impl Value for ByteCapacity {
    const EXPECTED: &'static str = "a number of bytes, or `auto`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        u64::parse(text).map(Self::Bytes)
    }
}

impl MemoryChannelConfig {
    /// Reads the keys and the rule between two of them.
    pub(crate) fn start_channel(scope: &mut Scope<'_>) -> Option<Box<dyn StartChannel>> {
        let config = Self::read(scope)?;
        if config.transaction_capacity > config.capacity {
            let (most, capacity) = (config.transaction_capacity.get(), config.capacity.get());
            let message =
                format!("`transactionCapacity` ({most}) is larger than `capacity` ({capacity})");
            let key = if scope.peek("transactionCapacity").is_some() {
                "transactionCapacity"
            } else {
                "capacity"
            };
            let remark = scope.error("wrong-value", scope.value_span(key), message);
            let help =
                format!("write `capacity = {most}` or more, or a smaller `transactionCapacity`");
            scope.report(remark.expected("transactionCapacity ≤ capacity").help(help));
            return None;
        }
        Some(Box::new(config))
    }

    /// The limit in slots, and whether somebody wrote it down.
    fn slots(&self) -> (u64, bool) {
        let (bytes, written) = match self.byte_capacity {
            ByteCapacity::Auto => (DEFAULT_BYTES.load(Ordering::Relaxed), false),
            ByteCapacity::Bytes(bytes) => (bytes, true),
        };
        let kept = u128::from(bytes) * u128::from(100_u64.saturating_sub(self.buffer_percentage));
        let slots = u64::try_from(kept / 100 / u128::from(SLOT_BYTES)).unwrap_or(u64::MAX);
        // Flume's own way out: less than one slot is as good as no limit.
        if slots == 0 { (2_147_483_647, false) } else { (slots, written) }
    }
}

impl StartChannel for MemoryChannelConfig {
    fn start(&self, context: &Context) -> Result<Arc<dyn Channel>, StartError> {
        Ok(Arc::new(MemoryChannel::new(self, context)))
    }

    fn transaction_capacity(&self) -> Option<u64> {
        u64::try_from(self.transaction_capacity.get()).ok()
    }
}

/// A channel that runs in memory.
pub struct MemoryChannel {
    name: ComponentName,
    id: uuid::Uuid,
    clock: Arc<dyn Clock>,
    teller: Teller,
    counters: Arc<ChannelCounters>,
    limits: Limits,
    shared: Arc<Shared>,
}

/// What it holds at most.
struct Limits {
    events: u64,
    slots: u64,
    /// Whether a single event above `slots` is refused for good rather than let through alone.
    slots_written: bool,
    keep_alive: Duration,
}

/// What the channel and its leases share.
struct Shared {
    name: ComponentName,
    counters: Arc<ChannelCounters>,
    state: Mutex<State>,
    /// Something became free to take, or the channel closed.
    available: Condvar,
    /// Something was settled, or the channel closed.
    room: Condvar,
}

#[derive(Default)]
struct State {
    order: Order,
    /// By the sequence of their first event; gone when all of their events are settled.
    batches: BTreeMap<Sequence, Stored>,
    slots: u64,
    /// Origins in the order of the puts, each with the sequence up to which everything must be settled first (R9).
    origins: VecDeque<(Sequence, Origin)>,
    vouched: BTreeMap<ComponentName, Positions>,
    closed: bool,
}

struct Stored {
    batch: Batch,
    put_ms: i64,
}

impl MemoryChannel {
    fn new(config: &MemoryChannelConfig, context: &Context) -> Self {
        let counters = Arc::new(ChannelCounters::default());
        context.teller.register(counters.clone());
        let (slots, slots_written) = config.slots();
        let limits = Limits {
            events: u64::try_from(config.capacity.get()).unwrap_or(u64::MAX),
            slots,
            slots_written,
            keep_alive: config.keep_alive.duration(),
        };
        let shared = Shared {
            name: context.name.clone(),
            counters: counters.clone(),
            state: Mutex::default(),
            available: Condvar::new(),
            room: Condvar::new(),
        };
        Self {
            name: context.name.clone(),
            id: uuid::Uuid::new_v4(),
            clock: context.clock.clone(),
            teller: context.teller.clone(),
            counters,
            limits,
            shared: Arc::new(shared),
        }
    }

    /// Whether `events` and `slots` more fit. What is larger than the whole channel passes when it is alone in it, or it
    /// would stop the source for ever.
    fn fits(&self, state: &State, events: u64, slots: u64) -> bool {
        let held = state.order.unsettled();
        held == 0
            || (held + events <= self.limits.events && state.slots + slots <= self.limits.slots)
    }

    fn refuse_too_large(&self, batch: &Batch) -> Result<(), ChannelError> {
        if !self.limits.slots_written {
            return Ok(());
        }
        let largest = batch.events().map(|event| event.body.len()).max().unwrap_or(0);
        let bytes = u64::try_from(largest).unwrap_or(u64::MAX);
        let limit = self.limits.slots * SLOT_BYTES;
        if bytes <= limit {
            return Ok(());
        }
        Err(ChannelError::TooLarge {
            channel: self.name.clone(),
            bytes,
            limit,
            key: "byteCapacity",
        })
    }

    fn full(&self, state: &State) -> ChannelError {
        let waited = self.limits.keep_alive.as_secs();
        let detail = format!(
            "it holds {} of {} events (`capacity`) and about {} of {} bytes (`byteCapacity`), and nothing was settled \
             within {waited} s (`keep-alive`)",
            state.order.unsettled(),
            self.limits.events,
            state.slots * SLOT_BYTES,
            self.limits.slots * SLOT_BYTES,
        );
        ChannelError::Full { channel: self.name.clone(), detail }
    }
}

impl Channel for MemoryChannel {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn put(&self, batch: Batch) -> Result<Receipt, ChannelError> {
        self.counters.event_put_attempt.add(batch.len());
        self.refuse_too_large(&batch)?;
        let events = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let slots: u64 = batch.events().map(slots_of).sum();
        let blocked =
            |state: &mut State| !state.closed && events > 0 && !self.fits(state, events, slots);
        let (mut state, waited) = self
            .shared
            .room
            .wait_timeout_while(self.shared.lock(), self.limits.keep_alive, blocked)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(self.shared.closed());
        }
        if waited.timed_out() {
            return Err(self.full(&state));
        }
        let sequences = state.order.append(events);
        if batch.origin.source.is_some() {
            state.origins.push_back((sequences.end, batch.origin.clone()));
        }
        if events > 0 {
            state.slots += slots;
            let put_ms = self.clock.wall_ms();
            self.counters.event_put_success.add(batch.len());
            state.batches.insert(sequences.start, Stored { batch, put_ms });
            self.shared.available.notify_one();
        } else {
            state.vouch();
        }
        Ok(Receipt::kept())
    }

    fn take(&self, limit: BatchLimit, wait: Duration) -> Result<Option<Lease>, ChannelError> {
        self.counters.event_take_attempt.add(1);
        let empty = |state: &mut State| !state.closed && state.order.first_free().is_none();
        let (mut state, _) = self
            .shared
            .available
            .wait_timeout_while(self.shared.lock(), wait, empty)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(self.shared.closed());
        }
        let Some(free) = state.order.first_free() else { return Ok(None) };
        let (batches, sequences) = state.oldest(&free, limit);
        state.order.hold(sequences.clone());
        if state.order.first_free().is_some() {
            self.shared.available.notify_one();
        }
        Ok(Some(Lease::new(batches, sequences, Box::new(self.shared.clone()))))
    }

    fn vouched(&self, source: &ComponentName) -> Positions {
        self.shared.lock().vouched.get(source).cloned().unwrap_or_default()
    }

    fn taken(&self, source: &ComponentName) -> Positions {
        let state = self.shared.lock();
        let mut taken = state.vouched.get(source).cloned().unwrap_or_default();
        let of = |origin: &Origin| origin.source.as_ref().is_some_and(|s| s.name == *source);
        state.origins.iter().filter(|(_, o)| of(o)).for_each(|(_, origin)| taken.add(origin));
        taken
    }

    fn settled_elsewhere(&self, done: &[Range<Sequence>]) -> Result<Receipt, ChannelError> {
        let mut state = self.shared.lock();
        let end = state.order.next();
        if let Some(beyond) = done.iter().find(|range| range.end > end) {
            let why = format!("{} events were settled elsewhere of {end} put (R7)", beyond.end);
            return Err(ChannelError::Broken { channel: self.name.clone(), why });
        }
        Shared::settle(&self.shared, &mut state, done);
        Ok(Receipt::kept())
    }

    fn id(&self) -> uuid::Uuid {
        self.id
    }

    fn gauges(&self) -> ChannelGauges {
        let state = self.shared.lock();
        ChannelGauges {
            events: state.order.unsettled(),
            leased: state.order.held(),
            bytes: state.slots * SLOT_BYTES,
            capacity_events: Some(self.limits.events),
            capacity_bytes: self.limits.slots * SLOT_BYTES,
            oldest_ms: state.batches.first_key_value().map(|(_, stored)| stored.put_ms),
            next_sequence: state.order.next(),
            damaged: 0,
        }
    }

    fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.available.notify_all();
        self.shared.room.notify_all();
        self.teller.stopped();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> ChannelError {
        ChannelError::Closed { channel: self.name.clone() }
    }

    fn settle(&self, state: &mut State, done: &[Range<Sequence>]) {
        for range in done {
            state.settle(range.clone());
        }
        state.vouch();
        self.room.notify_all();
    }

    fn free(&self, state: &mut State, range: Range<Sequence>) {
        state.order.put_back(range);
        self.available.notify_one();
    }
}

impl Settle for Arc<Shared> {
    fn settle(
        &mut self,
        leased: Range<Sequence>,
        done: &[Range<Sequence>],
    ) -> Result<Receipt, ChannelError> {
        let mut state = self.lock();
        for range in rest(&leased, done) {
            self.free(&mut state, range);
        }
        let before = state.order.unsettled();
        Shared::settle(self, &mut state, done);
        let settled = before - state.order.unsettled();
        self.counters.event_take_success.add(usize::try_from(settled).unwrap_or(usize::MAX));
        Ok(Receipt::kept())
    }

    fn put_back(&mut self, leased: Range<Sequence>) {
        let mut state = self.lock();
        self.free(&mut state, leased);
    }
}

impl State {
    /// The batches from the start of `free` up to `limit`, cut to it, and their sequences.
    fn oldest(&self, free: &Range<Sequence>, limit: BatchLimit) -> (Vec<Batch>, Range<Sequence>) {
        let mut batches = Vec::new();
        let mut at = free.start;
        let mut bytes = 0;
        while at < free.end {
            let Some((first, stored)) = self.batches.range(..=at).next_back() else { break };
            let offset = usize::try_from(at - first).unwrap_or(usize::MAX);
            let most = usize::try_from(free.end - at).unwrap_or(usize::MAX);
            let room = limit.events.saturating_sub(count(free.start..at)).min(most);
            let first_of_all = batches.is_empty();
            let fit =
                stored.batch.table().iter().skip(offset).take(room.max(usize::from(first_of_all)));
            let mut taken = 0;
            for entry in fit {
                let more = bytes + u64::from(entry.length);
                if more > limit.bytes && !(first_of_all && taken == 0) {
                    break;
                }
                bytes = more;
                taken += 1;
            }
            if taken == 0 {
                break;
            }
            batches.push(stored.batch.slice(offset..offset + taken));
            at += u64::try_from(taken).unwrap_or(u64::MAX);
            if offset + taken < stored.batch.len() {
                break;
            }
        }
        (batches, free.start..at)
    }

    /// Counts `range` as settled, gives back its slots and lets go of batches that are settled to the last event.
    fn settle(&mut self, range: Range<Sequence>) {
        let fresh: Vec<_> = self.order.settled().gaps(range.clone()).collect();
        self.order.settle(range);
        for gap in fresh {
            let mut at = gap.start;
            while at < gap.end {
                let Some((&first, stored)) = self.batches.range(..=at).next_back() else { break };
                let end = first + u64::try_from(stored.batch.len()).unwrap_or(u64::MAX);
                let done = count(first..at)..count(first..end.min(gap.end));
                self.slots -= stored
                    .batch
                    .events()
                    .skip(done.start)
                    .take(done.len())
                    .map(slots_of)
                    .sum::<u64>();
                if self.order.settled().contains_range(&(first..end)) {
                    self.batches.remove(&first);
                }
                at = end;
            }
        }
    }

    /// R9: an origin counts once everything up to its last event is settled.
    fn vouch(&mut self) {
        let settled_to = self.order.settled_to();
        while let Some((_, origin)) = self.origins.pop_front_if(|(end, _)| *end <= settled_to) {
            if let Some(source) = &origin.source {
                self.vouched.entry(source.name.clone()).or_default().add(&origin);
            }
        }
    }
}

fn slots_of(event: Event<'_>) -> u64 {
    u64::try_from(event.body.len()).unwrap_or(u64::MAX).div_ceil(SLOT_BYTES).max(1)
}

fn count(range: Range<Sequence>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
