//! Every kind of interceptor there is. The order of the rows is the order of the documentation.

use super::{
    InterceptorKind, host, regex_extractor, regex_filter, remove_header, search_replace, static_,
    timestamp, uuid,
};
use crate::config::keys::{KeySpec, Scope};
use crate::config::kind::{Family, Judgement, Kind};

/// The kinds of interceptor.
pub static INTERCEPTORS: &[InterceptorKind] = &[
    timestamp::KIND,
    host::KIND,
    static_::KIND,
    remove_header::KIND,
    uuid::KIND,
    search_replace::KIND,
    regex_filter::KIND,
    regex_extractor::KIND,
];

impl Kind for InterceptorKind {
    fn family(&self) -> Family {
        Family::Interceptor
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
        (self.read)(scope).map(|_| Judgement::default())
    }
}
