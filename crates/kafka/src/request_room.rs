//! Room in memory for the requests in progress on all connections of a gateway.
//!
//! Ordinary frames and large ones have room of their own: whoever waits for much room, or holds it,
//! keeps no ordinary request waiting.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::GatewayLimits;

/// The room. Clones share it.
#[derive(Clone)]
pub(crate) struct RequestRoom {
    ordinary: Arc<Semaphore>,
    /// Large enough for one frame of the largest size.
    large: Arc<Semaphore>,
    ordinary_bytes_max: usize,
}

impl RequestRoom {
    pub(crate) fn new(limits: &GatewayLimits) -> Self {
        Self {
            ordinary: Arc::new(Semaphore::new(limits.in_progress_bytes_max)),
            large: Arc::new(Semaphore::new(limits.frame_bytes_max)),
            ordinary_bytes_max: limits.first_frame_bytes_max,
        }
    }

    /// Waits for room for a frame of `size` bytes.
    pub(crate) async fn acquire(&self, size: usize) -> OwnedSemaphorePermit {
        let room = match size <= self.ordinary_bytes_max {
            true => &self.ordinary,
            false => &self.large,
        };
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let acquired = Arc::clone(room).acquire_many_owned(permits).await;
        acquired.expect("nobody closes the room")
    }
}
