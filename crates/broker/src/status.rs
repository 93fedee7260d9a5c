//! What a node says of itself to consoles and health checks.

use floe_model::{LeaderEpoch, NodeId, Offset, PartitionIndex, RaftGroupId, TopicName};
use serde::Serialize;

/// Why a node should get no traffic yet, or no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NotReady {
    /// The node has not joined a cluster.
    NotJoined,
    /// No controller is known.
    NoController,
    /// Replicas are still being opened.
    OpeningReplicas {
        /// How many are to be opened.
        remaining: usize,
    },
    /// Replicas here are damaged and not replaced from their peers yet.
    DamagedReplicas {
        /// How many.
        remaining: usize,
    },
    /// Replicas here that succeed lost ones do not count yet.
    CatchingUp {
        /// How many.
        remaining: usize,
    },
    /// The disk is full.
    DiskFull,
    /// The store failed.
    StoreFailed,
    /// The node is stopping.
    Draining,
}

/// A node at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// The node.
    pub node_id: NodeId,
    /// Leader of the metadata group, if known.
    pub controller: Option<NodeId>,
    /// Replicas held here.
    pub partitions: Vec<PartitionStatus>,
    /// Empty when the node is ready.
    pub not_ready: Vec<NotReady>,
}

/// A replica held by this node.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionStatus {
    /// Topic name.
    pub topic: TopicName,
    /// Partition.
    pub partition: PartitionIndex,
    /// Raft group.
    pub raft_group: RaftGroupId,
    /// Leader, if known.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// First readable offset.
    pub log_start_offset: Offset,
    /// First uncommitted offset.
    pub high_watermark: Offset,
    /// Bytes on disk and in the tail.
    pub size_bytes: u64,
}
