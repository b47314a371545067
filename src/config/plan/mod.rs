//! A plan: what a program will be made of, valid and read, with nothing left to check.
//!
//! Validation (`graph`) knows only Flume's rules; here each component's keys are read by its own table, and what Flume would
//! drop while building is dropped: a component whose settings are wrong and what hangs on it, a batch larger than the
//! channel's transaction, a channel nobody uses. Reading opens nothing. A component is read again by whoever starts it
//! ([`Component::read`]), with the same result.

mod agent;
mod part;

use crate::config::diagnostic::Diagnostic;
use crate::config::files::Text;
use crate::config::graph::{AgentGraph, Dialect, Graph};
use crate::config::kind::{Family, Kinds, nothing_is_left};
use crate::config::load::{Loaded, load};
use crate::config::scope::Component;
use crate::config::span::{Sources, Span};
use crate::config::suggest::closest;
use crate::config::surroundings::Surroundings;
use std::collections::BTreeMap;

/// What is to run under one name.
#[derive(Clone, Debug)]
pub enum Program {
    /// Flume's: sources, channels, sinks.
    Agent(AgentPlan),
    /// Programs that read topics and write tables.
    Consumers(ConsumerPlan),
}

/// An agent, every part of which can be started.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Its name.
    pub name: String,
    /// In the order of the list.
    pub channels: Vec<Component>,
    /// In the order of the list; `connected` are the channels of each.
    pub sources: Vec<Component>,
    /// In the order of the list, those in groups included; `connected` is the channel of each.
    pub sinks: Vec<Component>,
    /// The groups' processors, each under its group's name; `connected` are its sinks, in the order Flume has them in.
    pub groups: Vec<Component>,
}

impl AgentPlan {
    /// The group that a sink is in.
    #[must_use]
    pub fn group_of(&self, sink: &str) -> Option<&Component> {
        self.groups.iter().find(|group| group.connected.iter().any(|member| member == sink))
    }
}

/// A program that reads topics and writes tables.
#[derive(Clone, Debug)]
pub struct ConsumerPlan {
    /// Its name.
    pub name: String,
    /// In the order of the list.
    pub consumers: Vec<Component>,
}

/// How much of a program will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Starts {
    /// All of it.
    Whole,
    /// Something is left out.
    InPart,
    /// Nothing.
    Nothing,
}

/// One name of the files, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What is to run, if anything.
    pub program: Option<Program>,
    /// Whether the name is that of a consumer program.
    pub is_consumer: bool,
    /// How much of it will run.
    pub starts: Starts,
    /// What is to be said about it, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

/// What files come to.
#[derive(Debug)]
pub struct Plans {
    /// The files, for whoever shows a remark.
    pub sources: Sources,
    /// What is to be said about the files as a whole.
    pub diagnostics: Vec<Diagnostic>,
    /// Every name in them.
    pub programs: BTreeMap<String, Judged>,
    /// Whether nothing at all can start because of the files themselves.
    pub fatal: bool,
    /// Whether external filters stand in the files that were not run.
    pub filters_not_run: bool,
}

/// Reads files, later ones over earlier ones, and judges every name in them, or `only` one. External filters are run if
/// `run_external`, and only those of names that are judged.
#[must_use]
pub fn plan(
    texts: &[Text],
    surroundings: &Surroundings,
    kinds: &Kinds,
    only: Option<&str>,
    run_external: bool,
) -> Plans {
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let may_run = |name: &str| run_external && wanted(name);
    let mut loaded = load(texts, surroundings, Dialect::Tailwater, &may_run);
    let graph = std::mem::take(&mut loaded.graph);
    let fatal = loaded.diagnostics.iter().any(|remark| remark.fatal);
    let filters_not_run = !run_external && has_pending(&graph);
    let mut programs = BTreeMap::new();
    let names: Vec<String> = graph.agents.keys().cloned().collect();
    for (name, graph) in graph.agents.into_iter().filter(|(name, _)| wanted(name)) {
        let others = names.iter().filter(|other| **other != name).map(String::as_str);
        let (judged, secrets) = judge(&name, graph, others, surroundings, kinds, fatal);
        for span in secrets {
            loaded.hide(span);
        }
        programs.insert(name, judged);
    }
    for judged in programs.values_mut() {
        explain(&mut judged.diagnostics, &mut loaded.diagnostics);
    }
    let Loaded { sources, mut diagnostics, .. } = loaded;
    if let Some(only) = only.filter(|only| !programs.contains_key(*only) && !fatal) {
        diagnostics.push(no_such_name(only, &names));
    }
    sort(&mut diagnostics);
    shorten(&mut diagnostics);
    Plans { sources, diagnostics, programs, fatal, filters_not_run }
}

/// A value that is wrong because a reference in it stands for nothing is one mistake, and told as that.
fn explain(of_program: &mut [Diagnostic], of_files: &mut Vec<Diagnostic>) {
    for wrong in of_program.iter_mut().filter(|remark| remark.is_error()) {
        let cause = |remark: &Diagnostic| {
            remark.code == "unresolved-reference" && remark.span == wrong.span
        };
        let Some(at) = of_files.iter().position(cause) else { continue };
        let cause = of_files.remove(at);
        wrong.expected = format!("{}: {}", wrong.expected, cause.message);
        wrong.help = cause.help;
    }
}

impl Plans {
    /// Every remark, in the order of the files.
    #[must_use]
    pub fn all_diagnostics(&self) -> Vec<&Diagnostic> {
        let of_programs = self.programs.values().flat_map(|judged| &judged.diagnostics);
        let mut all: Vec<&Diagnostic> = self.diagnostics.iter().chain(of_programs).collect();
        all.sort_by_key(|remark| (remark.span.file, remark.span.start, remark.severity));
        all
    }

    /// How much will run of all that was judged: nothing only if nothing runs of any.
    #[must_use]
    pub fn starts(&self) -> Starts {
        if self.fatal {
            return Starts::Nothing;
        }
        let each = || self.programs.values().map(|judged| judged.starts);
        match (each().min(), each().max()) {
            (Some(Starts::Whole), Some(Starts::Whole)) => Starts::Whole,
            (None | Some(Starts::Nothing), _) => Starts::Nothing,
            _ => Starts::InPart,
        }
    }
}

/// Whether a value hangs on an external filter that was not run.
fn has_pending(graph: &Graph) -> bool {
    let kept = graph.agents.values().flat_map(|agent| {
        [&agent.channels, &agent.sources, &agent.sinks, &agent.consumers].into_iter().flatten()
    });
    kept.flat_map(|kept| &kept.properties).any(|property| property.pending)
}

/// Judges one name, and says which values must not be shown.
fn judge<'a>(
    name: &str,
    graph: AgentGraph,
    others: impl Iterator<Item = &'a str>,
    surroundings: &Surroundings,
    kinds: &Kinds,
    fatal: bool,
) -> (Judged, Vec<Span>) {
    let is_consumer = !graph.consumers.is_empty();
    let valid = graph.valid;
    let mut judging = part::Judging {
        agent: name,
        kinds,
        surroundings,
        diagnostics: graph.diagnostics.clone(),
        secrets: Vec::new(),
    };
    let program = match valid {
        true if is_consumer => judging.consumers(graph).map(Program::Consumers),
        true => judging.agent(graph).map(Program::Agent),
        false => {
            judging.guess_the_agent(others);
            None
        }
    };
    let mut diagnostics = judging.diagnostics;
    sort(&mut diagnostics);
    let program = program.filter(|_| !fatal && !diagnostics.iter().any(|remark| remark.fatal));
    let starts = match &program {
        None => Starts::Nothing,
        Some(_) if diagnostics.iter().any(Diagnostic::is_error) => Starts::InPart,
        Some(_) => Starts::Whole,
    };
    if starts == Starts::Nothing {
        for remark in &mut diagnostics {
            remark.effect = nothing_is_left(&remark.effect, name);
        }
    }
    shorten(&mut diagnostics);
    (Judged { program, is_consumer, starts, diagnostics }, judging.secrets)
}

/// So much is said about one name, or about the files as a whole: nobody reads more, and drawing takes time.
pub const REMARKS_MAX: usize = 500;

/// Leaves out what nobody would read, and says so.
fn shorten(diagnostics: &mut Vec<Diagnostic>) {
    let more = diagnostics.len().saturating_sub(REMARKS_MAX);
    let Some(first) = diagnostics.get(REMARKS_MAX).map(|remark| remark.span) else { return };
    diagnostics.truncate(REMARKS_MAX);
    diagnostics.push(
        Diagnostic::warning(
            "more-findings",
            first,
            format!("{more} more findings are not shown"),
            "theirs",
        )
        .expected("here and behind it"),
    );
}

/// In the order of the files; errors before warnings at the same place.
fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|remark| (remark.span.file, remark.span.start, remark.severity));
}

fn no_such_name(name: &str, names: &[String]) -> Diagnostic {
    let guess = closest(name, names.iter().map(String::as_str));
    let there = match names {
        [] => "there is none at all".to_owned(),
        _ => format!("there are `{}`", names.join("`, `")),
    };
    Diagnostic::error(
        "no-such-agent",
        Span::default(),
        format!("there is no agent `{name}` here"),
        "nothing starts; Flume would stay alive and idle",
    )
    .expected(format!("expected keys that begin with `{name}.`; {there}"))
    .maybe_help(guess.map(|guess| format!("did you mean `-n {guess}`?")))
    .fatal()
}

/// What a kept component is to its reader.
fn described(
    agent: &str,
    family: Family,
    kept: crate::config::graph::Kept,
    connected: Vec<String>,
) -> Component {
    let word = family.key_word().unwrap_or("sinkgroups");
    Component {
        family,
        agent: agent.to_owned(),
        path: format!("{agent}.{word}.{}", kept.name),
        name: kept.name,
        type_name: kept.type_name,
        connected,
        place: kept.place,
        properties: kept.properties,
    }
}
