//! The cluster and its nodes.
//!
//! A node id is a place, a node uuid a disk. A place that comes back with a new disk is the
//! same node with none of its former replicas: those are dead and never come back.

use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use serde::{Deserialize, Serialize};

/// How and when the cluster was formed. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Its configured name.
    pub name: String,
    /// The seeds by node id; the i-th, counted from 1, had metadata replica id i.
    pub seeds: Vec<(NodeId, NodeUuid)>,
    /// How many of them, from the first on, were metadata voters: 1, 3 or 5.
    pub voters: u32,
    /// Time of the proposal.
    pub formed_at_ms: i64,
}

/// A node as it presents itself at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistration {
    /// The configured place.
    pub node_id: NodeId,
    /// The disk.
    pub node_uuid: NodeUuid,
    /// The process start; grows on one disk.
    pub incarnation: Incarnation,
    /// `host:port` for native clients.
    pub client_addr: String,
    /// `host:port` for other nodes.
    pub peer_addr: String,
    /// `host:port` for Kafka clients, if it listens for them.
    pub kafka_addr: Option<String>,
    /// `host:port` of metrics and health, if it serves them.
    pub http_addr: Option<String>,
    /// Failure domain for placement.
    pub rack: Option<String>,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its latest registration.
    pub registration: NodeRegistration,
    /// Its replica of the metadata group, on this disk.
    pub metadata_replica: ReplicaId,
    /// When it joined with this disk.
    pub registered_at_ms: i64,
}

/// A replica whose disk is gone and that is still part of a Raft membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadReplica {
    /// The Raft group to remove it from.
    pub raft_group: RaftGroupId,
    /// Where it was.
    pub node_id: NodeId,
    /// The disk it was on.
    pub node_uuid: NodeUuid,
}
