//! Every kind of channel selector there is. The order of the rows is the order of the documentation.

use super::{SelectorKind, load_balancing, multiplexing, replicating};
use crate::config::keys::{KeySpec, Scope};
use crate::config::kind::{Family, Judgement, Kind};
use crate::event::ComponentName;

/// The kinds of channel selector; the first is that of a source which names none.
pub static SELECTORS: &[SelectorKind] =
    &[replicating::KIND, multiplexing::KIND, load_balancing::KIND];

impl Kind for SelectorKind {
    fn family(&self) -> Family {
        Family::Selector
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
        let channels: Vec<_> =
            scope.connected().iter().map(|name| ComponentName::from(name.as_str())).collect();
        (self.read)(scope, &channels).map(|_| Judgement::default())
    }
}
