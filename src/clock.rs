//! The only time and the only waiting.
//!
//! Everything that asks for the time takes a [`Clock`], so that tests can turn it; everything that waits for nothing in
//! particular waits on a [`Stop`], so that shutdown is immediate.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment in this process's life. Never goes back.
    fn now(&self) -> Duration;
    /// Milliseconds since 1970-01-01 UTC, as the machine's clock has it.
    fn wall_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// A clock whose `now` counts from here.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        #[allow(clippy::disallowed_methods, reason = "this is the clock")]
        Arc::new(Self { started: std::time::Instant::now() })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall_ms(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "this is the clock")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}

/// A request to stop, shared by who asks and who must heed it.
#[derive(Clone, Debug)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requested: AtomicBool,
    /// Dropped at the request, which wakes everyone who waits on `signal`.
    hold: Mutex<Option<Sender<Infallible>>>,
    signal: Receiver<Infallible>,
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        let (hold, signal) = crossbeam_channel::bounded(0);
        let inner =
            Inner { requested: AtomicBool::new(false), hold: Mutex::new(Some(hold)), signal };
        Self { inner: Arc::new(inner) }
    }

    /// Asks everyone to stop. Asking twice is asking once.
    pub fn request(&self) {
        self.inner.requested.store(true, Ordering::SeqCst);
        drop(self.inner.hold.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.inner.requested.load(Ordering::SeqCst)
    }

    /// Waits until asked to stop, at most so long. True if asked.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        match self.inner.signal.recv_timeout(at_most) {
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
            Ok(never) => match never {},
        }
    }

    /// For `select!` beside other channels: it is disconnected when somebody has asked.
    #[must_use]
    pub fn signal(&self) -> &Receiver<Infallible> {
        &self.inner.signal
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;
    use std::time::Duration;

    #[test]
    fn whoever_waits_is_woken_by_the_request_and_not_by_the_time() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::ZERO));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_mins(10)));
        stop.request();
        assert!(waiter.join().unwrap());
        assert!(stop.is_requested() && stop.wait(Duration::from_mins(10)));
    }
}
