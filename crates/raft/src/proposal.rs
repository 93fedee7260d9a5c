//! What a leader appends and what it learns when it is committed.

use bytes::Bytes;
use floe_model::{LogId, Offset};
use floe_record::{ENTRY_HEADER_BYTES, StampedBatch};

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
