//! ② What happens to events between source and selector: headers in and out, events left out.

pub mod registry;

use crate::component::{Context, StartError};
use crate::config::keys::{KeySpec, Scope};
use crate::event::Batch;
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
