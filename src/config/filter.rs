//! Config filters: what stands behind `${filter['key']}`. Flume's `env` and `external`; its `hadoop` is known by name.
//!
//! An `external` filter runs a command, so it is run only where that is allowed: by the agent and by a reload, and by `check`
//! when told so. Where it is not run, a value that depends on it is unknown, and nothing is held against it.

use crate::config::diagnostic::Diagnostic;
use crate::config::graph::flume_types::class_of;
use crate::config::java::split_blanks;
use crate::config::keys::{KeySpec, Scope, choice, keys};
use crate::config::kind::{Family, Judgement, Kind, kind};
use crate::config::scope::{Component, Property};
use crate::config::surroundings::Surroundings;
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long an external filter's command may take for one key. Flume waits for ever.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);
/// Flume's filter that opens a credential store.
const HADOOP: &str = "org.apache.flume.configfilter.HadoopCredentialStoreConfigFilter";
/// The characters a key may have besides letters and digits.
const KEY_SIGNS: [char; 2] = ['-', '_'];

keys! {
    /// Answers with environment variables.
    struct EnvironmentConfig = "org.apache.flume.configfilter.EnvironmentVariableConfigFilter" {
    }
}

keys! {
    /// Answers with the first line that a command prints when it is given the key.
    struct ExternalConfig = "org.apache.flume.configfilter.ExternalProcessConfigFilter" {
        /// The command and its arguments, split at blanks; the key is put behind them. No shell is involved.
        "command" => command: String,
        /// In which character set the command prints.
        "charset" => charset: Charset = "UTF-8",
    }
}

choice! {
    /// What the bytes of a command's output are.
    enum Charset {
        /// UTF-8, of which ASCII is a part.
        Utf8 = "UTF-8" | "UTF8" | "US-ASCII" | "ASCII",
        /// A byte a character.
        Latin1 = "ISO-8859-1" | "ISO8859_1" | "LATIN1",
    }
}

/// The filters that can be had, for `describe`.
pub const KINDS: [&dyn Kind; 2] = [
    &FilterRow {
        names: &[EnvironmentConfig::TYPE, "env"],
        about: EnvironmentConfig::ABOUT,
        keys: EnvironmentConfig::KEYS,
        read: |scope| EnvironmentConfig::read(scope).map(|_| FilterKind::Environment),
    },
    &FilterRow {
        names: &[ExternalConfig::TYPE, "external"],
        about: ExternalConfig::ABOUT,
        keys: ExternalConfig::KEYS,
        read: |scope| ExternalConfig::read(scope).map(FilterKind::External),
    },
];

/// The row of a filter.
struct FilterRow {
    names: &'static [&'static str],
    about: &'static str,
    keys: &'static [KeySpec],
    read: fn(&mut Scope<'_>) -> Option<FilterKind>,
}

kind!(FilterRow, ConfigFilter, |row, scope| (row.read)(scope).map(|_| Judgement::default()));

/// A filter that is ready to answer.
#[derive(Clone, Debug)]
pub struct Filter {
    name: String,
    kind: FilterKind,
}

#[derive(Clone, Debug)]
enum FilterKind {
    Environment,
    External(ExternalConfig),
}

/// Why a filter cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFilter {
    /// Flume has it, and it is not here.
    NotHere,
    /// There is none of this type.
    Unknown,
    /// Its settings are wrong, which has been told.
    Wrong,
}

/// A reference that a filter could not replace: it stays as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// The property it stands in.
    pub key: String,
    /// The filter.
    pub filter: String,
    /// The reason.
    pub why: String,
}

impl Filter {
    /// Makes a filter from its properties, with what is to be said about them.
    pub fn create(
        component: &Component,
        surroundings: &Surroundings,
    ) -> (Result<Self, NoFilter>, Vec<Diagnostic>) {
        let class = class_of(Family::ConfigFilter, &component.type_name);
        let read: fn(&mut Scope<'_>) -> Option<FilterKind> = if class == EnvironmentConfig::TYPE {
            |scope| EnvironmentConfig::read(scope).map(|_| FilterKind::Environment)
        } else if class == ExternalConfig::TYPE {
            |scope| ExternalConfig::read(scope).map(FilterKind::External)
        } else if class == HADOOP {
            return (Err(NoFilter::NotHere), Vec::new());
        } else {
            return (Err(NoFilter::Unknown), Vec::new());
        };
        let read = component.read(surroundings, |scope| {
            scope.text("type");
            read(scope)
        });
        let name = component.name.clone();
        let filter = read.value.map(|kind| Self { name, kind });
        (filter.ok_or(NoFilter::Wrong), read.diagnostics)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it runs a command.
    #[must_use]
    pub fn is_external(&self) -> bool {
        matches!(self.kind, FilterKind::External(_))
    }

    /// Replaces its references in the values of a component. Where a command must not be run, the value is left pending.
    pub fn apply(
        &self,
        properties: &mut [Property],
        surroundings: &Surroundings,
        run_external: bool,
    ) -> Vec<NoAnswer> {
        let mut said = Vec::new();
        for property in properties {
            let references = references(&property.value, &self.name);
            if references.is_empty() {
                continue;
            }
            if self.is_external() && !run_external {
                property.pending = true;
                continue;
            }
            let mut value = property.value.clone();
            for reference in references {
                let why = match self.answer(&reference.key, surroundings) {
                    Ok(Some(text)) => {
                        value = value.replace(&reference.whole, &text);
                        continue;
                    }
                    Ok(None) => format!("there is no `{}`", reference.key),
                    Err(why) => why,
                };
                let (key, filter) = (property.key.clone(), self.name.clone());
                said.push(NoAnswer { key, filter, why });
            }
            property.value = value;
        }
        said
    }

    /// What it says to a key.
    fn answer(&self, key: &str, surroundings: &Surroundings) -> Result<Option<String>, String> {
        match &self.kind {
            FilterKind::Environment => Ok(surroundings.variable(key).map(str::to_owned)),
            FilterKind::External(config) => {
                let output = run(&split_blanks(&config.command), key, surroundings)?;
                first_line(&output, config.charset).map(Some)
            }
        }
    }
}

/// Runs a filter's command with the key behind its arguments, in the surroundings it was given, and waits for its end.
fn run(command: &[&str], key: &str, surroundings: &Surroundings) -> Result<Output, String> {
    let (program, arguments) = command.split_first().ok_or("its command is empty")?;
    let child = Command::new(program)
        .args(arguments)
        .arg(key)
        .env_clear()
        .envs(&surroundings.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let (done, waiting) = bounded(1);
    std::thread::spawn(move || {
        // Nobody listens any more when the time was up: then the answer is of no use either.
        drop(done.send(child.wait_with_output()));
    });
    match waiting.recv_timeout(COMMAND_TIME_MAX) {
        Ok(Ok(output)) if output.status.success() => Ok(output),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("nothing on stderr").to_owned();
            Err(format!("`{program}` ended with {}: {said}", output.status))
        }
        Ok(Err(error)) => Err(format!("`{program}` cannot be read: {error}")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            let killed =
                pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            let end = if matches!(killed, Some(Ok(()))) { "was killed" } else { "is left alone" };
            Err(format!(
                "`{program}` did not end within {} s and {end}",
                COMMAND_TIME_MAX.as_secs()
            ))
        }
    }
}

/// The first line of what a command printed, as Java's `Scanner` finds it.
fn first_line(output: &Output, charset: Charset) -> Result<String, String> {
    let text = if charset == Charset::Latin1 {
        output.stdout.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    if text.is_empty() {
        return Err("its command printed nothing".to_owned());
    }
    let end = text.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).unwrap_or(text.len());
    Ok(text.get(..end).unwrap_or_default().to_owned())
}

/// A `${filter['key']}` in a value.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    whole: String,
    key: String,
}

/// The references to `filter` in `value`: the key between `'`, between `"`, or bare.
fn references(value: &str, filter: &str) -> Vec<Reference> {
    let opening = format!("${{{filter}[");
    let mut found = Vec::new();
    let mut rest = value;
    while let Some((_, behind)) = rest.split_once(&opening) {
        match reference(behind) {
            Some((key, length)) => {
                let whole = format!("{opening}{}", behind.get(..length).unwrap_or_default());
                found.push(Reference { whole, key });
                rest = behind.get(length..).unwrap_or_default();
            }
            None => rest = behind,
        }
    }
    found
}

/// The key at the beginning of `text`, and the length of the reference's rest: `'key']}`.
fn reference(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let quotes = quote.map_or("", |quote| if quote == '"' { "\"" } else { "'" });
    let inner = text.strip_prefix(quotes)?;
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && !KEY_SIGNS.contains(&c))?;
    let key = inner.get(..end).filter(|key| !key.is_empty())?;
    inner.get(end..)?.strip_prefix(quotes)?.strip_prefix("]}")?;
    Some((key.to_owned(), end + 2 * quotes.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::{Filter, NoFilter, references};
    use crate::config::kind::Family;
    use crate::config::scope::{Component, Property};
    use crate::config::span::Span;
    use crate::config::surroundings::Surroundings;

    fn property(key: &str, value: &str) -> Property {
        Property {
            key: key.to_owned(),
            value: value.to_owned(),
            key_span: Span::default(),
            value_span: Span::default(),
            pending: false,
        }
    }

    fn filter(given: &[(&str, &str)]) -> Result<Filter, NoFilter> {
        let properties: Vec<_> = given.iter().map(|(key, value)| property(key, value)).collect();
        let component = Component {
            family: Family::ConfigFilter,
            agent: "a".to_owned(),
            name: "f".to_owned(),
            path: "a.configfilters.f".to_owned(),
            type_name: given[0].1.to_owned(),
            connected: Vec::new(),
            place: Span::default(),
            properties,
        };
        Filter::create(&component, &Surroundings::default()).0
    }

    #[test]
    fn references_are_found_in_all_their_forms_and_no_other() {
        let keys =
            |value| -> Vec<_> { references(value, "f").into_iter().map(|r| r.key).collect() };
        assert_eq!(keys("${f['a-b']} ${f[\"c_1\"]} x${f[d]}y"), ["a-b", "c_1", "d"]);
        for none in
            ["${f['a\"]}", "${f[]}", "${f['a.b']}", "${g['a']}", "${f['a'}", "$f['a']", "${f['a']"]
        {
            assert!(keys(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn the_environment_answers_and_what_it_does_not_know_stays() {
        let mut surroundings = Surroundings::default();
        surroundings.environment.insert("A".to_owned(), "alpha".to_owned());
        let mut properties =
            [property("k", "${f['A']}-${f['A']}-${f['B']}"), property("l", "plain")];
        let said = filter(&[("type", "ENV")]).unwrap().apply(&mut properties, &surroundings, false);
        assert_eq!(properties[0].value, "alpha-alpha-${f['B']}");
        assert!(said.len() == 1 && said[0].key == "k", "{said:?}");
    }

    #[test]
    fn a_command_is_run_only_where_that_is_allowed() {
        let external = filter(&[("type", "external"), ("command", "/bin/echo a  b")]).unwrap();
        let mut properties = [property("k", "${f['key']}")];
        let said = external.apply(&mut properties, &Surroundings::default(), false);
        assert!(said.is_empty() && properties[0].pending);
        assert_eq!(properties[0].value, "${f['key']}");
        let said = external.apply(&mut properties, &Surroundings::default(), true);
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(properties[0].value, "a b key");
    }

    #[test]
    fn a_command_that_fails_leaves_the_reference_and_says_why() {
        for (command, part) in [
            ("/bin/false", "exit status: 1"),
            ("/no/such/program", "cannot be run"),
            ("/bin/true", "printed nothing"),
        ] {
            let external = filter(&[("type", "external"), ("command", command)]).unwrap();
            let mut properties = [property("k", "${f['key']}")];
            let said = external.apply(&mut properties, &Surroundings::default(), true);
            assert!(said.len() == 1 && said[0].why.contains(part), "{said:?}");
            assert_eq!(properties[0].value, "${f['key']}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_told_apart_from_what_is_wrong() {
        assert_eq!(filter(&[("type", "hadoop")]).unwrap_err(), NoFilter::NotHere);
        assert_eq!(filter(&[("type", "external")]).unwrap_err(), NoFilter::Wrong);
        assert_eq!(filter(&[("type", "nope")]).unwrap_err(), NoFilter::Unknown);
        let charset = [("type", "external"), ("command", "x"), ("charset", "EBCDIC")];
        assert_eq!(filter(&charset).unwrap_err(), NoFilter::Wrong);
    }
}
