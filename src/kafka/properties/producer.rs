//! What the producer's properties mean together, and what is set when the file says nothing.

use super::convert::Word;
use super::{Given, Placing, Translated, Weight, refuse_value};
use std::time::Duration;

/// The Java client's `delivery.timeout.ms`, in milliseconds; librdkafka's own would be 300,000.
const DELIVERY_TIMEOUT_MS: u32 = 120_000;
/// The Java client's limit of one record, in bytes; librdkafka's own is 4.6 % smaller.
const MAX_REQUEST_SIZE: u32 = 1_048_576;
/// The broker keeps the last five batches of a producer: more in flight cannot be put in order.
const IN_FLIGHT_MAX: i64 = 5;
/// How long records without a key stay with one partition when `linger.ms` is 0, in milliseconds; librdkafka would take
/// twice `linger.ms` and scatter them one by one.
const STICKY_MS: u32 = 10;

pub(super) fn rules(given: &Given<'_>, out: &mut Translated) {
    placing(given, out);
    reliability(given, out);
    batches(given, out);
    compression(given, out);
    super::consumer::connections(given, out);
    super::consumer::interceptors(given, out);
    if let Some(text) = given.get("max.block.ms") {
        match milliseconds(text) {
            Some(time) => out.max_block = time,
            None => refuse_value(out, "max.block.ms", text, "a whole number"),
        }
    }
}

pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

fn placing(given: &Given<'_>, out: &mut Translated) {
    const INTERNALS: &str = "org.apache.kafka.clients.producer.internals.";
    const CLIENTS: &str = "org.apache.kafka.clients.producer.";
    // librdkafka's own default hashes keys with CRC32: records would land on other partitions than Java's.
    out.config.set("partitioner", "murmur2_random");
    if let Some(class) = given.get("partitioner.class") {
        let name = class.strip_prefix(INTERNALS).or_else(|| class.strip_prefix(CLIENTS));
        match name.unwrap_or(class) {
            "DefaultPartitioner" if class.starts_with(INTERNALS) => {}
            "UniformStickyPartitioner" if name.is_some() => out.placing = Placing::Sticky,
            "RoundRobinPartitioner" if name.is_some() => out.placing = Placing::RoundRobin,
            _ => {
                out.refuse("partitioner.class", format!("the Java class `{class}` is not here"))
                    .next(
                        "take the line out for Java's default placing, or use `partitionIdHeader`",
                    );
            }
        }
    }
    match given.get("partitioner.ignore.keys").map(str::to_ascii_lowercase).as_deref() {
        Some("true") if out.placing == Placing::Murmur2 => out.placing = Placing::Sticky,
        None | Some("false" | "true") => {}
        Some(other) => refuse_value(out, "partitioner.ignore.keys", other, "true or false"),
    }
}

/// `acks`, idempotence and what they ask of each other. Where the file is silent, nothing is lost and nothing doubled by a
/// retry; where it speaks, it is obeyed.
fn reliability(given: &Given<'_>, out: &mut Translated) {
    out.config.or("acks", "-1");
    let all = out.config.get("acks") == Some("-1");
    let asked = out.config.is_from_file("enable.idempotence");
    let wanted = out.config.get("enable.idempotence") == Some("true");
    if asked && wanted && !all {
        out.refuse("enable.idempotence", "it needs `acks = all`").next("write `acks = all`");
    }
    let no_retries = out.config.number("retries") == Some(0);
    if asked && wanted && no_retries {
        out.refuse("retries", "`enable.idempotence` needs at least one").next("take the line out");
    }
    if !asked {
        out.config.set("enable.idempotence", all && !no_retries);
        if all && no_retries {
            out.note(Weight::Warning, "retries", "0 switches idempotence off")
                .effect("a record whose answer was lost may be sent twice");
        }
    }
    if !all {
        out.note(
            Weight::Warning,
            "acks",
            "fewer acknowledgements than `all`, which is the default here",
        )
        .effect("a record may be lost when the broker that took it dies");
    }
    out.config.or("max.in.flight.requests.per.connection", IN_FLIGHT_MAX);
    let in_flight = out.config.number("max.in.flight.requests.per.connection");
    let idempotent = out.config.get("enable.idempotence") == Some("true");
    if let Some(many) = in_flight.filter(|n| idempotent && *n > IN_FLIGHT_MAX) {
        let key = "max.in.flight.requests.per.connection";
        out.config.set(key, IN_FLIGHT_MAX);
        out.note(Weight::Info, key, format!("{many} is too many for records to stay in order"))
            .effect(format!("{IN_FLIGHT_MAX} is in force"));
    }
    if !given.has("transactional.id") {
        out.config.or("delivery.timeout.ms", DELIVERY_TIMEOUT_MS);
    }
}

fn batches(given: &Given<'_>, out: &mut Translated) {
    out.config.or("message.max.bytes", MAX_REQUEST_SIZE);
    if out.config.number("batch.size") == Some(0) {
        out.config.remove("batch.size");
        out.config.take_from_file("batch.num.messages", "1".to_owned());
    }
    let linger = out.config.number("linger.ms");
    if linger == Some(0) {
        out.config.set("sticky.partitioning.linger.ms", STICKY_MS);
    }
    let delivery = out.config.number("delivery.timeout.ms");
    if let (Some(delivery), Some(linger)) = (delivery, linger)
        && delivery <= linger
        && given.has("linger.ms")
    {
        out.refuse("delivery.timeout.ms", format!("{delivery} is not above `linger.ms`, {linger}"))
            .next("a larger `delivery.timeout.ms`, or a smaller `linger.ms`");
    }
}

/// librdkafka has one level for all codecs; Java's is per codec and counts only for the one chosen.
fn compression(given: &Given<'_>, out: &mut Translated) {
    let codec = out.config.get("compression.type").unwrap_or("none").to_owned();
    out.config.remove("compression.level");
    for (name, of, levels) in
        [("gzip", "gzip", "int:-1..9"), ("lz4", "lz4", "int:1..12"), ("zstd", "zstd", "int:-1..12")]
    {
        let key = format!("compression.{name}.level");
        let Some(text) = given.get(&key) else { continue };
        if codec != of {
            out.note(Weight::Info, &key, format!("`compression.type` is {codec}"))
                .effect("the line has no effect");
        } else if let Ok(converted) = Word::parse(levels).apply(text) {
            out.config.take_from_file("compression.level", converted.value);
        }
    }
}
