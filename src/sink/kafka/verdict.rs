//! What becomes of a record that was not delivered: set aside, or back into the channel, and what the operator reads.

use rdkafka::error::RDKafkaErrorCode;

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is too large, and will be as often as it is sent.
    TooLarge,
    /// The broker will never take it, for another reason of its own.
    Unfit,
    /// Its batch was too large, not necessarily itself: sent again in smaller ones.
    Crowded,
    /// Nothing is wrong with it.
    Again,
}

/// Bytes that a record takes in a batch beside key, value and headers, at most: the batch's header and its own.
const OVERHEAD: u64 = 97;

/// Judges one refusal. `bytes` are the record's key, value and headers; `batch_bytes` is the most that the producer puts
/// into one batch with others.
pub(super) fn judge(code: RDKafkaErrorCode, bytes: u64, batch_bytes: u64) -> Verdict {
    match code {
        // One code for the producer's own refusal and the broker's, and the broker refuses whole batches.
        RDKafkaErrorCode::MessageSizeTooLarge if bytes + OVERHEAD >= batch_bytes => {
            Verdict::TooLarge
        }
        RDKafkaErrorCode::MessageSizeTooLarge => Verdict::Crowded,
        RDKafkaErrorCode::InvalidRecord
        | RDKafkaErrorCode::InvalidTimestamp
        | RDKafkaErrorCode::InvalidTopic
        | RDKafkaErrorCode::InvalidArgument => Verdict::Unfit,
        _ => Verdict::Again,
    }
}

/// Why the broker will never take it: the end of "an event cannot be delivered: …".
pub(super) fn reason(code: RDKafkaErrorCode) -> String {
    match code {
        RDKafkaErrorCode::InvalidTopic => "no topic can have the name it asks for".to_owned(),
        RDKafkaErrorCode::InvalidArgument => "a header's name has a NUL in it".to_owned(),
        RDKafkaErrorCode::InvalidTimestamp => {
            "its time is too far from the broker's (`message.timestamp.before.max.ms`, `…after.max.ms`)".to_owned()
        }
        RDKafkaErrorCode::InvalidRecord => {
            "the broker finds it invalid (a compacted topic takes no record without a key)".to_owned()
        }
        other => other.to_string(),
    }
}

/// What the operator reads when events went back because of `code`.
pub(super) fn set_back(code: RDKafkaErrorCode, topic: &str, place: &str) -> String {
    match code {
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => format!(
            "Kafka at {place} has no topic `{topic}`; make it: \
             kafka-topics.sh --bootstrap-server {place} --create --topic {topic}"
        ),
        RDKafkaErrorCode::UnknownPartition => format!(
            "topic `{topic}` has no partition of the number that an event asks for; add some: \
             kafka-topics.sh --bootstrap-server {place} --alter --topic {topic} --partitions N"
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed => format!(
            "Kafka at {place} does not let this user write to topic `{topic}`; allow it: \
             kafka-acls.sh --bootstrap-server {place} --add --allow-principal User:NAME --producer --topic {topic}"
        ),
        RDKafkaErrorCode::ClusterAuthorizationFailed => format!(
            "Kafka at {place} does not let this user write idempotently; allow it: kafka-acls.sh --bootstrap-server \
             {place} --add --allow-principal User:NAME --operation IdempotentWrite --cluster"
        ),
        RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend => {
            format!("too few replicas of topic `{topic}` are in sync (`min.insync.replicas`)")
        }
        RDKafkaErrorCode::MessageTimedOut => format!(
            "Kafka at {place} did not acknowledge some events within `kafka.producer.delivery.timeout.ms`"
        ),
        RDKafkaErrorCode::MessageSizeTooLarge => format!(
            "a record is larger than topic `{topic}` takes, and `oversize = block`; raise the limit: kafka-configs.sh \
             --bootstrap-server {place} --alter --entity-type topics --entity-name {topic} --add-config \
             max.message.bytes=N"
        ),
        RDKafkaErrorCode::UnsupportedCompressionType => format!(
            "Kafka at {place} does not know `kafka.producer.compression.type`: it is too old for it"
        ),
        other => format!("Kafka at {place} did not take some events: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use rdkafka::error::RDKafkaErrorCode::{
        InvalidDifferentRecord, InvalidRecord, MessageSizeTooLarge, MessageTimedOut, PurgeQueue,
        QueueFull,
    };

    #[test]
    fn a_small_record_is_never_set_aside_for_the_size_of_its_batch() {
        assert_eq!(judge(MessageSizeTooLarge, 500, 1_000_000), Verdict::Crowded);
        assert_eq!(judge(MessageSizeTooLarge, 999_903, 1_000_000), Verdict::TooLarge);
        assert_eq!(judge(MessageSizeTooLarge, 999_902, 1_000_000), Verdict::Crowded);
        assert_eq!(judge(InvalidRecord, 1, 10), Verdict::Unfit);
        for code in [InvalidDifferentRecord, MessageTimedOut, PurgeQueue, QueueFull] {
            assert_eq!(judge(code, 1, 10), Verdict::Again, "{code}");
        }
    }
}
