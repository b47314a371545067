//! Every kind of sink, of sink processor and of serializer there is. The order of the rows is the order of the
//! documentation.

use super::processor::{ProcessorKind, default, failover, load_balance};
use super::serializer::SerializerKind;
use super::{SinkKind, file_roll, kafka, logger, null};
use crate::config::keys::{KeySpec, Scope};
use crate::config::kind::{Family, Judgement, Kind};
use crate::event::ComponentName;

/// The kinds of sink.
pub static SINKS: &[SinkKind] = &[kafka::KIND, logger::KIND, null::KIND, file_roll::KIND];

/// The kinds of sink processor.
pub static PROCESSORS: &[ProcessorKind] = &[default::KIND, failover::KIND, load_balance::KIND];

pub use super::serializer::SERIALIZERS;

impl Kind for SinkKind {
    fn family(&self) -> Family {
        Family::Sink
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

impl Kind for ProcessorKind {
    fn family(&self) -> Family {
        Family::Processor
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
        let sinks: Vec<_> =
            scope.connected().iter().map(|name| ComponentName::from(name.as_str())).collect();
        (self.read)(scope, &sinks).map(|_| Judgement::default())
    }
}

impl Kind for SerializerKind {
    fn family(&self) -> Family {
        Family::Serializer
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
