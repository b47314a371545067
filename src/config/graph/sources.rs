//! What Flume asks of a source: channels that are there, and a selector it can make.

use super::flume_types::{known, make};
use super::validate::{Dropped, Finishing, Validator};
use super::{Dialect, Kept, KeptAs, Level};
use crate::config::diagnostic::Diagnostic;
use crate::config::java::{HashOrder, split_blanks};
use crate::config::kind::Family;

impl Validator {
    /// The sources that survive, each with those of its channels that did.
    pub(super) fn sources(&mut self, channels: &[&str]) -> Vec<Kept> {
        if !self.agent.lists.contains_key("sources") {
            self.error("sources", "PROPERTY_VALUE_NULL", Level::Warning);
        }
        self.listed("sources", Family::Source, |finishing, source| {
            finish(finishing, source, channels)
        })
    }
}

fn finish(
    finishing: &mut Finishing<'_>,
    mut source: Kept,
    channels: &[&str],
) -> Result<Kept, Dropped> {
    let written = source.properties.iter().find(|property| property.key == "channels").cloned();
    let names = written.as_ref().map_or_else(Vec::new, |property| split_blanks(&property.value));
    if names.is_empty() {
        finishing.error(&source, "Channel", "PROPERTY_VALUE_NULL");
        finishing.error(&source, "ChannelSelector", "CONFIG_ERROR");
        let (name, properties) = (&source.name, &source.properties);
        finishing.validator.missing_key("sources", Family::Source, name, properties, "channels");
        return Err(Dropped);
    }
    let selector = selector(finishing, &source)?;
    let unique = HashOrder::of_list(names.clone());
    let valid: Vec<&str> = unique.into_keys().filter(|name| channels.contains(name)).collect();
    let span = written.as_ref().map_or(source.place, |property| property.value_span);
    let missing: Vec<&&str> = names.iter().filter(|name| !channels.contains(name)).collect();
    if !missing.is_empty() {
        let mut missing: Vec<String> =
            missing.into_iter().map(|name| format!("`{name}`")).collect();
        missing.dedup();
        let effect = if valid.is_empty() {
            Family::Source.left_out(&source.name, &finishing.validator.agent.name)
        } else {
            format!("`{}` starts without it, as in Flume", source.name)
        };
        let others: Vec<&str> =
            channels.iter().filter(|name| !names.contains(name)).copied().collect();
        no_channel(finishing, &source, span, &missing.join(", "), effect, channels, &others);
    }
    if valid.is_empty() {
        return Err(Dropped);
    }
    source.channels = match &mut source.kept_as {
        // Flume's object keeps the list as it was.
        KeptAs::Object { selector: of_object, .. } => {
            *of_object = Some(selector);
            match finishing.validator.dialect {
                Dialect::Flume111 => names.iter().map(|name| (*name).to_owned()).collect(),
                Dialect::Tailwater => valid.iter().map(|name| (*name).to_owned()).collect(),
            }
        }
        KeptAs::Context => valid.iter().map(|name| (*name).to_owned()).collect(),
    };
    let place = |name: &String| names.iter().position(|written| written == name);
    source.channels.sort_by_key(place);
    source.channels.dedup();
    Ok(source)
}

/// The type of the source's selector. Flume cannot make `load_balancing`, which it has; we can.
fn selector(finishing: &mut Finishing<'_>, source: &Kept) -> Result<String, Dropped> {
    let find = |key: &str| source.properties.iter().find(|property| property.key == key);
    let type_property = find("selector.type").filter(|property| !property.value.is_empty());
    let type_name = type_property.map_or("REPLICATING", |property| property.value.as_str());
    let config = find("selector.config").filter(|config| !config.value.is_empty());
    let settings = match (known(Family::Selector, Some(type_name)), config) {
        (Some(alias), _) => alias,
        (None, Some(config)) => config.value.as_str(),
        (None, None) => "OTHER",
    };
    let ours = finishing.validator.dialect == Dialect::Tailwater && settings == "LOAD_BALANCING";
    if ours || make(Family::Selector, "ChannelSelector", settings).is_ok() {
        return Ok(type_name.to_owned());
    }
    finishing.error(source, "ChannelSelector", "CONFIG_ERROR");
    let agent = finishing.validator.agent.name.clone();
    let span = config.or(type_property).map_or(source.place, |property| property.value_span);
    let remark = Diagnostic::error(
        "wrong-config",
        span,
        format!("the selector of `{agent}.sources.{}` cannot be made", source.name),
        Family::Source.left_out(&source.name, &agent),
    );
    finishing.validator.diagnostics.push(remark.expected("not a selector of Flume's"));
    Err(Dropped)
}

fn no_channel(
    finishing: &mut Finishing<'_>,
    source: &Kept,
    span: crate::config::span::Span,
    missing: &str,
    effect: String,
    channels: &[&str],
    others: &[&str],
) {
    let agent = &finishing.validator.agent.name;
    let message =
        format!("`{agent}.sources.{}` names {missing}, which is no channel here", source.name);
    let guess = crate::config::suggest::closest(missing.trim_matches('`'), others.iter().copied());
    let remark = Diagnostic::error("no-channel", span, message, effect)
        .expected(format!("expected some of `{}`", channels.join("` `")))
        .maybe_help(guess.map(|name| format!("did you mean `{name}`?")));
    finishing.validator.diagnostics.push(remark);
}
