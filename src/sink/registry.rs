//! Every kind of sink, of sink processor and of serializer there is. The order of the rows is the order of the
//! documentation.

use super::processor::{ProcessorKind, default, failover, load_balance};
use super::serializer::SerializerKind;
use super::{SinkKind, file_roll, kafka, logger, null};
use crate::config::kind::{Judgement, kind};
use crate::event::ComponentName;

/// The kinds of sink.
pub static SINKS: &[SinkKind] = &[kafka::KIND, logger::KIND, null::KIND, file_roll::KIND];

/// The kinds of sink processor.
pub static PROCESSORS: &[ProcessorKind] = &[default::KIND, failover::KIND, load_balance::KIND];

pub use super::serializer::SERIALIZERS;

kind!(SinkKind, Sink, |row, scope| (row.read)(scope)
    .map(|start| Judgement { transaction_events: start.batch_size() }));

kind!(ProcessorKind, Processor, |row, scope| {
    let sinks: Vec<_> =
        scope.connected().iter().map(|name| ComponentName::from(name.as_str())).collect();
    (row.read)(scope, &sinks).map(|_| Judgement::default())
});

kind!(SerializerKind, Serializer, |row, scope| (row.read)(scope).map(|_| Judgement::default()));
