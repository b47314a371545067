//! Who is who in a cluster: a topic's own id, which generation of its group a consumer is in, which partitions a client is to
//! know. The crate wraps none of it.

#![allow(
    unsafe_code,
    reason = "the calls of librdkafka that the crate does not wrap are made here"
)]

use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka_sys as sys;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

/// The generation of the group that the consumer is a member of; `None` before it has joined.
#[must_use]
pub fn group_generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    // SAFETY: the client lives as long as the consumer.
    let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) };
    let metadata = NonNull::new(metadata)?;
    // SAFETY: not null, and ours until it is destroyed below.
    let generation =
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(metadata.as_ptr()) };
    // SAFETY: ours, and destroyed once.
    unsafe { sys::rd_kafka_consumer_group_metadata_destroy(metadata.as_ptr()) };
    (generation >= 0).then_some(generation)
}

/// Makes partitions known to the client before they are assigned: it pauses none that it does not know.
pub fn introduce<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    let list = partitions.clone();
    // To ask where each of them is makes those that are missing; the answer is of no interest.
    // SAFETY: the client lives as long as the consumer, and the list is ours alone.
    let error = unsafe { sys::rd_kafka_position(consumer.client().native_ptr(), list.ptr()) };
    match error {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(KafkaError::MetadataFetch(error.into())),
    }
}

/// The id that the cluster gave the topic when it was made: a topic of the same name that is made later has another.
/// `Ok(None)` where the cluster gives none (brokers before 2.8). Any `broker` can answer; one that has just done so will.
pub fn topic_id<C: ClientContext>(
    client: &Client<C>,
    broker: i32,
    topic: &str,
    patience: Duration,
) -> Result<Option<String>, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let native = client.native_ptr();
    // SAFETY: the client is alive; the queue is ours until `Question` is dropped.
    let queue = unsafe { sys::rd_kafka_queue_new(native) };
    let mut names = [name.as_ptr()];
    // SAFETY: one name, which lives until the end of this function; it is copied.
    let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1) };
    let kind = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the client is alive.
    let options = unsafe { sys::rd_kafka_AdminOptions_new(native, kind) };
    let question = Question { queue, topics, options };
    let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX).max(1);
    // SAFETY: the options are alive; without a buffer for words librdkafka writes none.
    let set = unsafe {
        sys::rd_kafka_AdminOptions_set_request_timeout(options, millis, std::ptr::null_mut(), 0)
    };
    // SAFETY: as above.
    let sent_to =
        unsafe { sys::rd_kafka_AdminOptions_set_broker(options, broker, std::ptr::null_mut(), 0) };
    for refused in [set, sent_to] {
        if refused != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(refused.into());
        }
    }
    // SAFETY: all four are alive; librdkafka copies what it needs.
    unsafe { sys::rd_kafka_DescribeTopics(native, topics, options, queue) };
    // A little longer than the request's own time-out, so that its answer is the one that is seen.
    // SAFETY: the queue is alive.
    let event = unsafe { sys::rd_kafka_queue_poll(question.queue, millis.saturating_add(500)) };
    let event = Event(NonNull::new(event).ok_or(RDKafkaErrorCode::OperationTimedOut)?);
    id_in(&event)
}

/// The id in the answer.
fn id_in(event: &Event) -> Result<Option<String>, RDKafkaErrorCode> {
    let event = event.0.as_ptr();
    // SAFETY: the event is alive.
    let error = unsafe { sys::rd_kafka_event_error(event) };
    if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(error.into());
    }
    // SAFETY: the event is alive; null where it is an answer to something else.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event) };
    let result = NonNull::new(result.cast_mut()).ok_or(RDKafkaErrorCode::BadMessage)?;
    let mut count = 0;
    // SAFETY: the result lives as long as its event.
    let topics =
        unsafe { sys::rd_kafka_DescribeTopics_result_topics(result.as_ptr(), &raw mut count) };
    if count == 0 || topics.is_null() {
        return Err(RDKafkaErrorCode::UnknownTopicOrPartition);
    }
    // SAFETY: there is at least one.
    let topic = unsafe { *topics };
    // SAFETY: it lives as long as its event.
    let error = unsafe { sys::rd_kafka_TopicDescription_error(topic) };
    // SAFETY: null is no error.
    let code = unsafe { sys::rd_kafka_error_code(error) };
    if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(code.into());
    }
    // SAFETY: the topic lives as long as its event.
    let id = unsafe { sys::rd_kafka_TopicDescription_topic_id(topic) };
    if id.is_null() {
        return Ok(None);
    }
    // SAFETY: not null.
    let most = unsafe { sys::rd_kafka_Uuid_most_significant_bits(id) };
    // SAFETY: not null.
    let least = unsafe { sys::rd_kafka_Uuid_least_significant_bits(id) };
    if (most, least) == (0, 0) {
        return Ok(None);
    }
    // SAFETY: not null; the text belongs to the id.
    let text = unsafe { sys::rd_kafka_Uuid_base64str(id) };
    // SAFETY: a text of librdkafka's ends with a zero.
    let text = unsafe { CStr::from_ptr(text) };
    Ok(Some(text.to_string_lossy().into_owned()))
}

struct Question {
    queue: *mut sys::rd_kafka_queue_t,
    topics: *mut sys::rd_kafka_TopicCollection_t,
    options: *mut sys::rd_kafka_AdminOptions_t,
}

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: made with the question, and destroyed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.options) };
        // SAFETY: made with the question, and destroyed once.
        unsafe { sys::rd_kafka_TopicCollection_destroy(self.topics) };
        // SAFETY: made with the question, and destroyed once; an answer that comes later is thrown away.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

struct Event(NonNull<sys::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::{group_generation, topic_id};
    use crate::kafka::mock::MockBroker;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::error::RDKafkaErrorCode;
    use std::time::Duration;

    #[test]
    fn a_topic_has_an_id_of_its_own_and_a_missing_one_has_none() {
        let patience = Duration::from_secs(10);
        let broker = MockBroker::start("logs", 2).unwrap();
        let consumer: BaseConsumer = broker.client_config().set("group.id", "g").create().unwrap();
        let id = topic_id(consumer.client(), 1, "logs", patience).unwrap().unwrap();
        assert_eq!(topic_id(consumer.client(), 1, "logs", patience), Ok(Some(id.clone())));
        assert_eq!(id.len(), 22);
        let other = MockBroker::start("logs", 2).unwrap();
        let elsewhere: BaseConsumer = other.client_config().set("group.id", "g").create().unwrap();
        assert_ne!(topic_id(elsewhere.client(), 1, "logs", patience), Ok(Some(id)));
        assert_eq!(
            topic_id(elsewhere.client(), 1, "lo\0gs", patience),
            Err(RDKafkaErrorCode::InvalidTopic)
        );
        assert_eq!(group_generation(&consumer), None, "it has joined nothing");
    }
}
