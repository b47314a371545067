//! Every kind of channel selector there is. The order of the rows is the order of the documentation.

use super::{SelectorKind, load_balancing, multiplexing, replicating};
use crate::config::kind::{Judgement, kind};
use crate::event::ComponentName;

/// The kinds of channel selector; the first is that of a source which names none.
pub static SELECTORS: &[SelectorKind] =
    &[replicating::KIND, multiplexing::KIND, load_balancing::KIND];

kind!(SelectorKind, Selector, |row, scope| {
    let channels: Vec<_> =
        scope.connected().iter().map(|name| ComponentName::from(name.as_str())).collect();
    (row.read)(scope, &channels).map(|_| Judgement::default())
});
