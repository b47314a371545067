//! `tailwater check`: what is to be said about files, whether what they describe would start, and the exit status that says
//! so to a script.

use crate::config::canonical::document;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::files::Text;
use crate::config::graph::Dialect;
use crate::config::kind::Kinds;
use crate::config::load::load;
use crate::config::plan::{Judged, Plans, Program, Starts, plan};
use crate::config::render::{full, json, short};
use crate::config::surroundings::Surroundings;

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// With the line, the marks, help and effect, and a summary at the end.
    #[default]
    Full,
    /// `file:line:column: error[code]: sentence`, one line each and nothing else.
    Short,
    /// A JSON object each, one line each and nothing else.
    Json,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    /// The one name to judge; all of them otherwise.
    pub name: Option<&'a str>,
    /// Whether any finding means that nothing starts.
    pub strict: bool,
    /// How findings are written.
    pub format: Format,
    /// Whether external filters' commands may be run.
    pub run_filters: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What to print.
    pub text: String,
    /// 0: everything starts. 1: something would be left out, the rest would start. 2: nothing would start.
    pub status: u8,
}

/// Judges files, later ones over earlier ones.
#[must_use]
pub fn check(
    texts: &[Text],
    surroundings: &Surroundings,
    kinds: &Kinds,
    question: &Question<'_>,
) -> Answer {
    let plans = plan(texts, surroundings, kinds, question.name, question.run_filters);
    let said = plans.all_diagnostics();
    let starts = if question.strict && !said.is_empty() { Starts::Nothing } else { plans.starts() };
    let status = match starts {
        Starts::Whole => 0,
        Starts::InPart => 1,
        Starts::Nothing => 2,
    };
    let mut text = String::new();
    for remark in &said {
        match question.format {
            Format::Full => text.push_str(&full(remark, &plans.sources)),
            Format::Short => text.push_str(&short(remark, &plans.sources)),
            Format::Json => text.push_str(&json(remark, &plans.sources).to_string()),
        }
        text.push('\n');
    }
    if question.format == Format::Full {
        text.push_str(&summary(&plans, &said, question.strict));
    }
    Answer { text, status }
}

/// What Flume 1.11 would keep of one file, as canonical JSON. A file that cannot be read at all is the only failure.
#[must_use]
pub fn check_plan(text: &Text, surroundings: &Surroundings) -> Answer {
    let loaded = load(std::slice::from_ref(text), surroundings, Dialect::Flume111, &|_| true);
    Answer { text: document(&loaded.graph), status: if text.bytes.is_ok() { 0 } else { 2 } }
}

/// How many findings there are, and a line for each name.
fn summary(plans: &Plans, said: &[&Diagnostic], strict: bool) -> String {
    let count = |severity| said.iter().filter(|remark| remark.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut out = String::new();
    if errors + warnings > 0 {
        out.push_str(&[number(errors, "error"), number(warnings, "warning")].join(", "));
        out.push('\n');
    }
    for (name, judged) in &plans.programs {
        let what = if judged.is_consumer { "consumer" } else { "agent" };
        let how = match judged.starts {
            _ if plans.fatal => "nothing starts".to_owned(),
            Starts::Whole => format!("all of it starts: {}", parts(judged)),
            Starts::InPart => format!("starts in part: {}", parts(judged)),
            Starts::Nothing => "nothing starts".to_owned(),
        };
        out.push_str(&[what, " `", name, "`: ", &how, "\n"].concat());
    }
    if strict && !said.is_empty() {
        out.push_str("nothing starts: --strict lets no finding pass\n");
    }
    if plans.filters_not_run {
        out.push_str("external config filters were not run, and what they stand for was not judged: --run-filters runs them\n");
    }
    out
}

/// What a program is made of, in numbers.
fn parts(judged: &Judged) -> String {
    match &judged.program {
        Some(Program::Agent(agent)) => [
            number(agent.sources.len(), "source"),
            number(agent.channels.len(), "channel"),
            number(agent.sinks.len(), "sink"),
        ]
        .join(", "),
        Some(Program::Consumers(program)) => number(program.consumers.len(), "consumer"),
        None => "nothing".to_owned(),
    }
}

fn number(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{Answer, Format, Question, check};
    use crate::config::files::Text;
    use crate::config::sample::kinds;
    use crate::config::surroundings::Surroundings;

    const GOOD: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
";

    fn ask(text: &str, question: &Question<'_>) -> Answer {
        check(&[Text::new("f.conf", text)], &Surroundings::default(), &kinds(), question)
    }

    fn short(text: &str) -> (String, u8) {
        let answer = ask(text, &Question { format: Format::Short, ..Question::default() });
        (answer.text, answer.status)
    }

    #[test]
    fn a_file_without_a_mistake_starts_whole() {
        let answer = ask(GOOD, &Question::default());
        let text = "agent `a1`: all of it starts: 1 source, 1 channel, 1 sink\n".to_owned();
        assert_eq!(answer, Answer { text, status: 0 });
    }

    #[test]
    fn what_is_left_out_is_said_and_the_rest_starts() {
        let text =
            format!("{GOOD}a1.sinks = k1 k2\na1.sinks.k2.type = kafka\na1.sinks.k2.channel = c1\n");
        let answer = ask(&text, &Question::default());
        assert_eq!(answer.status, 1, "{}", answer.text);
        let end = answer.text.lines().last().unwrap();
        assert_eq!(end, "agent `a1`: starts in part: 1 source, 1 channel, 1 sink");
        assert!(
            answer
                .text
                .contains("error[missing-key]: `a1.sinks.k2` has no `kafka.bootstrap.servers`")
        );
    }

    /// What is added to the good file, the status it leads to, and the one line it earns.
    const MISTAKES: &[(&str, u8, &str)] = &[
        (
            "a1.sinks.k1.maxByteToLog = 1\n",
            0,
            "f.conf:9:13: warning[unknown-key]: `a1.sinks.k1` has no key `maxByteToLog`\n",
        ),
        (
            "a1.sinks.k1.maxBytesToLog = x\n",
            1,
            "f.conf:9:29: error[wrong-value]: `maxBytesToLog` cannot be `x`\n",
        ),
        (
            "a1.channels.c1.capacity = 0\n",
            0,
            "f.conf:9:27: warning[replaced-value]: `capacity` cannot be `0`: `100` is used instead\n",
        ),
        (
            "a1.sinks.k1.type = hdfs\n",
            2,
            "f.conf:9:20: error[not-here]: `a1.sinks.k1` is of type `hdfs`, a sink that cannot be had here\n",
        ),
        (
            "a1.sinks.k1.type = com.example.Sink\n",
            2,
            "error[not-here]: `a1.sinks.k1` is of type `com.example.Sink`, a Java class\n",
        ),
        (
            "a1.sources.r1.type = sek\n",
            2,
            "error[unknown-type]: `a1.sources.r1` is of type `sek`, and there is no such source\n",
        ),
        (
            "a1.sources.r1.batchSize = 101\n",
            1,
            "f.conf:9:27: error[batch-too-large]: `a1.sources.r1` moves 101 events at once, and channel `c1` takes 100\n",
        ),
        (
            "a1.channels = c1 c2\na1.channels.c2.type = memory\n",
            0,
            "warning[unused-channel]: no source and no sink uses `a1.channels.c2`\n",
        ),
        (
            "a1.sources.r1.interceptors = i1\n",
            1,
            "f.conf:9:30: error[missing-key]: `a1.sources.r1.interceptors.i1` has no `type`\n",
        ),
        (
            "a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = statik\n",
            1,
            "f.conf:10:38: error[unknown-type]: `a1.sources.r1.interceptors.i1` is of type `statik`, and there is no such interceptor\n",
        ),
        (
            "a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = static\na1.sources.r1.interceptors.i1.kay = x\n",
            0,
            "f.conf:11:15: warning[unknown-key]: `a1.sources.r1` has no key `interceptors.i1.kay`\n",
        ),
        (
            "a1.sources.r1.interceptors.i1.type = static\na1.sources.r1.interceptors.i1.key = x\n",
            0,
            "f.conf:9:15: warning[not-listed]: `a1.sources.r1.interceptors.i1` is not in `a1.sources.r1.interceptors`\n",
        ),
        (
            "a1.sources.r1.selector.type = multiplexing\n",
            2,
            "error[not-here]: `a1.sources.r1.selector` is of type `multiplexing`, a channel selector that cannot be had here\n",
        ),
        (
            "a1.sinkgroups = g1\na1.sinkgroups.g1.sinks = k1\n",
            1,
            "f.conf:10:26: error[missing-key]: `a1.sinkgroups.g1.processor` has no `type`\n",
        ),
        (
            "a1.sinkgroups = g1\na1.sinkgroups.g1.processor.type = failover\n",
            2,
            "error[missing-key]: `a1.sinkgroups.g1` has no `sinks`\n",
        ),
        (
            "a1.sinks.k2.type = logger\n",
            0,
            "f.conf:9:13: warning[not-listed]: `a1.sinks.k2` is not in `a1.sinks`\n",
        ),
        (
            "al.sinks.k1.x = y\n",
            1,
            "f.conf:9:1: error[no-channels]: `al` has no list of channels\n",
        ),
        ("x.consumers = c\nx.consumers.c.database.url = u\n", 0, ""),
        (
            "x.consumers = c\nx.consumers.c.databse.url = u\n",
            1,
            "f.conf:10:15: error[missing-key]: `x.consumers.c` has no `database.url`\n",
        ),
        (
            "a1.sources.r1.batchSize = 1\\u\n",
            2,
            "f.conf:9:28: error[malformed-escape]: `\\u` is not followed by four hexadecimal digits\n",
        ),
    ];

    #[test]
    fn each_mistake_is_one_line_and_has_its_status() {
        for (added, status, expected) in MISTAKES {
            // The last of two equal keys counts; that it is told is another test's.
            let (said, got) = short(&format!("{GOOD}{added}"));
            let said: String = said
                .split_inclusive('\n')
                .filter(|line| !line.contains("[duplicate-key]"))
                .collect();
            assert!(said.contains(*expected), "{added}\n{said}");
            assert_eq!(said.lines().count(), expected.lines().count(), "{added}\n{said}");
            assert_eq!(got, *status, "{added}\n{said}");
        }
    }

    #[test]
    fn strict_lets_no_finding_pass() {
        let text = format!("{GOOD}a1.sinks.k1.x = 1\n");
        let answer = ask(&text, &Question { strict: true, ..Question::default() });
        assert_eq!(answer.status, 2);
        assert!(
            answer.text.ends_with("nothing starts: --strict lets no finding pass\n"),
            "{}",
            answer.text
        );
        assert_eq!(ask(GOOD, &Question { strict: true, ..Question::default() }).status, 0);
    }

    #[test]
    fn one_name_is_judged_alone() {
        let text = format!("{GOOD}b.channels = c\n");
        let only = |name| ask(&text, &Question { name: Some(name), ..Question::default() });
        assert_eq!(only("a1").status, 0, "{}", only("a1").text);
        assert_eq!(only("b").status, 2);
        let gone = only("a2");
        assert_eq!(gone.status, 2);
        assert!(gone.text.contains("there is no agent `a2` here"), "{}", gone.text);
        assert!(gone.text.contains("did you mean `-n a1`?"), "{}", gone.text);
    }

    #[test]
    fn a_secret_is_never_printed() {
        let text = format!(
            "{GOOD}a1.sinks.k1.type = kafka\na1.sinks.k1.kafka.bootstrap.servers = h:1\na1.sinks.k1.pin = geheim\na1.sinks.k1.pin = geheim\na1.sinks.k1.passwort = geheim2 ${{env:NOPE}}\na1.sinks.k1.password = ${{env:NOPE}}geheim3\na1.sinks.k1.url = mysql://me:geheim4@h/\na1.sinks.k1.flumeBatchSize = x://me:geheim@h\n"
        );
        for format in [Format::Full, Format::Short, Format::Json] {
            let answer = ask(&text, &Question { format, ..Question::default() });
            assert!(!answer.text.contains("geheim"), "{}", answer.text);
        }
    }

    #[test]
    fn an_external_filter_is_not_run_and_nothing_is_held_against_its_values() {
        let text = format!(
            "{GOOD}a1.configfilters = f\na1.configfilters.f.type = external\na1.configfilters.f.command = /bin/echo 12\na1.sinks.k1.maxBytesToLog = ${{f['x']}}\n"
        );
        let answer = ask(&text, &Question::default());
        assert_eq!(answer.status, 0, "{}", answer.text);
        assert!(answer.text.contains("external config filters were not run"), "{}", answer.text);
        let answer = ask(&text, &Question { run_filters: true, ..Question::default() });
        assert_eq!(answer.status, 1, "{}", answer.text);
        assert!(answer.text.contains("`maxBytesToLog` cannot be `12 x`"), "{}", answer.text);
    }

    #[test]
    fn every_finding_is_a_json_object_of_its_own() {
        let text = format!("{GOOD}a1.sinks.k1.maxBytesToLog = x\na1.sinks.k1.y = 1\n");
        let answer = ask(&text, &Question { format: Format::Json, ..Question::default() });
        let objects: Vec<serde_json::Value> =
            answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["code"], "wrong-value");
        assert_eq!(objects[0]["place"]["line"], 9);
        assert_eq!(objects[1]["severity"], "warning");
    }
}
