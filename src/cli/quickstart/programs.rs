//! The agent and the consumer as programs of their own: started, watched, killed, stopped.

use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The longest wait for an answer of a program's status server.
const ANSWER: Duration = Duration::from_secs(2);
/// Lines of a program's log that are shown when something went wrong.
const LAST_WORDS: usize = 12;

/// One of the two programs.
pub(super) struct Program {
    mode: &'static str,
    name: &'static str,
    dir: PathBuf,
    child: Child,
}

/// The counters of a program at one moment.
pub(super) struct Counters(Value);

impl Counters {
    /// The number of a component, such as `SOURCE.r1`, under Flume's name.
    pub(super) fn get(&self, component: &str, counter: &str) -> Option<u64> {
        self.0.get(component)?.get(counter)?.as_str()?.parse().ok()
    }
}

impl Program {
    /// Starts `tailwater MODE -n NAME -f DIR/flume.conf`; its log goes to `DIR/MODE.log`.
    pub(super) fn start(
        mode: &'static str,
        name: &'static str,
        dir: &Path,
    ) -> Result<Self, String> {
        let log = dir.join(format!("{mode}.log"));
        let cannot = |why: std::io::Error| format!("cannot start the {mode}: {why}");
        let out = File::options().append(true).create(true).open(&log).map_err(cannot)?;
        let err = out.try_clone().map_err(cannot)?;
        let program = std::env::current_exe().map_err(cannot)?;
        let child = Command::new(program)
            .args([mode, "-n", name, "-f"])
            .arg(dir.join("flume.conf"))
            .arg("--status-file")
            .arg(dir.join(format!("{mode}.status")))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(cannot)?;
        Ok(Self { mode, name, dir: dir.to_path_buf(), child })
    }

    /// An error when it has ended by itself.
    pub(super) fn still_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!(
                "the {} ended by itself ({status}); it said:\n{}",
                self.mode,
                self.last_words()
            )),
            Err(why) => Err(format!("the {} cannot be watched: {why}", self.mode)),
        }
    }

    /// Its counters, when its status server answers.
    pub(super) fn counters(&self) -> Option<Counters> {
        let address =
            std::fs::read_to_string(self.dir.join(format!("{}.status", self.mode))).ok()?;
        let host = address.trim().strip_prefix("http://")?.trim_end_matches('/').to_owned();
        let mut connection = TcpStream::connect(&host).ok()?;
        connection.set_read_timeout(Some(ANSWER)).ok()?;
        let request = format!("GET /metrics.json HTTP/1.0\r\nHost: {host}\r\n\r\n");
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).ok()?;
        let body =
            memchr::memmem::find(&answer, b"\r\n\r\n").and_then(|at| answer.get(at + 4..))?;
        serde_json::from_slice(body).ok().map(Counters)
    }

    /// Kills it with SIGKILL, as the out-of-memory killer would, and starts it again. The pid that was killed.
    pub(super) fn kill_and_start_again(&mut self) -> Result<u32, String> {
        let pid = self.child.id();
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|why| format!("the {} cannot be killed: {why}", self.mode))?;
        *self = Self::start(self.mode, self.name, &self.dir)?;
        Ok(pid)
    }

    /// Asks it to stop with SIGTERM; it must end with exit status 0.
    pub(super) fn finish(mut self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or("a process id that is none")?;
        let asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        asked.map_err(|why| format!("the {} cannot be stopped: {why}", self.mode))?;
        let status = self
            .child
            .wait()
            .map_err(|why| format!("the {} cannot be watched: {why}", self.mode))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the {} stopped with {status}; it said:\n{}", self.mode, self.last_words()))
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join(format!("{}.log", self.mode)))
            .unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(LAST_WORDS);
        let shown: Vec<_> = lines.iter().skip(from).map(|line| format!("    {line}")).collect();
        shown.join("\n")
    }
}

impl Drop for Program {
    /// A demonstration that fails leaves nothing running.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill().and_then(|()| self.child.wait()));
        }
    }
}
