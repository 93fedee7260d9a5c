//! Messages about the cluster and its topics.

use std::collections::BTreeMap;

use floe_model::{ClusterId, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, TopicName};
use serde::{Deserialize, Serialize};

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// Its identity.
    pub cluster_id: ClusterId,
    /// Its configured name.
    pub name: String,
    /// The leader of the metadata group, if known.
    pub controller: Option<NodeId>,
    /// The node that answered.
    pub answered_by: NodeId,
    /// All registered nodes, ascending.
    pub nodes: Vec<NodeInfo>,
    /// Grows with every change of the metadata.
    pub metadata_version: u64,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub node: NodeId,
    /// Native listener, `host:port`.
    pub client_addr: String,
    /// Kafka listener, once there is one.
    pub kafka_addr: Option<String>,
    /// HTTP listener.
    pub http_addr: Option<String>,
    /// Rack, when configured.
    pub rack: Option<String>,
    /// Whether the answering node hears it.
    pub alive: bool,
    /// Partitions it leads as far as metadata knows.
    pub leaders: u32,
    /// Partition replicas it holds.
    pub replicas: u32,
}

/// Which topics to describe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsRequest {
    /// These, or all when `None`.
    pub names: Option<Vec<TopicName>>,
    /// Make missing ones, where the node's configuration allows it.
    pub auto_create: bool,
}

/// Topic layouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topics {
    /// Version of the metadata they were read at.
    pub metadata_version: u64,
    /// Addresses of all nodes.
    pub nodes: Vec<NodeInfo>,
    /// The topics found, by name; a missing one is absent.
    pub topics: Vec<TopicInfo>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub topic_id: TopicId,
    /// Settings that differ from the defaults, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Its partitions, ascending.
    pub partitions: Vec<PartitionInfo>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    /// Its index.
    pub partition: PartitionIndex,
    /// The leader, when one is known.
    pub leader: Option<NodeId>,
    /// The epoch of that leader.
    pub leader_epoch: LeaderEpoch,
    /// Replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Replicas on nodes that are alive as far as the answering node knows.
    pub alive_replicas: Vec<NodeId>,
    /// First offset, when the answering node holds a replica.
    pub log_start_offset: Option<Offset>,
    /// First uncommitted offset, when the answering node holds a replica.
    pub high_watermark: Option<Offset>,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopic {
    /// Its name.
    pub name: TopicName,
    /// Number of partitions.
    pub partitions: u32,
    /// Replicas per partition; `None` is min(3, nodes).
    pub replication: Option<u32>,
    /// Settings by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Succeed when it exists already.
    pub if_not_exists: bool,
    /// How long to wait for writable leaders, milliseconds.
    pub timeout_ms: u32,
}

/// A change of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterTopic {
    /// Its name.
    pub name: TopicName,
    /// Settings to set (`Some`) or to put back to the default (`None`).
    pub configs: BTreeMap<String, Option<String>>,
    /// New total number of partitions.
    pub partitions: Option<u32>,
}

/// A request to move leadership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectLeaders {
    /// Of this topic, or of all.
    pub topic: Option<TopicName>,
    /// Of this partition, or of all of the topic.
    pub partition: Option<PartitionIndex>,
    /// To this node, or to the preferred replica of each.
    pub to: Option<NodeId>,
}

/// Counters of one node since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStats {
    /// The node.
    pub node: NodeId,
    /// Process CPU time, microseconds.
    pub cpu_us: u64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Synced journal writes.
    pub journal_syncs: u64,
    /// Bytes written to the journal and to partition segments.
    pub bytes_written: u64,
    /// Partitions led now.
    pub leaders: u32,
    /// Replicas held now.
    pub replicas: u32,
    /// Whether its store takes records.
    pub store: StoreHealth,
}

/// Whether a node's store takes records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreHealth {
    /// Everything works.
    #[default]
    Healthy,
    /// Produce is refused until there is space again; then it goes on by itself.
    Full,
    /// A write or sync failed: the node is of no use until it is restarted on a disk that works.
    Failed,
}
