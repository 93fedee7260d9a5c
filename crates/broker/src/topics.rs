//! Topics: make, describe, change, delete; and who leads their partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_metadata::{Applied, Command, NewTopic, Refusal, State, Topic};
use floe_model::{ErrorCode, NodeId, RaftGroupId, TopicId, TopicName};
use floe_rpc::{
    AlterTopic, Awaited, ClusterReply, ClusterRequest, CreateTopic, ElectLeaders, Failure,
    PartitionInfo, TopicInfo, Topics, TopicsRequest,
};

use crate::Broker;
use crate::core::METADATA_TIMEOUT;
use crate::failure_facts::timed_out;
use crate::metadata::Rejected;

/// Longest wait that a request may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// How long one node may take to hand its leaders over.
const TRANSFER: Duration = Duration::from_secs(5);

impl Broker {
    /// Layout of some or all topics.
    ///
    /// # Errors
    /// The node is stopping, or a missing topic could not be made.
    pub async fn topics(&self, request: TopicsRequest) -> Result<Topics, Failure> {
        self.check_serving()?;
        if let Some(names) = &request.names {
            self.find_missing(names, request.auto_create).await?;
        }
        let state = self.core.metadata.state();
        let topics = match &request.names {
            Some(names) => names
                .iter()
                .filter_map(|name| state.topic_named(name))
                .collect(),
            None => state.topics_by_name().collect::<Vec<_>>(),
        };
        Ok(Topics {
            metadata_version: state.version(),
            nodes: self.node_infos(&state),
            topics: topics
                .into_iter()
                .map(|topic| self.topic_info(topic))
                .collect(),
        })
    }

    /// Makes a topic; answers when each partition has a leader that can be written.
    ///
    /// # Errors
    /// It exists, its layout or settings are refused, or time is up; then it may appear yet.
    pub async fn create_topic(&self, request: CreateTopic) -> Result<TopicInfo, Failure> {
        self.check_serving()?;
        let limit = Duration::from_millis(request.timeout_ms.into()).min(TIMEOUT_MAX);
        tokio::time::timeout(limit, self.create(request, limit))
            .await
            .unwrap_or_else(|_| Err(timed_out(Awaited::Leaders, limit)))
    }

    async fn create(&self, request: CreateTopic, limit: Duration) -> Result<TopicInfo, Failure> {
        let ours = TopicId(self.core.env.rng.bytes16());
        let name = request.name.clone();
        let command = Command::CreateTopic(NewTopic {
            topic_id: ours,
            name: request.name,
            partitions: request.partitions,
            replication: request.replication,
            configs: request.configs,
            at_ms: self.core.env.clock.wall_ms(),
            if_not_exists: request.if_not_exists,
        });
        let topic_id =
            match self.core.controller.propose(&command, limit).await {
                Ok(Applied::TopicCreated { topic_id, .. }) => topic_id,
                Ok(_) => return Err(ErrorCode::Internal.into()),
                // An earlier attempt of this very call may have made it.
                Err(Rejected::Refused(
                    Refusal::TopicExists { .. } | Refusal::TopicIdUsed { .. },
                )) if self.core.metadata.state().topic(&ours).is_some() => ours,
                Err(rejected) => {
                    tracing::info!(topic = %name, reason = %rejected, "topic not created");
                    return Err(rejected.into());
                }
            };
        self.when_led(topic_id).await
    }

    /// Changes settings or adds partitions; answers when each partition has a leader.
    ///
    /// # Errors
    /// There is no such topic, the change is refused, or time is up.
    pub async fn alter_topic(&self, request: AlterTopic) -> Result<TopicInfo, Failure> {
        self.check_serving()?;
        let topic_id = self.current_topic(&request.name).await?;
        let AlterTopic {
            configs,
            partitions,
            ..
        } = request;
        let command = Command::AlterTopic {
            topic_id,
            configs,
            partitions,
        };
        self.core
            .controller
            .propose(&command, METADATA_TIMEOUT)
            .await?;
        let led = tokio::time::timeout(METADATA_TIMEOUT, self.when_led(topic_id)).await;
        led.unwrap_or_else(|_| Err(timed_out(Awaited::Leaders, METADATA_TIMEOUT)))
    }

    /// Deletes a topic and its records.
    ///
    /// # Errors
    /// There is no such topic, or the controller did not answer.
    pub async fn delete_topic(&self, topic: TopicName) -> Result<TopicId, Failure> {
        self.check_serving()?;
        let topic_id = self.current_topic(&topic).await?;
        let at_ms = self.core.env.clock.wall_ms();
        let command = Command::DeleteTopic { topic_id, at_ms };
        match self
            .core
            .controller
            .propose(&command, METADATA_TIMEOUT)
            .await
        {
            // It was there: an earlier attempt, or somebody else at the same time, deleted it.
            Ok(_) | Err(Rejected::Refused(Refusal::UnknownTopic { .. })) => Ok(topic_id),
            Err(rejected) => Err(rejected.into()),
        }
    }

    /// Moves leadership to the preferred replicas, or to one node. Answers how many moved.
    ///
    /// # Errors
    /// There is no such topic or partition.
    pub async fn elect_leaders(&self, request: ElectLeaders) -> Result<u32, Failure> {
        self.check_serving()?;
        let state = self.core.metadata.state();
        let topics: Vec<&Topic> = match &request.topic {
            Some(name) => vec![
                state
                    .topic_named(name)
                    .ok_or(ErrorCode::UnknownTopicOrPartition)?,
            ],
            None => state.topics().collect(),
        };
        let mut moves: BTreeMap<NodeId, Vec<(RaftGroupId, NodeId)>> = BTreeMap::new();
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            if request
                .partition
                .is_some_and(|wanted| wanted != partition.index)
            {
                continue;
            }
            let set = &partition.replica_set;
            let target = request.to.or_else(|| set.preferred_leader());
            let Some((target, leader)) = target.zip(self.leader_of(&state, set.raft_group)) else {
                continue;
            };
            if target != leader.0 && set.replica_on(target).is_some() {
                moves
                    .entry(leader.0)
                    .or_default()
                    .push((set.raft_group, target));
            }
        }
        let mut moved = 0;
        for (node, moves) in moves {
            moved += self.transfer_on(node, moves).await;
        }
        Ok(moved)
    }

    async fn transfer_on(&self, node: NodeId, moves: Vec<(RaftGroupId, NodeId)>) -> u32 {
        if node == self.core.config.node_id {
            return self.core.transfer_leaders(moves).await;
        }
        let request = ClusterRequest::TransferLeaders { moves };
        match self.core.raft.cluster_call(node, request, TRANSFER).await {
            Ok(ClusterReply::Transferred { count }) => count,
            Ok(_) => 0,
            Err(error) => {
                tracing::warn!(%node, %error, "leaders not moved");
                0
            }
        }
    }

    /// Makes sure that topics which are missing here are missing, and makes them if asked.
    async fn find_missing(&self, names: &[TopicName], create: bool) -> Result<(), Failure> {
        let state = self.core.metadata.state();
        if names.iter().all(|name| state.topic_named(name).is_some()) {
            return Ok(());
        }
        let state = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await?;
        if !(create && self.core.config.auto_create_topics) {
            return Ok(());
        }
        for name in names
            .iter()
            .filter(|name| state.topic_named(name).is_none())
        {
            let made = CreateTopic {
                name: name.clone(),
                partitions: self.core.config.default_partitions,
                replication: None,
                configs: BTreeMap::new(),
                if_not_exists: true,
                timeout_ms: u32::try_from(METADATA_TIMEOUT.as_millis()).unwrap_or(u32::MAX),
            };
            self.create_topic(made).await?;
        }
        Ok(())
    }

    /// Waits until every partition of the topic has a leader. The caller bounds the time.
    async fn when_led(&self, topic_id: TopicId) -> Result<TopicInfo, Failure> {
        let led = |topic: &Topic| {
            topic
                .partitions
                .iter()
                .all(|partition| partition.replica_set.leader.is_some())
        };
        let view = self
            .core
            .metadata
            .wait_for(|view| view.state.topic(&topic_id).is_none_or(led));
        let state = view.await.state;
        // Deleted meanwhile.
        let topic = state
            .topic(&topic_id)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(self.topic_info(topic))
    }

    pub(crate) fn topic_info(&self, topic: &Topic) -> TopicInfo {
        TopicInfo {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            configs: topic.config.overrides().clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|one| self.partition_info(one))
                .collect(),
        }
    }

    fn partition_info(&self, partition: &floe_metadata::Partition) -> PartitionInfo {
        let core = &self.core;
        let set = &partition.replica_set;
        let here = core.partitions.by_group(set.raft_group);
        let (leader, leader_epoch) = core.newest_leader(set);
        let replicas: Vec<NodeId> = set.replicas.iter().map(|replica| replica.node_id).collect();
        let alive = set
            .replicas
            .iter()
            .filter(|&replica| core.counts(set, replica))
            .map(|replica| replica.node_id)
            .collect();
        PartitionInfo {
            partition: partition.index,
            leader,
            leader_epoch,
            replicas,
            alive_replicas: alive,
            log_start_offset: here.as_ref().map(|partition| partition.log_start_offset()),
            high_watermark: here.map(|partition| partition.log().high_watermark()),
        }
    }

    /// Who leads a group and in which epoch, as far as this node knows.
    pub(crate) fn leader_of(
        &self,
        state: &State,
        group: RaftGroupId,
    ) -> Option<(NodeId, floe_model::LeaderEpoch)> {
        let (leader, epoch) = self.core.newest_leader(state.replica_set(group)?);
        leader.map(|leader| (leader, epoch))
    }
}
