//! librdkafka's mock broker, for tests: it keeps the last 5 MiB of each partition and nothing
//! across a restart, listens on 127.0.0.1 only, and knows neither TLS nor real transactions. Never to be called durable.

use super::raw;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::time::Duration;

/// The largest request the broker takes, in bytes; a larger one closes the connection, as at a real broker.
const REQUEST_BYTES_MAX: u32 = 105_000_000;

/// A broker inside this process. Other processes may connect to it.
pub struct MockBroker {
    /// The client that the broker lives in.
    client: BaseProducer,
}

/// The broker's own number: there is one.
const BROKER: i32 = 1;

impl MockBroker {
    /// Starts it with one topic. Consumer groups join at once.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, String> {
        let client: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .set("receive.message.max.bytes", REQUEST_BYTES_MAX.to_string())
            .create()
            .map_err(|why| why.to_string())?;
        let broker = Self { client };
        broker.create_topic(topic, partitions)?;
        if !raw::join_mock_groups_at_once(broker.client.client()) {
            return Err("there is no mock cluster in its client".to_owned());
        }
        Ok(broker)
    }

    /// Makes one more topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), String> {
        self.cluster()?.create_topic(topic, partitions, 1).map_err(|why| why.to_string())
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster().map_or_else(|_| String::new(), |cluster| cluster.bootstrap_servers())
    }

    /// A client's settings for it.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers());
        config
    }

    /// Closes every connection and takes no new one, until it is [up](Self::up) again.
    pub fn down(&self) {
        self.told(|cluster| cluster.broker_down(BROKER));
    }

    /// Takes connections again.
    pub fn up(&self) {
        self.told(|cluster| cluster.broker_up(BROKER));
    }

    /// Answers the next requests to produce with these errors, one each.
    pub fn refuse(&self, errors: &[RDKafkaRespErr]) {
        self.told(|cluster| {
            cluster.request_errors(RDKafkaApiKey::Produce, errors);
            Ok(())
        });
    }

    /// Answers every request only after so long.
    pub fn answer_after(&self, delay: Duration) {
        self.told(|cluster| cluster.broker_round_trip_time(BROKER, delay));
    }

    fn cluster(&self) -> Result<MockCluster<'_, DefaultProducerContext>, String> {
        self.client.client().mock_cluster().ok_or("there is no mock cluster".to_owned())
    }

    fn told(
        &self,
        say: impl FnOnce(&MockCluster<'_, DefaultProducerContext>) -> Result<(), KafkaError>,
    ) {
        let said = self.cluster().and_then(|cluster| say(&cluster).map_err(|why| why.to_string()));
        if let Err(why) = said {
            log::warn!("mock broker: {why}");
        }
    }
}
