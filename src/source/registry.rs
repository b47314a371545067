//! Every kind of source there is. The order of the rows is the order of the documentation.

use super::{SourceKind, exec, netcat, seq, taildir};
use crate::config::keys::{KeySpec, Scope};
use crate::config::kind::{Family, Judgement, Kind};

/// The kinds of source.
pub static SOURCES: &[SourceKind] = &[taildir::KIND, exec::KIND, netcat::KIND, seq::KIND];

impl Kind for SourceKind {
    fn family(&self) -> Family {
        Family::Source
    }

    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn keys(&self) -> &'static [KeySpec] {
        self.keys
    }

    fn judge(&self, scope: &mut Scope<'_>) -> Option<Judgement> {
        let start = (self.read)(scope)?;
        Some(Judgement { transaction_events: start.batch_size() })
    }
}
