//! Why an operation of this crate failed: one enum per family, facts as fields.

use std::io;
use std::time::Duration;

use floe_journal::{Damage, StoreError};
use floe_model::{LeaderEpoch, NodeId, RaftGroupId, ReplicaId};
use floe_rpc::{Failure, Refusal};

use crate::CorruptState;

/// A node's Raft part did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Timings that cannot work together.
    #[error("raft settings: {reason}")]
    Settings {
        /// Openraft's words.
        reason: std::sync::Arc<str>,
    },
}

/// A group was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenGroupError {
    /// The journal refused to create or read it.
    #[error("group {group}: {source}")]
    Store {
        /// The group.
        group: RaftGroupId,
        /// Why.
        source: StoreError,
    },
    /// Its log on this disk is damaged: it must be replaced under a new replica id.
    #[error("group {group} is damaged on this node: {damage:?}")]
    Damaged {
        /// The group.
        group: RaftGroupId,
        /// What was found.
        damage: Damage,
    },
    /// This disk holds the group as another replica.
    #[error("group {group} is replica {ours} here, not {asked}")]
    OtherReplica {
        /// The group.
        group: RaftGroupId,
        /// What the disk says.
        ours: ReplicaId,
        /// What the caller said.
        asked: ReplicaId,
    },
    /// The stored state cannot be restored.
    #[error("group {group}: {source}")]
    State {
        /// The group.
        group: RaftGroupId,
        /// What was wrong.
        source: CorruptState,
    },
    /// The log could not be read back.
    #[error("group {group}: cannot read its log: {source}")]
    Log {
        /// The group.
        group: RaftGroupId,
        /// Why.
        source: io::Error,
    },
    /// Raft refused the stored log and vote.
    #[error("group {group}: raft did not start: {reason}")]
    Raft {
        /// The group.
        group: RaftGroupId,
        /// Openraft's words.
        reason: std::sync::Arc<str>,
    },
    /// The node is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

/// A proposal has no outcome to report. `NotLeader` and `Busy` are certain: nothing was logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This replica does not lead in the given epoch, or may not serve. Retriable elsewhere.
    #[error("not the leader: leader {leader:?}, epoch {epoch}")]
    NotLeader {
        /// The node that leads, if known.
        leader: Option<NodeId>,
        /// The newest epoch known here.
        epoch: LeaderEpoch,
    },
    /// Too many bytes wait for an answer. Retriable here.
    #[error("busy")]
    Busy,
    /// The disk is full. Retriable once there is room.
    #[error("disk full")]
    DiskFull,
    /// The store failed; this node serves no more.
    #[error("storage failed")]
    StorageFailed,
    /// Leadership was lost after it was queued: it may or may not be committed.
    #[error("outcome unknown")]
    Unknown,
    /// The group or node is closing.
    #[error("shutting down")]
    ShuttingDown,
    /// Larger than an entry may be.
    #[error("too large: {size_bytes} bytes")]
    TooLarge {
        /// Its encoded size.
        size_bytes: usize,
    },
}

/// A linearizable read cannot be promised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadIndexError {
    /// This replica does not lead.
    #[error("not the leader: {leader:?}")]
    NotLeader {
        /// The node that leads, if known.
        leader: Option<NodeId>,
    },
    /// No majority answered in time.
    #[error("no majority answered")]
    NoQuorum,
    /// The group is closing.
    #[error("shutting down")]
    ShuttingDown,
}

/// A change of leader or members did not happen, or not within its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// This replica does not lead.
    #[error("not the leader: {leader:?}")]
    NotLeader {
        /// The node that leads, if known.
        leader: Option<NodeId>,
    },
    /// The node holds no replica of the group.
    #[error("node {0} holds no replica")]
    NoReplica(NodeId),
    /// Another change is under way.
    #[error("another membership change is under way")]
    InProgress,
    /// Raft refused the new set.
    #[error("refused: {reason}")]
    Refused {
        /// Openraft's words.
        reason: std::sync::Arc<str>,
    },
    /// Not finished in time; it may still happen.
    #[error("not finished within {0:?}")]
    Timeout(Duration),
    /// The group is closing.
    #[error("shutting down")]
    ShuttingDown,
}

/// A call to another node has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// No link to that node is configured.
    #[error("node {0} is not a peer")]
    NotAPeer(NodeId),
    /// The node could not be reached; it did not get the request.
    #[error("node {0} cannot be reached")]
    Down(NodeId),
    /// The two nodes refuse each other; the node did not get the request.
    #[error("node {node} and this one refuse each other: {refusal}")]
    Refused {
        /// Which node.
        node: NodeId,
        /// Why.
        refusal: Refusal,
    },
    /// No answer: the request may have been carried out.
    #[error("no answer from node {0}")]
    NoAnswer(NodeId),
    /// The node answered with a failure.
    #[error("node {node} answered: {failure:?}")]
    Failed {
        /// Which node.
        node: NodeId,
        /// What it said.
        failure: Failure,
    },
}
