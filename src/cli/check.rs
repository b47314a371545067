//! `tailwater check`: everything that is to be said about a configuration, without starting anything.

use super::{Exit, print, surroundings};
use crate::agent;
use crate::config::check::{Answer, Format, Question, check, check_plan};
use crate::config::files::Text;
use crate::config::surroundings::Surroundings;
use clap::{Args, ValueEnum};
use std::io;
use std::path::PathBuf;

/// The command's arguments.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 everything starts (there may be warnings), 1 something would be left out and the rest
would start, 2 nothing would start, or there is a finding and --strict.")]
pub(super) struct CheckArgs {
    /// The files, later ones over earlier ones, as `agent -f A -f B` reads them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Judge this agent or consumer program only
    #[arg(short, long)]
    name: Option<String>,
    /// Any finding means that nothing starts
    #[arg(long)]
    strict: bool,
    /// How findings are written
    #[arg(long, value_enum, default_value = "full")]
    format: Shape,
    /// Run the commands of external config filters, as a start would
    #[arg(long)]
    run_filters: bool,
    /// Print what Flume 1.11 would keep of each file, as canonical JSON, and judge nothing
    #[arg(long, conflicts_with_all = ["name", "strict", "format"])]
    plan: bool,
    /// A system property, for ${sys:NAME}
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    define: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// With the line, marks, help and effect
    Full,
    /// A line each: `file:line:column: error[code]: sentence`
    Short,
    /// A JSON object each
    Json,
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> Exit {
    let define = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    let defines: Vec<_> = args.define.iter().map(define).collect();
    let surroundings = surroundings::gather(&defines);
    let directory = surroundings.property("user.dir").map(PathBuf::from).unwrap_or_default();
    let texts: Vec<_> = args.files.iter().map(|path| Text::read(path, &directory)).collect();
    let answers = if args.plan {
        plans(&texts, &surroundings)
    } else {
        vec![judge(args, &texts, &surroundings)]
    };
    for answer in &answers {
        print(&mut io::stdout(), &answer.text);
    }
    match answers.iter().map(|answer| answer.status).max() {
        None | Some(0) => Exit::Done,
        Some(1) => Exit::Failed,
        Some(_) => Exit::Usage,
    }
}

/// A document for each file.
fn plans(texts: &[Text], surroundings: &Surroundings) -> Vec<Answer> {
    for unreadable in texts.iter().filter_map(|text| Some((&text.name, text.bytes.as_ref().err()?)))
    {
        let (name, error) = unreadable;
        eprintln!("error: {name} cannot be read: {}\n  next: {}", error.why, error.help);
    }
    texts.iter().map(|text| check_plan(text, surroundings)).collect()
}

fn judge(args: &CheckArgs, texts: &[Text], surroundings: &Surroundings) -> Answer {
    let format = match args.format {
        Shape::Full => Format::Full,
        Shape::Short => Format::Short,
        Shape::Json => Format::Json,
    };
    let (name, strict, run_filters) = (args.name.as_deref(), args.strict, args.run_filters);
    let question = Question { name, strict, format, run_filters };
    check(texts, surroundings, &agent::kinds(), &question)
}
