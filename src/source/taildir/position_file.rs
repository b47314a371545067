//! `taildir_position.json`, in exactly Flume's form: real Flume goes on from ours, and we from Flume's.
//!
//! One line of JSON without blanks and without a newline, members in a fixed order, strings escaped as Gson does. Reading is
//! as Flume's: an empty or cut file is as good as none, JSON of another shape is an error that only a person can judge.

use serde_json::Value;
use std::fmt::Write as _;

/// How far a file was read, as Flume says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) inode: u64,
    pub(super) pos: u64,
    pub(super) file: String,
}

/// What a position file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// These positions.
    Entries(Vec<Entry>),
    /// Nothing: it is empty, or ends too early.
    Cut,
    /// Something Flume would not start with.
    Wrong(String),
}

/// The text of a position file.
pub(super) fn write(entries: impl IntoIterator<Item = Entry>) -> String {
    let mut text = String::from("[");
    for Entry { inode, pos, file } in entries {
        if text.len() > 1 {
            text.push(',');
        }
        write!(text, "{{\"inode\":{inode},\"pos\":{pos},\"file\":\"")
            .expect("writing to a String does not fail");
        file.chars().for_each(|c| escape(&mut text, c));
        text.push_str("\"}");
    }
    text.push(']');
    text
}

/// As Gson writes a string for HTML.
fn escape(text: &mut String, c: char) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        '\u{8}' => text.push_str("\\b"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\u{c}' => text.push_str("\\f"),
        '\0'..='\u{1f}' | '<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}' => {
            write!(text, "\\u{:04x}", u32::from(c)).expect("writing to a String does not fail");
        }
        c => text.push(c),
    }
}

/// What the text of a position file says.
pub(super) fn read(bytes: &[u8]) -> Content {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Content::Cut,
        Err(error) => return Content::Wrong(error.to_string()),
    };
    let Value::Array(items) = value else {
        return Content::Wrong("it is not a list".into());
    };
    match items.iter().map(entry).collect() {
        Ok(entries) => Content::Entries(entries),
        Err(why) => Content::Wrong(why),
    }
}

fn entry(item: &Value) -> Result<Entry, String> {
    let members = item.as_object().ok_or("an entry is not an object")?;
    if let Some(name) = members.keys().find(|k| !["inode", "pos", "file"].contains(&k.as_str())) {
        return Err(format!("an entry has a member `{name}`"));
    }
    let number = |name: &str| {
        let found = members.get(name).and_then(Value::as_u64);
        found.ok_or_else(|| format!("an entry has no whole number `{name}`"))
    };
    let file = members.get("file").and_then(Value::as_str).ok_or("an entry has no text `file`")?;
    Ok(Entry { inode: number("inode")?, pos: number("pos")?, file: file.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{Content, Entry, read, write};

    fn entry(inode: u64, pos: u64, file: &str) -> Entry {
        Entry { inode, pos, file: file.into() }
    }

    #[test]
    fn it_is_written_byte_for_byte_as_flume_writes_it() {
        let entries =
            [entry(10_020_344, 34, "/var/log/a.log"), entry(10_020_330, 3, "/var/log/b.log")];
        let text = write(entries.clone());
        assert_eq!(
            text,
            r#"[{"inode":10020344,"pos":34,"file":"/var/log/a.log"},{"inode":10020330,"pos":3,"file":"/var/log/b.log"}]"#
        );
        assert_eq!(read(text.as_bytes()), Content::Entries(entries.into()));
        assert_eq!(write([]), "[]");
    }

    #[test]
    fn names_are_escaped_as_gson_does() {
        let odd = "/l/<a>&b='c'\"\\\t\u{1}\u{2028}ä日";
        let text = write([entry(1, 0, odd)]);
        assert!(
            text.contains(r#""/l/\u003ca\u003e\u0026b\u003d\u0027c\u0027\"\\\t\u0001\u2028ä日""#),
            "{text}"
        );
        assert_eq!(read(text.as_bytes()), Content::Entries(vec![entry(1, 0, odd)]));
    }

    #[test]
    fn an_empty_or_cut_file_says_nothing_and_another_shape_is_wrong() {
        for cut in ["", "[", r#"[{"inode":1,"po"#, r#"[{"inode":1,"pos":2,"file":"/a"}"#] {
            assert_eq!(read(cut.as_bytes()), Content::Cut, "{cut}");
        }
        for wrong in [
            "{}",
            "[1]",
            r#"[{"inode":1,"pos":2}]"#,
            r#"[{"inode":1,"pos":-2,"file":"/a"}]"#,
            r#"[{"inode":1,"pos":2,"file":"/a","x":1}]"#,
            "hello",
        ] {
            assert!(matches!(read(wrong.as_bytes()), Content::Wrong(_)), "{wrong}");
        }
        let free_order = r#" [ {"file":"/a", "pos":2, "inode":1} ] "#;
        assert_eq!(read(free_order.as_bytes()), Content::Entries(vec![entry(1, 2, "/a")]));
    }
}
