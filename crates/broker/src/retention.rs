//! Removes old records: by age, by size, by order of a client.
//!
//! What is removed is decided by the leader and replicated as a trim; each replica deletes
//! segments behind the committed log start on its own. Only partitions with a closed segment are
//! looked at: they enter a queue when a segment rolls and leave it when one is left.

use std::collections::BTreeSet;
use std::sync::Arc;

use floe_model::RaftGroupId;
use parking_lot::Mutex;

/// Partitions that have something to remove now or later.
#[derive(Clone, Default)]
pub(crate) struct DueQueue {
    /// Held to add or take.
    groups: Arc<Mutex<BTreeSet<RaftGroupId>>>,
}

impl DueQueue {
    pub(crate) fn add(&self, group: RaftGroupId) {
        self.groups.lock().insert(group);
    }

    pub(crate) fn take(&self) -> BTreeSet<RaftGroupId> {
        std::mem::take(&mut self.groups.lock())
    }
}
