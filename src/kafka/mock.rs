//! librdkafka's mock broker, for the demonstration: it keeps the last 5 MiB of each partition and nothing across a
//! restart, listens on 127.0.0.1 only, and knows neither TLS nor real transactions. Never to be called durable.

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A broker inside this process.
pub struct MockBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockBroker {
    /// Starts it with one topic.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, String> {
        let cluster = MockCluster::new(1).map_err(|why| why.to_string())?;
        cluster.create_topic(topic, partitions, 1).map_err(|why| why.to_string())?;
        Ok(Self { cluster })
    }

    /// Where it listens.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// A client's settings for it.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers());
        config
    }
}
