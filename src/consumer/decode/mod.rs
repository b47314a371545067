//! What a record's body says, by its format.
//!
//! The configuration's columns decide which fields are wanted; a format finds those and steps over the rest, without
//! copying what it can borrow. A body that is not in the format is that record's fault: it is set aside, its neighbours
//! are not.

mod access_log;
mod json;

pub use access_log::{AccessLog, Pattern as LogPattern};
pub use json::{Json, Pointer};

use crate::database::column::Given;
use std::fmt::Debug;

/// A format, made for the fields that are wanted.
pub trait Format: Debug + Send + Sync {
    /// Finds the wanted fields in `body`: the n-th goes into the n-th of `fields`, which come as [`Given::Missing`].
    fn decode<'a>(&self, body: &'a [u8], fields: &mut [Given<'a>]) -> Result<(), Unreadable>;
}

/// Why a body cannot be read: completes "the body …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The whole body is one value: it has no fields to find.
#[derive(Debug)]
pub struct Text;

impl Format for Text {
    fn decode<'a>(&self, _: &'a [u8], _: &mut [Given<'a>]) -> Result<(), Unreadable> {
        Ok(())
    }
}

/// A body as text.
fn utf8(body: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(body)
        .map_err(|at| Unreadable(format!("is not UTF-8 (at byte {})", at.valid_up_to())))
}
