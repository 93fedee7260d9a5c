//! The commands in the log of an offsets group. The enum is the log format: append-only.

use std::collections::BTreeSet;

use floe_model::limits::ENTRY_BYTES_MAX;
use floe_model::{
    FencingToken, Generation, GroupName, LeaderEpoch, MemberId, Offset, TopicId, TopicIdPartition,
};
use serde::{Deserialize, Serialize};

use super::Fence;
use crate::versioned::{self, DecodeError};

/// One entry of an offsets group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Stores offsets if the committer passes the fence.
    Commit {
        /// The group.
        group: GroupName,
        /// Who, and by what right.
        committer: Committer,
        /// Time of the proposal.
        at_ms: i64,
        /// What to store.
        offsets: Vec<OffsetCommit>,
    },
    /// From here on only this generation commits. Written by the coordinator after metadata
    /// has the generation and before any member hears of it.
    Fence(Fence),
    /// Forgets offsets of a group without members.
    DeleteOffsets {
        /// The group.
        group: GroupName,
        /// The partitions.
        partitions: BTreeSet<TopicIdPartition>,
    },
    /// Forgets a group without members: its offsets and its fence, never its generation.
    DeleteGroup {
        /// The group.
        group: GroupName,
        /// The last generation that metadata had of it.
        generation: Generation,
    },
    /// Forgets the offsets of deleted topics in all groups.
    ForgetTopics {
        /// The topics.
        topic_ids: BTreeSet<TopicId>,
    },
    /// Forgets offsets that nobody in this generation of a group reads on from.
    DeleteUnread {
        /// The group.
        group: GroupName,
        /// The generation whose members do not read the partitions; only in it they go.
        generation: Generation,
        /// The partitions.
        partitions: BTreeSet<TopicIdPartition>,
    },
    /// Forgets the old offsets of a group without members.
    Expire {
        /// The group.
        group: GroupName,
        /// Older are those that were committed before this, in a group without members since
        /// before this.
        before_ms: i64,
    },
}

/// Who commits, and by what right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Committer {
    /// Nobody's member (Kafka: generation -1, no member id): only while the group is empty,
    /// and an empty fence says so.
    Standalone,
    /// A member of a classic group, for any partition.
    Classic {
        /// Must be listed in the fence.
        member_id: MemberId,
        /// Must equal the fence's.
        generation: Generation,
    },
    /// A member of a KIP-848 group, for any partition.
    Consumer {
        /// Must be listed in the fence.
        member_id: MemberId,
        /// Must equal the listed one.
        member_epoch: i32,
    },
    /// The owner of each partition, by its token.
    Native,
}

/// One offset to store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetCommit {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read, if known.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Free text.
    pub metadata: String,
    /// Native groups: the owner's proof.
    pub token: Option<FencingToken>,
}

/// The bytes of a log entry.
#[must_use]
pub fn encode(command: &Command) -> Vec<u8> {
    versioned::encode(command)
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// Bytes of another version, too many, or malformed.
pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
    versioned::decode::<Command, ENTRY_BYTES_MAX>(bytes)
}
