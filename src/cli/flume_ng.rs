//! The binary under the name `flume-ng`: the first word is the command, as Flume's script has it.

use super::{Exit, agent, print, version};
use std::io;

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
        "agent" => agent::run(rest),
        "node" => {
            eprintln!("Warning: The \"node\" command is deprecated. Please use \"agent\" instead.");
            agent::run(rest)
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
