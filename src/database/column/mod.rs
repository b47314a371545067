//! What a column can hold, under MySQL's own names.
//!
//! A value is checked here before a database sees it, because the databases do not agree: `SQLite` stores sixty characters
//! in a `varchar(40)` and a word in an `int`, and MySQL refuses both, or cuts them, by its mode. What passes here is stored
//! by either as it is.

mod check;
mod number;
mod time;
mod time_pattern;

pub use check::{Given, Misfit};
pub use time::{TimeFormat, Zone};
pub use time_pattern::TimePattern;

use crate::config::value::{Value, Wrong};
use crate::database::cell::Kind;
use std::fmt;

/// How wide a whole number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    Tiny,
    /// Two bytes.
    Small,
    /// Three bytes.
    Medium,
    /// Four bytes.
    Int,
    /// Eight bytes.
    Big,
}

impl Width {
    fn bits(self) -> u32 {
        match self {
            Self::Tiny => 8,
            Self::Small => 16,
            Self::Medium => 24,
            Self::Int => 32,
            Self::Big => 64,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tinyint",
            Self::Small => "smallint",
            Self::Medium => "mediumint",
            Self::Int => "int",
            Self::Big => "bigint",
        }
    }
}

/// How long a text or blob may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 255 bytes.
    Tiny,
    /// 64 KiB.
    Plain,
    /// 16 MiB.
    Medium,
    /// 4 GiB.
    Long,
}

impl Length {
    /// Bytes at most.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Tiny => 0xff,
            Self::Plain => 0xffff,
            Self::Medium => 0x00ff_ffff,
            Self::Long => 0xffff_ffff,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Plain => "",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `true` or `false`, kept as 1 or 0.
    Boolean,
    /// `tinyint` to `bigint`.
    Integer {
        /// How wide.
        width: Width,
        /// Without a sign.
        unsigned: bool,
    },
    /// `float`: four bytes.
    Float,
    /// `double`: eight bytes.
    Double,
    /// `decimal(precision, scale)`.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// `char(n)`: characters.
    Char(u32),
    /// `varchar(n)`: characters.
    Varchar(u32),
    /// `tinytext` to `longtext`.
    Text(Length),
    /// `binary(n)`: bytes.
    Binary(u32),
    /// `varbinary(n)`: bytes.
    Varbinary(u32),
    /// `tinyblob` to `longblob`.
    Blob(Length),
    /// `date`.
    Date,
    /// `datetime(p)`, with `p` digits of a second.
    DateTime(u8),
    /// `timestamp(p)`: an instant from 1970 to 2038.
    Timestamp(u8),
    /// `json`.
    Json,
}

impl ColumnType {
    /// How its values are handed over.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Integer { width: Width::Big, unsigned: true } => Kind::Unsigned,
            Self::Boolean | Self::Integer { .. } => Kind::Signed,
            Self::Float | Self::Double => Kind::Double,
            Self::Binary(_) | Self::Varbinary(_) | Self::Blob(_) => Kind::Bytes,
            Self::Decimal { .. }
            | Self::Char(_)
            | Self::Varchar(_)
            | Self::Text(_)
            | Self::Date
            | Self::DateTime(_)
            | Self::Timestamp(_)
            | Self::Json => Kind::Text,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = |name: &str, digits: u8| match digits {
            0 => name.to_owned(),
            _ => format!("{name}({digits})"),
        };
        match *self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer { width, unsigned } => {
                write!(f, "{}{}", width.name(), if unsigned { " unsigned" } else { "" })
            }
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Char(n) => write!(f, "char({n})"),
            Self::Varchar(n) => write!(f, "varchar({n})"),
            Self::Text(length) => write!(f, "{}text", length.prefix()),
            Self::Binary(n) => write!(f, "binary({n})"),
            Self::Varbinary(n) => write!(f, "varbinary({n})"),
            Self::Blob(length) => write!(f, "{}blob", length.prefix()),
            Self::Date => f.write_str("date"),
            Self::DateTime(digits) => f.write_str(&fraction("datetime", digits)),
            Self::Timestamp(digits) => f.write_str(&fraction("timestamp", digits)),
            Self::Json => f.write_str("json"),
        }
    }
}

/// The names without a length, as a message lists them.
const NAMES: &[&str] = &[
    "bigint",
    "int",
    "smallint",
    "tinyint",
    "mediumint",
    "boolean",
    "double",
    "float",
    "decimal",
    "varchar",
    "char",
    "text",
    "tinytext",
    "mediumtext",
    "longtext",
    "varbinary",
    "binary",
    "blob",
    "tinyblob",
    "mediumblob",
    "longblob",
    "datetime",
    "timestamp",
    "date",
    "json",
];

impl Value for ColumnType {
    const EXPECTED: &'static str = "a MySQL column type, such as `bigint`, `varchar(200)`, `datetime(3)`, `decimal(10,2)` or `longtext`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let lower = text.trim().to_ascii_lowercase();
        let (word, rest) = lower
            .find(|c: char| c == '(' || c.is_ascii_whitespace())
            .map_or((lower.as_str(), ""), |at| lower.split_at(at));
        let (numbers, suffix) = numbers_in(rest.trim())?;
        let unsigned = match suffix {
            "" | "signed" => false,
            "unsigned" => true,
            _ if suffix.contains("null") || suffix.contains("default") => {
                let why = "whether it may be null and its default have keys of their own: `columns.<name>.null` and `.default`";
                return Err(Wrong::Because(why.to_owned()));
            }
            "precision" if word == "double" => false,
            _ => return Err(Wrong::Expected),
        };
        let parsed = named(word, &numbers, unsigned)?;
        if unsigned && !matches!(parsed, Self::Integer { .. }) {
            return Err(Wrong::Because("only whole numbers can be `unsigned` here".to_owned()));
        }
        Ok(parsed)
    }

    fn suggest(text: &str) -> Option<&'static str> {
        let word = text.split(['(', ' ']).next().unwrap_or_default();
        crate::config::suggest::closest(word, NAMES.iter().copied())
    }
}

/// The numbers between parentheses, and what follows them.
fn numbers_in(rest: &str) -> Result<(Vec<u32>, &str), Wrong> {
    let Some(inside) = rest.strip_prefix('(') else { return Ok((Vec::new(), rest)) };
    let (inside, suffix) = inside.split_once(')').ok_or(Wrong::Expected)?;
    let numbers = inside
        .split(',')
        .map(|number| number.trim().parse::<u32>().map_err(|_| Wrong::Expected))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((numbers, suffix.trim()))
}

/// The type of a name, with its numbers in bounds.
fn named(word: &str, numbers: &[u32], unsigned: bool) -> Result<ColumnType, Wrong> {
    let integer = |width| Ok(ColumnType::Integer { width, unsigned });
    match word {
        "tinyint" => integer(Width::Tiny),
        "smallint" => integer(Width::Small),
        "mediumint" => integer(Width::Medium),
        "int" | "integer" => integer(Width::Int),
        "bigint" => integer(Width::Big),
        "varchar" => length(numbers, 16_383).map(ColumnType::Varchar),
        "char" => {
            length(if numbers.is_empty() { &[1] } else { numbers }, 255).map(ColumnType::Char)
        }
        "varbinary" => length(numbers, 65_532).map(ColumnType::Varbinary),
        "binary" => {
            length(if numbers.is_empty() { &[1] } else { numbers }, 255).map(ColumnType::Binary)
        }
        "decimal" | "numeric" | "dec" => decimal(numbers),
        "datetime" => digits(numbers).map(ColumnType::DateTime),
        "timestamp" => digits(numbers).map(ColumnType::Timestamp),
        _ if !numbers.is_empty() => Err(Wrong::Expected),
        "bool" | "boolean" => Ok(ColumnType::Boolean),
        "float" => Ok(ColumnType::Float),
        "double" | "real" => Ok(ColumnType::Double),
        "date" => Ok(ColumnType::Date),
        "json" => Ok(ColumnType::Json),
        "tinytext" => Ok(ColumnType::Text(Length::Tiny)),
        "text" => Ok(ColumnType::Text(Length::Plain)),
        "mediumtext" => Ok(ColumnType::Text(Length::Medium)),
        "longtext" => Ok(ColumnType::Text(Length::Long)),
        "tinyblob" => Ok(ColumnType::Blob(Length::Tiny)),
        "blob" => Ok(ColumnType::Blob(Length::Plain)),
        "mediumblob" => Ok(ColumnType::Blob(Length::Medium)),
        "longblob" => Ok(ColumnType::Blob(Length::Long)),
        _ => Err(Wrong::Expected),
    }
}

fn length(numbers: &[u32], most: u32) -> Result<u32, Wrong> {
    match numbers {
        [n] if (1..=most).contains(n) => Ok(*n),
        [] => Err(Wrong::Because(format!("its length is missing: 1 to {most}, in parentheses"))),
        _ => Err(Wrong::Because(format!("its length can be 1 to {most}"))),
    }
}

fn digits(numbers: &[u32]) -> Result<u8, Wrong> {
    match numbers {
        [] => Ok(0),
        [n @ 0..=6] => u8::try_from(*n).map_err(|_| Wrong::Expected),
        _ => Err(Wrong::Because("it can have 0 to 6 digits of a second".to_owned())),
    }
}

fn decimal(numbers: &[u32]) -> Result<ColumnType, Wrong> {
    let (precision, scale) = match numbers {
        [] => (10, 0),
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err(Wrong::Expected),
    };
    if !(1..=65).contains(&precision) || scale > precision.min(30) {
        let why = "it can have 1 to 65 digits, and at most 30 of them after the point";
        return Err(Wrong::Because(why.to_owned()));
    }
    let byte = |number: u32| u8::try_from(number).map_err(|_| Wrong::Expected);
    Ok(ColumnType::Decimal { precision: byte(precision)?, scale: byte(scale)? })
}

#[cfg(test)]
mod tests {
    use super::{ColumnType, Length, Width};
    use crate::config::value::{Value, Wrong};

    #[test]
    fn mysqls_own_names_are_read_and_said_again() {
        for (text, said) in [
            ("BIGINT", "bigint"),
            ("int(11) unsigned", "int unsigned"),
            ("bigint unsigned", "bigint unsigned"),
            ("varchar( 200 )", "varchar(200)"),
            ("char", "char(1)"),
            ("datetime(3)", "datetime(3)"),
            ("timestamp", "timestamp"),
            ("numeric(10, 2)", "decimal(10,2)"),
            ("decimal", "decimal(10,0)"),
            ("double precision", "double"),
            ("longtext", "longtext"),
            ("bool", "boolean"),
            ("json", "json"),
            ("varbinary(16)", "varbinary(16)"),
        ] {
            assert_eq!(ColumnType::parse(text).unwrap().to_string(), said);
        }
        assert_eq!(ColumnType::parse("longblob"), Ok(ColumnType::Blob(Length::Long)));
        let big = ColumnType::Integer { width: Width::Big, unsigned: false };
        assert_eq!(ColumnType::parse("bigint"), Ok(big));
    }

    #[test]
    fn what_mysql_would_refuse_is_refused_with_its_reason() {
        let because = |text: &str| match ColumnType::parse(text) {
            Err(Wrong::Because(why)) => why,
            other => format!("{other:?}"),
        };
        assert_eq!(because("varchar"), "its length is missing: 1 to 16383, in parentheses");
        assert_eq!(because("varchar(70000)"), "its length can be 1 to 16383");
        assert_eq!(because("datetime(9)"), "it can have 0 to 6 digits of a second");
        assert!(because("decimal(70)").starts_with("it can have 1 to 65 digits"));
        assert!(because("int not null").contains("columns.<name>.null"));
        assert!(because("varchar(3) unsigned").starts_with("only whole numbers"));
        for text in ["", "word", "varchar(x)", "varchar(3", "text(9)", "int flat"] {
            assert_eq!(ColumnType::parse(text), Err(Wrong::Expected), "{text}");
        }
        assert_eq!(ColumnType::suggest("bigitn(20)"), Some("bigint"));
    }
}
