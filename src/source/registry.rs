//! Every kind of source there is. The order of the rows is the order of the documentation.

use super::{SourceKind, exec, netcat, seq, taildir};
use crate::config::kind::{Judgement, kind};

/// The kinds of source.
pub static SOURCES: &[SourceKind] = &[taildir::KIND, exec::KIND, netcat::KIND, seq::KIND];

kind!(SourceKind, Source, |row, scope| (row.read)(scope)
    .map(|start| Judgement { transaction_events: start.batch_size() }));
