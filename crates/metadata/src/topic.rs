//! Topics, their partitions, and what is left of deleted ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_model::{LeaderEpoch, NodeId, PartitionIndex, RaftGroupId, TopicId, TopicName};
use serde::{Deserialize, Serialize};

use crate::{ReplicaSet, TopicConfig};

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its identity.
    pub topic_id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// Replicas that each partition was made with.
    pub replication: u32,
    /// Its settings.
    pub config: TopicConfig,
    /// Its partitions; the place is the index.
    pub partitions: Vec<Arc<Partition>>,
    /// Time of the proposal that made it.
    pub created_at_ms: i64,
}

impl Topic {
    /// The partition at `index`.
    #[must_use]
    pub fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(index.0 as usize).map(Arc::as_ref)
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its place in the topic.
    pub index: PartitionIndex,
    /// Its Raft group.
    pub replica_set: ReplicaSet,
}

/// An offsets partition: a Raft group that keeps committed offsets and whose leader is the
/// coordinator of the consumer groups that hash to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetsPartition {
    /// Its Raft group.
    pub replica_set: ReplicaSet,
    /// The newest coordinator; only it may change its groups. 0 before the first.
    pub coordinator_epoch: LeaderEpoch,
}

/// A deleted topic of which some node may still hold bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The identity of the topic.
    pub topic_id: TopicId,
    /// Its former name.
    pub name: TopicName,
    /// Time of the proposal that deleted it.
    pub deleted_at_ms: i64,
    /// The nodes that have not confirmed, per Raft group. No entry is empty.
    pub unconfirmed: BTreeMap<RaftGroupId, BTreeSet<NodeId>>,
}
