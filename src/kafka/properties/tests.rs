//! The translation, row by row and rule by rule.

use super::convert::Word;
use super::table::{self, What};
use super::{Placing, Translated, Weight, consumer, producer};
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use std::time::Duration;

fn config(translated: &Translated, name: &str) -> Option<String> {
    translated.config.get(name).map(str::to_owned)
}

/// The one note about `key`, as text.
fn told(translated: &Translated, key: &str) -> String {
    let notes: Vec<_> = translated.notes.iter().filter(|n| n.key == key).collect();
    assert_eq!(notes.len(), 1, "{key}: {notes:?}");
    format!("{:?} {} | {} | {}", notes[0].weight, notes[0].what, notes[0].effect, notes[0].next)
}

fn a_value_for(word: &Word) -> String {
    match word {
        Word::Copy => "x".to_owned(),
        Word::Bool => "TRUE".to_owned(),
        Word::Int(range) | Word::Exact(range) | Word::MinusOneIsZero(range) => {
            range.end().to_string()
        }
        Word::BytesToKib(_) => "65537".to_owned(),
        Word::Enum(words) => words[0].0.to_owned(),
    }
}

#[test]
fn every_property_the_table_leads_to_is_one_that_librdkafka_takes_with_that_value() {
    let mut mapped = 0;
    for (_, name, row) in table::all() {
        let What::Map(words) = &row.what else {
            assert!(row.targets.is_empty(), "{name}");
            assert!(
                !matches!(row.what, What::Ignore | What::Refuse | What::Overruled)
                    || !row.note.is_empty(),
                "{name} has no reason"
            );
            continue;
        };
        assert_eq!(words.len(), row.targets.len(), "{name}");
        for (word, target) in words.iter().zip(&row.targets) {
            let value = word.apply(&a_value_for(word)).unwrap().value;
            let set = ClientConfig::new().set(*target, &value).create_native_config();
            assert!(set.is_ok(), "{name}: {target} = {value}: {:?}", set.err());
            mapped += 1;
        }
    }
    assert!(mapped > 60, "{mapped}");
}

#[test]
fn clients_are_created_from_nothing_and_from_a_usual_file() {
    let mut config = producer(&[]).config;
    config.or("bootstrap.servers", "127.0.0.1:1");
    assert!(config.client_config().create::<BaseProducer>().is_ok());
    let usual = producer(&[
        ("acks", "all"),
        ("linger.ms", "0"),
        ("batch.size", "0"),
        ("reconnect.backoff.ms", "20000"),
        ("retry.backoff.max.ms", "50"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "22"),
        ("max.request.size", "2147483647"),
        ("max.in.flight.requests.per.connection", "20"),
    ]);
    assert_eq!(usual.refused().count(), 0, "{:?}", usual.notes);
    assert!(usual.config.client_config().create::<BaseProducer>().is_ok());
    let mut given = consumer(&[
        ("group.id", "g"),
        ("fetch.max.bytes", "1"),
        ("max.poll.interval.ms", "20000"),
        ("fetch.max.wait.ms", "40000"),
        ("request.timeout.ms", "30000"),
    ]);
    given.config.or("bootstrap.servers", "127.0.0.1:1");
    assert_eq!(given.refused().count(), 0, "{:?}", given.notes);
    assert!(given.config.client_config().create::<BaseConsumer>().is_ok());
}

#[test]
fn what_differs_between_the_clients_in_meaning_is_never_left_to_librdkafka() {
    let nothing = producer(&[]);
    for (name, value) in [
        ("partitioner", "murmur2_random"),
        ("acks", "-1"),
        ("enable.idempotence", "true"),
        ("max.in.flight.requests.per.connection", "5"),
        ("delivery.timeout.ms", "120000"),
        ("message.max.bytes", "1048576"),
        ("connections.max.idle.ms", "540000"),
    ] {
        assert_eq!(config(&nothing, name).as_deref(), Some(value), "{name}");
    }
    assert!(nothing.notes.is_empty(), "{:?}", nothing.notes);
    let nothing = consumer(&[]);
    for (name, value) in [
        ("isolation.level", "read_committed"),
        ("check.crcs", "true"),
        ("allow.auto.create.topics", "true"),
        ("partition.assignment.strategy", "range"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "latest"),
        ("topic.blacklist", "^__consumer_offsets$,^__transaction_state$"),
    ] {
        assert_eq!(config(&nothing, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn numbers_are_read_as_java_reads_them_and_not_as_c_does() {
    let given = producer(&[("linger.ms", "010"), ("retries", "+7"), ("buffer.memory", "1025")]);
    assert_eq!(config(&given, "linger.ms").as_deref(), Some("10"));
    assert_eq!(config(&given, "retries").as_deref(), Some("7"));
    assert_eq!(config(&given, "queue.buffering.max.kbytes").as_deref(), Some("2"));
    for wrong in ["0x10", "16384abc", "1.5", "", "-1"] {
        let given = producer(&[("linger.ms", wrong)]);
        assert!(told(&given, "linger.ms").starts_with("Refused"), "{wrong}");
    }
    let given = producer(&[("receive.buffer.bytes", "-1"), ("metadata.max.age.ms", "7200000")]);
    assert_eq!(config(&given, "socket.receive.buffer.bytes").as_deref(), Some("0"));
    assert_eq!(config(&given, "topic.metadata.refresh.interval.ms").as_deref(), Some("3600000"));
    assert!(told(&given, "metadata.max.age.ms").contains("3600000 is in force"));
    assert!(producer(&[("delivery.timeout.ms", "0")]).refused().count() == 1);
}

#[test]
fn names_that_are_live_in_librdkafka_and_dead_in_flume_do_not_slip_through() {
    for name in [
        "compression.codec",
        "queue.buffering.max.ms",
        "batch.num.messages",
        "metadata.broker.list",
        "message.send.max.retries",
        "queue.buffering.max.messages",
        "topic.metadata.refresh.interval.ms",
    ] {
        let given = producer(&[(name, "5000")]);
        let same = producer(&[]);
        assert_eq!(format!("{:?}", given.config), format!("{:?}", same.config), "{name}");
        assert!(told(&given, name).starts_with("Warning"), "{name}");
    }
    let misspelt = producer(&[("lingr.ms", "5")]);
    assert_eq!(misspelt.refused().count(), 0, "Flume starts with it, and so do we");
    assert!(told(&misspelt, "lingr.ms").contains("no such property"));
}

#[test]
fn fewer_acknowledgements_are_obeyed_and_said() {
    let given = producer(&[("acks", "1")]);
    assert_eq!(config(&given, "acks").as_deref(), Some("1"));
    assert_eq!(config(&given, "enable.idempotence").as_deref(), Some("false"));
    assert!(told(&given, "acks").contains("may be lost"));
    assert_eq!(producer(&[("acks", "1"), ("enable.idempotence", "true")]).refused().count(), 1);
    assert_eq!(producer(&[("acks", "ALL")]).refused().count(), 1, "Java refuses it too");
    let off = producer(&[("enable.idempotence", "false")]);
    assert_eq!(config(&off, "enable.idempotence").as_deref(), Some("false"));
    let none = producer(&[("retries", "0")]);
    assert_eq!(config(&none, "enable.idempotence").as_deref(), Some("false"));
    assert!(told(&none, "retries").contains("sent twice"));
}

#[test]
fn a_partitioner_that_would_place_records_elsewhere_is_refused_and_known_ones_are_followed() {
    const P: &str = "org.apache.kafka.clients.producer.";
    let class = |name: &str| producer(&[("partitioner.class", name)]);
    assert_eq!(class(&format!("{P}internals.DefaultPartitioner")).placing, Placing::Murmur2);
    assert_eq!(class(&format!("{P}UniformStickyPartitioner")).placing, Placing::Sticky);
    assert_eq!(class(&format!("{P}RoundRobinPartitioner")).placing, Placing::RoundRobin);
    assert_eq!(class("kafka.producer.DefaultPartitioner").refused().count(), 1);
    assert_eq!(class("com.example.Mine").refused().count(), 1);
    assert_eq!(producer(&[("partitioner.ignore.keys", "true")]).placing, Placing::Sticky);
    let still = producer(&[("linger.ms", "0")]);
    assert_eq!(config(&still, "sticky.partitioning.linger.ms").as_deref(), Some("10"));
}

#[test]
fn a_level_of_compression_counts_for_its_own_codec_only() {
    let given = producer(&[("compression.type", "lz4"), ("compression.gzip.level", "9")]);
    assert_eq!(config(&given, "compression.level"), None);
    assert!(told(&given, "compression.gzip.level").contains("no effect"));
    let given = producer(&[
        ("compression.type", "gzip"),
        ("compression.gzip.level", "9"),
        ("compression.zstd.level", "3"),
    ]);
    assert_eq!(config(&given, "compression.level").as_deref(), Some("9"));
    assert_eq!(producer(&[("compression.type", "GZIP")]).refused().count(), 1);
}

#[test]
fn a_consumer_keeps_javas_rules_where_librdkafkas_differ() {
    const C: &str = "org.apache.kafka.clients.consumer.";
    let both = format!("{C}RangeAssignor,{C}CooperativeStickyAssignor");
    let given = consumer(&[("partition.assignment.strategy", &both)]);
    assert_eq!(config(&given, "partition.assignment.strategy").as_deref(), Some("range"));
    let given = consumer(&[("partition.assignment.strategy", &format!("{C}StickyAssignor"))]);
    assert_eq!(given.refused().count(), 1);
    let given = consumer(&[("auto.offset.reset", "none")]);
    assert_eq!(config(&given, "auto.offset.reset").as_deref(), Some("error"));
    let given = consumer(&[("auto.offset.reset", "smallest")]);
    assert!(told(&given, "auto.offset.reset").contains("`earliest`"));
    let given = consumer(&[("heartbeat.interval.ms", "45000")]);
    assert_eq!(given.refused().count(), 1);
    let given = consumer(&[("group.protocol", "consumer"), ("session.timeout.ms", "9000")]);
    assert_eq!(config(&given, "session.timeout.ms"), None);
    let given = consumer(&[("group.instance.id", "a b")]);
    assert_eq!(given.refused().count(), 1);
    let given = consumer(&[("default.api.timeout.ms", "7")]);
    assert_eq!(given.api_timeout, Duration::from_millis(7));
    let given = consumer(&[("enable.auto.commit", "true")]);
    assert_eq!(config(&given, "enable.auto.commit").as_deref(), Some("false"));
    assert!(told(&given, "enable.auto.commit").starts_with("Info"));
}

#[test]
fn no_secret_is_shown_wherever_it_came_from() {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" \
                password=\"hunter2\";";
    let given = producer(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", jaas),
        ("ssl.key.password", "hunter2"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.certificate.chain", "-----BEGIN"),
        ("ssl.keystore.key", "hunter2"),
        ("ssl.truststore.password", "hunter2"),
    ]);
    assert_eq!(given.refused().count(), 0, "{:?}", given.notes);
    assert_eq!(config(&given, "sasl.password").as_deref(), Some("hunter2"));
    assert!(!format!("{given:?}").contains("hunter2"), "{given:?}");
    let broken = producer(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", "x.Y required password=\"hunter2\""),
    ]);
    assert_eq!(broken.refused().count(), 1);
    assert!(!format!("{broken:?}").contains("hunter2"), "{broken:?}");
}

#[test]
fn security_is_translated_or_refused_with_what_to_do() {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" \
                 password=\"p\";";
    let sasl = |mechanism: &str, jaas: &str| {
        producer(&[
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", jaas),
            ("sasl.kerberos.service.name", "kafka"),
        ])
    };
    let given = sasl("SCRAM-SHA-512", scram);
    assert_eq!(given.refused().count(), 0, "{:?}", given.notes);
    assert_eq!(config(&given, "security.protocol").as_deref(), Some("sasl_plaintext"));
    assert_eq!(config(&given, "sasl.username").as_deref(), Some("u"));
    assert!(given.config.client_config().create::<BaseProducer>().is_ok());
    assert_eq!(sasl("PLAIN", scram).refused().count(), 1, "the module is for another mechanism");
    assert_eq!(sasl("scram-sha-512", scram).refused().count(), 1, "Java wants capitals");
    let krb = "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true \
               keyTab=\"/etc/k.keytab\" principal=\"flume/h@R\";";
    let given = sasl("GSSAPI", krb);
    assert_eq!(given.refused().count(), 0, "{:?}", given.notes);
    assert_eq!(config(&given, "sasl.kerberos.keytab").as_deref(), Some("/etc/k.keytab"));
    let evil = krb.replace("flume/h@R", "a;rm -rf x");
    assert_eq!(sasl("GSSAPI", &evil).refused().count(), 1, "it would go through a shell");
    let tls = producer(&[
        ("security.protocol", "SSL"),
        ("ssl.truststore.location", "/x/trust.jks"),
        ("ssl.truststore.password", "p"),
    ]);
    assert!(told(&tls, "ssl.truststore.location").contains("keytool -list -rfc"));
    let tls = producer(&[
        ("security.protocol", "SSL"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", "/x/trust.pem"),
        ("ssl.disableTLSHostnameVerification", "true"),
        ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA"),
    ]);
    assert_eq!(config(&tls, "ssl.ca.location").as_deref(), Some("/x/trust.pem"));
    assert_eq!(config(&tls, "ssl.endpoint.identification.algorithm").as_deref(), Some("none"));
    assert_eq!(config(&tls, "ssl.cipher.suites").as_deref(), Some("AES128-SHA"));
    let lower = producer(&[
        ("security.protocol", "ssl"),
        ("ssl.truststore.certificates", "-----BEGIN"),
        ("ssl.disableTLSHostnameVerification", "true"),
    ]);
    assert_eq!(config(&lower, "ssl.endpoint.identification.algorithm"), None);
    let plain = producer(&[("ssl.truststore.location", "/x"), ("sasl.mechanism", "PLAIN")]);
    assert_eq!(plain.refused().count(), 0);
    assert!(told(&plain, "ssl.truststore.location").contains("without"));
    assert!(plain.notes.iter().all(|note| note.weight == Weight::Warning));
}
