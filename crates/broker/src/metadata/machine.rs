//! The metadata state machine behind Raft. Every applied entry publishes a new view.

use std::sync::Arc;

use bytes::Bytes;
use floe_metadata::State;
use floe_raft::{CorruptState, StateMachine};
use floe_record::{Entry, EntryBody};

use super::view::{MetadataPublisher, MetadataView};

/// The state machine of the metadata group.
pub(crate) struct MetadataMachine {
    state: Arc<State>,
    publisher: MetadataPublisher,
}

impl MetadataMachine {
    pub(crate) fn new(publisher: MetadataPublisher) -> Self {
        Self {
            state: Arc::default(),
            publisher,
        }
    }
}

impl StateMachine for MetadataMachine {
    fn apply(&mut self, entry: &Entry) -> Bytes {
        let outcome = match &entry.body {
            EntryBody::Control(bytes) => match floe_metadata::decode(bytes) {
                Ok(command) => {
                    let outcome = floe_metadata::apply(Arc::make_mut(&mut self.state), command);
                    floe_metadata::encode_outcome(&outcome).into()
                }
                Err(error) => {
                    let log_id = entry.log_id();
                    tracing::error!(?log_id, %error, "unreadable metadata command skipped");
                    Bytes::new()
                }
            },
            EntryBody::Data(_) | EntryBody::Blank | EntryBody::Membership(_) => Bytes::new(),
        };
        let state = Arc::clone(&self.state);
        self.publisher.send_replace(MetadataView {
            applied: Some(entry.index),
            state,
        });
        outcome
    }

    fn snapshot(&mut self) -> Bytes {
        self.state.snapshot().into()
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState> {
        let restored = match state {
            Some(bytes) => State::from_snapshot(bytes).map_err(|error| {
                tracing::error!(%error, "metadata snapshot is unreadable");
                CorruptState {
                    reason: "not a metadata state",
                }
            })?,
            None => State::new(),
        };
        self.state = Arc::new(restored);
        // The index comes with the first entry behind the snapshot: until then waits go on.
        let state = Arc::clone(&self.state);
        self.publisher.send_modify(|view| view.state = state);
        Ok(())
    }
}
