//! A command that runs: its output in chunks, its errors in the log, its end, and ending it.
//!
//! It has a process group of its own, so that a stop ends what it started too (Flume ends the shell and leaves the rest
//! behind). Its output is read on a thread of its own, which looks every now and then whether anybody still wants it: a
//! grandchild that left the group and keeps the pipe open holds nothing up.

use super::lines::Lines;
use crate::clock::Stop;
use crossbeam_channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Bytes of a chunk of output.
const CHUNK: usize = 64 << 10;
/// Chunks that are read and not yet taken. What is more waits in the pipe, and the command with it.
const CHUNKS_AHEAD: usize = 4;
/// How often a reader looks whether it is still wanted.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// How long a command has to end once it was asked to, before it is killed.
const END_BOUND: Duration = Duration::from_secs(5);

/// A command that runs.
pub(super) struct Child {
    group: Pid,
    /// What it says, until it says nothing more.
    pub(super) output: Receiver<Vec<u8>>,
    ended: Receiver<io::Result<ExitStatus>>,
    has_ended: bool,
    /// Requested when nobody listens any more.
    unwanted: Stop,
    /// Kept open and never written, as Flume does: some commands end when it closes.
    _input: Option<ChildStdin>,
}

impl Child {
    /// Starts a command. `log_errors`: whether what it says on its standard error is logged.
    pub(super) fn spawn(words: &[String], log_errors: bool) -> io::Result<Self> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(io::Error::other("the command is empty"));
        };
        let piped = Stdio::piped;
        let mut command = Command::new(program);
        command.args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).process_group(0);
        let mut process = command.spawn()?;
        let group = Pid::from_child(&process);
        let unwanted = Stop::new();
        let (output, errors) = (process.stdout.take(), process.stderr.take());
        let (sender, chunks) = crossbeam_channel::bounded(CHUNKS_AHEAD);
        let (end, ended) = crossbeam_channel::bounded(1);
        let input = process.stdin.take();
        let child = Self {
            group,
            output: chunks,
            ended,
            has_ended: false,
            unwanted: unwanted.clone(),
            _input: input,
        };
        // From here on dropping `child` ends the command.
        thread("exec-wait", move || drop(end.send(process.wait())))?;
        if let Some(errors) = errors {
            let unwanted = unwanted.clone();
            thread("exec-stderr", move || read_errors(errors, &unwanted, log_errors))?;
        }
        if let Some(output) = output {
            thread("exec-stdout", move || read_output(output, &unwanted, &sender))?;
        }
        Ok(child)
    }

    /// Waits until it has ended by itself. `None` if it has not within the time that an ending command has, or when asked to
    /// stop.
    pub(super) fn ended(&mut self, stop: &Stop) -> Option<i32> {
        let status = crossbeam_channel::select! {
            recv(self.ended) -> status => status.ok(),
            recv(stop.signal()) -> _ => None,
            default(END_BOUND) => None,
        };
        self.has_ended = status.is_some();
        status.as_ref().map(code)
    }

    /// Asks it and everything it started to end, hears it out for as long as an ending command has, and kills what is left.
    /// The exit code, if it ended in time.
    pub(super) fn end(self, mut hear: impl FnMut(Vec<u8>)) -> Option<i32> {
        self.signal(Signal::TERM);
        let deadline = crossbeam_channel::after(END_BOUND);
        loop {
            crossbeam_channel::select! {
                recv(self.output) -> chunk => match chunk {
                    Ok(chunk) => hear(chunk),
                    Err(_) => break,
                },
                recv(deadline) -> _ => return None,
            }
        }
        crossbeam_channel::select! {
            recv(self.ended) -> status => status.ok().as_ref().map(code),
            recv(deadline) -> _ => None,
        }
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => log::debug!("cannot signal the group of a command: {error}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.unwanted.request();
        // What a command that ended by itself left running is its own affair.
        if !self.has_ended {
            self.signal(Signal::KILL);
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// The exit code as Java counts it: 128 and the signal for a command that was killed; -1 if it cannot be known.
fn code(status: &io::Result<ExitStatus>) -> i32 {
    let Ok(status) = status else { return -1 };
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Reads what there is, `None` at the end, or when nobody wants it any more.
fn read_some(pipe: &mut (impl Read + AsFd), unwanted: &Stop) -> Option<Vec<u8>> {
    loop {
        if unwanted.is_requested() {
            return None;
        }
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => {
                log::debug!("cannot wait for the output of a command: {error}");
                return None;
            }
        }
        let mut chunk = vec![0; CHUNK];
        match pipe.read(&mut chunk) {
            Ok(0) => return None,
            Ok(read) => {
                chunk.truncate(read);
                return Some(chunk);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                log::debug!("cannot read the output of a command: {error}");
                return None;
            }
        }
    }
}

fn read_output(mut pipe: impl Read + AsFd, unwanted: &Stop, to: &Sender<Vec<u8>>) {
    while let Some(chunk) = read_some(&mut pipe, unwanted) {
        if to.send(chunk).is_err() {
            return;
        }
    }
}

fn read_errors(mut pipe: impl Read + AsFd, unwanted: &Stop, log: bool) {
    let mut lines = Lines::default();
    let mut number = 0_u64;
    let mut write = |line: &[u8]| {
        number += 1;
        let text = String::from_utf8_lossy(line);
        log::info!(target: "org.apache.flume.source.ExecSource", "StderrLogger[{number}] = '{text}'");
    };
    while let Some(chunk) = read_some(&mut pipe, unwanted) {
        let mut rest = chunk.as_slice();
        while log && let Some(line) = lines.next(&mut rest) {
            write(line);
        }
    }
    if let Some(line) = lines.last() {
        write(line);
    }
}
