//! Cluster matters between nodes: formation, registration and metadata.
//!
//! Carried by `PeerApi::cluster` over the control connection, answered by the node's broker.
//! Metadata commands and outcomes are opaque here; their codec is in crate `metadata`.

use floe_model::{ClusterId, LogIndex, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use serde::{Deserialize, Serialize};

use crate::Payload;

/// A request to another node's broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterRequest {
    /// What are you, and what do you know of the cluster?
    ProbeSeed {
        /// The asker's configured cluster name.
        cluster_name: String,
        /// The asker's configured seeds with their peer addresses, ascending.
        seeds: Vec<(NodeId, String)>,
    },
    /// Proposes a metadata command; the receiver must be the controller.
    ProposeMetadata {
        /// The encoded command.
        command: Payload,
    },
    /// Confirms that the receiver is still the controller and how far its state is.
    MetadataReadIndex,
    /// Asks the receiver to hand over groups that it leads.
    TransferLeaders {
        /// The groups and the nodes that should lead them.
        moves: Vec<(RaftGroupId, NodeId)>,
    },
}

/// The answer to a [`ClusterRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterReply {
    /// To `ProbeSeed`.
    Seed(SeedState),
    /// To `ProposeMetadata`: the command is committed and applied.
    Proposed {
        /// Its place in the metadata log.
        index: LogIndex,
        /// The encoded outcome.
        outcome: Payload,
    },
    /// To `MetadataReadIndex`.
    ReadIndex {
        /// Metadata applied up to here holds everything acknowledged before the request.
        index: Option<LogIndex>,
    },
    /// To `TransferLeaders`.
    Transferred {
        /// How many groups have a new leader.
        count: u32,
    },
}

/// What a node answers to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedState {
    /// Its configured cluster name.
    pub cluster_name: String,
    /// Whether its configured seeds equal the asker's.
    pub seeds_agree: bool,
    /// Its disk.
    pub node_uuid: NodeUuid,
    /// How it registers with the controller, encoded.
    pub registration: Payload,
    /// The metadata group, once the node has a replica of it or is about to.
    pub founding: Option<Founding>,
}

/// How the metadata group was founded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The first voters, the one that initialises first.
    pub founders: Vec<Founder>,
}

/// A first voter of the metadata group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    /// Its replica.
    pub replica_id: ReplicaId,
    /// Its node.
    pub node_id: NodeId,
    /// Its disk.
    pub node_uuid: NodeUuid,
}
