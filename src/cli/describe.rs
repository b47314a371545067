//! `tailwater describe`: every component and every key, out of the tables that read them.

use super::{Exit, print};
use crate::agent;
use crate::config::describe;
use crate::config::kind::Family;
use clap::Args;
use std::io;

/// The command's arguments.
#[derive(Args, Debug)]
pub(super) struct DescribeArgs {
    /// A component, by its type; all of them in a line each without
    component: Option<String>,
    /// All components and keys as Markdown tables
    #[arg(long, conflicts_with = "component")]
    markdown: bool,
}

/// Runs the command.
pub(super) fn run(args: &DescribeArgs) -> Exit {
    let kinds = agent::kinds();
    let text = match &args.component {
        Some(name) => match describe::one(&kinds, name) {
            Ok(text) => text,
            Err(why) => {
                eprintln!("error: {why}");
                return Exit::Usage;
            }
        },
        None if args.markdown => {
            Family::ALL.into_iter().map(|family| describe::markdown(&kinds, family)).collect()
        }
        None => describe::list(&kinds),
    };
    print(&mut io::stdout(), &text);
    Exit::Done
}
