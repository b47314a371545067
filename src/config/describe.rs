//! `tailwater describe`: every component there is, with its keys, read out of the tables that read them.

use crate::config::graph::flume_types::is_flumes;
use crate::config::instead::advice;
use crate::config::keys::KeySpec;
use crate::config::kind::{Family, Kind, Kinds};
use crate::config::suggest::closest;

/// The table is written for terminals of this many columns.
const COLUMNS: usize = 100;
/// A name or default wider than this does not push the others aside.
const NAME_COLUMNS_MAX: usize = 36;
const DEFAULT_COLUMNS_MAX: usize = 24;

/// All components: a line each, family by family.
#[must_use]
pub fn list(kinds: &Kinds) -> String {
    let mut out = String::new();
    for family in Family::ALL {
        let rows: Vec<(&str, &str)> =
            kinds.of(family).map(|kind| (short_name(kind), kind.about())).collect();
        if rows.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&heading(family));
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, about) in rows {
            wrapped(&mut out, &format!("  {name:width$}  "), first_sentence(about), width + 4);
        }
    }
    out.push_str("\n`tailwater describe NAME` shows a component's keys.\n");
    out
}

/// The components called `name`, in full: by short name, by class, or by the end of a class. `Err` says why there is none.
pub fn one(kinds: &Kinds, name: &str) -> Result<String, String> {
    let called = |kind: &&'static dyn Kind| {
        kind.names().iter().any(|known| {
            known.eq_ignore_ascii_case(name)
                || class_endings(known, kind.family()).any(|last| last.eq_ignore_ascii_case(name))
        })
    };
    let found: Vec<String> = kinds.iter().filter(called).map(in_full).collect();
    if !found.is_empty() {
        return Ok(found.join("\n"));
    }
    for family in Family::ALL {
        if is_flumes(family, name) {
            let instead = advice(family, name);
            return Err(format!(
                "`{name}` is a {family} that Flume has and Tailwater has not; {instead}"
            ));
        }
    }
    let known: Vec<&str> = kinds.iter().flat_map(|kind| kind.names().iter().copied()).collect();
    let guess = closest(name, known).map(|name| format!("; did you mean `{name}`?"));
    Err(format!("there is no component `{name}`{}", guess.unwrap_or_default()))
}

/// The components of a family as a Markdown table each, for the README.
#[must_use]
pub fn markdown(kinds: &Kinds, family: Family) -> String {
    let mut out = String::new();
    for kind in kinds.of(family) {
        put(
            &mut out,
            &format!("**{}** `{}`", short_name(kind), kind.names().first().unwrap_or(&"")),
        );
        put(&mut out, &format!(": {}\n\n", kind.about()));
        if kind.keys().is_empty() {
            out.push_str("It has no keys of its own.\n\n");
            continue;
        }
        out.push_str("| key | default | what it is for |\n|---|---|---|\n");
        for spec in kind.keys() {
            let cell = |text: &str| text.replace('|', "\\|");
            let default = match spec.default {
                Some(default) => format!("`{}`", cell(default)),
                None => missing(spec).to_owned(),
            };
            put(
                &mut out,
                &format!(
                    "| `{}` | {default} | {}{} |\n",
                    spec.name,
                    cell(spec.about),
                    old_names(spec)
                ),
            );
        }
        out.push('\n');
    }
    out
}

/// What people call a class by: `KafkaSink` and `Kafka`.
fn class_endings(class: &str, family: Family) -> impl Iterator<Item = &str> {
    let last = class.rsplit('.').next().unwrap_or(class).trim_end_matches("$Builder");
    let noun = match family {
        Family::Source => "Source",
        Family::Interceptor => "Interceptor",
        Family::Selector => "ChannelSelector",
        Family::Channel => "Channel",
        Family::Sink => "Sink",
        Family::Processor => "SinkProcessor",
        Family::Serializer => "EventSerializer",
        Family::Consumer => "Consumer",
        Family::ConfigFilter => "ConfigFilter",
    };
    [last, last.trim_end_matches(noun)].into_iter().filter(|name| !name.is_empty())
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
}

fn heading(family: Family) -> String {
    format!("{family}s\n")
}

/// One component with its keys.
fn in_full(kind: &'static dyn Kind) -> String {
    let mut out = String::new();
    let names = kind.names().join(", ");
    put(&mut out, &format!("{} {names}\n", kind.family()));
    wrapped(&mut out, "", kind.about(), 0);
    out.push('\n');
    if kind.keys().is_empty() {
        out.push_str("  It has no keys of its own.\n");
        return out;
    }
    let widest = |text: fn(&'static KeySpec) -> &'static str, most: usize| {
        let widths = kind.keys().iter().map(|spec| text(spec).chars().count());
        widths.filter(|width| *width <= most).max().unwrap_or_default()
    };
    let names = widest(|spec| spec.name, NAME_COLUMNS_MAX);
    let defaults = widest(shown_default, DEFAULT_COLUMNS_MAX);
    for spec in kind.keys() {
        let lead = format!("  {:names$}  {:defaults$}  ", spec.name, shown_default(spec));
        let about = format!("{} Expects {}.{}", spec.about, spec.expected, old_names(spec));
        let indent = names + defaults + 6;
        if lead.chars().count() > indent {
            out.push_str(lead.trim_end());
            out.push('\n');
            wrapped(&mut out, &" ".repeat(indent), &about, indent);
        } else {
            wrapped(&mut out, &lead, &about, indent);
        }
    }
    out
}

fn shown_default(spec: &'static KeySpec) -> &'static str {
    spec.default.unwrap_or_else(|| missing(spec))
}

/// What stands in the place of a default where there is none.
fn missing(spec: &KeySpec) -> &'static str {
    if spec.required { "(required)" } else { "(none)" }
}

fn old_names(spec: &KeySpec) -> String {
    match spec.aliases {
        [] => String::new(),
        names => format!(" Formerly `{}`.", names.join("`, `")),
    }
}

/// The name people write: the short one, if there is one.
fn short_name(kind: &'static dyn Kind) -> &'static str {
    let short = kind.names().iter().find(|name| !name.contains('.'));
    short.or(kind.names().first()).copied().unwrap_or_default()
}

fn first_sentence(about: &str) -> &str {
    about.split_inclusive(". ").next().unwrap_or(about).trim_end()
}

/// Writes `text` behind `lead`, further lines indented by `indent`.
fn wrapped(out: &mut String, lead: &str, text: &str, indent: usize) {
    out.push_str(lead);
    let mut column = lead.chars().count();
    let mut first = true;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if !first && column + 1 + width > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
            first = true;
        }
        if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
        first = false;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{list, markdown, one};
    use crate::config::kind::Family;
    use crate::config::sample::kinds;

    #[test]
    fn a_component_is_described_out_of_its_table() {
        let expected = "\
sink org.apache.flume.sink.kafka.KafkaSink, kafka
Publishes events to a Kafka topic. Slowly.

  kafka.bootstrap.servers  (required)           Brokers to ask for the cluster's layout. Expects
                                                `host:port`, or several with commas between them.
                                                Formerly `brokerList`.
  kafka.topic              default-flume-topic  Topic to publish to, unless the event names another.
                                                Expects text. Formerly `topic`.
  flumeBatchSize           100                  Events taken and published in one transaction.
                                                Expects a whole number, 1 or more. Formerly
                                                `batchSize`.
  allowTopicOverride       true                 Whether an event's own header may choose its topic.
                                                Expects `true` or `false`.
  topicHeader              topic                Header an event names its topic in. Expects text.
  pin                      (none)               What opens the broker. Expects text that is not
                                                shown.
  kafka.producer.*         (none)               Java producer properties, translated. Expects any
                                                keys below this prefix.
";
        assert_eq!(one(&kinds(), "KAFKA").unwrap(), expected);
        assert_eq!(one(&kinds(), "kafkasink").unwrap(), expected);
        assert_eq!(one(&kinds(), "org.apache.flume.sink.kafka.KafkaSink").unwrap(), expected);
        assert!(one(&kinds(), "StaticInterceptor").is_ok());
    }

    #[test]
    fn what_there_is_not_is_said_with_a_guess_or_with_what_to_use() {
        assert_eq!(
            one(&kinds(), "loger").unwrap_err(),
            "there is no component `loger`; did you mean `logger`?"
        );
        assert!(one(&kinds(), "hdfs").unwrap_err().contains("Flume has and Tailwater has not; "));
    }

    #[test]
    fn all_components_are_listed_by_family() {
        let text = list(&kinds());
        assert!(
            text.starts_with("sources\n  seq   Counts upwards.\n  exec  Runs a command"),
            "{text}"
        );
        assert!(text.contains("sinks\n  kafka   Publishes events to a Kafka topic.\n"), "{text}");
        assert!(
            text.contains("config filters\n  env       Answers with environment variables.\n"),
            "{text}"
        );
    }

    #[test]
    fn a_table_for_the_readme_has_a_row_for_each_key() {
        let text = markdown(&kinds(), Family::Channel);
        let expected = "\
**memory** `org.apache.flume.channel.MemoryChannel`: Keeps events in memory.

| key | default | what it is for |
|---|---|---|
| `capacity` | `100` | How many events fit. |
| `transactionCapacity` | `100` | How many events go in one transaction. |

";
        assert_eq!(text, expected);
    }
}
