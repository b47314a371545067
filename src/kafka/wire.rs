//! An event as a record's value, and back: the body as it is, or Flume's own Avro event (`useFlumeEventFormat`).

use crate::event::{Event, Headers};
use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum, to_avro_datum};
use std::collections::HashMap;
use std::sync::LazyLock;

/// `org.apache.flume.source.avro.AvroFlumeEvent`, 1.11.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::parse_str(
        r#"{"type":"record","name":"AvroFlumeEvent","namespace":"org.apache.flume.source.avro","fields":[
            {"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}"#,
    )
    .expect("the schema above is one")
});

/// The event with all of its headers, in Flume's format.
///
/// # Panics
/// Never: every event fits the schema.
#[must_use]
pub fn flume_event(event: Event<'_>) -> Vec<u8> {
    let headers: HashMap<String, Value> = event
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let record = Value::Record(vec![
        ("headers".to_owned(), Value::Map(headers)),
        ("body".to_owned(), Value::Bytes(event.body.to_vec())),
    ]);
    to_avro_datum(&SCHEMA, record).expect("every event fits the schema")
}

/// Headers and body of a value in Flume's format.
pub fn from_flume_event(value: &[u8]) -> Result<(Headers, Vec<u8>), String> {
    let mut rest = value;
    let record = from_avro_datum(&SCHEMA, &mut rest, None)
        .map_err(|why| format!("no Flume event: {why}"))?;
    let Value::Record(fields) = record else { return Err("no Flume event".to_owned()) };
    let (mut headers, mut body) = (Headers::new(), Vec::new());
    for (_, field) in fields {
        match field {
            Value::Map(map) => {
                for (name, value) in map {
                    if let Value::String(value) = value {
                        headers.insert(name, value);
                    }
                }
            }
            Value::Bytes(bytes) => body = bytes,
            _ => {}
        }
    }
    Ok((headers, body))
}

#[cfg(test)]
mod tests {
    use super::{flume_event, from_flume_event};
    use crate::event::{Event, Headers};
    use std::sync::Arc;

    #[test]
    fn flumes_bytes_are_flumes() {
        let headers = Arc::new(Headers::from([("k".to_owned(), "v".to_owned())]));
        let event = Event { headers: &headers, body: b"hi" };
        // One map block of one pair, its end, then the bytes: lengths are zig-zag.
        assert_eq!(flume_event(event), [2, 2, b'k', 2, b'v', 0, 4, b'h', b'i']);
        let (back, body) = from_flume_event(&flume_event(event)).unwrap();
        assert_eq!((back, body.as_slice()), ((*headers).clone(), b"hi".as_slice()));
        assert!(from_flume_event(b"\x09").is_err());
    }
}
