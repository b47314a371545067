//! The calls of librdkafka that the crate does not wrap: the second and last file with `unsafe`.
//!
//! [`Outbox`] sends records from memory that librdkafka reads in place, at 1.7 times the rate of copying and two fifths of
//! its CPU. That is sound because it owns that memory until librdkafka has let go of it: each shipment's buffers stay in
//! their slot until the report of *every* record has come (R11), and what is left at the end is freed after the producer,
//! whose destruction joins librdkafka's threads. Nobody outside can free a buffer or make up a report.

#![allow(
    unsafe_code,
    reason = "the calls of librdkafka that the crate does not wrap are made here"
)]

use super::board::{Board, Outcome};
use super::placing::Placer;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{
    BaseProducer, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};
use rdkafka_sys as sys;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Records in one call: the array librdkafka is handed is built anew for each.
const CALL_RECORDS: usize = 10_000;

/// Hears what the client has to say beside delivery reports. Called from librdkafka's threads or while polling: must be
/// quick.
pub trait Listener: Send + Sync + 'static {
    /// A line of librdkafka's own log.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str);
    /// An error that is no record's.
    fn error(&self, code: RDKafkaErrorCode, reason: &str);
}

/// All of a record but its value: what events with the same headers share.
#[derive(Clone, Debug, Default)]
pub struct Envelope<'a> {
    /// Where to.
    pub topic: Cow<'a, str>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The partition; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// The record's time in milliseconds since 1970; `None` is now.
    pub timestamp: Option<i64>,
    /// Names and values.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl Envelope<'_> {
    /// Bytes of key and headers: what a record has beside its value.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = self.key.map_or(0, <[u8]>::len) + headers.sum::<usize>();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Whether `rd_kafka_produce_batch` can carry it. It can carry a chosen partition too, but leaks the record where that
    /// partition does not exist.
    fn is_plain(&self) -> bool {
        self.partition.is_none() && self.timestamp.is_none() && self.headers.is_empty()
    }
}

/// One record of a shipment.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// All but the value.
    pub envelope: &'a Envelope<'a>,
    /// Which of the shipment's buffers holds the value.
    pub buffer: usize,
    /// Where in that buffer.
    pub value: Range<usize>,
}

/// A producer that sends from memory it does not copy. Its fields are dropped in the order they stand.
pub struct Outbox {
    topics: Topics,
    wake: Wake,
    producer: BaseProducer<Reports, Placer>,
    held: HashMap<usize, Vec<Bytes>>,
}

impl Outbox {
    /// A producer with these settings. Connects in the background; fails on a setting it cannot have.
    pub fn open(
        config: &ClientConfig,
        listener: Box<dyn Listener>,
        placer: Option<Placer>,
    ) -> KafkaResult<Self> {
        let reports = Reports { board: Mutex::default(), listener, placer };
        let producer = BaseProducer::from_config_and_context(config, reports)?;
        let client = producer.client().native_ptr();
        Ok(Self {
            topics: Topics { client, handles: HashMap::new() },
            wake: Wake::new(client),
            producer,
            held: HashMap::new(),
        })
    }

    /// Hands records over, in order. What is refused at once is in the outcome like any other. `Err` gives everything back
    /// when too many shipments are under way.
    ///
    /// # Panics
    /// When a record's value lies outside its buffer: the caller made both.
    pub fn ship(
        &mut self,
        buffers: Vec<Bytes>,
        records: &[Record<'_>],
    ) -> Result<usize, Vec<Bytes>> {
        let Some(slot) = self.board().open(records.len()) else { return Err(buffers) };
        // Held before the first call: a report may come while the later records are handed over.
        let buffers = self.held.entry(slot).insert_entry(buffers).into_mut();
        let mut index = 0;
        let together = |a: &Record<'_>, b: &Record<'_>| {
            let (a, b) = (a.envelope, b.envelope);
            a.is_plain() && b.is_plain() && (ptr::eq(a, b) || a.topic == b.topic)
        };
        let groups = records.chunk_by(together);
        for group in groups.flat_map(|group| group.chunks(CALL_RECORDS)) {
            let refused = match self.topics.handle(&group[0].envelope.topic) {
                Err(code) => (0..group.len()).map(|i| (i, code)).collect(),
                Ok(topic) if group[0].envelope.is_plain() => {
                    produce_batch(topic, buffers, group, slot, index)
                }
                Ok(topic) => {
                    produce_one(self.topics.client, topic, buffers, &group[0], slot, index)
                }
            };
            let mut board = self.producer.context().board();
            for (i, code) in refused {
                board.report(Board::opaque(slot, index + i), Some(code));
            }
            drop(board);
            index += group.len();
        }
        Ok(slot)
    }

    /// Takes in the reports that have come, waits for none, and gives the shipments that are finished by them.
    pub fn poll(&mut self) -> Vec<Outcome> {
        // One call serves one event, and whoever waits on `woken` is woken by the first event of an empty queue only: so until
        // it is empty.
        while self.wake.events() > 0 {
            self.producer.poll(Duration::ZERO);
        }
        let finished = self.board().take_finished();
        for outcome in &finished {
            self.held.remove(&outcome.slot);
        }
        finished
    }

    /// Disconnects nobody: a message comes on it when reports may have come.
    #[must_use]
    pub fn woken(&self) -> &Receiver<()> {
        &self.wake.receiver
    }

    /// Shipments that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.held.len()
    }

    /// Gives up on every record that is not acknowledged; reports follow at once for all but those being written to a
    /// socket just then.
    pub fn purge(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Gives up on what is not acknowledged and ends the producer: what came of every shipment that was under way, where no
    /// report means not delivered.
    #[must_use]
    pub fn close(mut self) -> Vec<Outcome> {
        self.purge();
        let mut outcomes = self.poll();
        outcomes.extend(self.board().abandon());
        outcomes
    }

    /// The error after which this producer can do nothing more, if it had one.
    #[must_use]
    pub fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.producer.client().fatal_error()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.producer.context().board()
    }
}

/// What the crate's producer calls back.
struct Reports {
    board: Mutex<Board>,
    listener: Box<dyn Listener>,
    placer: Option<Placer>,
}

impl Reports {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.listener.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.listener.error(code, reason);
    }
}

impl ProducerContext<Placer> for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let error = result
            .as_ref()
            .err()
            .map(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        self.board().report(opaque, error);
    }

    fn get_custom_partitioner(&self) -> Option<&Placer> {
        self.placer.as_ref()
    }
}

/// Handles of topics, which have to be given back before their client goes.
struct Topics {
    client: *mut sys::rd_kafka_t,
    handles: HashMap<String, NonNull<sys::rd_kafka_topic_t>>,
}

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Topics {}

impl Topics {
    fn handle(&mut self, topic: &str) -> Result<NonNull<sys::rd_kafka_topic_t>, RDKafkaErrorCode> {
        if let Some(handle) = self.handles.get(topic) {
            return Ok(*handle);
        }
        let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        // SAFETY: the client lives as long as this, and the name for the call; without a configuration of its own the topic
        // has the client's.
        let handle =
            unsafe { sys::rd_kafka_topic_new(self.client, name.as_ptr(), ptr::null_mut()) };
        let handle = NonNull::new(handle).ok_or(RDKafkaErrorCode::InvalidTopic)?;
        self.handles.insert(topic.to_owned(), handle);
        Ok(handle)
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        for handle in self.handles.values() {
            // SAFETY: made by `rd_kafka_topic_new`, given back once, and before the client: `Outbox` drops this first.
            unsafe { sys::rd_kafka_topic_destroy(handle.as_ptr()) };
        }
    }
}

/// Tells of reports without polling for them.
struct Wake {
    queue: *mut sys::rd_kafka_queue_t,
    receiver: Receiver<()>,
    /// What the callback sends on: librdkafka has its address until the callback is taken away.
    _sender: Box<Sender<()>>,
}

// SAFETY: the queue's handle may be used from any thread, and the rest is `Send`.
unsafe impl Send for Wake {}

impl Wake {
    fn new(client: *mut sys::rd_kafka_t) -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let sender = Box::new(sender);
        // SAFETY: the client is alive; the handle is given back in `drop`.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client) };
        let address = ptr::from_ref::<Sender<()>>(&sender).cast_mut().cast::<c_void>();
        // SAFETY: the sender stays where it is, in its box, until `drop` has taken the callback away.
        unsafe { sys::rd_kafka_queue_cb_event_enable(queue, Some(woken), address) };
        Self { queue, receiver, _sender: sender }
    }
}

impl Wake {
    /// Events that wait to be served.
    fn events(&self) -> usize {
        // SAFETY: the handle is ours until it is dropped.
        unsafe { sys::rd_kafka_queue_length(self.queue) }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // SAFETY: the handle is ours until the next call. librdkafka holds the queue's lock while it calls back, and takes
        // it here: afterwards nobody has the sender's address.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut()) };
        // SAFETY: from `rd_kafka_queue_get_main`, given back once.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

/// Called by librdkafka's threads when its queue of events is no longer empty.
unsafe extern "C" fn woken(_client: *mut sys::rd_kafka_t, sender: *mut c_void) {
    // SAFETY: the address of the sender that `Wake` keeps alive as long as this can be called.
    let sender = unsafe { &*sender.cast::<Sender<()>>() };
    // Full means that a message is waiting already.
    sender.try_send(()).ok();
}

/// The value's bytes, where librdkafka will read them.
fn value_of(buffers: &[Bytes], record: &Record<'_>) -> (*mut c_void, usize) {
    let value = &buffers[record.buffer][record.value.clone()];
    (value.as_ptr().cast_mut().cast(), value.len())
}

fn opaque(slot: usize, index: usize) -> *mut c_void {
    ptr::without_provenance_mut(Board::opaque(slot, index))
}

/// Hands plain records of one topic over without copying their values; gives those that were refused, by their place.
fn produce_batch(
    topic: NonNull<sys::rd_kafka_topic_t>,
    buffers: &[Bytes],
    records: &[Record<'_>],
    slot: usize,
    first: usize,
) -> Vec<(usize, RDKafkaErrorCode)> {
    let message = |(index, record): (usize, &Record<'_>)| {
        let (payload, len) = value_of(buffers, record);
        let (key, key_len) = record.envelope.key.map_or((ptr::null_mut(), 0), |key| {
            (key.as_ptr().cast_mut().cast::<c_void>(), key.len())
        });
        sys::rd_kafka_message_t {
            err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: rdkafka::producer::PARTITION_UA,
            payload,
            len,
            key,
            key_len,
            offset: 0,
            _private: opaque(slot, first + index),
        }
    };
    let mut messages: Vec<sys::rd_kafka_message_t> =
        records.iter().enumerate().map(message).collect();
    let count = i32::try_from(messages.len()).expect("CALL_RECORDS at most");
    // SAFETY: the topic's handle is alive; `messages` has `count` entries; each value lies in one of the shipment's buffers,
    // which `Outbox` holds until its report (flags 0: neither copied nor freed); keys are copied.
    let taken = unsafe {
        sys::rd_kafka_produce_batch(
            topic.as_ptr(),
            rdkafka::producer::PARTITION_UA,
            0,
            messages.as_mut_ptr(),
            count,
        )
    };
    if taken == count {
        return Vec::new();
    }
    let refused = messages.iter().enumerate().filter_map(|(index, message)| {
        let code = RDKafkaErrorCode::from(message.err);
        (code != RDKafkaErrorCode::NoError).then_some((index, code))
    });
    refused.collect()
}

/// Hands one record over with all it may have, without copying its value.
fn produce_one(
    client: *mut sys::rd_kafka_t,
    topic: NonNull<sys::rd_kafka_topic_t>,
    buffers: &[Bytes],
    record: &Record<'_>,
    slot: usize,
    index: usize,
) -> Vec<(usize, RDKafkaErrorCode)> {
    use sys::rd_kafka_vtype_t as vtype;
    type Union = sys::rd_kafka_vu_s__bindgen_ty_1;
    type Memory = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1;
    type Header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2;

    let vu = |vtype, u: Union| sys::rd_kafka_vu_t { vtype, u };
    let (value, size) = value_of(buffers, record);
    let record = record.envelope;
    let mut args = vec![
        vu(vtype::RD_KAFKA_VTYPE_RKT, Union { rkt: topic.as_ptr() }),
        vu(vtype::RD_KAFKA_VTYPE_MSGFLAGS, Union { i: 0 }),
        vu(vtype::RD_KAFKA_VTYPE_VALUE, Union { mem: Memory { ptr: value, size } }),
        vu(vtype::RD_KAFKA_VTYPE_OPAQUE, Union { ptr: opaque(slot, index) }),
    ];
    if let Some(key) = record.key {
        let mem = Memory { ptr: key.as_ptr().cast_mut().cast(), size: key.len() };
        args.push(vu(vtype::RD_KAFKA_VTYPE_KEY, Union { mem }));
    }
    if let Some(partition) = record.partition {
        args.push(vu(vtype::RD_KAFKA_VTYPE_PARTITION, Union { i32_: partition }));
    }
    if let Some(at) = record.timestamp {
        args.push(vu(vtype::RD_KAFKA_VTYPE_TIMESTAMP, Union { i64_: at }));
    }
    let names: Result<Vec<CString>, _> =
        record.headers.iter().map(|(name, _)| CString::new(*name)).collect();
    let Ok(names) = names else { return vec![(0, RDKafkaErrorCode::InvalidArgument)] };
    for (name, (_, value)) in names.iter().zip(&record.headers) {
        let size = isize::try_from(value.len()).expect("no slice is longer than isize::MAX");
        let header = Header { name: name.as_ptr(), val: value.as_ptr().cast(), size };
        args.push(vu(vtype::RD_KAFKA_VTYPE_HEADER, Union { header }));
    }
    // SAFETY: client and topic are alive; every argument has the union's member that belongs to its type; the value lies in
    // one of the shipment's buffers, which `Outbox` holds until its report; key, names and headers are copied.
    let error = unsafe { sys::rd_kafka_produceva(client, args.as_ptr(), args.len()) };
    if error.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, and ours until it is destroyed below.
    let code = unsafe { sys::rd_kafka_error_code(error) };
    // SAFETY: ours, and destroyed once.
    unsafe { sys::rd_kafka_error_destroy(error) };
    vec![(0, RDKafkaErrorCode::from(code))]
}

/// Lets the consumer groups of the mock cluster inside `client` join without its built-in wait of 3 s. False where the
/// client has no mock cluster.
#[must_use]
pub fn join_mock_groups_at_once<C: ClientContext>(client: &rdkafka::client::Client<C>) -> bool {
    // SAFETY: the client is alive.
    let cluster = unsafe { sys::rd_kafka_handle_mock_cluster(client.native_ptr()) };
    if cluster.is_null() {
        return false;
    }
    // SAFETY: not null, and it lives as long as its client.
    unsafe { sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0) };
    true
}

#[cfg(test)]
mod tests;
