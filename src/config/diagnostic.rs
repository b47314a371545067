//! One remark about a configuration, with all that an operator needs to act on it.
//!
//! It is built anywhere and drawn in one place (`render.rs`); the same value serves the log at start, `tailwater check`, a
//! rejected reload and the status page. There is no remark without a place and none without an effect.

use crate::config::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something is left out, or nothing starts at all.
    Error,
    /// Everything starts, though perhaps not as meant. `--strict` refuses it.
    Warning,
}

impl Severity {
    /// The word in a message.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Another place a remark is about, and what is there: the first of two equal keys, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub span: Span,
    /// What is there, beside the carets.
    pub text: String,
}

/// A remark about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a remark that is not reported is an error nobody is shown"]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word to search for, such as `missing-key`.
    pub code: &'static str,
    /// One sentence in the operator's own words: lower case, no full stop, the component and the key in it.
    pub message: String,
    /// What it is about.
    pub span: Span,
    /// What was expected there; drawn beside the carets.
    pub expected: String,
    /// Other places it is about.
    pub notes: Vec<Note>,
    /// What to type, where that is sure.
    pub help: Option<String>,
    /// What happens if nothing is changed. Not an `Option`, on purpose.
    pub effect: String,
    /// Whether nothing at all can start because of it, in Flume as here.
    pub fatal: bool,
}

impl Diagnostic {
    /// Something is left out because of `message`, and `effect` says what.
    pub fn error(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        effect: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            expected: String::new(),
            notes: Vec::new(),
            help: None,
            effect: effect.into(),
            fatal: false,
        }
    }

    /// Everything starts, but `message` deserves a look.
    pub fn warning(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        effect: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message, effect) }
    }

    /// What was expected at the place.
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// What to type.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// What to type, where something is known.
    pub fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// Another place it is about.
    pub fn note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push(Note { span, text: text.into() });
        self
    }

    /// Nothing starts because of it.
    pub fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }

    /// Whether something is left out because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
