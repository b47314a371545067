//! The exec source: the lines that a command writes.
//!
//! A command cannot be asked again, so what it said and no channel took is lost; where that happens it is told. Unlike
//! Flume's, the source does not die of a full channel: it waits, and the command with it. A command that ends is told, with
//! its exit code, and started again if `restart` says so.

mod child;
mod lines;

use super::processor::ChannelProcessor;
use super::{EventDrivenSource, Source, SourceKind, StartSource};
use crate::channel::BatchLimit;
use crate::clock::Stop;
use crate::component::{Context, Failure, StartError};
use crate::config::charset::Charset;
use crate::config::keys::{Scope, keys};
use crate::config::value::{Count, Millis};
use crate::event::{BatchBuilder, Headers, Origin};
use crate::status::happening::{Happening, Teller};
use child::Child;
use lines::{LINE_BYTES_MAX, Lines};
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Runs a command and makes an event of each line it writes.
    pub struct ExecConfig = "org.apache.flume.source.ExecSource" {
        /// The command. Without `shell` it is split at blanks: no quotes, no pipes, no variables.
        "command" => command: String,
        /// A shell that is given the command, such as `/bin/bash -c`.
        "shell" => shell: Option<String>,
        /// Whether the command is started again when it ends.
        "restart" => restart: bool = "false",
        /// How long after its end it is started again.
        "restartThrottle" => restart_throttle: Millis = "10000",
        /// Whether what it writes on its standard error is logged.
        "logStdErr" => log_errors: bool = "false",
        /// Lines after which a batch is put.
        "batchSize" => batch_size: Count = "20",
        /// How long lines wait for a batch to fill.
        "batchTimeout" => batch_timeout: Millis = "3000",
        /// The character set of the lines.
        "charset" => charset: Charset = "UTF-8",
    }
}

/// The row in the registry.
pub const KIND: SourceKind = SourceKind {
    names: &[ExecConfig::TYPE, "exec"],
    about: ExecConfig::ABOUT,
    keys: ExecConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartSource>> {
    let config = ExecConfig::read(scope)?;
    if config.batch_timeout.duration().is_zero() {
        let span = scope.value_span("batchTimeout");
        let remark = scope.error("wrong-value", span, "`batchTimeout` cannot be `0`");
        scope.report(remark.expected("expected milliseconds, 1 or more"));
        return None;
    }
    if !config.charset.keeps_line_ends() {
        let span = scope.value_span("charset");
        let remark =
            scope.error("wrong-value", span, "lines cannot be told apart in this `charset`");
        scope.report(remark.expected("expected a character set that has ASCII in it"));
        return None;
    }
    Some(Box::new(config))
}

/// How long the channels have to make the last lines of a command durable.
const FLUSH_BOUND: Duration = Duration::from_secs(5);

impl StartSource for ExecConfig {
    fn start(&self, context: &Context, out: ChannelProcessor) -> Result<Source, StartError> {
        context.teller.register(out.counters().clone());
        Ok(Source::EventDriven(Box::new(ExecSource {
            words: self.words(),
            limit: out.batch_limit(self.batch_size.get()),
            config: self.clone(),
            teller: context.teller.clone(),
            out,
        })))
    }

    fn batch_size(&self) -> Option<u64> {
        u64::try_from(self.batch_size.get()).ok()
    }
}

impl ExecConfig {
    /// The program and its arguments.
    fn words(&self) -> Vec<String> {
        let split = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
        let Some(shell) = &self.shell else { return split(&self.command) };
        let mut words: Vec<String> = split(shell);
        words.push(self.command.clone());
        words
    }
}

struct ExecSource {
    config: ExecConfig,
    words: Vec<String>,
    limit: BatchLimit,
    teller: Teller,
    out: ChannelProcessor,
}

/// How a command's run ended.
enum End {
    /// By itself, with an exit code.
    Ended(i32),
    /// It was asked to.
    Stopped,
}

impl EventDrivenSource for ExecSource {
    fn run(&mut self, stop: &Stop) -> Result<(), Failure> {
        loop {
            let code = match Child::spawn(&self.words, self.config.log_errors) {
                Ok(child) => match self.hear(child, stop)? {
                    End::Stopped => return Ok(()),
                    End::Ended(code) => code,
                },
                Err(error) => {
                    let what =
                        format!("Failed while running command [{}]: {error}", self.config.command);
                    return Err(Failure::Restart(what));
                }
            };
            let throttle = self.config.restart_throttle.duration();
            let what = format!("Command [{}] exited with {code}", self.config.command);
            if !self.config.restart {
                let next = "set `restart = true` to run it again, or use TAILDIR to follow files";
                let effect = "this source reads nothing more";
                self.teller.tell(Happening::error("command-ended", what).effect(effect).next(next));
                return Ok(());
            }
            let next = format!("Restarting in {}ms, exit code {code}", throttle.as_millis());
            let effect = "what it would have said until then is not read";
            self.teller.tell(Happening::warning("command-ended", what).effect(effect).next(next));
            if stop.wait(throttle) {
                return Ok(());
            }
        }
    }
}

impl ExecSource {
    /// Takes what a command says until it ends, or until asked to stop.
    fn hear(&mut self, mut child: Child, stop: &Stop) -> Result<End, Failure> {
        let mut lines = Lines::default();
        let mut batch = Gathered::new(self.config.charset);
        let timeout = self.config.batch_timeout.duration();
        let mut due = crossbeam_channel::after(timeout);
        loop {
            crossbeam_channel::select! {
                recv(child.output) -> chunk => match chunk {
                    Ok(chunk) => {
                        self.gather(&chunk, &mut lines, &mut batch)?;
                        if batch.builder.len() < self.config.batch_size.get() {
                            continue;
                        }
                    }
                    Err(_) => break,
                },
                recv(due) -> _ => {}
                recv(stop.signal()) -> _ => return self.stop(child, lines, batch),
            }
            self.put(&mut batch)?;
            due = crossbeam_channel::after(timeout);
        }
        self.last_words(&mut lines, &mut batch)?;
        match child.ended(stop) {
            Some(code) => Ok(End::Ended(code)),
            None if stop.is_requested() => self.stop(child, lines, batch),
            // It closed its output and goes on: nobody hears it any more.
            None => Ok(End::Ended(child.end(drop).unwrap_or(-1))),
        }
    }

    /// Ends the command and takes what it says until then.
    fn stop(
        &mut self,
        child: Child,
        mut lines: Lines,
        mut batch: Gathered,
    ) -> Result<End, Failure> {
        let mut heard = Ok(());
        let ended = child.end(|chunk| {
            if heard.is_ok() {
                heard = self.gather(&chunk, &mut lines, &mut batch);
            }
        });
        heard?;
        self.last_words(&mut lines, &mut batch)?;
        if ended.is_none() {
            let what =
                format!("Command [{}] did not end when it was asked to", self.config.command);
            let effect = "it and what it started were killed";
            self.teller.tell(
                Happening::warning("command-killed", what)
                    .effect(effect)
                    .next("see why it does not heed SIGTERM"),
            );
        }
        Ok(End::Stopped)
    }

    /// The lines of a chunk. Puts where a batch can hold no more.
    fn gather(
        &mut self,
        chunk: &[u8],
        lines: &mut Lines,
        batch: &mut Gathered,
    ) -> Result<(), Failure> {
        let mut rest = chunk;
        let cut = lines.cut;
        while let Some(line) = lines.next(&mut rest) {
            batch.push(line);
            if batch.is_full(self.limit) {
                self.put(batch)?;
            }
        }
        if lines.cut > cut {
            let what = format!("a line of more than {LINE_BYTES_MAX} bytes");
            let effect = "it is cut into several events; nothing of it is lost";
            let next = "see whether the command ends its lines";
            self.teller.tell(Happening::warning("line-cut", what).effect(effect).next(next));
        }
        Ok(())
    }

    /// What is left when the output has ended.
    fn last_words(&mut self, lines: &mut Lines, batch: &mut Gathered) -> Result<(), Failure> {
        if let Some(line) = lines.last() {
            batch.push(line);
        }
        self.put(batch)?;
        match self.out.flush_within(FLUSH_BOUND) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Later("the channels do not say that they have them".into())),
            Err(failure) => Err(failure),
        }
        .inspect_err(|failure| self.tell_lost("the last", failure))
    }

    fn put(&mut self, batch: &mut Gathered) -> Result<(), Failure> {
        let gathered = std::mem::take(&mut batch.builder);
        if gathered.is_empty() {
            return Ok(());
        }
        let count = gathered.len();
        let put = self.out.put(gathered.build(Origin::default()));
        put.inspect_err(|failure| self.tell_lost(&count.to_string(), failure))
    }

    fn tell_lost(&self, count: &str, failure: &Failure) {
        let what = format!(
            "{count} lines of [{}] may not be in every channel: {failure}",
            self.config.command
        );
        let effect = "a command cannot be asked again: they may be lost";
        let next = "follow files with TAILDIR, which can";
        self.teller.tell(Happening::error("lines-lost", what).effect(effect).next(next));
    }
}

/// Lines that are not put yet.
struct Gathered {
    builder: BatchBuilder,
    headers: Arc<Headers>,
    charset: Charset,
}

impl Gathered {
    fn new(charset: Charset) -> Self {
        Self { builder: BatchBuilder::new(), headers: Arc::default(), charset }
    }

    fn push(&mut self, line: &[u8]) {
        self.builder.push(&self.headers, &self.charset.normalised(line));
    }

    fn is_full(&self, limit: BatchLimit) -> bool {
        let bytes = u64::try_from(self.builder.body_bytes()).unwrap_or(u64::MAX);
        self.builder.len() >= limit.events || bytes >= limit.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{ExecConfig, read};
    use crate::config::scope::Scope;

    fn words(given: &[(&str, &str)]) -> Vec<String> {
        Scope::for_test(given, ExecConfig::read).0.unwrap().words()
    }

    #[test]
    fn a_command_is_split_at_blanks_and_a_shell_is_given_the_whole() {
        let command = ("command", "tail  -F \t'/var/log/a b'");
        assert_eq!(words(&[command]), ["tail", "-F", "'/var/log/a", "b'"]);
        assert_eq!(words(&[command, ("shell", "/bin/sh  -c")]), ["/bin/sh", "-c", command.1]);
    }

    #[test]
    fn what_flume_fails_at_when_it_runs_is_refused_when_it_is_read() {
        for (key, value) in [("batchTimeout", "0"), ("charset", "UTF-16"), ("charset", "nonsense")]
        {
            let (start, said) = Scope::for_test(&[("command", "x"), (key, value)], read);
            assert!(start.is_none() && said[0].is_error(), "{key} {value}");
        }
    }
}
