//! What Flume asks of a sink: one channel, which is there.

use super::validate::{Dropped, Finishing, Validator};
use super::{Kept, Level};
use crate::config::diagnostic::Diagnostic;
use crate::config::kind::Family;
use crate::config::suggest::closest;

impl Validator {
    /// The sinks that survive.
    pub(super) fn sinks(&mut self, channels: &[&str]) -> Vec<Kept> {
        if !self.agent.lists.contains_key("sinks") {
            self.error("sinks", "PROPERTY_VALUE_NULL", Level::Warning);
        }
        self.listed("sinks", Family::Sink, |finishing, sink| finish(finishing, sink, channels))
    }
}

fn finish(
    finishing: &mut Finishing<'_>,
    mut sink: Kept,
    channels: &[&str],
) -> Result<Kept, Dropped> {
    let written = sink.properties.iter().find(|property| property.key == "channel");
    let Some(written) = written.filter(|property| !property.value.is_empty()) else {
        finishing.error(&sink, "channel", "PROPERTY_VALUE_NULL");
        let (name, properties) = (&sink.name, &sink.properties);
        finishing.validator.missing_key("sinks", Family::Sink, name, properties, "channel");
        return Err(Dropped);
    };
    // The whole value is one name: `c1 c2` is none.
    if channels.contains(&written.value.as_str()) {
        sink.channels = vec![written.value.clone()];
        return Ok(sink);
    }
    let agent = &finishing.validator.agent.name;
    let message = format!(
        "`{agent}.sinks.{}` names `{}`, which is no channel here",
        sink.name, written.value
    );
    let help = if written.value.contains(char::is_whitespace) {
        Some("a sink has one channel; make a sink for each".to_owned())
    } else {
        let guess = closest(&written.value, channels.iter().copied());
        guess.map(|name| format!("did you mean `{name}`?"))
    };
    let effect = Family::Sink.left_out(&sink.name, agent);
    let remark = Diagnostic::error("no-channel", written.value_span, message, effect)
        .expected(format!("expected one of `{}`", channels.join("` `")))
        .maybe_help(help);
    finishing.validator.diagnostics.push(remark);
    Err(Dropped)
}
