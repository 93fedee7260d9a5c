//! The state machine of an offsets partition behind Raft.

use std::sync::Arc;

use bytes::Bytes;
use floe_group::offsets::{self, OffsetsState};
use floe_raft::{CorruptState, StateMachine};
use floe_record::{Entry, EntryBody};
use parking_lot::Mutex;

/// Committed offsets and fences.
pub(crate) struct OffsetsMachine {
    /// Held for one entry or one snapshot.
    state: Arc<Mutex<OffsetsState>>,
}

impl OffsetsMachine {
    pub(crate) fn new(state: Arc<Mutex<OffsetsState>>) -> Self {
        Self { state }
    }
}

impl StateMachine for OffsetsMachine {
    fn apply(&mut self, entry: &Entry) -> Bytes {
        let EntryBody::Control(bytes) = &entry.body else {
            return Bytes::new();
        };
        match offsets::decode(bytes) {
            Ok(command) => {
                let outcome = offsets::apply(&mut self.state.lock(), entry.appended_at_ms, command);
                offsets::encode_outcome(&outcome).into()
            }
            Err(error) => {
                let log_id = entry.log_id();
                tracing::error!(?log_id, %error, "unreadable offsets command skipped");
                Bytes::new()
            }
        }
    }

    fn snapshot(&mut self) -> Bytes {
        let state = self.state.lock().clone();
        state.snapshot().into()
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState> {
        let restored = match state {
            Some(bytes) => OffsetsState::from_snapshot(bytes).map_err(|error| {
                tracing::error!(%error, "offsets snapshot is unreadable");
                CorruptState {
                    reason: "not an offsets state",
                }
            })?,
            None => OffsetsState::new(),
        };
        *self.state.lock() = restored;
        Ok(())
    }
}
