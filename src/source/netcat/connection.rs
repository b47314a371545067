//! One client: its lines go to the source, the source's answers back to it, with Flume's words.

use super::text::{Text, Verdict};
use super::{LOOK, Request};
use crate::clock::Stop;
use crate::config::charset::Charset;
use crate::event::{BatchBuilder, Headers, Origin};
use crate::status::happening::{Happening, Teller};
use crossbeam_channel::Sender;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Bytes read at once.
const READ: usize = 16 << 10;
/// How long a client may leave answers unread before its connection is closed.
const ANSWER_BOUND: Duration = Duration::from_secs(30);

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) line_length: usize,
    pub(super) ack: bool,
    pub(super) encoding: Charset,
    pub(super) over: Stop,
    pub(super) teller: Teller,
    pub(super) to_source: Sender<Request>,
}

impl Connection {
    /// Until the client leaves, breaks a rule, or the source ends.
    pub(super) fn serve(mut self) {
        let mut text = Text::new(self.encoding, self.line_length);
        if let Err(error) = self.talk(&mut text) {
            let peer =
                self.stream.peer_addr().map_or_else(|_| "a client".to_owned(), |a| a.to_string());
            let happening = Happening::warning("connection-lost", format!("{peer}: {error}"));
            let effect = "lines without an answer may or may not be in the channels";
            self.teller.tell(happening.effect(effect).next("the client connects again"));
        }
        if text.unfinished() > 0 {
            let what = format!("a client left {} bytes without a line end", text.unfinished());
            let effect = "they are no line and are dropped, as in Flume";
            let next = "the client is to end its last line too";
            self.teller.tell(Happening::warning("line-unfinished", what).effect(effect).next(next));
        }
    }

    fn talk(&mut self, text: &mut Text) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(LOOK))?;
        self.stream.set_write_timeout(Some(ANSWER_BOUND))?;
        let headers = Arc::new(Headers::new());
        let mut buffer = vec![0; READ];
        while !self.over.is_requested() {
            let came = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) if is_nothing(&error) => continue,
                Err(error) => return Err(error),
            };
            let mut lines = BatchBuilder::new();
            let verdict = text.take(came, |line| lines.push(&headers, line.as_bytes()));
            if !lines.is_empty() && !self.hand_over(lines)? {
                return Ok(());
            }
            match verdict {
                Verdict::GoOn => {}
                Verdict::TooLong => return self.refuse(text),
                Verdict::NotText => {
                    let what = "a client sent bytes that are not of the character set";
                    let effect = "its connection is closed, as in Flume; the lines before count";
                    let next = "`encoding` is to name the client's character set";
                    self.teller
                        .tell(Happening::warning("not-text", what).effect(effect).next(next));
                    *text = Text::new(self.encoding, self.line_length);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Gives lines to the source and the client its answer. False when the source has ended.
    fn hand_over(&mut self, lines: BatchBuilder) -> io::Result<bool> {
        let count = lines.len();
        let (answer, answered) = crossbeam_channel::bounded(1);
        let request = Request { lines: lines.build(Origin::default()), answer };
        if self.to_source.send(request).is_err() {
            return Ok(false);
        }
        // The source answers everything it has taken, or ends and drops it.
        let Ok(outcome) = answered.recv() else { return Ok(false) };
        match outcome {
            Ok(()) if self.ack => self.say(&"OK\n".repeat(count))?,
            Ok(()) => {}
            Err(why) => {
                let why = why.replace(['\n', '\r'], " ");
                self.say(&format!("FAILED: {why}\n").repeat(count))?;
            }
        }
        Ok(true)
    }

    /// Flume's answer to a line that is too long.
    fn refuse(&mut self, text: &mut Text) -> io::Result<()> {
        let length = self.line_length;
        let what = format!("a client sent a line of {length} characters or more");
        let effect = "the line is refused and the connection closed, as in Flume";
        let next = "raise `max-line-length`";
        self.teller.tell(Happening::warning("line-too-long", what).effect(effect).next(next));
        *text = Text::new(self.encoding, self.line_length);
        self.say(&format!(
            "FAILED: Event exceeds the maximum length ({length} chars, including newline)\n"
        ))?;
        self.stream.shutdown(std::net::Shutdown::Write)?;
        // What is still on its way is read and dropped, or the kernel would throw the answer away with it.
        let mut rest = vec![0; READ];
        for _ in 0..ANSWER_BOUND.as_millis() / LOOK.as_millis() {
            match self.stream.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_nothing(&error) && !self.over.is_requested() => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn say(&mut self, words: &str) -> io::Result<()> {
        self.stream.write_all(&self.encoding.encode(words))
    }
}

/// Whether a read came back because nothing was there.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
