//! The sequence generator: events that count from 0, for trying out and for measuring.

use super::processor::ChannelProcessor;
use super::{BackOff, PollableSource, Source, SourceKind, StartSource};
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::keys;
use crate::config::value::{Count, Millis};
use crate::event::{BatchBuilder, Headers, Origin};
use crate::status::happening::{Happening, Teller};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Makes events whose bodies count from 0.
    pub struct SeqSourceConfig = "org.apache.flume.source.SequenceGeneratorSource" {
        /// Events in one batch.
        "batchSize" => batch_size: Count = "1",
        /// Events in all.
        "totalEvents" => total_events: i64 = "9223372036854775807",
        /// How much longer each pass without work is followed by a wait.
        "backoffSleepIncrement" => back_off_increment: Millis = "1000",
        /// The longest such wait.
        "maxBackoffSleep" => back_off_max: Millis = "5000",
    }
}

/// The row in the registry.
pub const KIND: SourceKind = SourceKind {
    names: &[SeqSourceConfig::TYPE, "seq"],
    about: SeqSourceConfig::ABOUT,
    keys: SeqSourceConfig::KEYS,
    read: |scope| Some(Box::new(SeqSourceConfig::read(scope)?)),
};

impl StartSource for SeqSourceConfig {
    fn start(&self, context: &Context, out: ChannelProcessor) -> Result<Source, StartError> {
        context.teller.register(out.counters().clone());
        let increment = self.back_off_increment.duration();
        Ok(Source::Pollable(Box::new(SeqSource {
            out,
            teller: context.teller.clone(),
            headers: Arc::default(),
            batch_size: self.batch_size.get(),
            next: 0,
            end: u64::try_from(self.total_events).unwrap_or(0),
            back_off: BackOff { increment, max: self.back_off_max.duration() },
        })))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.batch_size.get()).ok()
    }
}

struct SeqSource {
    out: ChannelProcessor,
    teller: Teller,
    headers: Arc<Headers>,
    batch_size: usize,
    /// The first number that no channel has.
    next: u64,
    end: u64,
    back_off: BackOff,
}

impl PollableSource for SeqSource {
    fn process(&mut self) -> Result<Pass, Failure> {
        let wanted = u64::try_from(self.batch_size).unwrap_or(u64::MAX);
        let past = self.end.min(self.next.saturating_add(wanted));
        if self.next == past {
            return Ok(Pass::Backoff);
        }
        let mut batch = BatchBuilder::new();
        let mut body = Vec::with_capacity(20);
        for number in self.next..past {
            body.clear();
            write!(body, "{number}").expect("writing to a Vec does not fail");
            batch.push(&self.headers, &body);
        }
        self.out.put(batch.build(Origin::default()))?;
        self.next = past;
        Ok(Pass::Ready)
    }

    fn back_off(&self) -> BackOff {
        self.back_off
    }

    fn close(&mut self, _bound: Duration) {
        if let Err(failure) = self.out.flush() {
            let happening = Happening::error("not-durable", failure.to_string());
            let effect = "the last numbers may not be in their channels";
            self.teller.tell(happening.effect(effect).next("the next start counts from 0 again"));
        }
    }
}
