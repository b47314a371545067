//! `tailwater consumer`: runs a program of consumers until it is asked to stop. `tailwater consumer ddl` prints its tables.

use super::launch::Launch;
use super::{Exit, print, program, refuse};
use crate::agent::{self, Found, Reading};
use crate::config::plan::ConsumerPlan;
use crate::consumer::Plan;
use std::io;

/// Runs the command.
pub(super) fn run(words: &[String]) -> Exit {
    if let [first, rest @ ..] = words
        && first == "ddl"
    {
        return ddl(rest);
    }
    let launch = match program::launch("consumer", words) {
        Ok(launch) => launch,
        Err(exit) => return exit,
    };
    program::start_logging(&launch);
    let configuration = program::configuration(&launch);
    let reading = configuration.read();
    let plan = match found(&launch, &reading) {
        Ok(plan) => plan.clone(),
        Err(exit) => return exit,
    };
    agent::tell_remarks(&reading);
    program::live("consumer", &launch, configuration, reading.has_errors(), |running| {
        agent::run_consumers(running, plan)
    })
}

/// The statements that make every table of the program: each once, however many consumers need it.
fn ddl(words: &[String]) -> Exit {
    let launch = match program::launch("consumer ddl", words) {
        Ok(launch) => launch,
        Err(exit) => return exit,
    };
    let reading = program::configuration(&launch).read();
    let plan = match found(&launch, &reading) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let mut statements: Vec<String> = Vec::new();
    for consumer in &plan.consumers {
        let read = consumer.read(&launch.surroundings, Plan::read).value;
        let ddl = read.map(|plan| plan.ddl()).unwrap_or_default();
        for statement in ddl.split_inclusive(";\n").map(|text| text.trim_start().to_owned()) {
            if !statement.is_empty() && !statements.contains(&statement) {
                statements.push(statement);
            }
        }
    }
    print(&mut io::stdout(), &statements.join("\n"));
    Exit::Done
}

fn found<'a>(launch: &Launch, reading: &'a Reading) -> Result<&'a ConsumerPlan, Exit> {
    match &reading.found {
        Found::Consumers(plan) => Ok(plan),
        Found::Agent(_) => Err(refuse(
            &format!("`{}` is an agent and no consumer program", launch.name),
            &format!("start it with `tailwater agent -n {}` and the same file", launch.name),
        )),
        Found::Nothing => Err(program::refuse_all("consumer", launch, reading)),
    }
}
