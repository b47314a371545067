//! The promise handed out by put and commit: it is kept once the disk says so, or broken with the reason.

use super::ChannelError;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::collections::VecDeque;
use std::time::Duration;

/// What `put`, `settle` and `commit` hand out. Dropping it does not undo anything.
#[derive(Debug)]
#[must_use = "nothing is durable before the receipt says so"]
pub struct Receipt(State);

#[derive(Debug)]
enum State {
    Kept(Result<(), ChannelError>),
    /// `closed` is what a vanished promise means: the channel went away before it answered.
    Pending {
        answer: Receiver<Result<(), ChannelError>>,
        closed: ChannelError,
    },
}

/// The channel's half of a receipt: answered once. Dropped unanswered, it answers `Closed`.
#[derive(Debug)]
pub struct Promise(Sender<Result<(), ChannelError>>);

impl Receipt {
    /// A receipt to be answered later; `closed` is what it says if nobody ever answers.
    pub fn pending(closed: ChannelError) -> (Promise, Self) {
        let (sender, answer) = crossbeam_channel::bounded(1);
        (Promise(sender), Self(State::Pending { answer, closed }))
    }

    /// A receipt that is good at once: for channels that promise nothing beyond memory.
    pub fn kept() -> Self {
        Self(State::Kept(Ok(())))
    }

    /// Returns once it is durable, or with the reason why it will not be.
    pub fn wait(self) -> Result<(), ChannelError> {
        match self.0 {
            State::Kept(result) => result,
            State::Pending { answer, closed } => answer.recv().unwrap_or(Err(closed)),
        }
    }

    /// The answer, if it comes in time. Asking again gives the same answer.
    pub fn wait_for(&mut self, at_most: Duration) -> Option<Result<(), ChannelError>> {
        if let State::Pending { answer, closed } = &self.0 {
            let result = match answer.recv_timeout(at_most) {
                Ok(result) => result,
                Err(RecvTimeoutError::Disconnected) => Err(closed.clone()),
                Err(RecvTimeoutError::Timeout) => return None,
            };
            self.0 = State::Kept(result);
        }
        self.poll()
    }

    /// The answer, if there is one already. Asking again gives the same answer.
    pub fn poll(&mut self) -> Option<Result<(), ChannelError>> {
        if let State::Pending { answer, closed } = &self.0 {
            let result = match answer.try_recv() {
                Ok(result) => result,
                Err(TryRecvError::Disconnected) => Err(closed.clone()),
                Err(TryRecvError::Empty) => return None,
            };
            self.0 = State::Kept(result);
        }
        match &self.0 {
            State::Kept(result) => Some(result.clone()),
            State::Pending { .. } => None,
        }
    }
}

impl Promise {
    /// Answers. Whoever dropped the receipt does not hear it, which is their right.
    pub fn answer(self, result: Result<(), ChannelError>) {
        drop(self.0.send(result));
    }
}

/// Receipts that are looked at later, in order: what lets a sink go on while its last commits are being synced.
#[derive(Debug, Default)]
pub struct Receipts(VecDeque<Receipt>);

impl Receipts {
    /// Adds one; waits for the oldest while more than `bound` are outstanding.
    pub fn push(&mut self, receipt: Receipt, bound: usize) -> Result<(), ChannelError> {
        self.0.push_back(receipt);
        self.look(bound)
    }

    /// Waits until no more than `bound` are outstanding. Says what went wrong with any that was answered.
    pub fn look(&mut self, bound: usize) -> Result<(), ChannelError> {
        while let Some(mut receipt) = self.0.pop_front() {
            match receipt.poll() {
                Some(answer) => answer?,
                None if self.0.len() >= bound => receipt.wait()?,
                None => {
                    self.0.push_front(receipt);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Receipt, Receipts};
    use crate::channel::ChannelError;
    use std::time::Duration;

    #[test]
    fn a_promise_that_vanishes_is_a_closed_channel_and_not_a_success() {
        let closed = ChannelError::Closed { channel: "c1".into() };
        let (promise, mut receipt) = Receipt::pending(closed.clone());
        assert_eq!(receipt.poll(), None);
        drop(promise);
        assert_eq!(receipt.poll(), Some(Err(closed.clone())));
        assert_eq!(receipt.poll(), Some(Err(closed.clone())));
        assert_eq!(receipt.wait(), Err(closed.clone()));
        let (promise, mut receipt) = Receipt::pending(closed);
        assert_eq!(receipt.wait_for(Duration::ZERO), None);
        promise.answer(Ok(()));
        assert_eq!(receipt.wait_for(Duration::ZERO), Some(Ok(())));
        assert_eq!(receipt.wait(), Ok(()));
    }

    #[test]
    fn a_commit_that_failed_is_heard_of_at_the_next_look() {
        let closed = ChannelError::Closed { channel: "c1".into() };
        let mut receipts = Receipts::default();
        let (first, receipt) = Receipt::pending(closed.clone());
        assert_eq!(receipts.push(receipt, 2), Ok(()));
        let (second, receipt) = Receipt::pending(closed.clone());
        assert_eq!(receipts.push(receipt, 2), Ok(()), "two may be outstanding");
        first.answer(Ok(()));
        second.answer(Err(closed.clone()));
        assert_eq!(receipts.look(2), Err(closed));
        assert_eq!(receipts.look(0), Ok(()), "nothing is left to wait for");
    }
}
