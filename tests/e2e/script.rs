//! Running the project's own scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until_true;

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

/// What it printed; a failure is the test's.
pub(crate) fn run(name: &str, arguments: &[&str]) -> String {
    run_with(name, arguments, &[])
}

pub(crate) fn run_with(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(path(name))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|e| panic!("scripts/{name}: {e}"));
    assert!(output.status.success(), "scripts/{name} {arguments:?}: {}", shown(&output));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// `kill -9` to the server that a script runs. It is gone then, port and all: its script must not take it for running.
pub(crate) fn kill_server(name: &str) {
    let pid = run(name, &["pid"]);
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    until_true(&format!("{name} is gone"), Duration::from_secs(30), || {
        !Command::new(path(name)).arg("pid").output().unwrap().status.success()
    });
}

pub(crate) fn shown(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
