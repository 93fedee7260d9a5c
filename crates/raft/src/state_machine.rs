//! What a group replicates, in Floe's own words.
//!
//! A state machine sees committed entries in log order, each exactly once after the state it was
//! restored to. It is deterministic: equal entries give equal states and outcomes on all replicas.

use bytes::Bytes;
use floe_record::Entry;

/// The replicated state of one group. Lives in the group's apply task.
pub trait StateMachine: Send + 'static {
    /// Applies a committed entry. The result reaches the proposer, if it is on this node.
    fn apply(&mut self, entry: &Entry) -> Bytes;

    /// The state after the last applied entry, version byte included.
    fn snapshot(&mut self) -> Bytes;

    /// Replaces the state by one that `snapshot` wrote, or by the empty one.
    ///
    /// # Errors
    /// The bytes are no state; the state machine is unchanged.
    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState>;
}

/// Bytes that are not a state of this state machine.
#[derive(Debug, thiserror::Error)]
#[error("corrupt state: {reason}")]
pub struct CorruptState {
    /// What was wrong with them.
    pub reason: &'static str,
}
