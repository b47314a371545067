//! Waiting for something that can be seen: no sleep of a guessed length, and no wait without an end.

use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Looks until `look` returns `Ok`; what the last `Err` said is the progress shown meanwhile, and the failure's reason.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    let mut told = began;
    loop {
        let seen = match look() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}; last seen: {seen}");
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(&format!("{what}: {seen}"));
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

/// `until` for a condition that has nothing to say but whether it holds.
pub(crate) fn until_true(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    until(what, limit, || if look() { Ok(()) } else { Err("not yet".into()) });
}

/// Progress that is seen while a test runs: libtest holds back only what the print macros write.
pub(crate) fn tell(line: &str) {
    use std::io::Write;
    writeln!(std::io::stderr().lock(), "    {line}").unwrap();
}
