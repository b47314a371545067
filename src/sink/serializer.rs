//! How an event is written to a file: what sinks that write files share.

use super::header_text::HeaderText;
use crate::config::keys::{KeySpec, Scope, keys};
use crate::config::suggest::closest;
use crate::config::value::{Value, Wrong};
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
#[derive(Debug)]
pub struct SerializerKind {
    /// What may stand in a sink's key: Flume's builder class first, then its short name.
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

/// Which serializer a sink's key selects: Flume's builder class as written, or a short name in any case.
#[derive(Clone, Copy, Debug)]
pub struct SerializerType(&'static SerializerKind);

impl SerializerType {
    /// Reads the serializer's own keys, which `scope` begins at.
    pub fn read(self, scope: &mut Scope<'_>) -> Option<Arc<dyn Serializer>> {
        (self.0.read)(scope)
    }
}

impl Value for SerializerType {
    const EXPECTED: &'static str = "`text` or `header_and_text`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is =
            |name: &str| name == text || (!name.contains('.') && name.eq_ignore_ascii_case(text));
        if NOT_HERE.iter().any(|name| is(name)) {
            let why = format!("not here; expected {}", Self::EXPECTED);
            return Err(Wrong::Because(why));
        }
        let found = SERIALIZERS.iter().find(|kind| kind.names.iter().any(|name| is(name)));
        found.map(Self).ok_or(Wrong::Expected)
    }

    fn suggest(text: &str) -> Option<&'static str> {
        closest(text, SERIALIZERS.iter().filter_map(|kind| kind.names.last().copied()))
    }
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
    use super::{SerializerType, Value, Wrong};
    use crate::config::scope::Scope;
    use crate::event::{Event, Headers};
    use std::sync::Arc;

    fn written(type_name: &str, given: &[(&str, &str)]) -> String {
        let kind = SerializerType::parse(type_name).unwrap();
        let (serializer, said) = Scope::for_test(given, |scope| kind.read(scope));
        assert!(said.is_empty(), "{said:?}");
        let headers: Headers =
            [("k", "v"), ("a", "b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let mut out = Vec::new();
        let serializer = serializer.unwrap();
        serializer.write(Event { headers: &Arc::new(headers), body: b"body" }, &mut out);
        serializer.write(Event { headers: &Arc::default(), body: b"" }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_written_as_flume_writes_them() {
        assert_eq!(written("TEXT", &[]), "body\n\n");
        assert_eq!(written("text", &[("appendNewline", "false")]), "body");
        assert_eq!(written("header_and_text", &[]), "{a=b, k=v} body\n{} \n");
        let class = "org.apache.flume.serialization.BodyTextEventSerializer$Builder";
        assert_eq!(written(class, &[]), "body\n\n");
    }

    #[test]
    fn a_serializer_that_cannot_be_had_is_an_error() {
        let refused = |type_name| SerializerType::parse(type_name).unwrap_err();
        assert!(
            matches!(refused("AVRO_EVENT"), Wrong::Because(why) if why.starts_with("not here"))
        );
        assert_eq!(refused("com.example.Mine$Builder"), Wrong::Expected);
        assert_eq!(SerializerType::suggest("txt"), Some("text"));
    }
}
