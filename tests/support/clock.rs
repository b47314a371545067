//! A clock that is turned by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tailwater::clock::Clock;

/// Stands still until somebody turns it.
#[derive(Debug)]
pub struct HandClock {
    turned_ms: AtomicU64,
    began_ms: AtomicU64,
}

/// 2026-01-01, so that a wall clock is plausible.
const BEGAN_MS: u64 = 1_767_225_600_000;

impl Default for HandClock {
    fn default() -> Self {
        Self { turned_ms: AtomicU64::new(0), began_ms: AtomicU64::new(BEGAN_MS) }
    }
}

impl HandClock {
    /// Its wall time begins at the machine's, so that the times of files are plausible.
    pub fn follow_the_world(&self) {
        let now = tailwater::clock::SystemClock::shared().wall_ms();
        self.began_ms.store(u64::try_from(now).unwrap(), Ordering::SeqCst);
    }

    pub fn turn(&self, by: Duration) {
        self.turned_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.turned_ms.load(Ordering::SeqCst))
    }

    fn wall_ms(&self) -> i64 {
        i64::try_from(self.began_ms.load(Ordering::SeqCst) + self.turned_ms.load(Ordering::SeqCst))
            .unwrap()
    }
}
