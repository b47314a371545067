//! A dead letter as lines of JSON: one for each megabyte of its body, so that what was too large for its destination is
//! not too large for any reader here.
//!
//! ```text
//! {"id":"channel/…:17","part":0,"parts":2,"bytes":1500000,"at":1732…,"agent":"a1","component":"k1",
//!  "code":"record-too-large","reason":"…","origin":{"topic":"t"},"headers":{"h":"v"},"body":"<base64>"}
//! {"id":"channel/…:17","part":1,"body":"<base64>"}
//! ```
//!
//! A letter counts once its last line is there, newline included. A topic carries the same lines, a record each.

use super::{Id, Letter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of body in one line of a file.
pub const FILE_PART_BYTES: usize = 1 << 20;
/// Bytes of body in one record of a topic: base64 makes 4 of 3, and a topic takes 1 MiB unless somebody raised it.
pub const TOPIC_PART_BYTES: usize = 640 << 10;

/// Who sets letters aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The agent's name, or the consumer's.
    pub agent: String,
    /// The component's.
    pub component: String,
}

/// What only a letter's first line has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many lines there are.
    pub parts: u32,
    /// How long the body is, in bytes.
    pub bytes: u64,
    /// When it was set aside, in milliseconds since 1970.
    pub at: i64,
    /// Whose component set it aside.
    pub agent: String,
    /// Which component.
    pub component: String,
    /// Stable word.
    pub code: String,
    /// Why.
    pub reason: String,
    /// Where it came from and where it was going.
    pub origin: BTreeMap<String, String>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its key in base64, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub id: Cow<'a, str>,
    pub part: u32,
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Cow<'a, Head>>,
    pub body: Cow<'a, str>,
}

/// What a look at a line needs: the rest of it is passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Glance {
    pub id: String,
    pub part: u32,
    #[serde(default)]
    pub parts: Option<u32>,
}

/// The lines of one letter, without their newlines, `part_bytes` of its body in each.
///
/// # Panics
/// Never: what a letter holds can be written as JSON.
pub fn lines<'a>(
    letter: &'a Letter<'_>,
    sender: &'a Sender,
    at_ms: i64,
    part_bytes: usize,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let id = letter.id.to_string();
    let mut chunks = letter.body.chunks(part_bytes);
    let head = Head {
        parts: part_count(letter.body.len(), part_bytes),
        bytes: u64::try_from(letter.body.len()).unwrap_or(u64::MAX),
        at: at_ms,
        agent: sender.agent.clone(),
        component: sender.component.clone(),
        code: letter.code.to_owned(),
        reason: letter.reason.clone(),
        origin: letter.origin.iter().map(|(name, v)| ((*name).to_owned(), v.clone())).collect(),
        headers: letter.headers.clone(),
        key: letter.key.map(|key| STANDARD.encode(key)),
    };
    (0..head.parts).map(move |part| {
        let body = STANDARD.encode(chunks.next().unwrap_or_default());
        let head = (part == 0).then_some(Cow::Borrowed(&head));
        let line = Line { id: Cow::Borrowed(&id), part, head, body: Cow::Owned(body) };
        serde_json::to_vec(&line).expect("text, numbers and maps with text for keys are JSON")
    })
}

fn part_count(bytes: usize, part_bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(part_bytes).max(1)).unwrap_or(u32::MAX)
}

/// A letter read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which event it is.
    pub id: Id,
    /// Everything but key and body.
    pub head: Head,
    /// Its key, where it had one.
    pub key: Option<Vec<u8>>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Puts letters together again from their lines.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    id: String,
    head: Head,
    next: u32,
    body: Vec<u8>,
}

impl Joiner {
    /// Takes the next line, and gives the letter that it completes. What is no line, or does not follow the last one, is
    /// an error and ends the letter that was open.
    pub fn line(&mut self, text: &[u8]) -> Result<Option<Kept>, String> {
        let open = self.open.take();
        let line: Line<'_> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let part = STANDARD.decode(line.body.as_bytes()).map_err(|e| e.to_string())?;
        let mut open = match (line.head, open) {
            (Some(head), _) if line.part == 0 => {
                Open { id: line.id.into_owned(), head: head.into_owned(), next: 0, body: part }
            }
            (None, Some(mut open)) if open.id == line.id && open.next == line.part => {
                open.body.extend_from_slice(&part);
                open
            }
            _ => return Err(format!("part {} of {} does not follow", line.part, line.id)),
        };
        open.next += 1;
        if open.next < open.head.parts {
            self.open = Some(open);
            return Ok(None);
        }
        let id = open.id.parse().map_err(|()| format!("`{}` is no id", open.id))?;
        let key = open.head.key.as_deref().map(|key| STANDARD.decode(key)).transpose();
        let key = key.map_err(|e| e.to_string())?;
        Ok(Some(Kept { id, head: open.head, key, body: open.body }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Joiner, Sender, lines};
    use crate::deadletter::{Id, Letter};
    use crate::event::Headers;

    fn sender() -> Sender {
        Sender { agent: "a1".to_owned(), component: "k1".to_owned() }
    }

    #[test]
    fn a_letter_of_any_size_comes_back_whole() {
        let headers = Headers::from([("h\u{1}\"".to_owned(), "ü\n".to_owned())]);
        for length in [0, 1, 9, 10, 11, 20, 25] {
            let body: Vec<u8> = (0..=255).cycle().take(length).collect();
            let letter = Letter {
                id: Id::in_topic("x", 1, 2),
                code: "c",
                reason: "why\nso".to_owned(),
                origin: vec![("topic", "t".to_owned())],
                headers: &headers,
                key: Some(&[0xff, 0]),
                body: &body,
            };
            let sender = sender();
            let mut joiner = Joiner::default();
            let all: Vec<Vec<u8>> = lines(&letter, &sender, 5, 10).collect();
            assert_eq!(all.len(), length.div_ceil(10).max(1));
            assert!(all.iter().all(|line| !line.contains(&b'\n')));
            let (last, first) = all.split_last().unwrap();
            for line in first {
                assert_eq!(joiner.line(line), Ok(None));
            }
            let kept = joiner.line(last).unwrap().unwrap();
            assert_eq!((kept.id, kept.body, kept.key), (letter.id, body, Some(vec![0xff, 0])));
            assert_eq!((kept.head.headers, kept.head.at), (headers.clone(), 5));
            assert_eq!((kept.head.code, kept.head.reason), ("c".to_owned(), "why\nso".to_owned()));
            assert_eq!(kept.head.origin["topic"], "t");
        }
    }

    #[test]
    fn a_part_that_does_not_follow_is_told_and_never_joined() {
        let body = [7_u8; 30];
        let headers = Headers::new();
        let letter = Letter {
            id: Id::in_topic("x", 1, 2),
            code: "c",
            reason: String::new(),
            origin: Vec::new(),
            headers: &headers,
            key: None,
            body: &body,
        };
        let sender = sender();
        let all: Vec<Vec<u8>> = lines(&letter, &sender, 5, 10).collect();
        let mut joiner = Joiner::default();
        assert!(joiner.line(&all[1]).is_err());
        assert_eq!(joiner.line(&all[0]), Ok(None));
        assert!(joiner.line(&all[2]).is_err());
        assert!(joiner.line(&all[1]).is_err(), "the open letter ended");
        assert!(joiner.line(b"{").is_err() && joiner.line(b"").is_err());
    }
}
