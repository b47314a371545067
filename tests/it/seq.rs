//! The sequence generator: it counts, in batches, to its end, and counts nothing twice.

use crate::support::channels::{ListChannel, Rules};
use crate::support::clock::HandClock;
use crate::support::parts::read;
use crate::support::sources::Around;
use std::sync::Arc;
use std::time::Duration;
use tailwater::channel::ChannelError;
use tailwater::component::Pass;
use tailwater::config::kind::Family;
use tailwater::source::registry::SOURCES;
use tailwater::source::{PollableSource, Source};

fn seq(
    given: &[(&str, &str)],
    around: &Around,
    channel: &Arc<ListChannel>,
) -> Box<dyn PollableSource> {
    let kind = SOURCES.iter().find(|kind| kind.names.contains(&"seq")).unwrap();
    let (start, said) = read(Family::Source, given, kind.read);
    assert!(said.is_empty(), "{said:?}");
    let out = around.processor(std::slice::from_ref(channel));
    match start.unwrap().start(&around.context(), out) {
        Ok(Source::Pollable(source)) => source,
        _ => panic!("seq is driven by its runner"),
    }
}

#[test]
fn it_counts_in_batches_to_its_end() {
    let around = Around::new(Arc::new(HandClock::default()));
    let channel = ListChannel::new("c1", Rules::default());
    let mut seq = seq(&[("batchSize", "3"), ("totalEvents", "7")], &around, &channel);
    let passes: Vec<_> = (0..4).map(|_| seq.process().unwrap()).collect();
    assert_eq!(passes, [Pass::Ready, Pass::Ready, Pass::Ready, Pass::Backoff]);
    assert_eq!(channel.bodies(), ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(channel.frames().len(), 3);
    seq.close(Duration::ZERO);
}

#[test]
fn a_batch_that_no_channel_took_is_counted_again() {
    let around = Around::new(Arc::new(HandClock::default()));
    let broken = ChannelError::Broken { channel: "c1".into(), why: "EIO".into() };
    let rules = Rules { refusals: [broken].into(), ..Rules::default() };
    let channel = ListChannel::new("c1", rules);
    let mut seq = seq(&[("batchSize", "2")], &around, &channel);
    assert!(seq.process().is_err());
    seq.process().unwrap();
    assert_eq!(channel.bodies(), ["0", "1"]);
}
