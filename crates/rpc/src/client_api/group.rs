//! Messages of consumer groups.
//!
//! A member joins once, then heartbeats. Each heartbeat says which partitions the member holds
//! under which generation; the reply says what it should hold. A partition that is to move is
//! first taken out of its holder's reply and handed on only when the holder no longer lists it.

use floe_model::{FencingToken, Generation, GroupName, LeaderEpoch, NodeId, Offset, TopicName};
use serde::{Deserialize, Serialize};

use super::PartitionKey;

/// How partitions are spread over members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Assignor {
    /// Neighbouring partitions of each topic to one member.
    Range,
    /// Even, moving as few partitions as possible, without stopping the others.
    #[default]
    StickyCooperative,
    /// The members assign among themselves, as in groups of Kafka clients. Only in
    /// descriptions: a join with it is refused.
    Members,
}

/// A membership asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroup {
    /// The group.
    pub group: GroupName,
    /// Chosen by the client, random; the same on a retry.
    pub member_id: String,
    /// A name that outlives restarts of the member.
    pub instance_id: Option<String>,
    /// Topics to read.
    pub topics: Vec<TopicName>,
    /// Silence after which the member is out, milliseconds.
    pub session_timeout_ms: u32,
    /// How long a member may take to give partitions up, milliseconds.
    pub rebalance_timeout_ms: u32,
    /// How to spread.
    pub assignor: Assignor,
}

/// A membership granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroupReply {
    /// How often to heartbeat, milliseconds.
    pub heartbeat_interval_ms: u32,
    /// The group's generation now; the first assignment comes with a heartbeat.
    pub generation: Generation,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHeartbeat {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member_id: String,
    /// The generation the member last heard of.
    pub generation: Generation,
    /// What the member holds right now; a revoked partition is absent once its reads stopped
    /// and its offsets are committed.
    pub held: Vec<PartitionKey>,
}

/// What the member should hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHeartbeatReply {
    /// The group's generation.
    pub generation: Generation,
    /// The member's partitions; all others it must give up.
    pub assigned: Vec<AssignedPartition>,
    /// Whether the group is between two assignments.
    pub rebalancing: bool,
}

/// A partition and the proof of owning it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedPartition {
    /// The partition.
    pub key: PartitionKey,
    /// Its topic's name.
    pub topic: TopicName,
    /// Goes with every fetch and commit.
    pub token: FencingToken,
}

/// A farewell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveGroup {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member_id: String,
}

/// Offsets to store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitOffsets {
    /// The group.
    pub group: GroupName,
    /// The member; empty for a commit from outside, allowed only while the group is empty.
    pub member_id: String,
    /// The member's generation; -1 from outside.
    pub generation: Generation,
    /// What to store.
    pub offsets: Vec<OffsetToCommit>,
}

/// One offset to store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetToCommit {
    /// The partition.
    pub key: PartitionKey,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read; -1 when unknown.
    pub leader_epoch: LeaderEpoch,
    /// The owner's token; `None` from outside.
    pub token: Option<FencingToken>,
}

/// Offsets to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchOffsets {
    /// The group.
    pub group: GroupName,
    /// Of these partitions, or of all.
    pub partitions: Option<Vec<PartitionKey>>,
}

/// A stored offset; partitions without one are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    /// The partition.
    pub key: PartitionKey,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read; -1 when unknown.
    pub leader_epoch: LeaderEpoch,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupPhase {
    /// No members.
    Empty,
    /// Between two assignments.
    Rebalancing,
    /// Every member has its partitions.
    Stable,
}

/// One line of a group list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupListing {
    /// The group.
    pub group: GroupName,
    /// Where it stands.
    pub phase: GroupPhase,
    /// Number of members.
    pub members: u32,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDescription {
    /// The group.
    pub group: GroupName,
    /// Where it stands.
    pub phase: GroupPhase,
    /// Its generation.
    pub generation: Generation,
    /// How partitions are spread.
    pub assignor: Assignor,
    /// The node that coordinates it.
    pub coordinator: NodeId,
    /// Members by id.
    pub members: Vec<GroupMember>,
    /// Stored offsets.
    pub offsets: Vec<CommittedOffset>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// A name that outlives restarts.
    pub instance_id: Option<String>,
    /// Topics it reads.
    pub topics: Vec<TopicName>,
    /// What it owns.
    pub partitions: Vec<PartitionKey>,
}
