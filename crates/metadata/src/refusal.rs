//! Why a command was refused. A refusal is deterministic and leaves the state as it was.

use floe_model::{
    ErrorCode, Generation, GroupName, Incarnation, LeaderEpoch, MemberId, NodeId, NodeUuid,
    RaftGroupId, TopicId, TopicName,
};
use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// Why a command was refused. Append-only: it travels to the proposer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// `Form` on a formed cluster.
    #[error("cluster is formed already")]
    AlreadyFormed,
    /// Any other command before `Form`.
    #[error("cluster is not formed yet")]
    NotFormed,
    /// `Form` without seeds, or with a node id or disk twice, or a node id of 0 or above i32.
    #[error("seed list is empty or names a node, an id out of range or a disk twice")]
    InvalidSeeds,
    /// A node id outside `1..=i32::MAX`.
    #[error("node id {node_id} is outside 1..=2147483647")]
    InvalidNodeId {
        /// The id.
        node_id: NodeId,
    },
    /// An older process of the node.
    #[error("node {node_id} registered with incarnation {known}, newer than {given}")]
    StaleIncarnation {
        /// The node.
        node_id: NodeId,
        /// Registered.
        known: Incarnation,
        /// Presented.
        given: Incarnation,
    },
    /// A disk that this place had before and that was replaced.
    #[error("disk {node_uuid} was replaced and cannot come back")]
    RetiredDisk {
        /// The disk.
        node_uuid: NodeUuid,
    },
    /// A disk that belongs to another place.
    #[error("disk {node_uuid} belongs to node {owner}")]
    DiskOfAnotherNode {
        /// The disk.
        node_uuid: NodeUuid,
        /// Its node.
        owner: NodeId,
    },
    /// No such node, or another disk there.
    #[error("node {node_id} is unknown or has another disk")]
    UnknownNode {
        /// The node.
        node_id: NodeId,
    },
    /// The name is taken.
    #[error("topic '{name}' exists already")]
    TopicExists {
        /// The name.
        name: TopicName,
    },
    /// The proposed topic id is in use.
    #[error("topic id {topic_id} is in use")]
    TopicIdUsed {
        /// The id.
        topic_id: TopicId,
    },
    /// No such topic.
    #[error("unknown topic {topic_id}")]
    UnknownTopic {
        /// The id.
        topic_id: TopicId,
    },
    /// Too few or too many partitions; an existing topic can only grow.
    #[error("{given} partitions, allowed are {min} to {max}")]
    InvalidPartitions {
        /// Asked for.
        given: u32,
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// Too few or too many replicas.
    #[error("replication factor {given}, allowed are 1 to {max}")]
    InvalidReplication {
        /// Asked for.
        given: u32,
        /// Most: the number of nodes, or the limit.
        max: u32,
    },
    /// A setting is refused.
    #[error(transparent)]
    InvalidConfig(#[from] ConfigError),
    /// No such Raft group, or a deleted one.
    #[error("unknown Raft group {raft_group}")]
    UnknownRaftGroup {
        /// The group.
        raft_group: RaftGroupId,
    },
    /// The report is older than what is known.
    #[error("membership report of group {raft_group} is older than what is known")]
    StaleReport {
        /// The group.
        raft_group: RaftGroupId,
    },
    /// No such offsets partition.
    #[error("unknown offsets partition {offsets_partition}")]
    UnknownOffsetsPartition {
        /// The index.
        offsets_partition: u32,
    },
    /// Another coordinator took over, or this one has not yet.
    #[error("coordinator epoch is {current}, not {given}")]
    CoordinatorFenced {
        /// Recorded.
        current: LeaderEpoch,
        /// Presented.
        given: LeaderEpoch,
    },
    /// The compare of a compare-and-set failed.
    #[error("group '{group}' is at generation {current}, not {given}")]
    GenerationMismatch {
        /// The group.
        group: GroupName,
        /// Recorded.
        current: Generation,
        /// Expected by the command.
        given: Generation,
    },
    /// No such group.
    #[error("unknown group '{group}'")]
    UnknownGroup {
        /// The group.
        group: GroupName,
    },
    /// Only an empty group can be deleted.
    #[error("group '{group}' has {members} members")]
    GroupNotEmpty {
        /// The group.
        group: GroupName,
        /// How many.
        members: u32,
    },
    /// An owner or assignment names somebody who is no member.
    #[error("'{member_id}' is not a member")]
    UnknownMember {
        /// Who.
        member_id: MemberId,
    },
    /// More members than a group may have.
    #[error("{given} members exceed {max}")]
    TooManyMembers {
        /// Asked for.
        given: u32,
        /// Allowed.
        max: u32,
    },
    /// Owners for a kind of group that has none, or assignments for one that computes them.
    #[error("the command does not fit the kind of the group")]
    WrongKind,
    /// A counter reached its end; nothing is ever reused.
    #[error("no ids left")]
    Exhausted,
    /// A count of nothing, or of too much.
    #[error("count {given}, allowed are 1 to {max}")]
    InvalidCount {
        /// Asked for.
        given: u32,
        /// Most.
        max: u32,
    },
    /// Replicas cannot go where the caller says.
    #[error("replicas of partition {partition}: {fault}")]
    InvalidAssignment {
        /// Index of the partition.
        partition: u32,
        /// What is wrong.
        fault: AssignmentFault,
    },
}

/// Why replicas cannot go where somebody wants them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AssignmentFault {
    /// The partition is not named, or without a node.
    #[error("no node is named")]
    NoNode,
    /// Two on one node.
    #[error("node {node_id} is named twice")]
    NodeTwice {
        /// The node.
        node_id: NodeId,
    },
    /// No such node.
    #[error("node {node_id} is unknown")]
    UnknownNode {
        /// The node.
        node_id: NodeId,
    },
    /// Another number than the other partitions have.
    #[error("{given} nodes are named, the topic has {replication} replicas")]
    Uneven {
        /// Nodes named.
        given: u32,
        /// Replicas of the topic.
        replication: u32,
    },
    /// More partitions are named than there will be.
    #[error("{given} new partitions are named instead of {wanted}")]
    Count {
        /// Partitions named.
        given: u32,
        /// Partitions to be made.
        wanted: u32,
    },
}

impl Refusal {
    /// What a native client is told.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFormed => ErrorCode::NotController,
            Self::TopicExists { .. } => ErrorCode::TopicExists,
            Self::UnknownTopic { .. } | Self::UnknownRaftGroup { .. } => {
                ErrorCode::UnknownTopicOrPartition
            }
            Self::InvalidPartitions { .. } => ErrorCode::InvalidPartitions,
            Self::InvalidReplication { .. } | Self::InvalidAssignment { .. } => {
                ErrorCode::InvalidReplication
            }
            Self::InvalidConfig(_) => ErrorCode::InvalidConfig,
            Self::CoordinatorFenced { .. } => ErrorCode::NotCoordinator,
            Self::GenerationMismatch { .. } => ErrorCode::IllegalGeneration,
            Self::UnknownGroup { .. } => ErrorCode::UnknownGroup,
            Self::GroupNotEmpty { .. } => ErrorCode::GroupNotEmpty,
            Self::UnknownMember { .. } => ErrorCode::UnknownMember,
            Self::StaleReport { .. } => ErrorCode::FencedEpoch,
            Self::AlreadyFormed
            | Self::InvalidSeeds
            | Self::InvalidNodeId { .. }
            | Self::StaleIncarnation { .. }
            | Self::RetiredDisk { .. }
            | Self::DiskOfAnotherNode { .. }
            | Self::UnknownNode { .. }
            | Self::TopicIdUsed { .. }
            | Self::UnknownOffsetsPartition { .. }
            | Self::TooManyMembers { .. }
            | Self::WrongKind
            | Self::InvalidCount { .. } => ErrorCode::InvalidRequest,
            Self::Exhausted => ErrorCode::Internal,
        }
    }
}
