//! The consumer as a row: what `check` and `describe` know it by.

use crate::config::keys::KeySpec;
use crate::config::kind::{Family, Judgement, Kind};
use crate::config::scope::Scope;
use crate::consumer::keys::ConsumerKeys;
use crate::consumer::plan::Plan;

/// The kinds of consumers: there is one, and it needs no `type`.
pub static CONSUMERS: &[ConsumerKind] = &[ConsumerKind];

/// The consumer.
#[derive(Debug)]
pub struct ConsumerKind;

impl Kind for ConsumerKind {
    fn family(&self) -> Family {
        Family::Consumer
    }

    fn names(&self) -> &'static [&'static str] {
        &["consumer"]
    }

    fn about(&self) -> &'static str {
        ConsumerKeys::ABOUT
    }

    fn keys(&self) -> &'static [KeySpec] {
        ConsumerKeys::KEYS
    }

    fn judge(&self, scope: &mut Scope<'_>) -> Option<Judgement> {
        Plan::read(scope).map(|_| Judgement::default())
    }
}
