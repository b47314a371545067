//! Where log lines go and what they look like.
//!
//! Readable lines on stderr, unless `-Dflume.root.logger=LEVEL,LOGFILE` sends them to a file as Flume 1.6–1.9 did
//! (`flume.log.dir`, `flume.log.file`); `…,console` is stderr. `RUST_LOG` refines the level by component of the program.
//! The lines carry the words that runbooks look for; what Log4j puts around them in a file stands around them here too.

mod file;

use crate::config::surroundings::Surroundings;
use env_logger::fmt::Formatter;
use env_logger::{Builder, Target};
use file::RollingFile;
use jiff::ZonedDateTime;
use log::{LevelFilter, Record};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    level: LevelFilter,
    console: bool,
    file: Option<PathBuf>,
}

impl Destination {
    /// As `flume.root.logger`, `flume.log.dir` and `flume.log.file` say; without them INFO on stderr.
    pub(crate) fn from_properties(surroundings: &Surroundings) -> Self {
        let property = |name: &str| surroundings.property(name).map(str::trim);
        let words = property("flume.root.logger").unwrap_or("INFO,console");
        let mut words = words.split(',').map(str::trim);
        let level = words.next().map_or(LevelFilter::Info, log4j_level);
        let (mut console, mut file) = (false, None);
        for appender in words {
            if appender.eq_ignore_ascii_case("console") {
                console = true;
            } else if ["LOGFILE", "DAILY"].iter().any(|a| appender.eq_ignore_ascii_case(a)) {
                let directory = Path::new(property("flume.log.dir").unwrap_or("./logs"));
                file = Some(directory.join(property("flume.log.file").unwrap_or("flume.log")));
            }
        }
        Self { level, console: console || file.is_none(), file }
    }

    /// Starts logging there; called once. A file that cannot be opened is told on stderr, where the lines go instead.
    pub(crate) fn start(&self, filters: Option<&str>) {
        let mut builder = Builder::new();
        builder.filter_level(self.level);
        for noisy in ["librdkafka", "rdkafka", "mysql_async", "tracing", "rustls"] {
            builder.filter_module(noisy, self.level.min(LevelFilter::Warn));
        }
        if let Some(filters) = filters {
            builder.parse_filters(filters);
        }
        let opened = self.file.as_deref().map(|path| (path, RollingFile::open(path)));
        let trouble = match opened {
            None => {
                builder.target(Target::Stderr).format(console_line);
                None
            }
            Some((_, Ok(file))) => {
                let lines: Box<dyn Write + Send> =
                    if self.console { Box::new(Both(file)) } else { Box::new(file) };
                builder.target(Target::Pipe(lines)).format(file_line);
                None
            }
            Some((path, Err(error))) => {
                builder.target(Target::Stderr).format(console_line);
                Some(format!("cannot write the log to {}: {error}", path.display()))
            }
        };
        builder.init();
        std::panic::set_hook(Box::new(log_panic));
        if let Some(trouble) = trouble {
            log::error!("{trouble}; effect: log lines go to stderr; next: see `flume.log.dir`");
        }
    }
}

/// A panic is a defect; its runner catches it, tells what that means and starts the part again. Here is where it was.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload().downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("-");
    let words = words.unwrap_or("without a word");
    log::error!("defect on thread {thread} at {place}: {words}; next: please report it");
}

/// Log4j's levels; a word it does not know is DEBUG there too.
fn log4j_level(word: &str) -> LevelFilter {
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    match () {
        () if is(&["OFF"]) => LevelFilter::Off,
        () if is(&["FATAL", "ERROR"]) => LevelFilter::Error,
        () if is(&["WARN"]) => LevelFilter::Warn,
        () if is(&["INFO"]) => LevelFilter::Info,
        () if is(&["ALL", "TRACE"]) => LevelFilter::Trace,
        () => LevelFilter::Debug,
    }
}

/// `2026-11-22 09:16:58.164 WARN  sink k1: …  (broker-away)`.
fn console_line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = ZonedDateTime::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
    let style = out.default_level_style(record.level());
    let level = record.level();
    write!(out, "{time} {style}{level:<5}{style:#} {}", record.args())?;
    match code(record) {
        Some(code) => writeln!(out, "  ({code})"),
        None => writeln!(out),
    }
}

/// `22 Nov 2026 09:16:58,164 WARN  [sink-k1] (broker-away)  - sink k1: …`, as Flume's pattern has it.
fn file_line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let now = ZonedDateTime::now();
    let (time, millis) = (now.strftime("%d %b %Y %H:%M:%S"), now.subsec_nanosecond() / 1_000_000);
    let thread = std::thread::current();
    let (level, thread) = (record.level(), thread.name().unwrap_or("-").to_owned());
    writeln!(
        out,
        "{time},{millis:03} {level:<5} [{thread}] ({})  - {}",
        record.target(),
        record.args()
    )
}

/// The code of a happening, which is its target; a module's path is of no use to an operator.
fn code<'a>(record: &'a Record<'_>) -> Option<&'a str> {
    let target = record.target();
    (!target.contains("::") && target != env!("CARGO_PKG_NAME")).then_some(target)
}

/// A file, and stderr beside it.
struct Both(RollingFile);

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(bytes)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;
    use crate::config::surroundings::Surroundings;
    use log::LevelFilter;
    use std::path::PathBuf;

    fn destination(properties: &[(&str, &str)]) -> Destination {
        let mut surroundings = Surroundings::default();
        let own = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        surroundings.properties.extend(own);
        Destination::from_properties(&surroundings)
    }

    #[test]
    fn flumes_logger_properties_say_how_much_goes_where() {
        let expected = |level, console, file: Option<&str>| Destination {
            level,
            console,
            file: file.map(PathBuf::from),
        };
        assert_eq!(destination(&[]), expected(LevelFilter::Info, true, None));
        let console = destination(&[("flume.root.logger", "DEBUG,console")]);
        assert_eq!(console, expected(LevelFilter::Debug, true, None));
        let file = destination(&[("flume.root.logger", "WARN,LOGFILE")]);
        assert_eq!(file, expected(LevelFilter::Warn, false, Some("./logs/flume.log")));
        let both = destination(&[
            ("flume.root.logger", "INFO, LOGFILE, console"),
            ("flume.log.dir", "/var/log/flume"),
            ("flume.log.file", "a1.log"),
        ]);
        assert_eq!(both, expected(LevelFilter::Info, true, Some("/var/log/flume/a1.log")));
    }
}
