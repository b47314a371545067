//! The binary under the name `flume-ng`: the first word is the command, as Flume's script has it.

use super::{Exit, agent, print, version};
use std::env;
use std::io;
use std::path::Path;

const USAGE: &str = "\
Usage: flume-ng <command> [options]...

commands:
  help                      display this help text
  agent                     run a Flume agent
  avro-client               run an avro Flume client
  tool                      run a Flume tool
  version                   show Flume version info

`tailwater help agent` lists the options of agent.
";

/// Runs Flume's command line.
pub(super) fn run(words: &[String]) -> Exit {
    let (command, rest) = match words {
        [command, rest @ ..] => (command.as_str(), rest),
        [] => ("", words),
    };
    match command {
        "help" => {
            print(&mut io::stdout(), USAGE);
            Exit::Done
        }
        "agent" => agent::run(&as_the_script_would(rest)),
        "node" => {
            eprintln!("Warning: The \"node\" command is deprecated. Please use \"agent\" instead.");
            agent::run(&as_the_script_would(rest))
        }
        "version" => version::run("Flume"),
        "avro-client" | "tool" => {
            eprintln!("Error: `flume-ng {command}` cannot be had here; use that of Apache Flume");
            Exit::Failed
        }
        other => {
            eprintln!("Error: Unknown or unspecified command '{other}'");
            print(&mut io::stdout(), &format!("\n{USAGE}"));
            Exit::Failed
        }
    }
}

/// What the script adds and this cannot: `FLUME_JAVA_OPTS` is read; a `flume-env.sh` is a shell's to source, which is said.
fn as_the_script_would(words: &[String]) -> Vec<String> {
    let conf = words.iter().position(|word| word == "-c" || word == "--conf");
    let conf = conf.and_then(|at| words.get(at + 1)).map(Path::new);
    if let Some(script) = conf.map(|conf| conf.join("flume-env.sh")).filter(|path| path.is_file()) {
        let script = script.display();
        eprintln!(
            "Warning: {script} is not sourced by the binary; start it by scripts/flume-ng, which does that."
        );
    }
    let options = env::var_os("FLUME_JAVA_OPTS").unwrap_or_default();
    let options = options.to_string_lossy();
    let known = |word: &&str| word.starts_with("-D") || word.starts_with("-X");
    let mut all: Vec<_> = options.split_whitespace().filter(known).map(str::to_owned).collect();
    all.extend_from_slice(words);
    all
}
