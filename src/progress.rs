//! What a source's or sink's runner is doing, and when it last moved something: read by the status page and by `/healthz`,
//! for which a process that merely exists is not healthy.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It opens what it needs, or waits to try that again.
    Starting,
    /// Its last pass moved something.
    Working,
    /// Its last pass found nothing to do.
    Waiting,
    /// Its last pass failed; it will try again.
    BackingOff,
    /// It has ended, not asked to, and will not try again.
    Failed,
    /// It was asked to stop and has.
    Stopped,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::BackingOff => "backing off",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

/// A component's progress as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is doing.
    pub activity: Activity,
    /// Why it is not working, where there is a reason.
    pub why: String,
    /// Since when, in the clock's `now`.
    pub since: Duration,
    /// When it last moved something, if ever.
    pub moved_at: Option<Duration>,
}

/// The progress of one component, shared by its runner and whoever looks.
#[derive(Debug)]
pub struct Progress(Mutex<Seen>);

impl Progress {
    /// Starting, as of `now`.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        let why = String::new();
        Self(Mutex::new(Seen { activity: Activity::Starting, why, since: now, moved_at: None }))
    }

    /// Something was moved.
    pub fn moved(&self, now: Duration) {
        let mut seen = self.lock();
        seen.moved_at = Some(now);
        turn(&mut seen, now, Activity::Working, "");
    }

    /// It does something else now, or the same for another reason.
    pub fn turn(&self, now: Duration, activity: Activity, why: &str) {
        turn(&mut self.lock(), now, activity, why);
    }

    /// How it stands.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn turn(seen: &mut Seen, now: Duration, activity: Activity, why: &str) {
    if seen.activity != activity {
        seen.activity = activity;
        seen.since = now;
    }
    if seen.why != why {
        why.clone_into(&mut seen.why);
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, Progress};
    use std::time::Duration;

    #[test]
    fn since_counts_from_the_change_and_not_from_the_last_word() {
        let at = Duration::from_secs;
        let progress = Progress::new(at(1));
        progress.moved(at(2));
        progress.moved(at(3));
        progress.turn(at(4), Activity::BackingOff, "broker away");
        progress.turn(at(5), Activity::BackingOff, "broker still away");
        let seen = progress.seen();
        assert_eq!((seen.activity, seen.since), (Activity::BackingOff, at(4)));
        assert_eq!((seen.why.as_str(), seen.moved_at), ("broker still away", Some(at(3))));
        progress.moved(at(6));
        assert_eq!(progress.seen().why, "");
    }
}
