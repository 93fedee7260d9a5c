//! Why a node did not start, stopped by itself, or did not stop cleanly.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use floe_journal::{PoisonCause, StoreError};
use floe_model::{ClusterId, NodeId, NodeUuid};

/// Why a node did not start. Nothing was changed on disk unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A node id outside `1..=i32::MAX`.
    #[error("node id {node_id} is not in 1..=2147483647")]
    InvalidNodeId {
        /// As configured.
        node_id: NodeId,
    },
    /// Two seeds with one node id or one address.
    #[error("seed {node_id} appears twice")]
    DuplicateSeed {
        /// The seed.
        node_id: NodeId,
    },
    /// A listener would tell others an address that only means "here".
    #[error("listen address {addr} is a wildcard; set the advertised address")]
    WildcardWithoutAdvertised {
        /// As configured.
        addr: String,
    },
    /// A listener could not be bound.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// As configured.
        addr: String,
        /// What the system says; `AddrInUse` when another process has the port.
        source: io::Error,
    },
    /// The data directory could not be opened.
    #[error("data directory {dir}: {source}")]
    Store {
        /// As configured.
        dir: PathBuf,
        /// The reason.
        source: floe_journal::OpenError,
    },
    /// The Raft layer did not start.
    #[error(transparent)]
    Raft(#[from] floe_raft::StartError),
}

/// Why a running node must stop.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NodeFailure {
    /// A sync or journal write failed; nothing is written any more.
    #[error("the store failed: {cause}")]
    StorePoisoned {
        /// The first failure.
        cause: PoisonCause,
    },
    /// The store refused what the node needs to take part in the cluster.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data belongs to another cluster than the peers'.
    #[error("data directory belongs to cluster {ours}, the peers to {theirs}")]
    WrongCluster {
        /// On our disk.
        ours: ClusterId,
        /// At the peer.
        theirs: ClusterId,
    },
    /// A peer is configured with another cluster name.
    #[error("node {peer} belongs to cluster '{theirs}', this node to '{ours}'")]
    WrongClusterName {
        /// The peer.
        peer: NodeId,
        /// Our name.
        ours: String,
        /// The peer's.
        theirs: String,
    },
    /// A peer of a cluster that is not founded yet is configured with other seeds.
    #[error("node {peer} is configured with other seeds")]
    SeedsDiffer {
        /// The peer.
        peer: NodeId,
    },
    /// The cluster refuses this disk.
    #[error("the cluster refuses disk {node_uuid} of node {node_id}: {refusal}")]
    Rejected {
        /// This node.
        node_id: NodeId,
        /// Its disk.
        node_uuid: NodeUuid,
        /// Why.
        refusal: floe_metadata::Refusal,
    },
    /// The replica of the metadata group ended by an error.
    #[error("the replica of the metadata group ended by an error; the log says which")]
    MetadataStopped,
    /// The replica of the metadata group on this disk cannot be opened.
    #[error("metadata: {0}")]
    Metadata(Arc<floe_raft::OpenGroupError>),
}

/// Why a node did not stop cleanly. It is stopped all the same.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// Some work did not end in time and was abandoned.
    #[error("not drained within {deadline_ms} ms")]
    Deadline {
        /// The limit.
        deadline_ms: u64,
    },
    /// The store did not close; what was acknowledged is on disk all the same.
    #[error(transparent)]
    Store(#[from] StoreError),
}
