//! The names of the files, as Flume's path managers make them.

use super::{FileRollConfig, PathManager};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Makes one name after the other.
pub(super) struct Names {
    manager: PathManager,
    prefix: String,
    /// With its dot.
    extension: String,
    /// What the last name had between prefix and number.
    series: String,
    number: u64,
}

impl Names {
    pub(super) fn new(config: &FileRollConfig, started_ms: i64) -> Self {
        let dot = if config.extension.is_empty() { "" } else { "." };
        Self {
            manager: config.path_manager,
            prefix: config.prefix.clone(),
            extension: format!("{dot}{}", config.extension),
            series: started_ms.to_string(),
            number: 0,
        }
    }

    /// The next name, for a file that begins now.
    pub(super) fn next(&mut self, now_ms: i64) -> String {
        if self.manager == PathManager::RollTime {
            let series = second(now_ms);
            if series != self.series {
                self.series = series;
                self.number = 0;
            }
        }
        self.number += 1;
        format!("{}{}-{}{}", self.prefix, self.series, self.number, self.extension)
    }
}

/// `yyyyMMddHHmmss` where the machine is.
fn second(now_ms: i64) -> String {
    let at = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = TimeZone::system().to_datetime(at);
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second()
    )
}

#[cfg(test)]
mod tests {
    use super::{FileRollConfig, Names, second};
    use crate::config::scope::Scope;

    fn names(given: &[(&str, &str)], times: &[i64]) -> Vec<String> {
        let given = [&[("sink.directory", "/d")], given].concat();
        let (config, _) = Scope::for_test(&given, FileRollConfig::read);
        let mut names = Names::new(&config.unwrap(), 1_400_000_000_000);
        times.iter().map(|ms| names.next(*ms)).collect()
    }

    #[test]
    fn files_are_named_as_flumes() {
        assert_eq!(names(&[], &[1, 2]), ["1400000000000-1", "1400000000000-2"]);
        let given = [("sink.pathManager.prefix", "app"), ("sink.pathManager.extension", "txt")];
        assert_eq!(names(&given, &[1]), ["app1400000000000-1.txt"]);
        let (first, next) = (1_500_000_000_000, 1_500_000_001_000);
        let rolled = names(&[("sink.pathManager", "ROLLTIME")], &[first, first + 999, next]);
        let expected = [(first, 1), (first, 2), (next, 1)];
        assert_eq!(rolled, expected.map(|(at, n)| format!("{}-{n}", second(at))));
        assert_eq!(second(first).len(), 14);
    }
}
