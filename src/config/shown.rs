//! The configuration as it runs, for whoever may look at it: substituted, filtered, in the file's own language, and without
//! a single secret.

use crate::config::component::{Component, Property};
use crate::config::kind::{Family, Kinds};
use crate::config::plan::Program;
use crate::config::secrecy::{STARS, showable};

/// A program's lists and properties, a line each.
#[must_use]
pub fn shown(program: &Program, kinds: &Kinds) -> String {
    let mut lines = Vec::new();
    let mut list = |agent: &str, word: &str, components: &[Component]| {
        if !components.is_empty() {
            let names: Vec<&str> = components.iter().map(|part| part.name.as_str()).collect();
            lines.push(format!("{agent}.{word} = {}", names.join(" ")));
        }
    };
    let components: Vec<&Component> = match program {
        Program::Agent(agent) => {
            list(&agent.name, "sources", &agent.sources);
            list(&agent.name, "channels", &agent.channels);
            list(&agent.name, "sinks", &agent.sinks);
            list(&agent.name, "sinkgroups", &agent.groups);
            [&agent.sources, &agent.channels, &agent.sinks, &agent.groups]
                .into_iter()
                .flatten()
                .collect()
        }
        Program::Consumers(program) => {
            list(&program.name, "consumers", &program.consumers);
            program.consumers.iter().collect()
        }
    };
    for component in components {
        if component.family == Family::Processor {
            let group = component.path.trim_end_matches(".processor");
            lines.push(format!("{group}.sinks = {}", component.connected.join(" ")));
        }
        let properties = component.properties.iter();
        lines.extend(properties.map(|property| {
            let value = if is_secret(component, property, kinds) {
                STARS.to_owned()
            } else {
                escaped(&showable(&property.key, &property.value))
            };
            format!("{}.{} = {value}", component.path, property.key)
        }));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Whether a component's table says that a value must not be shown.
fn is_secret(component: &Component, property: &Property, kinds: &Kinds) -> bool {
    kinds.find(component.family, &component.type_name).is_some_and(|kind| {
        kind.keys().iter().any(|spec| spec.secret && spec.covers(&property.key))
    })
}

/// A value as it would have to be written.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;
    use crate::config::files::Text;
    use crate::config::plan::plan;
    use crate::config::sample::kinds;
    use crate::config::surroundings::Surroundings;

    #[test]
    fn what_runs_is_shown_without_a_secret() {
        let text = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = exec
a1.sources.r1.command = printf a\\\\tb ${env:USER}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = kafka
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = h:1
a1.sinks.k1.pin = geheim
a1.sinks.k1.kafka.producer.ssl.keystore.password = geheim
a1.sinks.k1.kafka.producer.url = http://me:geheim@h/
a1.sinkgroups = g1
a1.sinkgroups.g1.sinks = k1
a1.sinkgroups.g1.processor.type = failover
";
        let mut surroundings = Surroundings::default();
        surroundings.environment.insert("USER".to_owned(), "flume".to_owned());
        let mut plans = plan(&[Text::new("f", text)], &surroundings, &kinds(), None, false);
        let program = plans.programs.remove("a1").and_then(|judged| judged.program).unwrap();
        let expected = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sinkgroups = g1
a1.sources.r1.type = exec
a1.sources.r1.command = printf a\\\\tb flume
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = kafka
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = h:1
a1.sinks.k1.pin = ******
a1.sinks.k1.kafka.producer.ssl.keystore.password = ******
a1.sinks.k1.kafka.producer.url = http://me:******@h/
a1.sinkgroups.g1.sinks = k1
a1.sinkgroups.g1.processor.type = failover
";
        assert_eq!(shown(&program, &kinds()), expected);
    }
}
