//! What stands around a source under test: a processor over channels of the test's own.

use super::channels::ListChannel;
use std::sync::{Arc, Mutex};
use tailwater::channel::Channel;
use tailwater::clock::{Clock, Stop};
use tailwater::component::Context;
use tailwater::event::{Batch, Event, Origin, SourceId};
use tailwater::interceptor::Interceptor;
use tailwater::selector::{ChannelSelector, Marks, Route};
use tailwater::source::processor::{ChannelProcessor, Parts, SetAside};
use tailwater::status::counters::SourceCounters;
use tailwater::status::happening::Telling;

/// Which channels an event goes to.
#[derive(Clone, Debug)]
pub enum Choose {
    /// All; those listed are optional.
    All { optional: Vec<usize> },
    /// The one whose number is the body's last digit, modulo the number of channels.
    ByDigit,
    /// Batches in turn.
    InTurn,
}

struct Chooser {
    choose: Choose,
    channels: usize,
    turn: usize,
}

impl ChannelSelector for Chooser {
    fn select(&mut self, batch: Batch) -> Vec<Route> {
        let required = self.required();
        match &self.choose {
            Choose::All { .. } => (0..self.channels)
                .map(|channel| Route {
                    channel,
                    required: required.contains(&channel),
                    batch: batch.clone(),
                })
                .collect(),
            Choose::ByDigit => {
                let of = |e: Event<'_>| usize::from(e.body.last().copied().unwrap_or(0));
                let chosen = |c| batch.filter(|_, e| of(e) % self.channels == c);
                let routes = (0..self.channels).map(|channel| (channel, chosen(channel)));
                let some = routes.filter(|(_, batch)| !batch.is_empty());
                some.map(|(channel, batch)| Route { channel, required: true, batch }).collect()
            }
            Choose::InTurn => {
                self.turn = (self.turn + 1) % self.channels;
                vec![Route { channel: self.turn, required: true, batch }]
            }
        }
    }

    fn marks(&self) -> Marks {
        if matches!(self.choose, Choose::InTurn) { Marks::Union } else { Marks::Each }
    }

    fn required(&self) -> Vec<usize> {
        match &self.choose {
            Choose::All { optional } => {
                (0..self.channels).filter(|c| !optional.contains(c)).collect()
            }
            Choose::ByDigit | Choose::InTurn => (0..self.channels).collect(),
        }
    }
}

/// What was set aside: the body and the reason.
pub type Aside = Arc<Mutex<Vec<(String, String)>>>;

struct AsideList(Aside);

impl SetAside for AsideList {
    fn set_aside(&mut self, event: Event<'_>, reason: &str, _: &Origin) -> Result<(), String> {
        let body = String::from_utf8_lossy(event.body).into_owned();
        self.0.lock().unwrap().push((body, reason.to_owned()));
        Ok(())
    }
}

/// A source's surroundings.
pub struct Around {
    pub clock: Arc<dyn Clock>,
    pub telling: Telling,
    pub stop: Stop,
    pub choose: Choose,
    pub plan: u64,
    pub counters: Arc<SourceCounters>,
    pub aside: Aside,
}

impl Around {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            telling: Telling::new(clock.clone()),
            clock,
            stop: Stop::new(),
            choose: Choose::All { optional: Vec::new() },
            plan: 1,
            counters: Arc::default(),
            aside: Arc::default(),
        }
    }

    pub fn context(&self) -> Context {
        Context {
            agent: "a1".into(),
            name: "r1".into(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            teller: self.telling.of("source", &"r1".into()),
        }
    }

    pub fn processor(&self, channels: &[Arc<ListChannel>]) -> ChannelProcessor {
        self.processor_with(channels, Vec::new())
    }

    pub fn processor_with(
        &self,
        channels: &[Arc<ListChannel>],
        interceptors: Vec<Box<dyn Interceptor>>,
    ) -> ChannelProcessor {
        let selector = Chooser { choose: self.choose.clone(), channels: channels.len(), turn: 0 };
        ChannelProcessor::new(Parts {
            source: SourceId { name: "r1".into(), plan: self.plan },
            interceptors,
            selector: Box::new(selector),
            channels: channels.iter().map(|c| c.clone() as Arc<dyn Channel>).collect(),
            counters: self.counters.clone(),
            teller: self.telling.of("source", &"r1".into()),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            dead_letters: Box::new(AsideList(self.aside.clone())),
        })
    }

    /// How often the source told `code`.
    pub fn told(&self, code: &'static str) -> u64 {
        self.telling.times("source r1", code)
    }
}
