//! Every kind of interceptor there is. The order of the rows is the order of the documentation.

use super::{
    InterceptorKind, host, regex_extractor, regex_filter, remove_header, search_replace, static_,
    timestamp, uuid,
};
use crate::config::kind::{Judgement, kind};

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

kind!(InterceptorKind, Interceptor, |row, scope| (row.read)(scope).map(|_| Judgement::default()));
