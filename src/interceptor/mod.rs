//! ② What happens to events between source and selector: headers in and out, events left out.

pub mod host;
pub mod regex_extractor;
pub mod regex_filter;
pub mod registry;
pub mod remove_header;
pub mod search_replace;
pub mod static_;
pub mod timestamp;
pub mod uuid;

use crate::component::{Context, StartError};
use crate::config::keys::{KeySpec, Scope};
use crate::config::value::Pattern;
use crate::event::{Batch, Headers};
use crate::status::happening::{Happening, Teller};
use std::fmt::Debug;

/// Changes the events of a batch. It never fails: what it cannot do to an event it leaves.
pub trait Interceptor: Send {
    /// Changes headers or bodies, or leaves events out. The batch's origin stays.
    fn intercept(&mut self, batch: &mut Batch);
}

/// A kind of interceptor: what selects it, which keys it has, how they are read.
pub struct InterceptorKind {
    /// What may stand in `type`: Flume's builder class first, then its short name.
    pub names: &'static [&'static str],
    /// One sentence for `describe`.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// Reads the keys, and opens nothing.
    pub read: fn(&mut Scope<'_>) -> Option<Box<dyn StartInterceptor>>,
}

/// An interceptor whose keys are right.
pub trait StartInterceptor: Debug + Send + Sync {
    /// Builds it.
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError>;

    /// Whether it does the same to the same event again. Where it does not (a time, a random id), a restart cannot tell
    /// which channel would have been given what (R8).
    fn repeatable(&self) -> bool;
}

/// `headers` with one more; `None` where an existing one stays.
fn with_header(headers: &Headers, name: &str, value: &str, preserve: bool) -> Option<Headers> {
    if preserve && headers.contains_key(name) {
        return None;
    }
    let mut headers = headers.clone();
    headers.insert(name.to_owned(), value.to_owned());
    Some(headers)
}

/// Tells that a pattern backtracked too long on an event and was given up. Java would go on, for hours if need be.
fn tell_wild(teller: &Teller, pattern: &Pattern, error: &fancy_regex::Error, effect: &str) {
    let what = format!("the pattern `{pattern}` was given up on an event: {error}");
    let next = "write a pattern that needs less backtracking";
    teller.tell(Happening::warning("wild-pattern", what).effect(effect).next(next));
}
