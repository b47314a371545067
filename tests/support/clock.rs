//! A clock that is turned by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tailwater::clock::Clock;

/// Stands still until somebody turns it.
#[derive(Debug, Default)]
pub struct HandClock(AtomicU64);

impl HandClock {
    pub fn turn(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// 2026-01-01, so that a wall clock is plausible.
const BEGAN_MS: i64 = 1_767_225_600_000;

impl Clock for HandClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wall_ms(&self) -> i64 {
        BEGAN_MS + i64::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}
