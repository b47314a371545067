//! One value on its way into a column or out of one.

use std::borrow::Cow;

/// How a value is handed over. A column has one kind for all its rows, so that one prepared statement serves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number that fits 64 bits with a sign.
    Signed,
    /// A whole number that fits 64 bits without one; only MySQL has it.
    Unsigned,
    /// A floating-point number.
    Double,
    /// Text; also dates, decimals and JSON, which both databases take as text.
    Text,
    /// Bytes.
    Bytes,
}

/// A value, borrowed from the record it came from where that is possible.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// See [`Kind::Signed`].
    Signed(i64),
    /// See [`Kind::Unsigned`].
    Unsigned(u64),
    /// See [`Kind::Double`].
    Double(f64),
    /// See [`Kind::Text`].
    Text(Cow<'a, str>),
    /// See [`Kind::Bytes`].
    Bytes(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// What it takes in a packet, in bytes, at most.
    #[must_use]
    pub fn size(&self) -> usize {
        // A length in front of text and bytes takes up to nine bytes.
        match self {
            Self::Null => 1,
            Self::Signed(_) | Self::Unsigned(_) | Self::Double(_) => 8,
            Self::Text(text) => text.len() + 9,
            Self::Bytes(bytes) => bytes.len() + 9,
        }
    }

    /// The kind it is of; `None` has all.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Null => None,
            Self::Signed(_) => Some(Kind::Signed),
            Self::Unsigned(_) => Some(Kind::Unsigned),
            Self::Double(_) => Some(Kind::Double),
            Self::Text(_) => Some(Kind::Text),
            Self::Bytes(_) => Some(Kind::Bytes),
        }
    }

    /// The same value, borrowed from nobody.
    #[must_use]
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Signed(number) => Cell::Signed(number),
            Self::Unsigned(number) => Cell::Unsigned(number),
            Self::Double(number) => Cell::Double(number),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Cell::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<i32> for Cell<'_> {
    fn from(number: i32) -> Self {
        Self::Signed(i64::from(number))
    }
}
