//! Where a source sets aside an event that its channel can never hold.

use crate::event::{Event, Origin};
use crate::source::processor::SetAside;

/// Keeps the event where it is: the source waits with it, and says so, until the channel's limit is raised.
pub(super) struct Waiting;

impl SetAside for Waiting {
    fn set_aside(&mut self, _: Event<'_>, reason: &str, _: &Origin) -> Result<(), String> {
        Err(format!("{reason}, and there is no other place for it"))
    }
}
