//! The logger sink: writes each event into the log, exactly as Flume does, for trying out and for runbooks that grep for it.

use super::header_text::HeaderText;
use super::{PASS_WAIT_MAX, Sink, SinkKind, StartSink};
use crate::channel::{BatchLimit, Channel};
use crate::component::{Context, Failure, Pass, StartError};
use crate::config::keys::keys;
use crate::event::Event;
use crate::status::counters::SinkCounters;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Writes each event into the log, at INFO.
    pub struct LoggerSinkConfig = "org.apache.flume.sink.LoggerSink" {
        /// Bytes of a body that are shown.
        "maxBytesToLog" => max_bytes: usize = "16" or default,
    }
}

/// The row in the registry.
pub const KIND: SinkKind = SinkKind {
    names: &[LoggerSinkConfig::TYPE, "logger"],
    about: LoggerSinkConfig::ABOUT,
    keys: LoggerSinkConfig::KEYS,
    read: |scope| Some(Box::new(LoggerSinkConfig::read(scope)?)),
};

/// The name the lines are logged under: Flume's, since `log4j2.xml` and filters know it.
const TARGET: &str = "org.apache.flume.sink.LoggerSink";
/// Taken at once. Flume takes one; a hundred lines written again after a `kill -9` are not more than its buffer loses.
const LIMIT: BatchLimit = BatchLimit { events: 100, bytes: 4 << 20 };
/// Bytes shown in a line of the dump.
const WIDTH: usize = 16;

impl StartSink for LoggerSinkConfig {
    fn start(
        &self,
        context: &Context,
        channel: Arc<dyn Channel>,
    ) -> Result<Box<dyn Sink>, StartError> {
        let counters = Arc::new(SinkCounters::default());
        context.teller.register(counters.clone());
        Ok(Box::new(LoggerSink { channel, counters, max_bytes: self.max_bytes }))
    }

    fn batch_size(&self) -> Option<u64> {
        None
    }
}

struct LoggerSink {
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounters>,
    max_bytes: usize,
}

impl Sink for LoggerSink {
    fn process(&mut self) -> Result<Pass, Failure> {
        let Some(lease) = self.channel.take(LIMIT, PASS_WAIT_MAX)? else {
            self.counters.took(0, LIMIT.events);
            return Ok(Pass::Backoff);
        };
        let events = lease.len();
        self.counters.took(events, LIMIT.events);
        if log::log_enabled!(target: TARGET, log::Level::Info) {
            for event in lease.batches().iter().flat_map(crate::event::Batch::events) {
                log::info!(target: TARGET, "Event: {}", dump(event, self.max_bytes));
            }
        }
        lease.commit()?.wait()?;
        self.counters.event_drain_success.add(events);
        Ok(Pass::Ready)
    }

    fn drain(&mut self, _bound: Duration) {
        // A pass waits for its commit: nothing is ever in flight.
    }
}

/// Flume's `EventHelper.dumpEvent`: headers, then sixteen bytes a line in hexadecimal and as text. The first line has no
/// offset, and the last no line end.
fn dump(event: Event<'_>, max_bytes: usize) -> String {
    let mut text = format!("{{ headers:{} body:", HeaderText(event.headers));
    let shown = event.body.get(..max_bytes).unwrap_or(event.body);
    for (index, line) in shown.chunks(WIDTH).enumerate() {
        if index > 0 {
            write!(text, "\n{:08X}", index * WIDTH).expect("writing to a String does not fail");
        }
        text.push(' ');
        for byte in line {
            write!(text, "{byte:02X} ").expect("writing to a String does not fail");
        }
        text.extend(std::iter::repeat_n("   ", WIDTH - line.len()));
        let printable =
            |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        text.extend(line.iter().map(printable));
    }
    text.push_str(" }");
    text
}

#[cfg(test)]
mod tests {
    use super::dump;
    use crate::event::{Event, Headers};
    use std::sync::Arc;

    fn dumped(headers: &[(&str, &str)], body: &[u8], max_bytes: usize) -> String {
        let headers: Headers =
            headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        dump(Event { headers: &Arc::new(headers), body }, max_bytes)
    }

    /// The lines of real Flume 1.11.
    #[test]
    fn an_event_is_dumped_as_flume_dumps_it() {
        assert_eq!(
            dumped(&[("k", "v"), ("k2", "v2")], b"hello world\r", 16),
            "{ headers:{k=v, k2=v2} body: 68 65 6C 6C 6F 20 77 6F 72 6C 64 0D             hello world. }"
        );
        assert_eq!(dumped(&[], b"", 16), "{ headers:{} body: }");
        assert_eq!(
            dumped(&[], b"abc", 16),
            format!("{{ headers:{{}} body: 61 62 63 {}abc }}", " ".repeat(39))
        );
    }

    #[test]
    fn as_many_bytes_are_shown_as_the_key_says() {
        let body = b"0123456789abcdef0123456789abcdef01234567 and more";
        assert_eq!(
            dumped(&[("k", "v")], body, 40),
            "{ headers:{k=v} body: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n\
             00000010 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n\
             00000020 30 31 32 33 34 35 36 37                         01234567 }"
        );
        assert_eq!(dumped(&[], body, 0), "{ headers:{} body: }");
    }
}
