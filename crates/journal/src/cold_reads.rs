//! How many reads of partition segments the disk sees at once.
//!
//! Invariant: readers far behind queue here, first come first served, instead of at the disk,
//! where they would stand in front of the journal's own writes. A turn belongs to the blocking
//! work and not to whoever waits for it: a reader that gives up does not let another one in
//! before its work is done.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Random reads gain little beyond this depth, and a journal write waits behind each of them.
const AT_ONCE_MAX: usize = 4;

/// The turns of one store.
pub(crate) struct ColdReads {
    turns: Arc<Semaphore>,
}

impl ColdReads {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    /// Waits for a turn, which ends when the permit is dropped.
    pub(crate) async fn turn(&self) -> OwnedSemaphorePermit {
        let turn = self.turns.clone().acquire_owned().await;
        turn.expect("the semaphore is never closed")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reader_waits_while_all_turns_are_taken_and_gets_the_first_that_ends() {
        let reads = ColdReads::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut taken = Vec::new();
            for _ in 0..AT_ONCE_MAX {
                taken.push(reads.turn().await);
            }
            let mut waiting = std::pin::pin!(reads.turn());
            assert!(futures::poll!(&mut waiting).is_pending());
            taken.pop();
            assert!(futures::poll!(&mut waiting).is_ready());
        });
    }
}
