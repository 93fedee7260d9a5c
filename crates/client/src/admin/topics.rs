//! Topics, partitions and nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{NodeId, Offset, PartitionIndex, TopicId};
use floe_rpc::{
    AlterTopic, ClusterInfo, CreateTopic, ElectLeaders, NodeStats, PartitionKey, TopicInfo,
    TopicsRequest, Trim,
};

use super::Admin;
use crate::error::Cause;
use crate::routing::{Call, topic_name};
use crate::{Error, ErrorCode, Start};

impl Admin {
    /// The cluster as one node sees it.
    ///
    /// # Errors
    /// `Unavailable` when no node answers in time.
    pub async fn cluster(&self) -> Result<ClusterInfo, Error> {
        let ask = |call: Call| async move { call.api.describe_cluster(call.context).await };
        self.client.ask_any(self.timeout, ask).await
    }

    /// All topics, by name.
    ///
    /// # Errors
    /// `Unavailable` when no node answers in time.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, Error> {
        let ask = |call: Call| async move {
            call.api
                .topics(call.context, TopicsRequest::default())
                .await
        };
        Ok(self.client.ask_any(self.timeout, ask).await?.topics)
    }

    /// One topic.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn describe_topic(&self, topic: impl Into<String>) -> Result<TopicInfo, Error> {
        let topic = topic_name(topic)?;
        let request = TopicsRequest {
            names: Some(vec![topic.clone()]),
            auto_create: false,
        };
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.topics(call.context, request).await }
        };
        let found = self.client.ask_any(self.timeout, ask).await?.topics;
        let found = found.into_iter().find(|info| info.name == topic);
        found.ok_or_else(|| Error::code_error(ErrorCode::UnknownTopicOrPartition).in_topic(&topic))
    }

    /// Makes a topic: set it up, then `send()`.
    pub fn create_topic(&self, topic: impl Into<String>) -> CreateTopicRequest {
        CreateTopicRequest {
            admin: self.clone(),
            topic: topic.into(),
            partitions: 1,
            replication: None,
            configs: BTreeMap::new(),
            if_not_exists: false,
        }
    }

    /// Changes a topic: set the changes up, then `send()`.
    pub fn alter_topic(&self, topic: impl Into<String>) -> AlterTopicRequest {
        AlterTopicRequest {
            admin: self.clone(),
            topic: topic.into(),
            partitions: None,
            configs: BTreeMap::new(),
        }
    }

    /// Deletes a topic and its records.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `TimedOut`.
    pub async fn delete_topic(&self, topic: impl Into<String>) -> Result<TopicId, Error> {
        let topic = topic_name(topic)?;
        let topic_id = self.describe_topic(topic.as_str()).await?.topic_id;
        let mut asked_before = false;
        let ask = |call: Call| {
            asked_before |= call.is_unsure;
            let topic = topic.clone();
            async move { call.api.delete_topic(call.context, topic).await }
        };
        let outcome = self.client.ask_any(self.timeout, ask).await;
        self.client.core.layouts.forget(&topic);
        match outcome {
            // An earlier attempt of ours has done it.
            Err(error) if asked_before && error.kind() == crate::ErrorKind::NotFound => {
                Ok(topic_id)
            }
            outcome => outcome.map_err(|error| error.in_topic(&topic)),
        }
    }

    /// Moves leadership of a topic's partition, of all its partitions, or of all topics to the
    /// preferred replicas, or to node `to`. Returns how many moves were begun.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`, `Unavailable`.
    pub async fn elect_leaders(&self, request: ElectLeaders) -> Result<u32, Error> {
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.elect_leaders(call.context, request).await }
        };
        self.client.ask_any(self.timeout, ask).await
    }

    /// The offset of each partition of a topic at `at`; none where no record is that late.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn offsets(
        &self,
        topic: impl Into<String>,
        at: Start,
    ) -> Result<BTreeMap<PartitionIndex, Option<Offset>>, Error> {
        let topic = topic_name(topic)?;
        let layout = self.client.layout_of(&topic, false, self.timeout).await?;
        let wanted: Vec<(PartitionKey, Start)> = layout.keys().map(|key| (key, at)).collect();
        let found = self
            .client
            .list_offsets(&topic, &wanted, self.timeout)
            .await?;
        Ok(found
            .into_iter()
            .map(|(key, offset)| (key.partition, offset))
            .collect())
    }

    /// Deletes the records of a partition below `before`.
    ///
    /// # Errors
    /// `NotFound`, `OutOfRange`, `Unavailable`.
    pub async fn trim(
        &self,
        topic: impl Into<String>,
        partition: PartitionIndex,
        before: Offset,
    ) -> Result<(), Error> {
        let topic = topic_name(topic)?;
        let layout = self.client.layout_of(&topic, false, self.timeout).await?;
        let key = layout.key(partition)?;
        let ask = |call: Call| {
            let request = Trim {
                parts: vec![(key, before)],
            };
            async move { call.api.trim(call.context, request).await }
        };
        let outcome = self.client.ask_leader(&topic, key, self.timeout, ask).await;
        outcome.map_err(|error| error.in_partition(&topic, partition))
    }

    /// Counters of one node.
    ///
    /// # Errors
    /// `NotFound` for an unknown node, `Unavailable`.
    pub async fn node_stats(&self, node: NodeId) -> Result<NodeStats, Error> {
        let cluster = self.cluster().await?;
        let known = cluster.nodes.into_iter().find(|info| info.node == node);
        let addr = known.ok_or(Cause::NoSuchNode { node })?.client_addr;
        let ask = |call: Call| async move { call.api.node_stats(call.context).await };
        self.client.ask_addr(&addr, self.timeout, ask).await
    }
}

/// A topic to make.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before send()"]
pub struct CreateTopicRequest {
    admin: Admin,
    topic: String,
    partitions: u32,
    replication: Option<u32>,
    configs: BTreeMap<String, String>,
    if_not_exists: bool,
}

impl CreateTopicRequest {
    /// Number of partitions. Default 1.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Replicas of each partition. Default three, or one per node where there are fewer.
    pub fn replication(mut self, replication: u32) -> Self {
        self.replication = Some(replication);
        self
    }

    /// Sets a topic setting, by Kafka's name.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    /// Succeeds when the topic exists already.
    pub fn if_not_exists(mut self) -> Self {
        self.if_not_exists = true;
        self
    }

    /// Makes the topic; returns when every partition can be written.
    ///
    /// # Errors
    /// `AlreadyExists`, `InvalidInput`, `Unavailable`, `TimedOut`.
    pub async fn send(self) -> Result<TopicInfo, Error> {
        let name = topic_name(self.topic)?;
        let topic = name.clone();
        let request = CreateTopic {
            name,
            partitions: self.partitions,
            replication: self.replication,
            configs: self.configs,
            if_not_exists: self.if_not_exists,
            timeout_ms: millis(self.admin.timeout),
        };
        let ask = |call: Call| {
            let mut request = request.clone();
            // An earlier attempt of ours may have made it.
            request.if_not_exists |= call.is_unsure;
            request.timeout_ms = request.timeout_ms.min(millis(call.timeout));
            async move { call.api.create_topic(call.context, request).await }
        };
        let admin = &self.admin;
        let made = admin.client.ask_any_patiently(admin.timeout, ask).await;
        made.inspect(|info| admin.client.core.layouts.merge_topic(info))
            .map_err(|error| error.in_topic(&topic))
    }
}

/// Changes of a topic.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before send()"]
pub struct AlterTopicRequest {
    admin: Admin,
    topic: String,
    partitions: Option<u32>,
    configs: BTreeMap<String, Option<String>>,
}

impl AlterTopicRequest {
    /// New total number of partitions.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Sets a topic setting, by Kafka's name.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), Some(value.into()));
        self
    }

    /// Puts a topic setting back to its default.
    pub fn reset_config(mut self, name: impl Into<String>) -> Self {
        self.configs.insert(name.into(), None);
        self
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`, `Unavailable`, `TimedOut`.
    pub async fn send(self) -> Result<TopicInfo, Error> {
        let name = topic_name(self.topic)?;
        let request = AlterTopic {
            name: name.clone(),
            configs: self.configs,
            partitions: self.partitions,
        };
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.alter_topic(call.context, request).await }
        };
        let admin = &self.admin;
        let outcome = admin.client.ask_any_patiently(admin.timeout, ask).await;
        outcome
            .inspect(|info| admin.client.core.layouts.merge_topic(info))
            .map_err(|error| error.in_topic(&name))
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
