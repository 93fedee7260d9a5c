//! A partition's state behind Raft: entries in, snapshots out.
//!
//! The state is shared with the leader side, which only reads it. A snapshot is asked for when
//! a segment rolls, so it also tells retention that there is something to look at.

use std::sync::Arc;

use bytes::Bytes;
use floe_model::RaftGroupId;
use floe_raft::{CorruptState, StateMachine};
use floe_record::Entry;
use parking_lot::Mutex;

use super::snapshot;
use super::state::PartitionState;
use crate::retention::DueQueue;

/// The state machine of one data group.
pub(crate) struct PartitionMachine {
    group: RaftGroupId,
    /// Held for one entry or one snapshot.
    state: Arc<Mutex<PartitionState>>,
    due: DueQueue,
}

impl PartitionMachine {
    pub(crate) fn new(
        group: RaftGroupId,
        state: Arc<Mutex<PartitionState>>,
        due: DueQueue,
    ) -> Self {
        Self { group, state, due }
    }
}

impl StateMachine for PartitionMachine {
    fn apply(&mut self, entry: &Entry) -> Bytes {
        self.state.lock().apply(entry);
        Bytes::new()
    }

    fn snapshot(&mut self) -> Bytes {
        self.due.add(self.group);
        snapshot::encode(&self.state.lock())
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState> {
        let restored = match state {
            Some(bytes) => snapshot::decode(bytes).map_err(|error| {
                tracing::error!(group = %self.group, %error, "partition state is unreadable");
                CorruptState {
                    reason: "not a partition state",
                }
            })?,
            None => PartitionState::default(),
        };
        *self.state.lock() = restored;
        Ok(())
    }
}
