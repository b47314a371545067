//! What the consumer's properties mean together, and what is set when the file says nothing. What both clients share is
//! here too.

use super::producer::milliseconds;
use super::{Given, Translated, Weight, refuse_value};

/// Just below the broker's own ten minutes, as Java's client, which spares a logged disconnect.
const IDLE_MS: u32 = 540_000;
/// The session of Java's client 3.0 and later, in milliseconds; 2.7 had 10,000.
const SESSION_MS: u32 = 45_000;
/// What the topic pattern of a Java consumer leaves out.
const INTERNAL_TOPICS: &str = "^__consumer_offsets$,^__transaction_state$";

pub(super) fn rules(given: &Given<'_>, out: &mut Translated) {
    out.config.set("enable.auto.commit", "false");
    out.config.set("enable.auto.offset.store", "false");
    out.config.or("isolation.level", "read_committed");
    out.config.or("check.crcs", "true");
    out.config.or("allow.auto.create.topics", "true");
    out.config.or("auto.offset.reset", "latest");
    group(given, out);
    fetching(out);
    connections(given, out);
    interceptors(given, out);
    if let Some(text) = given.get("default.api.timeout.ms") {
        match milliseconds(text) {
            Some(time) => out.api_timeout = time,
            None => refuse_value(out, "default.api.timeout.ms", text, "a whole number"),
        }
    }
    match given.get("exclude.internal.topics").map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => out.config.set("topic.blacklist", INTERNAL_TOPICS),
        Some("false") => {}
        Some(other) => refuse_value(out, "exclude.internal.topics", other, "true or false"),
    }
    if let Some(word @ ("smallest" | "largest")) = given.get("auto.offset.reset") {
        let means = out.config.get("auto.offset.reset").unwrap_or_default().to_owned();
        out.note(Weight::Warning, "auto.offset.reset", format!("`{word}` is a word of Kafka 0.8"))
            .effect(format!("it is read as `{means}`"))
            .next(format!("write `{means}`"));
    }
}

fn group(given: &Given<'_>, out: &mut Translated) {
    if let Some(id) = given.get("group.instance.id") {
        let fits = id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if fits && !id.is_empty() && id.len() <= 249 {
            out.config.take_from_file("group.instance.id", id.to_owned());
        } else {
            let expected = "letters, digits, `.`, `_` and `-`, at most 249";
            refuse_value(out, "group.instance.id", id, expected);
        }
    }
    if out.config.get("group.protocol") == Some("consumer") {
        for name in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"]
        {
            out.config.remove(name);
            if given.has(name) {
                out.note(
                    Weight::Info,
                    name,
                    "the broker decides under `group.protocol = consumer`",
                )
                .effect("the line has no effect");
            }
        }
        return;
    }
    assignors(given, out);
    out.config.or("session.timeout.ms", SESSION_MS);
    let number = |out: &Translated, name| out.config.number(name).unwrap_or(0);
    let session = number(out, "session.timeout.ms");
    if number(out, "heartbeat.interval.ms") >= session {
        out.refuse("heartbeat.interval.ms", format!("not below `session.timeout.ms`, {session}"))
            .next("a third of `session.timeout.ms` is usual");
    }
    if given.has("max.poll.interval.ms") && number(out, "max.poll.interval.ms") < session {
        out.config.set("max.poll.interval.ms", session);
        out.note(Weight::Info, "max.poll.interval.ms", "below `session.timeout.ms`")
            .effect(format!("{session} is in force"));
    }
}

fn assignors(given: &Given<'_>, out: &mut Translated) {
    const NAME: &str = "partition.assignment.strategy";
    out.config.or(NAME, "range");
    let Some(text) = given.get(NAME) else { return };
    let mut words = Vec::new();
    for class in text.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        match class.strip_prefix("org.apache.kafka.clients.consumer.") {
            Some("RangeAssignor") => words.push("range"),
            Some("RoundRobinAssignor") => words.push("roundrobin"),
            Some("CooperativeStickyAssignor") => words.push("cooperative-sticky"),
            _ => {
                out.refuse(NAME, format!("the Java class `{class}` is not here"))
                    .next("RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor");
                return;
            }
        }
    }
    let cooperative = words.contains(&"cooperative-sticky");
    if cooperative && words.len() > 1 {
        // Java's own default pair since 3.0 is meant as a bridge; librdkafka takes one kind only.
        words.retain(|word| *word != "cooperative-sticky");
        out.note(Weight::Info, NAME, "eager and cooperative assignors cannot be mixed here")
            .effect(format!("{} is in force", words.join(",")));
    }
    if !words.is_empty() {
        out.config.take_from_file(NAME, words.join(","));
    }
}

/// librdkafka demands `receive.message.max.bytes` ≥ `fetch.max.bytes` + 512 and follows it by itself when left alone.
fn fetching(out: &mut Translated) {
    if let (Some(wait), Some(patience)) =
        (out.config.number("fetch.wait.max.ms"), out.config.number("socket.timeout.ms"))
        && patience < wait + 1000
    {
        out.config.set("socket.timeout.ms", (wait + 1000).min(300_000));
    }
}

/// Reconnecting and waiting, which both clients have.
pub(super) fn connections(given: &Given<'_>, out: &mut Translated) {
    out.config.or("connections.max.idle.ms", IDLE_MS);
    // Java raises the maximum with the first wait where only that is set; librdkafka would refuse to start.
    for (first, most, most_default) in [
        ("reconnect.backoff.ms", "reconnect.backoff.max.ms", 10_000),
        ("retry.backoff.ms", "retry.backoff.max.ms", 1000),
    ] {
        let max = out.config.number(most).unwrap_or(most_default);
        match out.config.number(first) {
            Some(wait) if wait > max => out.config.set(most, wait),
            None if given.has(most) => out.config.set(first, max.min(100)),
            _ => {}
        }
    }
    let secured =
        given.get("security.protocol").is_some_and(|p| !p.eq_ignore_ascii_case("plaintext"));
    let setup = "socket.connection.setup.timeout.ms";
    if secured && out.config.number(setup).is_some_and(|ms| ms < 10_000) {
        // Java's covers the TCP handshake alone, librdkafka's TLS and SASL too.
        out.config.set(setup, 10_000);
    }
}

/// Confluent's interceptors only report; any other may change records.
pub(super) fn interceptors(given: &Given<'_>, out: &mut Translated) {
    let Some(classes) = given.get("interceptor.classes") else { return };
    let reports = |c: &str| c.trim().starts_with("io.confluent.monitoring.clients.interceptor.");
    if classes.split(',').all(reports) {
        out.note(Weight::Warning, "interceptor.classes", "Confluent's monitoring is Java code")
            .effect("nothing is reported to it");
    } else {
        out.refuse("interceptor.classes", format!("the Java class `{classes}` is not here"))
            .next("Flume's own interceptors can change events before they reach Kafka");
    }
}
