//! What the owner of a data directory decides, and who the directory says it is.
//!
//! Every size is in bytes, every duration in milliseconds. The defaults suit a node of a few
//! hundred partitions on one disk; tests shrink them to provoke rolls, checkpoints and limits.

use std::path::PathBuf;

use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid};

const MIB: u64 = 1 << 20;

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The data directory; made when missing.
    pub dir: PathBuf,
    /// All journal segments together. At least four segments are used.
    pub journal_bytes: u64,
    /// One journal segment, a multiple of 4096. A frame is at most a quarter of it.
    pub journal_segment_bytes: u64,
    /// A partition segment rolls after the entry that reaches this.
    pub partition_segment_bytes: u64,
    /// A partition segment rolls when its log time spans this.
    pub partition_segment_ms: i64,
    /// Entries kept in memory, all groups together. Entries that are not yet in a partition
    /// segment are always kept; at this limit appends are refused.
    pub tail_bytes: u64,
    /// Appended but not yet applied bytes of one group. Well below a quarter of `tail_bytes`, the
    /// bound for all groups together, or one group without quorum would stop them all.
    pub uncommitted_group_bytes: u64,
    /// Below this much free disk space produce is refused, so that what was accepted still fits.
    pub disk_reserve_bytes: u64,
    /// Writes zeros to journal segments ahead of their use. Off only in tests.
    pub prewrite: bool,
    /// Longest time that applied entries stay out of synced partition segments.
    pub checkpoint_interval_ms: u64,
}

impl JournalConfig {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            ..Self::default()
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("floe-data"),
            journal_bytes: 1024 * MIB,
            journal_segment_bytes: 64 * MIB,
            partition_segment_bytes: 128 * MIB,
            partition_segment_ms: 7 * 24 * 3_600_000,
            tail_bytes: 256 * MIB,
            uncommitted_group_bytes: 8 * MIB,
            disk_reserve_bytes: 256 * MIB,
            prewrite: true,
            checkpoint_interval_ms: 30_000,
        }
    }
}

/// Who this store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The cluster, once the node belongs to one.
    pub cluster_id: Option<ClusterId>,
    /// The configured place.
    pub node_id: NodeId,
    /// The disk, made once with the data directory.
    pub node_uuid: NodeUuid,
    /// This opening; grows durably with each.
    pub incarnation: Incarnation,
}

/// What a group keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GroupKind {
    /// The log is the data: kept until trimmed, with a small state file at each segment's start.
    Data = 0,
    /// The state is the data: saved in full, the log purged behind it.
    State = 1,
}

impl GroupKind {
    /// The kind of `code` in a frame or image.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Data),
            1 => Some(Self::State),
            _ => None,
        }
    }
}
