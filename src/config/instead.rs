//! Components that Flume has and that cannot be had here, and what to use instead.
//!
//! Half a pipeline that runs in silence is the worst outcome: so a type that cannot be had starts nothing, as in Flume, and
//! says what would.

use crate::config::diagnostic::Diagnostic;
use crate::config::graph::flume_types::{class_of, is_flumes, short_names};
use crate::config::kind::{Family, Kinds};
use crate::config::scope::Component;
use crate::config::span::Span;
use crate::config::suggest::closest;

/// What does the work of a class of Flume's, by the last part of its name.
const INSTEAD: &[(&str, &str)] = &[
    (
        "HDFSEventSink",
        "send the events to Kafka and let its HDFS connector write them, or write files with `file_roll`",
    ),
    ("AvroSink", "send the events to Kafka, and read them there"),
    ("ThriftSink", "send the events to Kafka, and read them there"),
    ("HttpSink", "send the events to Kafka, and read them there"),
    ("IRCSink", "send the events to Kafka, and read them there"),
    (
        "ElasticSearchSink",
        "Flume itself has none since 1.10; send the events to Kafka and let its connector write them",
    ),
    ("HBaseSink", "send the events to Kafka and let a connector write them"),
    ("AsyncHBaseSink", "send the events to Kafka and let a connector write them"),
    ("HBase2Sink", "send the events to Kafka and let a connector write them"),
    ("HiveSink", "send the events to Kafka and let a connector write them"),
    ("KuduSink", "send the events to Kafka and let a connector write them"),
    ("MorphlineSolrSink", "send the events to Kafka and let a connector write them"),
    ("JdbcChannel", "use the file channel (`type = file`)"),
    ("SpillableMemoryChannel", "use the file channel (`type = file`)"),
    ("PseudoTxnMemoryChannel", "use the memory channel (`type = memory`)"),
    ("KafkaChannel", "use the file channel (`type = file`) and a Kafka sink"),
    ("SpoolDirectorySource", "let a TAILDIR source follow the files (`type = TAILDIR`)"),
    ("SyslogTcpSource", "let the syslog daemon write a file, and a TAILDIR source follow it"),
    (
        "MultiportSyslogTCPSource",
        "let the syslog daemon write a file, and a TAILDIR source follow it",
    ),
    ("SyslogUDPSource", "let the syslog daemon write a file, and a TAILDIR source follow it"),
    ("NetcatUdpSource", "use the netcat source (`type = netcat`), which listens on TCP"),
    ("AvroSource", "let the sender write to Kafka, or to a file that a TAILDIR source follows"),
    ("ThriftSource", "let the sender write to Kafka, or to a file that a TAILDIR source follows"),
    ("HTTPSource", "let the sender write to Kafka, or to a file that a TAILDIR source follows"),
    ("JMSSource", "let a connector take the queue to Kafka"),
    ("KafkaSource", "let `tailwater consumer` read the topic, or whoever reads it now"),
    ("TwitterSource", "there is nothing left that it could read: Twitter ended that interface"),
    ("StressSource", "use the sequence generator (`type = seq`)"),
    ("MorphlineInterceptor$Builder", "use `regex_extractor` and `search_replace`"),
];

/// The remark on a component whose type cannot be had.
pub fn told(
    component: &Component,
    family: Family,
    type_name: &str,
    span: Span,
    kinds: &Kinds,
) -> Diagnostic {
    let path = &component.path;
    let agent = &component.agent;
    if is_flumes(family, type_name) {
        let message =
            format!("`{path}` is of type `{type_name}`, a {family} that cannot be had here");
        return Diagnostic::error("not-here", span, message, nothing_starts(agent))
            .expected("Flume has it, Tailwater has not")
            .help(advice(family, type_name))
            .fatal();
    }
    if type_name.contains('.') {
        let message = format!("`{path}` is of type `{type_name}`, a Java class");
        let known = kinds.of(family).flat_map(|kind| kind.names().iter().copied());
        let guess = closest(type_name, known).map(|name| format!("did you mean `{name}`?"));
        return Diagnostic::error("not-here", span, message, nothing_starts(agent))
            .expected("Java classes cannot run here")
            .help(guess.unwrap_or_else(|| list(family)))
            .fatal();
    }
    let ours: Vec<&str> = kinds
        .of(family)
        .flat_map(|kind| kind.names().iter().copied())
        .filter(|name| !name.contains('.'))
        .collect();
    let flumes: Vec<String> = short_names(family).collect();
    let guess = closest(type_name, ours.iter().copied().chain(flumes.iter().map(String::as_str)));
    let message = format!("`{path}` is of type `{type_name}`, and there is no such {family}");
    let help = guess.map_or_else(|| list(family), |name| format!("did you mean `{name}`?"));
    let remark = |effect: String| {
        let remark = Diagnostic::error("unknown-type", span, message, effect);
        remark.expected(format!("not a type of {family}")).help(help)
    };
    match family {
        Family::Source | Family::Channel | Family::Sink => {
            remark(format!("nothing of `{agent}` starts, as in Flume, which cannot load it"))
                .fatal()
        }
        _ => remark(component.family.left_out(&component.name, agent)),
    }
}

/// What to use instead of a component of Flume's.
#[must_use]
pub fn advice(family: Family, type_name: &str) -> String {
    let class = class_of(family, type_name);
    let last = class.rsplit('.').next().unwrap_or(class);
    let found = INSTEAD.iter().find(|(name, _)| *name == last);
    found.map_or_else(|| list(family), |(_, help)| (*help).to_owned())
}

fn nothing_starts(agent: &str) -> String {
    format!("nothing of `{agent}` starts: without it events would go astray in silence")
}

fn list(family: Family) -> String {
    format!("`tailwater describe` lists every {family} there is")
}

#[cfg(test)]
mod tests {
    use super::INSTEAD;
    use crate::config::graph::flume_types::{class_of, is_flumes, short_names};
    use crate::config::kind::Family;

    #[test]
    fn there_is_advice_for_whatever_has_a_short_name_and_is_not_in_the_first_build() {
        let first =
            ["seq", "netcat", "exec", "taildir", "null", "logger", "file_roll", "memory", "file"];
        for family in [Family::Source, Family::Channel, Family::Sink] {
            for name in short_names(family).filter(|name| !first.contains(&name.as_str())) {
                assert!(is_flumes(family, &name), "{name}");
                let class = class_of(family, &name);
                let last = class.rsplit('.').next().unwrap();
                assert!(INSTEAD.iter().any(|(known, _)| *known == last), "{name}");
            }
        }
    }
}
