//! The processor of a sink that stands alone: it passes everything through.

use super::{ProcessorKind, SinkProcessor, StartProcessor};
use crate::component::{Context, Failure, Pass};
use crate::config::keys::{Scope, keys};
use crate::event::ComponentName;
use crate::sink::Sink;

keys! {
    /// Runs the one sink of its group, as a sink without a group is run.
    pub struct DefaultProcessorConfig = "org.apache.flume.sink.DefaultSinkProcessor" {
    }
}

/// The row in the registry.
pub const KIND: ProcessorKind = ProcessorKind {
    names: &[DefaultProcessorConfig::TYPE, "default"],
    about: DefaultProcessorConfig::ABOUT,
    keys: DefaultProcessorConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>, sinks: &[ComponentName]) -> Option<Box<dyn StartProcessor>> {
    DefaultProcessorConfig::read(scope)?;
    if sinks.len() != 1 {
        let message = format!(
            "the `default` processor runs one sink, and `{}` has {}",
            scope.component(),
            sinks.len()
        );
        let remark = scope.error("wrong-sinks", scope.place(), message);
        scope.report(
            remark
                .expected("expected `failover` or `load_balance`")
                .help("choose a processor for several sinks, or take the sinks out of the group"),
        );
        return None;
    }
    Some(Box::new(StartDefault))
}

/// Needs nothing, so a sink without a group has it too.
#[derive(Debug)]
pub struct StartDefault;

impl StartProcessor for StartDefault {
    fn start(&self, _context: &Context, _sinks: &[ComponentName]) -> Box<dyn SinkProcessor> {
        Box::new(Default)
    }
}

struct Default;

impl SinkProcessor for Default {
    fn process(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<Pass, Failure> {
        sinks.first_mut().map_or(Ok(Pass::Backoff), |sink| sink.process())
    }
}
