//! What a replica must be told to run a group: its own identity and the founding set.

use floe_journal::GroupKind;
use floe_model::{NodeId, NodeUuid, RaftGroupId, ReplicaId};
use serde::{Deserialize, Serialize};

/// One replica of one group on this node.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// The group.
    pub group: RaftGroupId,
    /// How the journal keeps it.
    pub kind: GroupKind,
    /// Run ordinary Raft timers (metadata). Other groups are elected by the node's detector.
    pub timers: bool,
    /// This node's replica; never reused, also not on another disk.
    pub replica_id: ReplicaId,
    /// The exact founding set, preferred first; empty on a replica that was added later.
    pub founders: Vec<Voter>,
}

/// A replica that votes, and the disk it lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Voter {
    /// The replica.
    pub replica_id: ReplicaId,
    /// The node that holds it.
    pub node_id: NodeId,
    /// That node's disk.
    pub node_uuid: NodeUuid,
}
