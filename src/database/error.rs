//! What a database refused, and whose fault it is.

/// Whose fault a failure is: what is done about it follows from that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A unique key has the row already: it, or a row like it, is there.
    Duplicate,
    /// The row's values: the same row will be refused again, its neighbours will not.
    Data,
    /// Anything else (R17: every error that is not known to be a row's). Wait and try again. The word is the happening's code.
    Environment(&'static str),
}

/// A failure, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What the database said, with its number where it has one. May quote a value of the row.
    pub what: String,
    /// The number alone, or what stands for it: without any value.
    pub number: String,
    /// What the operator can do about it.
    pub next: String,
}

impl StoreError {
    /// A failure of the environment.
    pub fn environment(
        code: &'static str,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        let what = what.into();
        Self {
            kind: ErrorKind::Environment(code),
            number: code.to_owned(),
            what,
            next: next.into(),
        }
    }

    /// Whether the row itself was refused.
    #[must_use]
    pub fn is_the_rows(&self) -> bool {
        matches!(self.kind, ErrorKind::Duplicate | ErrorKind::Data)
    }

    /// The happening's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Duplicate => "row-duplicate",
            ErrorKind::Data => "row-refused",
            ErrorKind::Environment(code) => code,
        }
    }
}
