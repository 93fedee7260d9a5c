//! How much produce a node takes in at once.
//!
//! Every request holds its bytes from arrival to the outcome of its last batch, also when the
//! client left meanwhile. A full node refuses at once: nothing was written, the client waits.

use std::sync::Arc;

use floe_model::ErrorCode;
use floe_rpc::{Failure, FailureDetail};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit is this many bytes, so that a large bound fits a semaphore.
const BYTES_PER_PERMIT: usize = 64;

/// The node's budget for produce in progress.
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    permits_max: usize,
}

impl Admission {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let permits_max = bytes_max.div_ceil(BYTES_PER_PERMIT).min(u32::MAX as usize);
        Self {
            permits: Arc::new(Semaphore::new(permits_max)),
            permits_max,
        }
    }

    /// Takes `bytes`, or `None` when they do not fit now. A request larger than the whole
    /// budget gets all of it.
    pub(crate) fn admit(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits)
            .try_acquire_many_owned(self.wanted(bytes))
            .ok()
    }

    /// Waits until `bytes` fit.
    pub(crate) async fn room(&self, bytes: usize) {
        // Nobody closes the semaphore; what was waited for is given back at once.
        drop(self.permits.acquire_many(self.wanted(bytes)).await);
    }

    fn wanted(&self, bytes: usize) -> u32 {
        let wanted = bytes.div_ceil(BYTES_PER_PERMIT).clamp(1, self.permits_max);
        u32::try_from(wanted).expect("the budget has at most 2^32 permits")
    }

    /// What a request is told that did not fit.
    pub(crate) fn refusal(&self) -> Failure {
        Failure::new(
            ErrorCode::Busy,
            FailureDetail::ProduceInProgress {
                in_use_bytes: self.bytes_in_use() as u64,
                limit_bytes: (self.permits_max * BYTES_PER_PERMIT) as u64,
            },
        )
    }

    pub(crate) fn bytes_in_use(&self) -> usize {
        (self.permits_max - self.permits.available_permits()) * BYTES_PER_PERMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_node_refuses_until_bytes_come_back() {
        let admission = Admission::new(1024);
        let held = admission.admit(1000).expect("it fits");
        assert!(admission.admit(64).is_none());
        assert_eq!(admission.bytes_in_use(), 1024);
        drop(held);
        assert!(
            admission.admit(1 << 40).is_some(),
            "one huge request takes all"
        );
    }
}
