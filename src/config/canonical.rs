//! What survived of a file, as canonical JSON: agreement with Flume 1.11 is a comparison of bytes.
//!
//! The bytes are those of Python's `json.dumps(plan, sort_keys=True, indent=2) + "\n"`: ASCII, keys sorted by code point.

use crate::config::graph::flume_types::class_of;
use crate::config::graph::{AgentGraph, FlumeError, Graph, Kept, KeptAs, KeptGroup, Level};
use crate::config::kind::Family;
use crate::config::scope::Property;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The document for one file.
#[must_use]
pub fn document(graph: &Graph) -> String {
    let mut root = Map::new();
    let mut agents = Map::new();
    let mut errors: Vec<&FlumeError> = Vec::new();
    if graph.load_error.is_none() {
        agents.extend(graph.agents.iter().map(|(name, graph)| (name.clone(), agent(graph))));
        errors.extend(&graph.errors);
        errors.sort_by_key(|error| (&error.component, &error.key, error.error, level(error.level)));
    }
    root.insert("agents".to_owned(), Value::Object(agents));
    root.insert("errors".to_owned(), errors.into_iter().map(error).collect());
    root.insert("load_error".to_owned(), graph.load_error.clone().into());
    let mut out = String::new();
    write(&Value::Object(root), "", &mut out);
    out.push('\n');
    out
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warning => "WARNING",
    }
}

fn error(error: &FlumeError) -> Value {
    json!({
        "component": error.component,
        "key": error.key,
        "error": error.error,
        "level": level(error.level),
    })
}

fn agent(graph: &AgentGraph) -> Value {
    let components = |kept: &[Kept], family| -> Value {
        if !graph.valid {
            return json!({});
        }
        let named = kept.iter().map(|kept| (kept.name.clone(), component(kept, family)));
        Value::Object(named.collect())
    };
    let groups = graph.groups.iter().filter(|_| graph.valid);
    json!({
        "valid": graph.valid,
        "sources": components(&graph.sources, Family::Source),
        "channels": components(&graph.channels, Family::Channel),
        "sinks": components(&graph.sinks, Family::Sink),
        "config_filters": components(&graph.filters, Family::ConfigFilter),
        "sinkgroups": Value::Object(groups.map(|kept| (kept.name.clone(), group(kept))).collect()),
    })
}

fn component(kept: &Kept, family: Family) -> Value {
    let mut fields = Map::new();
    let mut properties = Map::new();
    let connection = match family {
        Family::Source => Some("channels"),
        Family::Sink => Some("channel"),
        _ => None,
    };
    match &kept.kept_as {
        KeptAs::Context => {
            fields.insert("kept_as".to_owned(), "context".into());
            let own = kept.properties.iter().filter(|property| {
                property.key != "type" && Some(property.key.as_str()) != connection
            });
            properties.extend(own.map(pair));
        }
        KeptAs::Object { component_name, selector } => {
            fields.insert("kept_as".to_owned(), "object".into());
            if *component_name != kept.name {
                fields.insert("component_name".to_owned(), component_name.clone().into());
            }
            if family == Family::Source {
                fields.insert("selector".to_owned(), selector.clone().into());
            }
        }
    }
    match family {
        Family::Source => {
            let mut channels = kept.channels.clone();
            channels.sort();
            fields.insert("channels".to_owned(), channels.into());
        }
        Family::Sink => {
            fields.insert("channel".to_owned(), kept.channels.first().cloned().into());
        }
        _ => {}
    }
    fields.insert("type".to_owned(), kept.type_name.clone().into());
    fields.insert("class".to_owned(), class_of(family, &kept.type_name).into());
    fields.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(fields)
}

fn group(kept: &KeptGroup) -> Value {
    let mut sinks = kept.sinks.clone();
    sinks.sort();
    json!({
        "sinks": sinks,
        "processor": Value::Object(kept.processor.iter().map(pair).collect()),
        "processor_known": kept.processor_known,
    })
}

fn pair(property: &Property) -> (String, Value) {
    (property.key.clone(), property.value.clone().into())
}

/// Writes a value as Python would. Objects are sorted already: `serde_json` keeps them in a tree.
fn write(value: &Value, indent: &str, out: &mut String) {
    let deeper = format!("{indent}  ");
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut separator = "{\n";
            for (key, value) in fields {
                out.push_str(separator);
                out.push_str(&deeper);
                write_text(key, out);
                out.push_str(": ");
                write(value, &deeper, out);
                separator = ",\n";
            }
            out.push('\n');
            out.push_str(indent);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            let mut separator = "[\n";
            for item in items {
                out.push_str(separator);
                out.push_str(&deeper);
                write(item, &deeper, out);
                separator = ",\n";
            }
            out.push('\n');
            out.push_str(indent);
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            ' '..='~' => out.push(c),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").expect("a string takes all that is written to it");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::write;
    use serde_json::json;

    #[test]
    fn the_bytes_are_pythons() {
        let mut out = String::new();
        write(
            &json!({"b": [], "a": {"é\u{1f600}\u{7f}": "x\"\n"}, "c": [null, true]}),
            "",
            &mut out,
        );
        let expected = "{\n  \"a\": {\n    \"\\u00e9\\ud83d\\ude00\\u007f\": \"x\\\"\\n\"\n  },\n  \"b\": [],\n  \"c\": [\n    null,\n    true\n  ]\n}";
        assert_eq!(out, expected);
    }
}
