//! What a leader appends and what it learns when it is committed.

use bytes::Bytes;
use floe_model::{LogId, Offset};
use floe_record::{ENTRY_HEADER_BYTES, StampedBatch};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::ProposeError;

/// A new entry, without place and stamps.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// Record batches, in order; offsets are assigned when it is appended.
    Data(Vec<StampedBatch>),
    /// A command to the group's state machine.
    Control(Bytes),
}

impl Proposal {
    /// Bytes of the entry it becomes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        ENTRY_HEADER_BYTES
            + match self {
                Self::Data(batches) => batches.iter().map(StampedBatch::size_bytes).sum(),
                Self::Control(command) => command.len(),
            }
    }
}

/// An entry on the proposing leader's own disk. Another leader may still replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocallyDurable {
    /// Its place in the log.
    pub log_id: LogId,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offsets it takes.
    pub offset_count: u64,
}

/// A proposal on its way, with both of its answers.
pub struct Proposed {
    /// Answered when this node's journal has it durable; dropped when it never will.
    pub local: oneshot::Receiver<LocallyDurable>,
    /// Answered when it is committed and applied here. Must be awaited or dropped last.
    pub committed: BoxFuture<'static, Result<Applied, ProposeError>>,
}

/// A committed and applied entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the log.
    pub log_id: LogId,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offsets it takes.
    pub offset_count: u64,
    /// Its log time.
    pub appended_at_ms: i64,
    /// What the state machine answered.
    pub outcome: Bytes,
}
