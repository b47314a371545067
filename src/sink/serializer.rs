//! How an event is written to a file: what sinks that write files share.

use super::header_text::HeaderText;
use crate::config::keys::{KeySpec, Scope, keys};
use crate::config::suggest::closest;
use crate::event::Event;
use std::fmt::Debug;
use std::io::Write as _;
use std::sync::Arc;

/// Writes events.
pub trait Serializer: Debug + Send + Sync {
    /// Appends the event to `out`.
    fn write(&self, event: Event<'_>, out: &mut Vec<u8>);
}

/// A kind of serializer: what selects it, which keys it has, how they are read.
pub struct SerializerKind {
    /// What may stand in the key: Flume's builder class first, then its short name.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// Reads the keys, and opens nothing.
    pub read: fn(&mut Scope<'_>) -> Option<Arc<dyn Serializer>>,
}

/// The kinds of serializer.
pub static SERIALIZERS: &[SerializerKind] = &[
    SerializerKind {
        names: &[TextConfig::TYPE, "text"],
        about: TextConfig::ABOUT,
        keys: TextConfig::KEYS,
        read: |scope| Some(Arc::new(TextConfig::read(scope)?)),
    },
    SerializerKind {
        names: &[HeaderAndTextConfig::TYPE, "header_and_text"],
        about: HeaderAndTextConfig::ABOUT,
        keys: HeaderAndTextConfig::KEYS,
        read: |scope| Some(Arc::new(HeaderAndTextConfig::read(scope)?)),
    },
];

/// Those of Flume that are not here.
const NOT_HERE: [&str; 3] = [
    "avro_event",
    "org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder",
    "org.apache.flume.sink.hdfs.AvroEventSerializer$Builder",
];

/// Reads the serializer that `key` names (`text`, if it is left out), whose own keys lie below it.
pub fn read(scope: &mut Scope<'_>, key: &str) -> Option<Arc<dyn Serializer>> {
    let written = scope.text(key);
    let type_name = written.map_or("text", |found| found.value);
    let is = |name: &str| {
        name == type_name || (!name.contains('.') && name.eq_ignore_ascii_case(type_name))
    };
    if let Some(kind) = SERIALIZERS.iter().find(|kind| kind.names.iter().any(|name| is(name))) {
        return (kind.read)(&mut scope.nested(&format!("{key}.")));
    }
    let names = || SERIALIZERS.iter().filter_map(|kind| kind.names.last().copied());
    let span = scope.value_span(key);
    let remark = if NOT_HERE.iter().any(|name| is(name)) {
        let message = format!("the serializer `{type_name}` is not here");
        scope.error("not-here", span, message).help("`text` writes bodies, a line each")
    } else {
        let message = format!("there is no serializer `{type_name}`");
        let guess = closest(type_name, names()).map(|name| format!("did you mean `{name}`?"));
        scope.error("unknown-type", span, message).maybe_help(guess)
    };
    let expected = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    scope.report(remark.expected(format!("expected {expected}")));
    None
}

keys! {
    /// Writes bodies.
    struct TextConfig = "org.apache.flume.serialization.BodyTextEventSerializer$Builder" {
        /// Whether a line end comes after each.
        "appendNewline" => append_newline: bool = "true",
    }
}

keys! {
    /// Writes headers, as `{k=v, k2=v2}`, a blank, and the body.
    struct HeaderAndTextConfig = "org.apache.flume.serialization.HeaderAndBodyTextEventSerializer$Builder" {
        /// Whether a line end comes after each.
        "appendNewline" => append_newline: bool = "true",
    }
}

impl Serializer for TextConfig {
    fn write(&self, event: Event<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(event.body);
        out.extend(self.append_newline.then_some(b'\n'));
    }
}

impl Serializer for HeaderAndTextConfig {
    fn write(&self, event: Event<'_>, out: &mut Vec<u8>) {
        write!(out, "{} ", HeaderText(event.headers)).expect("writing to a Vec does not fail");
        out.extend_from_slice(event.body);
        out.extend(self.append_newline.then_some(b'\n'));
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::config::scope::Scope;
    use crate::event::{Event, Headers};
    use std::sync::Arc;

    fn written(given: &[(&str, &str)]) -> Result<String, String> {
        let (serializer, said) = Scope::for_test(given, |scope| read(scope, "sink.serializer"));
        let Some(serializer) = serializer else { return Err(said[0].message.clone()) };
        assert!(said.is_empty(), "{said:?}");
        let headers: Headers =
            [("k", "v"), ("a", "b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let mut out = Vec::new();
        serializer.write(Event { headers: &Arc::new(headers), body: b"body" }, &mut out);
        serializer.write(Event { headers: &Arc::default(), body: b"" }, &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn events_are_written_as_flume_writes_them() {
        assert_eq!(written(&[]).as_deref(), Ok("body\n\n"));
        assert_eq!(
            written(&[("sink.serializer", "TEXT"), ("sink.serializer.appendNewline", "false")])
                .as_deref(),
            Ok("body")
        );
        assert_eq!(
            written(&[("sink.serializer", "header_and_text")]).as_deref(),
            Ok("{a=b, k=v} body\n{} \n")
        );
        let class = "org.apache.flume.serialization.BodyTextEventSerializer$Builder";
        assert_eq!(written(&[("sink.serializer", class)]).as_deref(), Ok("body\n\n"));
    }

    #[test]
    fn a_serializer_that_cannot_be_had_is_an_error() {
        let avro = written(&[("sink.serializer", "AVRO_EVENT")]);
        assert_eq!(avro.unwrap_err(), "the serializer `AVRO_EVENT` is not here");
        let custom = written(&[("sink.serializer", "com.example.Mine$Builder")]);
        assert_eq!(custom.unwrap_err(), "there is no serializer `com.example.Mine$Builder`");
    }
}
