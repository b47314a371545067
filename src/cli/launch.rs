//! What somebody asks for who starts a long-running command: Flume's words in any spelling, `flume.opts`, what the script
//! takes away (`-c`, `-D`, `-X`, …), and our own options, made into one checked value.

use super::commons_cli::{self, Given, OptionSpec, Wrong};
use super::surroundings;
use crate::config::span::FileIndex;
use crate::config::surroundings::Surroundings;
use crate::config::syntax;
use crate::event::ComponentName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Flume's options file is looked for before the directory given with `-c`.
const OPTIONS_FILE: &str = "/etc/flume/flume.opts";
/// Between two looks at the file, unless `-i` says otherwise (Flume's 30 s).
const POLL: Duration = Duration::from_secs(30);
/// How long a stop may take to deliver what is in flight.
const DRAIN: Duration = Duration::from_secs(10);

/// A start that is asked for.
#[derive(Debug)]
pub(crate) struct Launch {
    /// `-n`.
    pub(crate) name: ComponentName,
    /// `-f` in order, or `-u` resolved.
    pub(crate) files: Vec<PathBuf>,
    /// Between two looks at the files; `None`: they are not looked at.
    pub(crate) poll: Option<Duration>,
    /// `-b`.
    pub(crate) backup: Option<PathBuf>,
    /// Environment and system properties.
    pub(crate) surroundings: Surroundings,
    /// Port of the status page on 127.0.0.1, where one was asked for.
    pub(crate) status_port: Option<u16>,
    /// Where to write the process id.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where to write the address of the status page.
    pub(crate) status_file: Option<PathBuf>,
    /// How long a stop may take.
    pub(crate) drain: Duration,
    /// `-Xmx` in bytes, where somebody wrote it: what bounded memory channels in Flume.
    pub(crate) heap_bytes: Option<u64>,
    /// Words that were accepted and have no meaning here.
    pub(crate) passed_over: Vec<String>,
}

/// Why there is no launch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoLaunch {
    /// Help was asked for.
    Help,
    /// `--dryrun`.
    DryRun,
    /// What is wrong, and what to do.
    Wrong(String, String),
}

impl From<Wrong> for NoLaunch {
    fn from(wrong: Wrong) -> Self {
        let next = "`tailwater help agent` lists the options";
        Self::Wrong(wrong.to_string(), next.to_owned())
    }
}

/// What the script takes away before the program sees its options.
#[derive(Debug, Default)]
struct ScriptWords {
    conf: Option<PathBuf>,
    dry_run: bool,
    defines: Vec<(String, String)>,
    heap_bytes: Option<u64>,
    passed_over: Vec<String>,
    others: Vec<String>,
}

impl Launch {
    /// Reads the words behind the command.
    pub(crate) fn read(options: &'static [OptionSpec], words: &[String]) -> Result<Self, NoLaunch> {
        let script = ScriptWords::take(words)?;
        let mut given = commons_cli::parse(options, &script.others)?;
        if given.has("help") {
            return Err(NoLaunch::Help);
        }
        let places =
            [Some(PathBuf::from(OPTIONS_FILE)), script.conf.as_ref().map(|c| c.join("flume.opts"))];
        if let Some((path, text)) = first_readable(&places) {
            add_options_file(&mut given, options, &path, &text)?;
        }
        if script.dry_run {
            return Err(NoLaunch::DryRun);
        }
        refuse_what_cannot_be(&given)?;
        let mut passed_over = script.passed_over;
        if given.has("conf-uri") {
            let files = given.all("conf-file");
            passed_over.extend(files.map(|file| format!("-f {file} does not count beside -u")));
        }
        let surroundings = surroundings::gather(&script.defines);
        let name = given.first("name").filter(|name| !name.is_empty()).ok_or_else(|| {
            wrong("no agent is named", "say which one of the file with `-n NAME`")
        })?;
        Ok(Self {
            name: name.into(),
            files: files(&given, script.conf.as_deref())?,
            poll: poll(&given)?,
            backup: given.first("backup-directory").map(PathBuf::from),
            status_port: number(&given, "status-port", "a port, 0 to 65535")?,
            pid_file: given.first("pid-file").map(PathBuf::from),
            status_file: given.first("status-file").map(PathBuf::from),
            drain: number(&given, "drain-seconds", "whole seconds")?
                .map_or(DRAIN, Duration::from_secs),
            passed_over,
            heap_bytes: script.heap_bytes,
            surroundings,
        })
    }
}

fn wrong(what: impl Into<String>, next: impl Into<String>) -> NoLaunch {
    NoLaunch::Wrong(what.into(), next.into())
}

impl ScriptWords {
    fn pass_over(&mut self, word: &str) {
        self.passed_over.push(format!("{word} has no meaning without a JVM"));
    }

    fn take(words: &[String]) -> Result<Self, NoLaunch> {
        let mut taken = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--conf" | "-c" => {
                    let directory = words.next().filter(|w| !w.is_empty());
                    let missing =
                        || wrong(format!("option {word} needs an argument"), "name the directory");
                    taken.conf = Some(PathBuf::from(directory.ok_or_else(missing)?));
                }
                "--classpath" | "-C" | "--plugins-path" => {
                    let path = words.next().map_or("", String::as_str);
                    taken.pass_over(&format!("{word} {path}"));
                }
                "--dryrun" | "-d" => taken.dry_run = true,
                other => taken.glued(other),
            }
        }
        Ok(taken)
    }

    /// Words whose argument is glued to them, and all that is not the script's.
    fn glued(&mut self, word: &str) {
        let java = ["-agentlib", "-agentpath", "-javaagent"];
        if let Some(define) = word.strip_prefix("-D") {
            let (name, value) = define.split_once('=').unwrap_or((define, ""));
            self.defines.push((name.to_owned(), value.to_owned()));
        } else if let Some(size) = word.strip_prefix("-Xmx") {
            match java_size(size) {
                Some(bytes) => self.heap_bytes = Some(bytes),
                None => self.pass_over(word),
            }
        } else if word.starts_with("-X") || java.iter().any(|prefix| word.starts_with(prefix)) {
            self.pass_over(word);
        } else {
            self.others.push(word.to_owned());
        }
    }
}

/// `20m`, `2g`, `1024k` or bytes, as the JVM reads it.
fn java_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.strip_prefix(digits)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn first_readable(places: &[Option<PathBuf>]) -> Option<(PathBuf, Vec<u8>)> {
    let read = |path: &PathBuf| Some((path.clone(), std::fs::read(path).ok()?));
    places.iter().flatten().find_map(read)
}

fn add_options_file(
    given: &mut Given,
    options: &'static [OptionSpec],
    path: &Path,
    text: &[u8],
) -> Result<(), NoLaunch> {
    let parsed = syntax::parse(FileIndex::default(), &String::from_utf8_lossy(text));
    let mut last = BTreeMap::new();
    last.extend(parsed.entries.iter().map(|entry| (entry.key.as_str(), entry.value.trim())));
    given.add_defaults(options, last).map_err(|error| {
        wrong(
            format!("{}: {error}", path.display()),
            "mend that file: it holds defaults of options",
        )
    })
}

/// Options that Flume has and that cannot be had here are refused by name: half of what was asked for is not started.
fn refuse_what_cannot_be(given: &Given) -> Result<(), NoLaunch> {
    for (option, why, next) in [
        (
            "zkConnString",
            "a config is not read from ZooKeeper",
            "write it to a file and give it with -f",
        ),
        ("conf-provider", "no Java class can be loaded", "give the file with -f"),
        ("auth-provider", "no Java class can be loaded", "give the file with -f"),
    ] {
        if given.has(option) {
            return Err(wrong(format!("option --{option}: {why}"), next));
        }
    }
    Ok(())
}

/// `-u` if it is given, as in Flume, else `-f`.
fn files(given: &Given, conf: Option<&Path>) -> Result<Vec<PathBuf>, NoLaunch> {
    let uris: Result<Vec<_>, _> = given.all("conf-uri").map(|uri| file_of_uri(uri, conf)).collect();
    let uris = uris?;
    let files: Vec<_> = given.all("conf-file").map(PathBuf::from).collect();
    match (uris.is_empty(), files.is_empty()) {
        (true, true) => Err(wrong("no config is given", "name the file with `-f FILE`")),
        (true, false) => Ok(files),
        (false, _) => Ok(uris),
    }
}

/// `file:///abs/path`, and `classpath:/name` below the directory of `-c`, which is what Flume's class path begins with.
fn file_of_uri(uri: &str, conf: Option<&Path>) -> Result<PathBuf, NoLaunch> {
    let refused = |why: &str| wrong(format!("config URI {uri}: {why}"), "give the file with -f");
    let (scheme, rest) = uri.split_once(':').ok_or_else(|| refused("it has no scheme"))?;
    match scheme.to_ascii_lowercase().as_str() {
        "file" => {
            let parsed = url::Url::parse(uri).map_err(|error| refused(&error.to_string()))?;
            parsed.to_file_path().map_err(|()| refused("it names no file"))
        }
        "classpath" if rest.starts_with('/') => {
            let conf = conf.ok_or_else(|| refused("there is no class path without -c"))?;
            Ok(conf.join(rest.trim_start_matches('/')))
        }
        "http" | "https" => Err(refused("a config is not fetched over HTTP")),
        _ => Err(refused("Flume knows file:, classpath:/ and http(s):")),
    }
}

fn poll(given: &Given) -> Result<Option<Duration>, NoLaunch> {
    let seconds = given.first("poll-interval").filter(|text| !text.is_empty());
    let seconds = match seconds.map(str::parse::<i64>) {
        None | Some(Ok(0)) => return Ok((!given.has("no-reload-conf")).then_some(POLL)),
        Some(Ok(seconds)) => seconds,
        Some(Err(_)) => return Err(wrong("--poll-interval is no whole number", "write seconds")),
    };
    let polls = !given.has("no-reload-conf");
    Ok(u64::try_from(seconds).ok().filter(|_| polls).map(Duration::from_secs))
}

fn number<N: std::str::FromStr>(
    given: &Given,
    option: &str,
    expected: &str,
) -> Result<Option<N>, NoLaunch> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            wrong(format!("--{option} cannot be `{text}`"), format!("write {expected}"))
        })
    };
    given.first(option).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::{Launch, NoLaunch, java_size};
    use crate::cli::options::AGENT;
    use std::path::PathBuf;
    use std::time::Duration;

    fn launch(line: &str) -> Result<Launch, NoLaunch> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Launch::read(AGENT, &words)
    }

    fn refused(line: &str) -> String {
        match launch(line) {
            Err(NoLaunch::Wrong(what, _)) => what,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_service_units_line_is_understood_as_it_is() {
        let line = "-n a1 -c conf -f conf/x.conf -Dflume.monitoring.type=http -Xmx512m -Xms1g \
                    -Dflume.root.logger=INFO,LOGFILE -C lib/* --no-reload-conf";
        let launch = launch(line).unwrap();
        assert_eq!(launch.name.as_str(), "a1");
        assert_eq!(launch.files, [PathBuf::from("conf/x.conf")]);
        assert_eq!(launch.poll, None);
        assert_eq!(launch.surroundings.property("flume.root.logger"), Some("INFO,LOGFILE"));
        assert_eq!(launch.heap_bytes, Some(512 << 20));
        let why = "has no meaning without a JVM";
        assert_eq!(launch.passed_over, [format!("-Xms1g {why}"), format!("-C lib/* {why}")]);
    }

    #[test]
    fn a_uri_takes_the_place_of_files_and_names_one() {
        let launched =
            launch("-n a1 -f x.conf -u file:///etc/a%20b.conf -c /conf -u classpath:///y").unwrap();
        assert_eq!(launched.files, [PathBuf::from("/etc/a b.conf"), PathBuf::from("/conf/y")]);
        assert_eq!(launched.passed_over, ["-f x.conf does not count beside -u"]);
        assert!(refused("-n a1 -u http://host/x").contains("not fetched over HTTP"));
        assert!(refused("-n a1 -u conf/x.conf").contains("no scheme"));
    }

    #[test]
    fn the_poll_interval_is_flumes() {
        let poll = |option: &str| launch(&format!("-n a1 -f x{option}")).unwrap().poll;
        assert_eq!(poll(""), Some(Duration::from_secs(30)));
        assert_eq!(poll(" -i 0"), Some(Duration::from_secs(30)));
        assert_eq!(poll(" -i 5"), Some(Duration::from_secs(5)));
        assert_eq!(poll(" -i -1"), None);
        assert!(refused("-n a1 -f x -i soon").contains("no whole number"));
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name() {
        assert!(refused("-n a1 -z host:2181").contains("zkConnString"));
        assert!(refused("-n a1 -prov Some.Class -f x").contains("conf-provider"));
        assert_eq!(refused("-f x"), "no agent is named");
        assert_eq!(refused("-n a1"), "no config is given");
        assert_eq!(launch("-h").unwrap_err(), NoLaunch::Help);
        assert_eq!(launch("-d -n a1 -f x").unwrap_err(), NoLaunch::DryRun);
    }

    #[test]
    fn sizes_are_read_as_the_jvm_reads_them() {
        for (text, bytes) in
            [("20m", Some(20 << 20)), ("2G", Some(2 << 30)), ("7", Some(7)), ("2mb", None)]
        {
            assert_eq!(java_size(text), bytes, "{text}");
        }
    }
}
