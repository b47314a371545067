//! The command line: one file a command, and this one to choose among them.
//!
//! The commands are `clap`'s. What stands behind `agent` and `consumer` is Flume's command line, which `clap` cannot spell
//! (`-name a1`), so those words are handed on as they are (`commons_cli.rs`). Under the name `flume-ng` the binary answers as
//! Flume's script does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program prints")]

mod agent;
mod check;
mod commons_cli;
mod consumer;
mod describe;
mod flume_ng;
mod launch;
mod logging;
mod options;
mod program;
mod quickstart;
mod running;
mod signals;
mod surroundings;
mod version;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or stopped on request.
    Done,
    /// It failed.
    Failed,
    /// It was asked for wrongly, or the configuration starts nothing.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
        }
    }
}

/// Runs the command that the arguments (the program's name first) ask for.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = Vec::new();
    for argument in arguments {
        match argument.into_string() {
            Ok(word) => words.push(word),
            Err(argument) => {
                let shown = argument.to_string_lossy();
                eprintln!(
                    "error: the argument `{shown}` is not UTF-8; next: rename the file it names"
                );
                return Exit::Usage.into();
            }
        }
    }
    let program = words.first().map(Path::new).and_then(Path::file_name);
    if program.is_some_and(|name| name == "flume-ng") {
        return flume_ng::run(words.get(1..).unwrap_or_default()).into();
    }
    match Cli::try_parse_from(words) {
        Ok(cli) => run(cli.command).into(),
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // A reader that has gone away is no reason to fail.
            drop(error.print());
            exit.into()
        }
    }
}

#[derive(Debug, Parser)]
#[command(name = "tailwater", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an agent from a flume.conf, as `flume-ng agent` does
    #[command(visible_alias = "node", disable_help_flag = true, override_help = options::help("agent", options::AGENT))]
    Agent(Words),
    /// Run consumers, from Kafka to a database; `consumer ddl` prints their tables
    #[command(disable_help_flag = true, override_help = options::help("consumer", options::AGENT))]
    Consumer(Words),
    /// Say everything there is to say about a configuration, and start nothing
    Check(check::CheckArgs),
    /// Show the components there are, or one of them with its keys
    Describe(describe::DescribeArgs),
    /// Run the whole main job on this machine, to see it: lines in, rows out, a kill in between
    Quickstart(quickstart::QuickstartArgs),
    /// Show what this is and what it was built from
    Version,
}

/// Words that are read by the command itself.
#[derive(Args, Debug)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

fn run(command: Command) -> Exit {
    match command {
        Command::Agent(Words { words }) => agent::run(&words),
        Command::Consumer(Words { words }) => consumer::run(&words),
        Command::Check(args) => check::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Quickstart(args) => quickstart::run(&args),
        Command::Version => version::run("Tailwater"),
    }
}

/// Prints; a reader that has gone away (`| head`) is no reason to panic.
pub(crate) fn print(out: &mut dyn Write, text: &str) {
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("cannot print: {error}");
    }
}

/// Says on stderr why nothing was done.
pub(crate) fn refuse(what: &str, next: &str) -> Exit {
    eprintln!("error: {what}\n  next: {next}");
    Exit::Usage
}
