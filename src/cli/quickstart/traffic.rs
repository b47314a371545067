//! A web server that exists only as its access log, in Tomcat's `common` pattern, with a rotation in the middle.

use crate::clock::{Clock, Stop};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much is written where, and how quickly.
pub(super) struct Traffic {
    /// The folder of the log files.
    pub(super) folder: PathBuf,
    /// Lines in all.
    pub(super) lines: u64,
    /// Lines a second.
    pub(super) rate: u64,
}

/// What the web server and those who watch it know of each other.
pub(super) struct Gauge {
    /// Lines written.
    pub(super) written: AtomicU64,
    /// Lines that may be written so far.
    pub(super) allowed: AtomicU64,
}

/// Bursts a second.
const BURSTS: u64 = 20;

impl Traffic {
    /// Writes until all lines are written or it is asked to stop; the gauge counts along.
    pub(super) fn write(
        &self,
        gauge: &Gauge,
        stop: &Stop,
        clock: &dyn Clock,
    ) -> Result<(), String> {
        let mut file = self.open(1)?;
        let failed = |why: std::io::Error| format!("cannot write the access log: {why}");
        for number in 0..self.lines {
            if number == self.lines / 2 {
                file.flush().map_err(failed)?;
                file = self.open(2)?;
            }
            writeln!(file, "{}", line(number, clock.wall_ms())).map_err(failed)?;
            let count = number + 1;
            if count.is_multiple_of((self.rate / BURSTS).max(1)) || count == self.lines {
                file.flush().map_err(failed)?;
                gauge.written.store(count, Ordering::Relaxed);
                if !pause(gauge, count, stop) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn open(&self, number: u8) -> Result<BufWriter<File>, String> {
        let path = self.folder.join(format!("localhost_access_log.{number}.txt"));
        let file = File::options().append(true).create(true).open(&path);
        file.map(BufWriter::new).map_err(|why| format!("cannot write {}: {why}", path.display()))
    }
}

/// Waits for the next burst, and until it is allowed. False if asked to stop.
fn pause(gauge: &Gauge, count: u64, stop: &Stop) -> bool {
    loop {
        if stop.wait(Duration::from_millis(1000 / BURSTS)) {
            return false;
        }
        if count <= gauge.allowed.load(Ordering::Relaxed) {
            return true;
        }
    }
}

/// One request. The number is in its path, so that no two lines are alike and rows can be counted apart.
fn line(number: u64, wall_ms: i64) -> String {
    let pages = ["cart", "login", "item", "search", "img/logo.png"];
    let statuses = [200, 200, 200, 200, 200, 304, 302, 404, 500];
    let pick = |of: u64, seed: u64| {
        usize::try_from((number ^ (number >> 3)).wrapping_mul(seed) % of).unwrap_or(0)
    };
    let page = pages[pick(5, 2_654_435_761)];
    let status = statuses[pick(9, 40_503)];
    let time = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let bytes =
        if status == 304 { "-".to_owned() } else { (number * 37 % 90_000 + 120).to_string() };
    let host = number * 7 % 250;
    format!("10.0.0.{host} - - [{time}] \"GET /{page}?request={number} HTTP/1.1\" {status} {bytes}")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_what_tomcat_writes() {
        let line = line(5, 0);
        assert!(line.starts_with("10.0.0.35 - - [01/Jan/1970:00:00:00 +0000] \"GET /"), "{line}");
        assert!(line.contains("?request=5 HTTP/1.1\" "), "{line}");
    }
}
