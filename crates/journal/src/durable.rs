//! The proof that bytes are on disk.
//!
//! Invariant: a [`Durable`] exists only after the sync it stands for returned success. Its
//! constructor is visible in this crate only and called in two places: by the journal writer in
//! the step after a commit group was written, and after a state file was synced and renamed.

use tokio::sync::oneshot;

use crate::StoreError;

/// What was asked is on this node's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    lsn: u64,
}

impl Durable {
    /// Only for a caller that holds a finished sync in its hands.
    pub(crate) fn synced_to(lsn: u64) -> Self {
        Self { lsn }
    }

    /// Everything in the journal below this position is durable.
    #[must_use]
    pub fn lsn(&self) -> u64 {
        self.lsn
    }
}

/// Called once, on the journal thread, in order per group. It must not block.
pub type OnDurable = Box<dyn FnOnce(Result<Durable, StoreError>) + Send>;

/// A callback and what it will say.
pub(crate) fn on_durable() -> (OnDurable, oneshot::Receiver<Result<Durable, StoreError>>) {
    let (sender, finished) = oneshot::channel();
    // Whoever asked may have given up; the frame is durable all the same.
    (Box::new(|result| drop(sender.send(result))), finished)
}
