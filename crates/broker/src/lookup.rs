//! What this node knows without asking anybody: it may be behind, and it answers also while the
//! node starts and stops.

use floe_metadata::NodeRecord;
use floe_model::{ClusterId, LeaderEpoch, NodeId, Offset, TopicId, TopicName};
use floe_rpc::{PartitionKey, TopicInfo};

use crate::Broker;
use crate::broker::identity;

/// The ends of a partition's log as its replica here has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnds {
    /// First readable offset.
    pub log_start_offset: Offset,
    /// First uncommitted offset.
    pub high_watermark: Offset,
    /// The epoch in which this node leads, if it does.
    pub serving_epoch: Option<LeaderEpoch>,
}

/// A node as this one knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its place.
    pub node_id: NodeId,
    /// `host:port` for Kafka clients, if it listens for them.
    pub kafka_addr: Option<String>,
    /// Its failure domain.
    pub rack: Option<String>,
    /// Whether it shows signs of life here.
    pub is_alive: bool,
}

impl Broker {
    /// This node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.core.config.node_id
    }

    /// All registered nodes, ascending.
    #[must_use]
    pub fn nodes(&self) -> Vec<KnownNode> {
        let state = self.core.metadata.state();
        let known = |node: &NodeRecord| KnownNode {
            node_id: node.registration.node_id,
            kafka_addr: node.registration.kafka_addr.clone(),
            rack: node.registration.rack.clone(),
            is_alive: self.core.is_alive(node.registration.node_id),
        };
        state.nodes().map(known).collect()
    }

    /// The cluster, once the node belongs to one.
    #[must_use]
    pub fn cluster_id(&self) -> Option<ClusterId> {
        let state = self.core.metadata.state();
        state.formation().map(|formation| formation.cluster_id)
    }

    /// The leader of the metadata group.
    #[must_use]
    pub fn controller(&self) -> Option<NodeId> {
        self.core.controller.leader()
    }

    /// All topics, by name.
    #[must_use]
    pub fn all_topics(&self) -> Vec<TopicInfo> {
        let state = self.core.metadata.state();
        let topics = state.topics_by_name();
        topics.map(|topic| self.topic_info(topic)).collect()
    }

    /// The topic with this name.
    #[must_use]
    pub fn topic_named(&self, name: &TopicName) -> Option<TopicInfo> {
        let state = self.core.metadata.state();
        state.topic_named(name).map(|topic| self.topic_info(topic))
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_with_id(&self, topic_id: &TopicId) -> Option<TopicInfo> {
        let state = self.core.metadata.state();
        state.topic(topic_id).map(|topic| self.topic_info(topic))
    }

    /// Whether there is a topic with this id.
    #[must_use]
    pub fn has_topic(&self, topic_id: &TopicId) -> bool {
        self.core.metadata.state().topic(topic_id).is_some()
    }

    /// The id of the topic with this name.
    #[must_use]
    pub fn topic_id_named(&self, name: &TopicName) -> Option<TopicId> {
        let state = self.core.metadata.state();
        state.topic_named(name).map(|topic| topic.topic_id)
    }

    /// The ends of a partition's log, if a replica of it is here.
    #[must_use]
    pub fn log_ends(&self, key: PartitionKey) -> Option<LogEnds> {
        let partition = self.core.partitions.get(&identity(key))?;
        Some(LogEnds {
            log_start_offset: partition.log_start_offset(),
            high_watermark: partition.log().high_watermark(),
            serving_epoch: partition.role().serving_epoch(),
        })
    }
}
