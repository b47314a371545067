//! How one value is read, as Java reads it, and written for librdkafka.

use std::ops::RangeInclusive;

/// A conversion, as the third column of `table.tsv` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Copy,
    Bool,
    Int(RangeInclusive<i64>),
    /// Refused outside, not clamped.
    Exact(RangeInclusive<i64>),
    /// -1 is the system's default, which is 0 for librdkafka.
    MinusOneIsZero(RangeInclusive<i64>),
    BytesToKib(RangeInclusive<i64>),
    Enum(Vec<(&'static str, &'static str)>),
}

/// A value for librdkafka.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Converted {
    pub value: String,
    /// `too small` or `too large`, where the value is not the one written.
    pub clamped: Option<&'static str>,
}

impl Word {
    /// The conversion of that name.
    pub(super) fn parse(text: &'static str) -> Self {
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        match word {
            "copy" => Self::Copy,
            "bool" => Self::Bool,
            "int" => Self::Int(range(rest)),
            "exact" => Self::Exact(range(rest)),
            "-1_to_0" => Self::MinusOneIsZero(range(rest)),
            "bytes_to_kib" => Self::BytesToKib(range(rest)),
            "enum" => Self::Enum(
                rest.split(',').map(|pair| pair.split_once('=').unwrap_or((pair, pair))).collect(),
            ),
            _ => unreachable!("table.tsv has no such conversion, and a test reads all of it"),
        }
    }

    /// The value for librdkafka, or what was expected instead.
    pub(super) fn apply(&self, text: &str) -> Result<Converted, String> {
        match self {
            Self::Copy => Ok(unclamped(text)),
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                word @ ("true" | "false") => Ok(unclamped(word)),
                _ => Err("true or false".to_owned()),
            },
            Self::Int(range) => Ok(clamp(java_integer(text, range)?, range)),
            Self::Exact(range) => match java_integer(text, range)? {
                number if range.contains(&number) => Ok(unclamped(&number.to_string())),
                _ => Err(format!("a whole number, {} or more", range.start())),
            },
            Self::MinusOneIsZero(range) => match java_integer(text, &(-1..=*range.end()))? {
                -1 => Ok(unclamped("0")),
                number => Ok(clamp(number, range)),
            },
            Self::BytesToKib(range) => {
                Ok(clamp(java_integer(text, range)?.saturating_add(1023) / 1024, range))
            }
            Self::Enum(words) => {
                if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
                    Ok(unclamped(value))
                } else {
                    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    Err(format!("one of {}", words.join(", ")))
                }
            }
        }
    }
}

fn range(text: &'static str) -> RangeInclusive<i64> {
    let (low, high) =
        text.split_once("..").expect("table.tsv has LO..HI here, and a test reads it");
    let number =
        |text: &str| text.parse().expect("table.tsv has numbers here, and a test reads it");
    number(low)..=number(high)
}

fn unclamped(value: &str) -> Converted {
    Converted { value: value.to_owned(), clamped: None }
}

fn clamp(number: i64, range: &RangeInclusive<i64>) -> Converted {
    let clamped = if number < *range.start() {
        Some("too small")
    } else if number > *range.end() {
        Some("too large")
    } else {
        None
    };
    Converted { value: number.clamp(*range.start(), *range.end()).to_string(), clamped }
}

/// A decimal integer as Java's clients read it: a sign, leading zeros without meaning, nothing behind it. Java refuses
/// what is negative where that makes no sense, and so do we.
fn java_integer(text: &str, range: &RangeInclusive<i64>) -> Result<i64, String> {
    match text.trim().parse::<i64>() {
        Ok(number) if number >= 0 || number >= *range.start() => Ok(number),
        _ => Err("a whole number".to_owned()),
    }
}
