//! What operators type: `scripts/flume-ng` and `scripts/start-agent.sh`, and what their service units rely on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::scene::{self, shown};
use crate::script;
use crate::wait::until_true;

#[test]
fn flume_ng_takes_what_flume_s_own_script_takes() {
    let Some(scene) = scene::enter("flume_ng") else { return };
    let conf = scene.folder("conf");
    std::fs::write(conf.join("flume-env.sh"), "JAVA_OPTS=\"-Xmx100m -Dfrom.env=1 -server\"\n")
        .unwrap();
    let output = flume_ng(&[
        "agent",
        "-n",
        "a1",
        "-c",
        &shown(&conf),
        "-f",
        "a b.conf",
        "-Dkey=two words",
        "-C",
        "x.jar",
        "-agentlib:jdwp",
        "--plugins-path",
        "p",
        "-Xms5m",
        "--no-reload-conf",
        "--dryrun",
    ]);
    let said = text(&output);
    assert!(output.status.success(), "{}", script::shown(&output));
    let conf = shown(&conf);
    let expected = format!(
        r"agent --conf {conf} -Xmx100m -Dfrom.env=1 -Dkey=two\ words -Xms5m -n a1 -f a\ b.conf --no-reload-conf"
    );
    assert!(said.trim_end().ends_with(&expected), "{said}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("Info: Sourcing environment configuration script"), "{told}");
}

#[test]
fn flume_ng_refuses_what_flume_s_own_script_refuses() {
    let Some(_scene) = scene::enter("flume_ng_refuses") else { return };
    for (arguments, said) in [
        (&["nonsense"][..], "Error: Unknown or unspecified command 'nonsense'"),
        (&[], "Error: Unknown or unspecified command ''"),
        (&["agent", "-c"], "Error: Option --conf requires an argument"),
        (&["agent", "-C"], "Error: Option --classpath requires an argument"),
    ] {
        let output = flume_ng(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(said),
            "{}",
            script::shown(&output)
        );
    }
    assert!(flume_ng(&["help"]).status.success());
    let version = flume_ng(&["version"]);
    assert!(version.status.success());
    assert!(version.stderr.is_empty(), "version is quiet: {}", script::shown(&version));
}

#[test]
fn a_config_reads_what_flume_env_sh_exports_and_files_are_merged_in_order() {
    let Some(scene) = scene::enter("flume_env") else { return };
    let conf = scene.folder("conf");
    std::fs::write(conf.join("flume-env.sh"), "export WHERE=env-out\n").unwrap();
    let out = scene.folder("env-out");
    let first = scene.file("first.conf", &seq_to_files(&shown(&scene.path("not-there"))));
    let second =
        format!("a1.sinks.k1.sink.directory = {}/${{env:WHERE}}\n", shown(&scene.path("")));
    let second = scene.file("second.conf", &second);
    let mut agent = Command::new(script::path("flume-ng"))
        .env("TAILWATER_BIN", env!("CARGO_BIN_EXE_tailwater"))
        .args(["agent", "--name=a1", "-c"])
        .arg(&conf)
        .arg("-f")
        .arg(&first)
        .arg("-f")
        .arg(&second)
        .spawn()
        .unwrap();
    until_true("numbers appear where the second file says", Duration::from_secs(30), || {
        has_bytes(&out)
    });
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn an_agent_that_is_not_in_the_file_exits_2() {
    let Some(scene) = scene::enter("no_such_agent") else { return };
    let conf = scene.file("a.conf", &seq_to_files(&shown(&scene.folder("out"))));
    let output = flume_ng(&["agent", "-n", "a2", "-c", "conf", "-f", &shown(&conf)]);
    assert_eq!(output.status.code(), Some(2), "{}", script::shown(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a2"), "{}", script::shown(&output));
}

#[test]
fn start_agent_tells_whether_the_agent_works() {
    let Some(scene) = scene::enter("start_agent") else { return };
    let out = scene.folder("out");
    let conf = scene.file("a.conf", &seq_to_files(&shown(&out)));
    let runner = Runner { run_dir: scene.folder("run"), conf };

    assert_eq!(runner.run("status").0, 3, "nothing runs yet");
    let (code, said) = runner.run("start");
    assert_eq!(code, 0, "{said}");
    until_true("it writes", Duration::from_secs(30), || has_bytes(&out));
    let (code, said) = runner.run("status");
    assert_eq!(code, 0, "{said}");
    let pid = runner.pid();
    let (code, said) = runner.run("start");
    assert_eq!((code, runner.pid()), (0, pid.clone()), "a second start starts nothing: {said}");

    let (code, said) = runner.run("restart");
    assert_eq!(code, 0, "{said}");
    assert_ne!(runner.pid(), pid);
    crate::broker::kill_hard(&runner.pid());
    until_true("it is dead", Duration::from_secs(10), || runner.run("status").0 == 1);

    let (code, said) = runner.run("start");
    assert_eq!(code, 0, "over a dead one's pid file: {said}");
    let (code, said) = runner.run("stop");
    assert_eq!(code, 0, "{said}");
    assert_eq!(runner.run("status").0, 3);
    assert_eq!(runner.run("stop").0, 0, "nothing to stop is no failure");
}

#[test]
fn start_agent_shows_why_an_agent_did_not_start() {
    let Some(scene) = scene::enter("start_agent_fails") else { return };
    let conf = seq_to_files("x").replace("type = seq", "type = nonsense");
    let conf = scene.file("a.conf", &conf);
    let runner = Runner { run_dir: scene.folder("run"), conf };
    let (code, said) = runner.run("start");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("ended with status 2") && said.contains("nonsense"), "{said}");
    assert_eq!(runner.run("status").0, 3);
}

/// `start-agent.sh` for the agent `a1` of one configuration.
struct Runner {
    run_dir: PathBuf,
    conf: PathBuf,
}

impl Runner {
    fn run(&self, action: &str) -> (i32, String) {
        let output = Command::new(script::path("start-agent.sh"))
            .env("TAILWATER_BIN", env!("CARGO_BIN_EXE_tailwater"))
            .env("FLUME_RUN_DIR", &self.run_dir)
            .args([action, "a1"])
            .arg(&self.conf)
            .output()
            .unwrap();
        (output.status.code().unwrap(), script::shown(&output))
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.run_dir.join("a1.pid")).unwrap().trim().to_owned()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.run("stop");
    }
}

fn flume_ng(arguments: &[&str]) -> Output {
    Command::new(script::path("flume-ng"))
        .env("TAILWATER_BIN", env!("CARGO_BIN_EXE_tailwater"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Numbers, into files of a folder.
fn seq_to_files(folder: &str) -> String {
    format!(
        "a1.sources = r1\na1.channels = c1\na1.sinks = k1\n\
         a1.sources.r1.type = seq\na1.sources.r1.channels = c1\n\
         a1.channels.c1.type = memory\n\
         a1.sinks.k1.type = file_roll\na1.sinks.k1.channel = c1\na1.sinks.k1.sink.directory = {folder}\n"
    )
}

fn has_bytes(folder: &Path) -> bool {
    std::fs::read_dir(folder)
        .unwrap()
        .any(|file| file.unwrap().metadata().is_ok_and(|file| file.len() > 0))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
