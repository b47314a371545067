//! An agent or consumer, ours or Flume's, as a process: started, watched, ended in either way.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::Scene;
use crate::script;
use crate::wait;

/// A JVM on a busy machine needs the most of it.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(90);

pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

/// `tailwater agent -n a1 -f CONF …`
pub(crate) fn agent(scene: &Scene, name: &str, conf: &Path, more: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(["agent", "-n", "a1", "-f"]).arg(conf).args(more);
    Program::start(scene, name, command)
}

/// `tailwater consumer -n c1 -f CONF`
pub(crate) fn consumer(scene: &Scene, name: &str, conf: &Path) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(["consumer", "-n", "c1", "-f"]).arg(conf);
    Program::start(scene, name, command)
}

/// The real Flume.
pub(crate) fn flume(scene: &Scene, name: &str, conf: &Path) -> Program {
    let mut command = Command::new(script::path("peers/flume"));
    command.args(["agent", "-n", "a1", "-f"]).arg(conf).env("JAVA_OPTS", "-Xmx256m");
    Program::start(scene, name, command)
}

impl Program {
    /// Its output, both streams, goes to `<name>.log` in the test's folder.
    fn start(scene: &Scene, name: &str, mut command: Command) -> Self {
        let log = scene.path(&format!("{name}.log"));
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { name: name.to_owned(), child, log }
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until the log has the text; an end before that is a failure.
    pub(crate) fn says(&mut self, text: &str) {
        wait::until(&format!("{} says {text:?}", self.name.clone()), START, || {
            let said = self.said();
            if said.contains(text) {
                return Ok(());
            }
            self.must_run();
            Err(said.lines().last().unwrap_or("nothing").to_owned())
        });
    }

    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended, {status}:\n{}", self.name, self.said());
        }
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) {
        self.must_run();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.must_run();
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.exit()
    }

    /// Waits for it to end by itself.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait::until(&format!("{name} ends"), STOP, || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
    }

    /// Stopped as an operator stops it, which must be no failure.
    pub(crate) fn stop(self) {
        let (name, log) = (self.name.clone(), self.log.clone());
        let status = self.terminate();
        let said = std::fs::read_to_string(log).unwrap();
        assert!(status.success(), "{name} stopped with {status}:\n{said}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, or ended here: a test that fails must not leave it running.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}
