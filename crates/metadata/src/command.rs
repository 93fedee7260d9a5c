//! What can happen to the metadata: the commands in the log of the metadata group.
//!
//! The enum is the log format. Variants and fields are only ever appended as new variants;
//! their order is pinned by golden bytes. Everything that is not a function of the state
//! (time, random ids, addresses) is chosen by the proposer and arrives here.

use std::collections::BTreeMap;

use floe_model::limits::ENTRY_BYTES_MAX;
use floe_model::{
    ClusterId, Generation, GroupKind, GroupName, Incarnation, LeaderEpoch, MemberId, NodeId,
    NodeUuid, RaftGroupId, ReplicaId, TopicId, TopicIdPartition, TopicName,
};
use serde::{Deserialize, Serialize};

use crate::versioned::{self, DecodeError};
use crate::{ConfigEdit, LeaderReport, MembershipReport, NodeRegistration};

/// One entry of the metadata group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first command of every cluster; refused once formed.
    Form {
        /// Made once by the node that initialises.
        cluster_id: ClusterId,
        /// The configured name.
        name: String,
        /// Every configured seed, in any order. The i-th by node id gets replica id i.
        seeds: Vec<NodeRegistration>,
        /// Time of the proposal.
        at_ms: i64,
    },
    /// A node started: new, restarted, moved to other addresses, or with a new disk.
    RegisterNode {
        /// The node as it presents itself.
        node: NodeRegistration,
        /// Time of the proposal.
        at_ms: i64,
    },
    /// Makes a topic and places its partitions.
    CreateTopic(NewTopic),
    /// Removes a topic; its groups stay as a tombstone until every node confirmed.
    DeleteTopic {
        /// The topic; an id, so that a topic made again meanwhile is safe.
        topic_id: TopicId,
        /// Time of the proposal.
        at_ms: i64,
    },
    /// Changes settings, adds partitions, or both; all or nothing.
    AlterTopic {
        /// The topic.
        topic_id: TopicId,
        /// New values by key; `None` returns the key to its default.
        configs: BTreeMap<String, Option<String>>,
        /// The new number of partitions, larger than now.
        partitions: Option<u32>,
    },
    /// Who leads which Raft group. Reports older than what is known are ignored.
    ReportLeaders {
        /// Any number of groups, each at most once.
        leaders: Vec<(RaftGroupId, LeaderReport)>,
    },
    /// The committed Raft membership of a group, from its leader.
    ReportMembership {
        /// The Raft group.
        raft_group: RaftGroupId,
        /// Its membership.
        membership: MembershipReport,
    },
    /// A node has no byte left of these groups of deleted topics.
    ConfirmDeleted {
        /// The node.
        node_id: NodeId,
        /// Its disk; a confirmation from another disk counts for nothing.
        node_uuid: NodeUuid,
        /// The groups.
        raft_groups: Vec<RaftGroupId>,
    },
    /// A new coordinator takes an offsets partition over; older epochs fail from now on.
    CoordinatorEpoch {
        /// Index of the offsets partition.
        offsets_partition: u32,
        /// The Raft term in which it leads that partition's group.
        epoch: LeaderEpoch,
    },
    /// Hands out producer ids that nobody had before.
    AllocateProducerIds {
        /// How many.
        count: u32,
    },
    /// Compare-and-set of the ownership of one consumer group.
    CompleteRebalance(Rebalance),
    /// The opaque assignments that a classic group's leader computed.
    StoreAssignment {
        /// The group.
        group: GroupName,
        /// The generation they were computed for.
        generation: Generation,
        /// Of the proposing coordinator.
        coordinator_epoch: LeaderEpoch,
        /// Bytes per member; members left out get none.
        assignments: BTreeMap<MemberId, Vec<u8>>,
    },
    /// Forgets an empty group; its counters live on.
    DeleteGroup {
        /// The group.
        group: GroupName,
        /// Of the proposing coordinator.
        coordinator_epoch: LeaderEpoch,
    },
    /// A static member of a classic group came back under another id: it takes over its place
    /// and its assignment within the same generation.
    ReplaceMember {
        /// The group.
        group: GroupName,
        /// The generation it happens in.
        generation: Generation,
        /// Of the proposing coordinator.
        coordinator_epoch: LeaderEpoch,
        /// The id that is out.
        former: MemberId,
        /// The id that takes its place.
        heir: MemberId,
        /// What the next coordinator is to find of it.
        record: MemberRecord,
    },
    /// Edits the settings of a topic; all or nothing.
    EditTopicConfig {
        /// The topic.
        topic_id: TopicId,
        /// Whether every setting that is not named goes back to its default.
        replace: bool,
        /// The edits by key.
        edits: BTreeMap<String, ConfigEdit>,
    },
    /// Makes a topic whose replicas go where the caller says.
    CreateTopicAt {
        /// The topic. How many partitions and replicas it has, `nodes` says.
        topic: NewTopic,
        /// The nodes of each partition, preferred leader first.
        nodes: Vec<Vec<NodeId>>,
    },
    /// Adds partitions whose replicas go where the caller says.
    AddPartitionsAt {
        /// The topic.
        topic_id: TopicId,
        /// The new number of partitions, larger than now.
        partitions: u32,
        /// The nodes of each new partition, preferred leader first.
        nodes: Vec<Vec<NodeId>>,
    },
    /// A node found replicas of its own damaged: their groups go on without them, and each gets a
    /// successor on the same disk once its group does. A new process of the node tells again.
    ReportDamaged {
        /// The node.
        node_id: NodeId,
        /// Its disk.
        node_uuid: NodeUuid,
        /// Its process; a report of an older one is refused.
        incarnation: Incarnation,
        /// The groups and their replicas. Those that are not wanted there any more are left out.
        replicas: Vec<(RaftGroupId, ReplicaId)>,
    },
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// Random, never used before.
    pub topic_id: TopicId,
    /// The name.
    pub name: TopicName,
    /// Number of partitions.
    pub partitions: u32,
    /// Replicas of each; `None` is the default, 3 or as many as there are nodes.
    pub replication: Option<u32>,
    /// Settings that differ from the default, by Kafka's keys.
    pub configs: BTreeMap<String, String>,
    /// Time of the proposal.
    pub at_ms: i64,
    /// Whether a topic of that name, with whatever layout, is a success.
    pub if_not_exists: bool,
}

/// One completed rebalance. Fails unless the group is at `expected_generation` and the
/// proposer is still the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalance {
    /// The group.
    pub group: GroupName,
    /// The generation it replaces; 0 for a group that never was.
    pub expected_generation: Generation,
    /// Of the proposing coordinator: the epoch of `offsets_partition_of(group)`.
    pub coordinator_epoch: LeaderEpoch,
    /// How the group coordinates.
    pub kind: GroupKind,
    /// Assignor or Kafka protocol name.
    pub protocol: String,
    /// Every member of the new generation; none when the group empties.
    pub members: BTreeMap<MemberId, MemberRecord>,
    /// Native only: who owns what. Partitions of unknown topics are left out of the result.
    pub owners: BTreeMap<TopicIdPartition, MemberId>,
}

/// What the coordinator must know of a member after a failover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Static membership, Kafka's `group.instance.id`.
    pub instance_id: Option<String>,
    /// Silence after which the member is out.
    pub session_timeout_ms: u32,
    /// Time the member has to rejoin.
    pub rebalance_timeout_ms: u32,
    /// Opaque here: topics and preferences as the member sent them.
    pub subscription: Vec<u8>,
    /// KIP-848 epoch; 0 in groups of other kinds.
    pub member_epoch: i32,
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
