//! A character set, by the name that Java knows it under: what bodies are decoded with where Flume decodes them.
//!
//! What stands for no character is read as U+FFFD, and what the set has no bytes for is written as `?`, as in Java.

use crate::config::value::{Value, Wrong};
use encoding_rs::{EncoderResult, Encoding, REPLACEMENT};
use std::borrow::Cow;

/// A character set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Utf8,
    /// One byte, one character: what browsers call by this name is another.
    Latin1,
    Ascii,
    Utf16 {
        little_endian: bool,
        /// Whether a mark at the beginning decides the order, and is written.
        marked: bool,
    },
    Other(&'static Encoding),
}

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(Set::Utf8);

    /// Whether a byte below 128 is always that ASCII character, and never a part of another one.
    #[must_use]
    pub fn keeps_line_ends(self) -> bool {
        !matches!(self.0, Set::Utf16 { .. })
    }

    /// The text that `bytes` stand for.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self.0 {
            Set::Utf8 => String::from_utf8_lossy(bytes),
            Set::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Set::Ascii => {
                let character =
                    |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' };
                bytes.iter().map(character).collect()
            }
            Set::Utf16 { little_endian, marked } => utf16(bytes, little_endian, marked).into(),
            Set::Other(encoding) => encoding.decode_without_bom_handling(bytes).0,
        }
    }

    /// The text that `bytes` stand for, if all of them do.
    #[must_use]
    pub fn decode_all(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self.0 {
            Set::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Set::Latin1 => Some(self.decode(bytes)),
            Set::Ascii => bytes.is_ascii().then(|| self.decode(bytes)),
            Set::Utf16 { .. } => Some(self.decode(bytes)).filter(|text| !text.contains('\u{fffd}')),
            Set::Other(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            }
        }
    }

    /// The bytes that stand for `text`.
    #[must_use]
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        let single = |limit: u32| {
            let byte = move |c: char| {
                u8::try_from(u32::from(c)).ok().filter(|byte| u32::from(*byte) < limit)
            };
            text.chars().map(|c| byte(c).unwrap_or(b'?')).collect()
        };
        match self.0 {
            Set::Utf8 => Cow::Borrowed(text.as_bytes()),
            Set::Latin1 => single(256),
            Set::Ascii => single(128),
            Set::Utf16 { little_endian, marked } => {
                let mark = marked.then_some(0xfeff);
                let units = mark.into_iter().chain(text.encode_utf16());
                units.flat_map(|unit| two_bytes(unit, little_endian)).collect()
            }
            Set::Other(encoding) => encode(encoding, text).into(),
        }
    }

    /// `bytes` decoded and encoded again, as Flume's readers do: what stands for no character is replaced.
    #[must_use]
    pub fn normalised(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        if self.0 == Set::Latin1 || (self.keeps_line_ends() && bytes.is_ascii()) {
            return Cow::Borrowed(bytes);
        }
        match self.decode(bytes) {
            Cow::Borrowed(text) if self.0 == Set::Utf8 => Cow::Borrowed(text.as_bytes()),
            text => Cow::Owned(self.encode(&text).into_owned()),
        }
    }
}

fn two_bytes(unit: u16, little_endian: bool) -> [u8; 2] {
    let [high, low] = [unit >> 8, unit & 0xff].map(|half| u8::try_from(half).unwrap_or(0));
    if little_endian { [low, high] } else { [high, low] }
}

fn utf16(bytes: &[u8], little_endian: bool, marked: bool) -> String {
    let (bytes, little_endian) = match bytes {
        [0xfe, 0xff, rest @ ..] if marked => (rest, false),
        [0xff, 0xfe, rest @ ..] if marked => (rest, true),
        all => (all, little_endian),
    };
    let pairs = bytes.chunks_exact(2).map(|pair| {
        let (high, low) = if little_endian { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
        u16::from(high) << 8 | u16::from(low)
    });
    let whole = char::decode_utf16(pairs).map(|c| c.unwrap_or('\u{fffd}'));
    let half = (bytes.len() % 2 == 1).then_some('\u{fffd}');
    whole.chain(half).collect()
}

fn encode(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    let mut encoder = encoding.new_encoder();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let needed = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
        bytes.reserve(needed.unwrap_or(rest.len()).max(16));
        let (result, read) =
            encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return bytes,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => bytes.push(b'?'),
        }
    }
}

impl Value for Charset {
    const EXPECTED: &'static str = "a character set, such as `UTF-8`, `ISO-8859-1` or `GBK`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let utf16 = |little_endian, marked| Set::Utf16 { little_endian, marked };
        let set = match text.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" => Set::Utf8,
            "iso-8859-1" | "iso8859-1" | "iso8859_1" | "iso_8859-1" | "iso_8859_1" | "latin1"
            | "l1" | "ibm819" | "cp819" | "8859_1" => Set::Latin1,
            "us-ascii" | "ascii" | "iso646-us" | "ansi_x3.4-1968" => Set::Ascii,
            "utf-16" | "utf16" | "utf_16" | "unicode" => utf16(false, true),
            "utf-16be" | "utf_16be" | "unicodebigunmarked" => utf16(false, false),
            "utf-16le" | "utf_16le" | "unicodelittleunmarked" => utf16(true, false),
            label => {
                let label =
                    label.strip_prefix("x-").filter(|l| l.starts_with("euc")).unwrap_or(label);
                let found = Encoding::for_label(label.as_bytes());
                let known = found.filter(|e| *e != REPLACEMENT && e.name() != "x-user-defined");
                Set::Other(known.ok_or(Wrong::Expected)?)
            }
        };
        Ok(Self(set))
    }
}

#[cfg(test)]
mod tests {
    use super::Charset;
    use crate::config::value::{Value, Wrong};

    fn charset(name: &str) -> Charset {
        Charset::parse(name).unwrap()
    }

    #[test]
    fn a_text_comes_back_from_every_set_that_has_it() {
        for (name, text, bytes) in [
            ("UTF-8", "é中", &b"\xc3\xa9\xe4\xb8\xad"[..]),
            ("iso-8859-1", "é\u{80}", b"\xe9\x80"),
            ("US-ASCII", "e", b"e"),
            ("UTF-16", "é", b"\xfe\xff\x00\xe9"),
            ("UTF-16LE", "é😀", b"\xe9\x00\x3d\xd8\x00\xde"),
            ("GBK", "中", b"\xd6\xd0"),
            ("Shift_JIS", "日", b"\x93\xfa"),
            ("windows-1251", "Я", b"\xdf"),
        ] {
            assert_eq!(charset(name).encode(text), bytes, "{name}");
            assert_eq!(charset(name).decode(bytes), text, "{name}");
            assert_eq!(charset(name).decode_all(bytes).unwrap(), text, "{name}");
        }
        assert_eq!(Charset::parse("EBCDIC-XYZ"), Err(Wrong::Expected));
    }

    #[test]
    fn what_cannot_be_said_is_replaced_as_in_java() {
        assert_eq!(charset("ISO-8859-1").encode("a中b"), &b"a?b"[..]);
        assert_eq!(charset("GBK").encode("a😀b"), &b"a?b"[..]);
        assert_eq!(charset("ASCII").decode(b"a\xe9"), "a\u{fffd}");
        assert_eq!(charset("utf8").normalised(b"a\xffb"), "a\u{fffd}b".as_bytes());
        assert_eq!(charset("latin1").normalised(b"a\xffb"), &b"a\xffb"[..]);
        assert!(charset("utf8").decode_all(b"\xff").is_none());
        assert!(charset("utf-16be").decode_all(b"\x00").is_none());
    }
}
