//! Config filters: what stands behind `${filter['key']}`. Flume's `env` and `external`; its `hadoop` is known by name.
//!
//! An `external` filter runs a command, so it is run only where that is allowed: by the agent and by a reload, and by `check`
//! when told so. Where it is not run, a value that depends on it is unknown, and nothing is held against it.

use crate::config::graph::flume_types::class_of;
use crate::config::kind::Family;
use crate::config::scope::Property;
use crate::config::surroundings::Surroundings;
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long an external filter's command may take for one key. Flume waits for ever.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);
/// The characters a key may have besides letters and digits.
const KEY_SIGNS: [char; 2] = ['-', '_'];

/// A filter that is ready to answer.
#[derive(Clone, Debug)]
pub struct Filter {
    name: String,
    kind: FilterKind,
}

#[derive(Clone, Debug)]
enum FilterKind {
    Environment,
    External { command: Vec<String>, latin_1: bool },
}

/// Why a filter cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFilter {
    /// Flume has it, and it is not here.
    NotHere,
    /// Flume could not make it either.
    Wrong(String),
}

/// What a filter did to the values of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// A reference could not be replaced, and why: it stays as it is written.
    Failed {
        /// The property.
        key: String,
        /// The filter.
        filter: String,
        /// The reason.
        why: String,
    },
    /// The property's value is not known, as its filter was not run.
    Unknown {
        /// The property.
        key: String,
    },
}

impl Filter {
    /// Makes a filter from its properties.
    pub fn create(name: &str, properties: &[Property]) -> Result<Self, NoFilter> {
        let get = |key: &str| {
            properties
                .iter()
                .find(|property| property.key == key)
                .map(|property| property.value.as_str())
        };
        let type_name = get("type").unwrap_or_default();
        let class = class_of(Family::ConfigFilter, type_name);
        let kind = match class.strip_prefix("org.apache.flume.configfilter.") {
            Some("EnvironmentVariableConfigFilter") => FilterKind::Environment,
            Some("ExternalProcessConfigFilter") => external(get("command"), get("charset"))?,
            Some("HadoopCredentialStoreConfigFilter") => return Err(NoFilter::NotHere),
            _ => return Err(NoFilter::Wrong(format!("there is no config filter `{type_name}`"))),
        };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it runs a command.
    #[must_use]
    pub fn is_external(&self) -> bool {
        matches!(self.kind, FilterKind::External { .. })
    }

    /// Replaces its references in the values of a component.
    pub fn apply(
        &self,
        properties: &mut [Property],
        surroundings: &Surroundings,
        run_external: bool,
    ) -> Vec<Filtered> {
        let mut said = Vec::new();
        for property in properties {
            let references = references(&property.value, &self.name);
            if references.is_empty() {
                continue;
            }
            if self.is_external() && !run_external {
                said.push(Filtered::Unknown { key: property.key.clone() });
                continue;
            }
            let mut value = property.value.clone();
            for reference in references {
                match self.answer(&reference.key, surroundings) {
                    Ok(Some(text)) => value = value.replace(&reference.whole, &text),
                    Ok(None) => said.push(Filtered::Failed {
                        key: property.key.clone(),
                        filter: self.name.clone(),
                        why: format!("there is no `{}`", reference.key),
                    }),
                    Err(why) => said.push(Filtered::Failed {
                        key: property.key.clone(),
                        filter: self.name.clone(),
                        why,
                    }),
                }
            }
            property.value = value;
        }
        said
    }

    /// What it says to a key.
    fn answer(&self, key: &str, surroundings: &Surroundings) -> Result<Option<String>, String> {
        match &self.kind {
            FilterKind::Environment => Ok(surroundings.variable(key).map(str::to_owned)),
            FilterKind::External { command, latin_1 } => {
                let output = run(command, key, surroundings)?;
                first_line(&output, *latin_1).map(Some)
            }
        }
    }
}

/// An external filter, from its settings.
fn external(command: Option<&str>, charset: Option<&str>) -> Result<FilterKind, NoFilter> {
    let Some(command) = command else {
        return Err(NoFilter::Wrong("it has no `command`".to_owned()));
    };
    let latin_1 = match charset.unwrap_or("UTF-8").to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => false,
        "ISO-8859-1" | "ISO8859_1" | "LATIN1" => true,
        other => return Err(NoFilter::Wrong(format!("`charset = {other}` cannot be had here"))),
    };
    let command = crate::config::java::split_blanks(command);
    Ok(FilterKind::External { command: command.into_iter().map(str::to_owned).collect(), latin_1 })
}

/// Runs a filter's command with the key behind its arguments, in the surroundings it was given, and waits for its end.
fn run(command: &[String], key: &str, surroundings: &Surroundings) -> Result<Output, String> {
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
fn first_line(output: &Output, latin_1: bool) -> Result<String, String> {
    let text = if latin_1 {
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
    use super::{Filter, Filtered, NoFilter, references};
    use crate::config::scope::Property;
    use crate::config::span::Span;
    use crate::config::surroundings::Surroundings;

    fn property(key: &str, value: &str) -> Property {
        Property {
            key: key.to_owned(),
            value: value.to_owned(),
            key_span: Span::default(),
            value_span: Span::default(),
        }
    }

    fn filter(given: &[(&str, &str)]) -> Result<Filter, NoFilter> {
        let properties: Vec<_> = given.iter().map(|(key, value)| property(key, value)).collect();
        Filter::create("f", &properties)
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
        assert!(matches!(&said[..], [Filtered::Failed { key, .. }] if key == "k"), "{said:?}");
    }

    #[test]
    fn a_command_is_run_only_where_that_is_allowed() {
        let external = filter(&[("type", "external"), ("command", "/bin/echo a  b")]).unwrap();
        let mut properties = [property("k", "${f['key']}")];
        let said = external.apply(&mut properties, &Surroundings::default(), false);
        assert_eq!(said, [Filtered::Unknown { key: "k".to_owned() }]);
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
            assert!(
                matches!(&said[..], [Filtered::Failed { why, .. }] if why.contains(part)),
                "{said:?}"
            );
            assert_eq!(properties[0].value, "${f['key']}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_told_apart_from_what_is_wrong() {
        assert_eq!(filter(&[("type", "hadoop")]).unwrap_err(), NoFilter::NotHere);
        assert!(matches!(filter(&[("type", "external")]), Err(NoFilter::Wrong(_))));
        assert!(matches!(filter(&[("type", "nope")]), Err(NoFilter::Wrong(_))));
        let latin = [("type", "external"), ("command", "x"), ("charset", "EBCDIC")];
        assert!(matches!(filter(&latin), Err(NoFilter::Wrong(_))));
    }
}
