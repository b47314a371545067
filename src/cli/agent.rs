//! `tailwater agent`: runs an agent from a flume.conf until it is asked to stop.

use super::{Exit, program, refuse};
use crate::agent::{self, Found};

/// Runs the command.
pub(super) fn run(words: &[String]) -> Exit {
    let launch = match program::launch("agent", words) {
        Ok(launch) => launch,
        Err(exit) => return exit,
    };
    program::start_logging(&launch);
    let configuration = program::configuration(&launch);
    let reading = configuration.read();
    match &reading.found {
        Found::Agent(plan) => {
            agent::tell_remarks(&reading);
            let (plan, faulty) = (plan.clone(), reading.has_errors());
            program::live("agent", &launch, configuration, faulty, |running| {
                agent::run_agent(running, plan)
            })
        }
        Found::Consumers(_) | Found::Nothing if reading.is_consumer => refuse(
            &format!("`{}` is a consumer program and no agent", launch.name),
            &format!("start it with `tailwater consumer -n {}` and the same file", launch.name),
        ),
        Found::Consumers(_) | Found::Nothing => program::refuse_all("agent", &launch, &reading),
    }
}
