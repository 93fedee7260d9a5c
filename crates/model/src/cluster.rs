//! Small values that describe the cluster to its users.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{NodeId, PartitionIndex, TopicId, TopicName};

/// When a produce is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Acks {
    /// Committed: on the disks of a majority. The only level under the no-loss promise.
    #[default]
    Quorum,
    /// On the leader's disk. Lost when the leader fails before a majority has it.
    Leader,
    /// Not confirmed at all.
    None,
}

/// Where clients reach a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeAddress {
    /// The node.
    pub node: NodeId,
    /// `host:port` of the native client listener.
    pub client_addr: String,
}

/// One partition of one topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's index in it.
    pub partition: PartitionIndex,
}

/// One partition of one topic, by identity: never means a topic made again under the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition's index in it.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic_id, self.partition)
    }
}

/// How a consumer group coordinates, and so what a commit must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GroupKind {
    /// Kafka's JoinGroup and SyncGroup: a commit carries the generation.
    Classic,
    /// Kafka's KIP-848 heartbeats: a commit carries the member epoch.
    Consumer,
    /// Floe's own: a commit carries the fencing token of each partition.
    Native,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}
