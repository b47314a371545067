//! TAILDIR's keys, and the rules between them.

use super::group::FileGroup;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{Scope, keys};
use crate::config::pattern::Pattern;
use crate::config::section::{Section, SectionEntry};
use crate::config::span::Span;
use crate::config::value::{Count, Millis, Names, Value, Wrong};
use crate::event::Headers;
use crate::source::BackOff;
use std::path::{Path, PathBuf};
use std::time::Duration;

keys! {
    /// Reads lines from files as they grow, and follows the files through every rotation. Nothing is lost or doubled by a
    /// restart.
    pub(super) struct TaildirConfig = "org.apache.flume.source.taildir.TaildirSource" {
        /// Names of the groups of files.
        "filegroups" => names: Names,
        /// For each group an absolute path whose last part is a regular expression for whole file names.
        "filegroups.*" => paths: Section,
        /// Where positions are kept, in Flume's form. What it has no room for lies beside it.
        "positionFile" => position_file: PathBuf = "~/.flume/taildir_position.json",
        /// For `headers.<group>.<name>`: a header of every event of the group.
        "headers.*" => headers: Section,
        /// Whether each event has the offset of its line in header `byteoffset`.
        "byteOffsetHeader" => byte_offset_header: bool = "false",
        /// Whether files that are there at the first start are read from their end.
        "skipToEnd" => skip_to_end: bool = "false",
        /// Milliseconds without change after which a file is closed.
        "idleTimeout" => idle_timeout: Millis = "120000",
        /// Milliseconds between writes of the position file.
        "writePosInterval" => write_interval: Millis = "3000",
        /// Lines that Flume would put at once: checked against the channels, and the unit of `maxBatchCount`.
        "batchSize" => batch_size: Count = "100",
        /// Batches of one file before the next file's turn. Without it, what a file has when its turn comes.
        "maxBatchCount" => max_batch_count: i64 = "9223372036854775807",
        /// Milliseconds that each pass without work lengthens the wait by, where no change of a file ends it.
        "backoffSleepIncrement" => back_off_increment: Millis = "1000",
        /// The longest such wait in milliseconds.
        "maxBackoffSleep" => back_off_max: Millis = "5000",
        /// Whether a directory is listed again only when it has changed.
        "cachePatternMatching" => cache_pattern_matching: bool = "true",
        /// Whether each event has the file's path in a header.
        "fileHeader" => file_header: bool = "false",
        /// The name of that header.
        "fileHeaderKey" => file_header_key: String = "file",
    }
}

/// What the keys say, put together.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) groups: Vec<FileGroup>,
    pub(super) position_file: PathBuf,
    pub(super) byte_offset_header: bool,
    pub(super) skip_to_end: bool,
    pub(super) idle_timeout: Duration,
    pub(super) write_interval: Duration,
    pub(super) batch_size: usize,
    /// Lines of one file in one turn; `None` where it is not bounded.
    pub(super) turn_lines: Option<u64>,
    pub(super) back_off: BackOff,
    pub(super) cache_pattern_matching: bool,
    /// The name of the header that has the path.
    pub(super) file_header: Option<String>,
}

impl Settings {
    /// Reads the keys; reports every mistake; opens nothing.
    pub(super) fn read(scope: &mut Scope<'_>) -> Option<Self> {
        let config = TaildirConfig::read(scope)?;
        let groups = read_groups(scope, &config);
        let turn_lines = turn_lines(scope, &config);
        let has_folder = config.position_file.parent().is_some_and(|p| !p.as_os_str().is_empty());
        if !has_folder {
            let span = scope.value_span("positionFile");
            let shown = config.position_file.display();
            let remark = scope.error(
                "wrong-value",
                span,
                format!("`positionFile` cannot be `{shown}`: it has no directory"),
            );
            scope.report(
                remark
                    .expected("a path with a directory")
                    .help(format!("write `./{shown}` or an absolute path")),
            );
        }
        Some(Self {
            groups: groups.filter(|_| has_folder)?,
            position_file: config.position_file,
            byte_offset_header: config.byte_offset_header,
            skip_to_end: config.skip_to_end,
            idle_timeout: config.idle_timeout.duration(),
            write_interval: config.write_interval.duration(),
            batch_size: config.batch_size.get(),
            turn_lines,
            back_off: BackOff {
                increment: config.back_off_increment.duration(),
                max: config.back_off_max.duration(),
            },
            cache_pattern_matching: config.cache_pattern_matching,
            file_header: config.file_header.then_some(config.file_header_key),
        })
    }
}

/// `maxBatchCount` in lines. Flume replaces what is not positive by its default and goes on.
fn turn_lines(scope: &mut Scope<'_>, config: &TaildirConfig) -> Option<u64> {
    if config.max_batch_count <= 0 {
        let span = scope.value_span("maxBatchCount");
        let message = format!("`maxBatchCount` cannot be `{}`", config.max_batch_count);
        let effect = "a file's turn is not bounded, as in Flume";
        scope.report(
            Diagnostic::warning("replaced-value", span, message, effect)
                .expected("a whole number, 1 or more"),
        );
        return None;
    }
    let batches = u64::try_from(config.max_batch_count).ok()?;
    let lines = u64::try_from(config.batch_size.get()).ok()?;
    batches.checked_mul(lines).filter(|_| config.max_batch_count != i64::MAX)
}

/// The groups that are listed and have a path. `None` after a mistake that Flume would not start with either.
fn read_groups(scope: &mut Scope<'_>, config: &TaildirConfig) -> Option<Vec<FileGroup>> {
    let mut right = true;
    let mut groups: Vec<FileGroup> = Vec::new();
    for name in config.names.iter() {
        if groups.iter().any(|group| group.name == name) {
            continue;
        }
        let Some(entry) = config.paths.entry(name) else {
            tell_no_path(scope, name);
            continue;
        };
        match split(&entry.value) {
            Ok((folder, pattern)) => groups.push(FileGroup {
                name: name.to_owned(),
                folder,
                pattern,
                headers: group_headers(&config.headers, name),
            }),
            Err(why) => {
                right = false;
                let message = format!("`filegroups.{name}` cannot be `{}`: {why}", entry.value);
                let remark = scope.error("wrong-value", entry.value_span, message);
                scope.report(remark.expected(
                    "an absolute path whose last part is a regular expression for file names",
                ));
            }
        }
    }
    right &= tell_stray_headers(scope, config);
    tell_unlisted(scope, config);
    if groups.is_empty() && right {
        let span = scope.value_span("filegroups");
        let remark = scope.error("missing-key", span, "no group in `filegroups` has a path");
        let first = config.names.iter().next().unwrap_or("g1").to_owned();
        scope.report(
            remark.help(format!("write `filegroups.{first} = /path/to/file-name-pattern`")),
        );
        right = false;
    }
    right.then_some(groups)
}

fn tell_no_path(scope: &mut Scope<'_>, name: &str) {
    let span = scope.value_span("filegroups");
    let message = format!("group `{name}` has no path");
    let effect = format!("`{name}` is left out, as Flume leaves it out");
    scope.report(
        Diagnostic::warning("missing-key", span, message, effect)
            .help(format!("write `filegroups.{name} = /path/to/file-name-pattern`")),
    );
}

/// Flume does not start with `headers.x` where no header's name follows the group's.
fn tell_stray_headers(scope: &mut Scope<'_>, config: &TaildirConfig) -> bool {
    let listed = |name: &str| config.names.iter().any(|listed| listed == name);
    let mut right = true;
    for (key, SectionEntry { key_span, .. }) in config.headers.iter() {
        match key.split_once('.') {
            Some((group, header)) if !group.is_empty() && !header.is_empty() => {
                if !listed(group) {
                    tell_unused(scope, *key_span, &format!("headers.{key}"), group);
                }
            }
            _ => {
                right = false;
                let message = format!("`headers.{key}` names no header");
                let remark = scope.error("wrong-key", *key_span, message);
                scope.report(remark.expected("`headers.<group>.<name>`"));
            }
        }
    }
    right
}

fn tell_unlisted(scope: &mut Scope<'_>, config: &TaildirConfig) {
    for (key, entry) in config.paths.iter() {
        if !config.names.iter().any(|listed| listed == key) {
            tell_unused(scope, entry.key_span, &format!("filegroups.{key}"), key);
        }
    }
}

fn tell_unused(scope: &mut Scope<'_>, span: Span, key: &str, group: &str) {
    let message = format!("`{key}` is not used: `{group}` is not in `filegroups`");
    scope.report(
        Diagnostic::warning(
            "unused-key",
            span,
            message,
            "the line is ignored, as Flume ignores it",
        )
        .help(format!("add `{group}` to `filegroups`, or remove the line")),
    );
}

/// Flume splits at the first dot after the group: a header's name may have dots, a group's may not.
fn group_headers(headers: &Section, group: &str) -> Headers {
    let of = |(key, entry): (&str, &SectionEntry)| {
        let (name, header) = key.split_once('.')?;
        (name == group).then(|| (header.to_owned(), entry.value.clone()))
    };
    headers.iter().filter_map(of).collect()
}

/// A group's directory and pattern, split as `java.io.File` splits a path.
fn split(path: &str) -> Result<(PathBuf, Pattern), String> {
    let trimmed = path.trim_end_matches('/');
    if !trimmed.starts_with('/') {
        return Err("it is not an absolute path".into());
    }
    let (folder, pattern) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let folder = if folder.trim_matches('/').is_empty() { "/" } else { folder };
    let pattern = Pattern::parse(pattern).map_err(|wrong| match wrong {
        Wrong::Because(why) => why,
        Wrong::Expected => "its last part is not a regular expression".into(),
    })?;
    // Components are put together anew, so that `//` is `/`, as in Java.
    Ok((Path::new(folder).components().collect(), pattern))
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::config::scope::Scope;
    use std::path::Path;
    use std::time::Duration;

    fn read(given: &[(&str, &str)]) -> (Option<Settings>, Vec<(&'static str, String)>) {
        let (settings, said) = Scope::for_test(given, Settings::read);
        (settings, said.into_iter().map(|d| (d.code, d.message)).collect())
    }

    #[test]
    fn a_config_of_the_user_guide_reads_as_flume_reads_it() {
        let (settings, said) = read(&[
            ("filegroups", "f1 f2"),
            ("filegroups.f1", "/var/log/test1/example.log"),
            ("headers.f1.headerKey1", "value1"),
            ("filegroups.f2", "/var/log//test2/.*log.*"),
            ("headers.f2.headerKey1", "value2"),
            ("headers.f2.header.Key2", "value2-2"),
            ("fileHeader", "true"),
            ("maxBatchCount", "1000"),
        ]);
        assert!(said.is_empty(), "{said:?}");
        let settings = settings.unwrap();
        assert_eq!(settings.groups[1].folder, Path::new("/var/log/test2"));
        assert_eq!(settings.groups[1].pattern.as_str(), ".*log.*");
        assert_eq!(settings.groups[1].headers["header.Key2"], "value2-2");
        assert_eq!(settings.file_header.as_deref(), Some("file"));
        assert_eq!(settings.turn_lines, Some(100_000));
        assert_eq!(settings.idle_timeout, Duration::from_mins(2));
        assert_eq!(settings.position_file, Path::new("/home/flume/.flume/taildir_position.json"));
    }

    #[test]
    fn a_group_without_a_path_is_left_out_and_none_left_is_an_error() {
        let (settings, said) = read(&[("filegroups", "f1 f2"), ("filegroups.f2", "/l/a")]);
        assert_eq!(settings.unwrap().groups.len(), 1);
        assert_eq!(said, [("missing-key", "group `f1` has no path".into())]);
        let (settings, said) = read(&[("filegroups", "f1"), ("filegroups.f2", "/l/a")]);
        assert!(settings.is_none());
        assert!(said.iter().any(|(_, m)| m == "no group in `filegroups` has a path"), "{said:?}");
    }

    #[test]
    fn every_mistake_is_told_in_one_run() {
        let (settings, said) = read(&[
            ("filegroups", "f1 f2 f3"),
            ("filegroups.f1", "relative/a"),
            ("filegroups.f2", "/l/a["),
            ("filegroups.f3", "/l/a"),
            ("filegroups.f4", "/l/b"),
            ("headers.f3", "x"),
            ("headers.f9.k", "x"),
            ("positionFile", "positions.json"),
            ("maxBatchCount", "0"),
        ]);
        assert!(settings.is_none());
        let codes: Vec<_> = said.iter().map(|(code, _)| *code).collect();
        assert_eq!(
            codes,
            [
                "wrong-value",
                "wrong-value",
                "wrong-key",
                "unused-key",
                "unused-key",
                "replaced-value",
                "wrong-value"
            ],
            "{said:?}"
        );
    }
}
