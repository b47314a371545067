//! JSON, by pointers (RFC 6901): `/time`, `/user/name`, `/tags/0`.
//!
//! The pointers are a tree that is walked along with the document. What no pointer leads to is skipped without being made
//! into anything; a value that one leads to is taken as it is written, so that no digit of a number is lost and a nested
//! object goes into a column as the text it was. A name that stands twice in an object: the last counts.

use crate::config::value::{Value, Wrong};
use crate::consumer::decode::{Format, Unreadable, utf8};
use crate::database::column::Given;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A pointer into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// The pointer to a member of the document itself.
    #[must_use]
    pub fn member(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl Value for Pointer {
    const EXPECTED: &'static str = "a JSON pointer, such as `/time` or `/user/name`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let path = text.strip_prefix('/').ok_or(Wrong::Expected)?;
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Ok(Self(path.split('/').map(step).collect()))
    }
}

/// The format, for the pointers that are wanted.
#[derive(Debug, Default)]
pub struct Json {
    root: Node,
}

/// Where pointers part.
#[derive(Debug, Default)]
struct Node {
    /// The fields that the value here goes into.
    fields: Vec<usize>,
    children: Vec<(String, Node)>,
}

impl Json {
    /// The n-th pointer's value goes into the n-th field.
    #[must_use]
    pub fn new(pointers: &[Pointer]) -> Self {
        let mut root = Node::default();
        for (field, pointer) in pointers.iter().enumerate() {
            let mut node = &mut root;
            for step in &pointer.0 {
                let at = node.children.iter().position(|(name, _)| name == step);
                let at = at.unwrap_or_else(|| {
                    node.children.push((step.clone(), Node::default()));
                    node.children.len() - 1
                });
                node = &mut node.children[at].1;
            }
            node.fields.push(field);
        }
        Self { root }
    }
}

impl Format for Json {
    fn decode<'a>(&self, body: &'a [u8], fields: &mut [Given<'a>]) -> Result<(), Unreadable> {
        walk(&self.root, utf8(body)?, fields)
    }
}

/// Walks one document along the pointers below `node`.
fn walk<'a>(node: &Node, text: &'a str, fields: &mut [Given<'a>]) -> Result<(), Unreadable> {
    let unreadable = |why: serde_json::Error| Unreadable(format!("is not JSON: {why}"));
    let mut document = serde_json::Deserializer::from_str(text);
    Step { node, fields }.deserialize(&mut document).map_err(unreadable)?;
    document.end().map_err(unreadable)
}

/// A value of the document and what is wanted of it.
struct Step<'n, 'f, 'a> {
    node: &'n Node,
    fields: &'f mut [Given<'a>],
}

impl<'a> DeserializeSeed<'a> for Step<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
        if self.node.fields.is_empty() {
            return value.deserialize_any(self);
        }
        let raw: &'a RawValue = serde::Deserialize::deserialize(value)?;
        for field in &self.node.fields {
            self.fields[*field] = given(raw.get()).map_err(serde::de::Error::custom)?;
        }
        if self.node.children.is_empty() {
            return Ok(());
        }
        // The value is wanted whole, and a part of it too: it is walked once more, for its parts.
        let mut again = serde_json::Deserializer::from_str(raw.get());
        again.deserialize_any(self).map_err(serde::de::Error::custom)
    }
}

impl<'a> Visitor<'a> for Step<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(found) = members.next_key_seed(Member(self.node))? {
            match found {
                Some(node) => members.next_value_seed(Step { node, fields: &mut *self.fields })?,
                None => members.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<(), S::Error> {
        for index in 0_usize.. {
            let name = index.to_string();
            let more = match self.node.children.iter().find(|(step, _)| *step == name) {
                Some((_, node)) => {
                    elements.next_element_seed(Step { node, fields: &mut *self.fields })?
                }
                None => elements.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    // A pointer that goes on below a plain value leads nowhere.
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A member's name, looked up without being copied.
struct Member<'n>(&'n Node);

impl<'n, 'a> DeserializeSeed<'a> for Member<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'a>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Member<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().find(|(step, _)| step == name).map(|(_, node)| node))
    }
}

/// A value as it is written.
fn given(raw: &str) -> Result<Given<'_>, serde_json::Error> {
    Ok(match raw.as_bytes().first() {
        Some(b'"') => {
            let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            match inside.filter(|text| memchr::memchr(b'\\', text.as_bytes()).is_none()) {
                Some(plain) => Given::Text(Cow::Borrowed(plain)),
                None => Given::Text(Cow::Owned(serde_json::from_str(raw)?)),
            }
        }
        Some(b'{' | b'[') => Given::Json(raw),
        Some(b't') => Given::Bool(true),
        Some(b'f') => Given::Bool(false),
        Some(b'n') | None => Given::Null,
        Some(_) => Given::Number(raw),
    })
}

#[cfg(test)]
mod tests {
    use super::{Json, Pointer};
    use crate::config::value::Value;
    use crate::consumer::decode::Format;
    use crate::database::column::Given;

    fn decode<'a>(pointers: &[&str], body: &'a str) -> Result<Vec<Given<'a>>, String> {
        let pointers: Vec<_> = pointers.iter().map(|text| Pointer::parse(text).unwrap()).collect();
        let mut fields = vec![Given::Missing; pointers.len()];
        Json::new(&pointers).decode(body.as_bytes(), &mut fields).map_err(|why| why.0)?;
        Ok(fields)
    }

    #[test]
    fn each_pointer_finds_its_value_as_it_is_written() {
        let body = r#" {"n": 1.50, "s": "plain", "e": "a\"\u56fe\n", "o": {"x": [1, {"y": null}], "z": true},
            "skipped": {"s": ["deep", {}]}, "a/b": -0, "twice": 1, "twice": 2} "#;
        let pointers =
            ["/n", "/s", "/e", "/o/x/1/y", "/o/z", "/a~1b", "/twice", "/none", "/s/deeper", "/o/x"];
        assert_eq!(
            decode(&pointers, body).unwrap(),
            [
                Given::Number("1.50"),
                Given::Text("plain".into()),
                Given::Text("a\"图\n".into()),
                Given::Null,
                Given::Bool(true),
                Given::Number("-0"),
                Given::Number("2"),
                Given::Missing,
                Given::Missing,
                Given::Json(r#"[1, {"y": null}]"#),
            ]
        );
    }

    #[test]
    fn the_same_value_may_go_into_several_columns_whole_and_in_part() {
        let found = decode(&["/o", "/o", "/o/k"], r#"{"o":{"k":"v"}}"#).unwrap();
        let whole = Given::Json(r#"{"k":"v"}"#);
        assert_eq!(found, [whole.clone(), whole, Given::Text("v".into())]);
    }

    #[test]
    fn a_document_that_is_no_object_has_elements_or_nothing() {
        assert_eq!(decode(&["/1"], "[1,\"x\",3]").unwrap(), [Given::Text("x".into())]);
        assert_eq!(decode(&["/1"], "17").unwrap(), [Given::Missing]);
    }

    #[test]
    fn what_is_not_json_is_said_with_its_place() {
        for (body, why) in [
            ("", "is not JSON: EOF while parsing a value at line 1 column 0"),
            ("{\"a\":1", "is not JSON: EOF while parsing an object at line 1 column 6"),
            ("{\"a\":1} {}", "is not JSON: trailing characters at line 1 column 9"),
            ("{\"a\":01}", "is not JSON: invalid number at line 1 column 7"),
        ] {
            assert_eq!(decode(&["/a"], body), Err(why.to_owned()), "{body}");
        }
        let mut none = [];
        let why = Json::new(&[]).decode(b"{\"a\":\"\xff\"}", &mut none).unwrap_err();
        assert_eq!(why.0, "is not UTF-8 (at byte 6)");
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode(&["/a"], &deep).is_ok(), "depth is skipped, not descended into");
    }

    #[test]
    fn forty_megabytes_are_borrowed_not_copied() {
        let body = format!("{{\"body\":\"{}\"}}", "x".repeat(40 << 20));
        let found = decode(&["/body"], &body).unwrap();
        assert!(
            matches!(&found[0], Given::Text(std::borrow::Cow::Borrowed(text)) if text.len() == 40 << 20)
        );
    }
}
