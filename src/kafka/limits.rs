//! What a topic and its brokers take, asked of them in the background while the sink already runs.
//!
//! The limits that matter are the broker's and not ours, so they are read from it, told with the command that mends them,
//! and handed to the sink: the size of a record that need not be sent to be refused, and of a batch that will not be.

use super::properties::Settings;
use crate::clock::Stop;
use crate::component::Context;
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::{Receiver, Sender};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use std::time::Duration;

/// How long one question may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Between two attempts, while no broker answers or the topic is not there.
const AGAIN: Duration = Duration::from_secs(10);
/// Attempts at a broker that is there and does not answer questions about its settings: some never do.
const ATTEMPTS_MAX: usize = 3;
/// Bytes of a request beside its batch, at most.
const REQUEST_OVERHEAD: u64 = 1000;

/// What is known of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The topic's `max.message.bytes`, of a batch after compression.
    pub topic_bytes: Option<u64>,
    /// The least `socket.request.max.bytes` of the brokers.
    pub request_bytes: Option<u64>,
}

/// What was found out about the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Findings {
    limits: Limits,
    partitions: usize,
    /// The fewest replicas that a partition has.
    replicas: usize,
    min_in_sync: Option<u64>,
}

/// A look at the brokers that is under way in a thread of its own. It ends by itself; dropping this tells it to.
pub struct Preflight {
    found: Receiver<Limits>,
    stop: Stop,
}

impl Preflight {
    /// Starts looking. Without a topic of one name only the brokers are asked.
    #[must_use]
    pub fn start(client: &Settings, topic: Option<String>, place: &str, context: &Context) -> Self {
        let (sender, found) = crossbeam_channel::bounded(1);
        let stop = Stop::new();
        let mut client = client.clone();
        // A client that only asks needs no producer's identity.
        client.set("enable.idempotence", "false");
        let look = Look {
            topic,
            place: place.to_owned(),
            teller: context.teller.clone(),
            stop: stop.clone(),
            asked_max: client
                .is_from_file("message.max.bytes")
                .then(|| client.number("message.max.bytes"))
                .flatten(),
        };
        let spawned = std::thread::Builder::new()
            .name(format!("{} preflight", context.name))
            .spawn(move || look.run(&client, &sender));
        if let Err(why) = spawned {
            log::warn!("Kafka's limits are not looked at: {why}");
        }
        Self { found, stop }
    }

    /// What was found since the last call, if anything.
    #[must_use]
    pub fn found(&self) -> Option<Limits> {
        self.found.try_recv().ok()
    }
}

impl Drop for Preflight {
    fn drop(&mut self) {
        // Not joined: a question that is under way may take its time, and holds nothing of ours.
        self.stop.request();
    }
}

struct Look {
    topic: Option<String>,
    place: String,
    teller: Teller,
    stop: Stop,
    /// `max.request.size` where the file has it.
    asked_max: Option<i64>,
}

/// Why a look found nothing.
enum Nothing {
    /// No broker answers: the sink tells that already.
    Away,
    /// The topic is not there.
    NoTopic { brokers: usize },
    /// The brokers do not say.
    Untold(String),
}

impl Look {
    fn run(&self, client: &Settings, sender: &Sender<Limits>) {
        let admin = match AdminClient::from_config_and_context(&client.client_config(), Silent) {
            Ok(admin) => admin,
            Err(why) => return log::debug!("Kafka's limits are not looked at: {why}"),
        };
        let mut untold = 0;
        let mut missing_told = false;
        loop {
            match self.look(&admin) {
                Ok(findings) => {
                    self.tell(&findings);
                    // Nobody hears it when the sink is gone already.
                    sender.try_send(findings.limits).ok();
                    return;
                }
                Err(Nothing::Away) => {}
                Err(Nothing::NoTopic { brokers }) => {
                    if !std::mem::replace(&mut missing_told, true) {
                        self.tell_missing(brokers);
                    }
                }
                Err(Nothing::Untold(why)) => {
                    untold += 1;
                    if untold == ATTEMPTS_MAX {
                        let what =
                            format!("Kafka at {} does not tell its limits: {why}", self.place);
                        let effect = "a record that is too large is noticed when it is refused";
                        return self
                            .teller
                            .tell(Happening::info("limits-unknown", what).effect(effect));
                    }
                }
            }
            if self.stop.wait(AGAIN) {
                return;
            }
        }
    }

    fn look(&self, admin: &AdminClient<Silent>) -> Result<Findings, Nothing> {
        // All topics: a question for one topic would make it where the broker makes topics by itself.
        let metadata =
            admin.inner().fetch_metadata(None, ANSWER_WAIT).map_err(|_| Nothing::Away)?;
        let mut findings = Findings::default();
        if let Some(name) = &self.topic {
            let brokers = metadata.brokers().len();
            findings = partitions(&metadata, name).ok_or(Nothing::NoTopic { brokers })?;
        }
        let resources: Vec<_> = metadata
            .brokers()
            .iter()
            .map(|broker| ResourceSpecifier::Broker(broker.id()))
            .chain(self.topic.as_deref().map(ResourceSpecifier::Topic))
            .collect();
        for resource in &resources {
            let config = ask(admin, resource).map_err(|why| Nothing::Untold(why.to_string()))?;
            let number = |name: &str| config.get(name)?.value.as_ref()?.parse::<u64>().ok();
            if let ResourceSpecifier::Topic(_) = resource {
                findings.limits.topic_bytes = number("max.message.bytes");
                findings.min_in_sync = number("min.insync.replicas");
            } else {
                let known = findings.limits.request_bytes;
                let least = [known, number("socket.request.max.bytes")].into_iter().flatten().min();
                findings.limits.request_bytes = least;
            }
        }
        Ok(findings)
    }

    fn tell_missing(&self, brokers: usize) {
        let (place, topic) = (&self.place, self.topic.as_deref().unwrap_or_default());
        let replicas = brokers.clamp(1, 3);
        self.teller.tell(
            Happening::error("topic-missing", format!("Kafka at {place} has no topic `{topic}`"))
                .effect("its events stay in the channel, unless the broker makes topics by itself")
                .next(format!(
                    "kafka-topics.sh --bootstrap-server {place} --create --topic {topic} --partitions 4 \
                     --replication-factor {replicas}; it goes on by itself"
                )),
        );
    }

    fn tell(&self, findings: &Findings) {
        let Some(topic) = &self.topic else { return };
        for happening in judge(topic, &self.place, findings, self.asked_max) {
            self.teller.tell(happening);
        }
    }
}

/// What the operator should know about what was found.
fn judge(topic: &str, place: &str, findings: &Findings, asked_max: Option<i64>) -> Vec<Happening> {
    let Findings { limits, partitions, replicas, min_in_sync } = findings;
    let mut said = Vec::new();
    let widen = |bytes: &str| {
        format!(
            "kafka-configs.sh --bootstrap-server {place} --alter --entity-type topics --entity-name {topic} \
             --add-config max.message.bytes={bytes}"
        )
    };
    if let Some(bytes) = limits.topic_bytes {
        let what = format!(
            "topic `{topic}` at {place} has {partitions} partitions and takes records of up to {bytes} bytes"
        );
        said.push(
            Happening::info("topic-limits", what).next(format!("for larger ones: {}", widen("N"))),
        );
        if let Some(asked) = asked_max.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > bytes) {
            let what = format!(
                "`kafka.producer.max.request.size` is {asked}, and topic `{topic}` takes {bytes} bytes"
            );
            let effect = "records between the two are refused by the broker";
            let happening = Happening::warning("topic-narrower", what).effect(effect);
            said.push(happening.next(widen(&asked.to_string())));
        }
        if let Some(request) = limits.request_bytes.filter(|r| bytes + REQUEST_OVERHEAD > *r) {
            let what = format!(
                "topic `{topic}` takes records of {bytes} bytes, and the broker requests of {request} bytes \
                 (`socket.request.max.bytes`)"
            );
            let effect =
                "a record between the two would break the connection; it is set aside instead";
            said.push(
                Happening::warning("request-narrower", what)
                    .effect(effect)
                    .next("raise `socket.request.max.bytes` in the broker's server.properties"),
            );
        }
    }
    if let Some(least) =
        min_in_sync.filter(|least| u64::try_from(*replicas).is_ok_and(|r| r < *least))
    {
        let what = format!(
            "topic `{topic}` has {replicas} replicas and wants {least} in sync (`min.insync.replicas`)"
        );
        said.push(
            Happening::error("too-few-replicas", what)
                .effect("with `acks = all` nothing is ever acknowledged; the events stay in the channel")
                .next("lower `min.insync.replicas`, or add replicas"),
        );
    }
    said
}

fn partitions(metadata: &Metadata, name: &str) -> Option<Findings> {
    let topic = metadata.topics().iter().find(|topic| topic.name() == name)?;
    if topic.error().is_some() || topic.partitions().is_empty() {
        return None;
    }
    let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
    Some(Findings {
        partitions: topic.partitions().len(),
        replicas: replicas.unwrap_or_default(),
        ..Findings::default()
    })
}

fn ask(
    admin: &AdminClient<Silent>,
    what: &ResourceSpecifier<'_>,
) -> Result<ConfigResource, KafkaError> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_WAIT));
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(|_| KafkaError::Canceled)?;
    let answers = runtime.block_on(admin.describe_configs([what], &options))?;
    match answers.into_iter().next() {
        Some(Ok(config)) => Ok(config),
        Some(Err(code)) => Err(KafkaError::AdminOp(code)),
        None => Err(KafkaError::Canceled),
    }
}

/// Its complaints are the sink's own, which tells them.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!(target: "librdkafka", "{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!(target: "librdkafka", "{error}: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, Limits, judge};

    fn codes(findings: &Findings, asked_max: Option<i64>) -> Vec<&'static str> {
        judge("t", "b:1", findings, asked_max).iter().map(|h| h.code).collect()
    }

    #[test]
    fn each_limit_that_is_too_narrow_is_told_with_the_command_that_widens_it() {
        let limits = Limits { topic_bytes: Some(1_048_588), request_bytes: Some(104_857_600) };
        let mut findings = Findings { limits, partitions: 4, replicas: 1, min_in_sync: Some(1) };
        assert_eq!(codes(&findings, None), ["topic-limits"]);
        let said = judge("t", "b:1", &findings, Some(41_943_040));
        assert_eq!(said[1].code, "topic-narrower");
        assert_eq!(
            said[1].next,
            "kafka-configs.sh --bootstrap-server b:1 --alter --entity-type topics --entity-name t --add-config \
             max.message.bytes=41943040"
        );
        findings.limits.topic_bytes = Some(104_857_000);
        findings.min_in_sync = Some(2);
        assert_eq!(
            codes(&findings, None),
            ["topic-limits", "request-narrower", "too-few-replicas"]
        );
        assert!(codes(&Findings { replicas: 1, ..Findings::default() }, None).is_empty());
    }
}
