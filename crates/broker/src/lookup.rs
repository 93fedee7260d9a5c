//! What this node knows without asking anybody: it may be behind, and it answers also while the
//! node starts and stops.

use floe_model::{ClusterId, NodeId, TopicId, TopicName};
use floe_rpc::{NodeInfo, TopicInfo};

use crate::Broker;

impl Broker {
    /// This node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.core.config.node_id
    }

    /// All registered nodes, ascending.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.node_infos(&self.core.metadata.state())
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

    /// The id of the topic with this name.
    #[must_use]
    pub fn topic_id_named(&self, name: &TopicName) -> Option<TopicId> {
        let state = self.core.metadata.state();
        state.topic_named(name).map(|topic| topic.topic_id)
    }
}
