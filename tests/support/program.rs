//! The real binary as a child process: what it says is read line by line, and waiting is waiting for a line.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a line may take to come. A machine that runs other tests too needs the most of it.
const LINE_WITHIN: Duration = Duration::from_mins(1);

/// A running `tailwater`.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

/// `tailwater` with these words, to its end.
pub fn tailwater(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailwater")).args(words).output().unwrap()
}

/// What a finished program printed, both streams.
pub fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Writes a configuration, and says where.
pub fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

impl Program {
    /// `tailwater agent -n a1 -f CONF` and more words.
    pub fn agent(conf: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        command.args(["agent", "-n", "a1", "-f"]).arg(conf).args(more);
        Self::start(command)
    }

    /// Starts a command and listens to its stderr.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line with this text and returns it.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(LINE_WITHIN) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => panic!("it never said {text:?} ({why}):\n{}", self.said.join("\n")),
            }
        }
    }

    /// What was said up to the line last waited for.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Where its status page is, once it has said so.
    #[track_caller]
    pub fn address(&mut self) -> String {
        let line = self.says("status page at http://");
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM, and how it ended; everything it said until then is in `said`.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        self.said.extend(self.lines.iter());
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `GET path`: the status and the body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
