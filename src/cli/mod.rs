//! The command line: one file a command, and this one to choose among them.
//!
//! The commands are `clap`'s. What stands behind `agent` and `consumer` is Flume's command line, which `clap` cannot spell
//! (`-name a1`), so those words are handed on as they are (`commons_cli.rs`). Under the name `flume-ng` the binary answers as
//! Flume's script does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program prints")]

mod agent;
mod commons_cli;
mod flume_ng;
mod launch;
mod logging;
mod options;
mod running;
mod signals;
mod surroundings;
mod version;

use clap::{Arg, ArgAction, Command};
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
    match command().try_get_matches_from(words) {
        Ok(matches) => match matches.subcommand() {
            Some((name, matches)) => run(name, &rest(matches)).into(),
            None => Exit::Usage.into(),
        },
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            print(&mut io::stdout(), "");
            drop(error.print());
            exit.into()
        }
    }
}

fn run(name: &str, words: &[String]) -> Exit {
    match name {
        "version" => version::run("Tailwater"),
        _ => agent::run(words),
    }
}

fn command() -> Command {
    Command::new("tailwater")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Apache Flume's agent without the JVM, and the Kafka-to-MySQL consumer behind it.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            handed_on("agent", "Runs an agent from a flume.conf, as `flume-ng agent` does")
                .alias("node")
                .override_help(options::help("agent", options::AGENT)),
        )
        .subcommand(Command::new("version").about("Shows what this is and what it was built from"))
}

/// A command whose words are read by itself.
fn handed_on(name: &'static str, about: &'static str) -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    Command::new(name)
        .about(about)
        .disable_help_flag(true)
        .arg(words.action(ArgAction::Append).hide(true))
}

fn rest(matches: &clap::ArgMatches) -> Vec<String> {
    match matches.try_get_many::<String>("words") {
        Ok(Some(words)) => words.cloned().collect(),
        _ => Vec::new(),
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
