//! Topics as administrative clients change them: planned or carried out, placed by hand, with
//! settings edited one by one.
//!
//! A plan is the command applied to a copy of confirmed metadata: it is refused exactly when the
//! command would be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floe_metadata::{Applied, Command, ConfigEdit, NewTopic, Refusal, State, TopicConfig, apply};
use floe_model::{ErrorCode, NodeId, TopicId, TopicName};
use floe_rpc::Failure;

use crate::core::METADATA_TIMEOUT;
use crate::metadata::Rejected;
use crate::{Broker, NodeConfig};

/// Shortest and longest time that a change of the metadata gets, whatever is asked.
const LIMIT_MIN: Duration = Duration::from_secs(2);
const LIMIT_MAX: Duration = Duration::from_secs(120);

/// A topic to be made.
#[derive(Clone, Debug)]
pub struct TopicPlan {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; `None` is the node's default.
    pub partitions: Option<u32>,
    /// Replicas of each; `None` is the default.
    pub replication: Option<u32>,
    /// The nodes of each partition, preferred leader first; says how many partitions and
    /// replicas there are. `None` leaves it to the placement.
    pub nodes: Option<Vec<Vec<NodeId>>>,
    /// Settings that differ from the default.
    pub configs: BTreeMap<String, String>,
}

/// A topic as it was made, or would be.
#[derive(Clone, Debug)]
pub struct PlannedTopic {
    /// Its id; of a plan, one that no topic will have.
    pub topic_id: TopicId,
    /// Partitions.
    pub partitions: u32,
    /// Replicas of each.
    pub replication: u32,
    /// Its settings.
    pub config: TopicConfig,
}

/// Whether a change is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is, within this time.
    CarryOut {
        /// The client's patience.
        limit: Duration,
    },
    /// It is only checked.
    Check,
}

impl Broker {
    /// The configuration of this node.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.core.config
    }

    /// The settings of a topic, as this node knows them.
    #[must_use]
    pub fn topic_config(&self, name: &TopicName) -> Option<TopicConfig> {
        let state = self.core.metadata.state();
        state.topic_named(name).map(|topic| topic.config.clone())
    }

    /// The settings of a topic with every change acknowledged before this call, as far as the
    /// controller can be asked; else as this node knows them.
    ///
    /// # Errors
    /// There is no such topic.
    pub async fn newest_topic_config(&self, name: &TopicName) -> Result<TopicConfig, Failure> {
        self.check_serving()?;
        let confirmed = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await;
        let state = match confirmed {
            Ok(confirmed) => confirmed,
            Err(failure) if self.topic_id_named(name).is_none() => return Err(failure),
            Err(_) => self.core.metadata.state(),
        };
        let topic = state
            .topic_named(name)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(topic.config.clone())
    }

    /// Makes a topic, or checks that it could be made. A topic that was made is a success whether
    /// or not all its partitions have found a leader in time.
    ///
    /// # Errors
    /// It exists, its layout or settings are refused, or the controller did not answer.
    pub async fn make_topic(
        &self,
        plan: TopicPlan,
        intent: Intent,
    ) -> Result<PlannedTopic, Failure> {
        self.check_serving()?;
        let ours = TopicId(self.core.env.rng.bytes16());
        let command = self.creation(ours, plan);
        match self.carry_out(&command, intent).await {
            Ok(state) => planned(&state, &ours),
            // An earlier attempt of this very call may have made it.
            Err(Rejected::Refused(Refusal::TopicExists { .. } | Refusal::TopicIdUsed { .. }))
                if self.core.metadata.state().topic(&ours).is_some() =>
            {
                planned(&self.core.metadata.state(), &ours)
            }
            Err(rejected) => Err(rejected.into()),
        }
    }

    fn creation(&self, topic_id: TopicId, plan: TopicPlan) -> Command {
        let topic = NewTopic {
            topic_id,
            name: plan.name,
            partitions: plan
                .partitions
                .unwrap_or(self.core.config.default_partitions),
            replication: plan.replication,
            configs: plan.configs,
            at_ms: self.core.env.clock.wall_ms(),
            if_not_exists: false,
        };
        match plan.nodes {
            Some(nodes) => Command::CreateTopicAt { topic, nodes },
            None => Command::CreateTopic(topic),
        }
    }

    /// Adds partitions until there are `count`, on the nodes named if they are, or checks that
    /// it could be done.
    ///
    /// # Errors
    /// There is no such topic, the change is refused, or the controller did not answer.
    pub async fn add_partitions(
        &self,
        name: &TopicName,
        count: u32,
        nodes: Option<Vec<Vec<NodeId>>>,
        intent: Intent,
    ) -> Result<(), Failure> {
        self.check_serving()?;
        let topic_id = self.current_topic(name).await?;
        let command = match nodes {
            Some(nodes) => Command::AddPartitionsAt {
                topic_id,
                partitions: count,
                nodes,
            },
            None => Command::AlterTopic {
                topic_id,
                configs: BTreeMap::new(),
                partitions: Some(count),
            },
        };
        self.carry_out(&command, intent).await?;
        Ok(())
    }

    /// Edits the settings of a topic, or checks that it could be done. With `replace`, settings
    /// that are not named return to their defaults.
    ///
    /// # Errors
    /// There is no such topic, an edit is refused, or the controller did not answer.
    pub async fn edit_topic_config(
        &self,
        name: &TopicName,
        replace: bool,
        edits: BTreeMap<String, ConfigEdit>,
        intent: Intent,
    ) -> Result<(), Failure> {
        self.check_serving()?;
        let topic_id = self.current_topic(name).await?;
        let command = Command::EditTopicConfig {
            topic_id,
            replace,
            edits,
        };
        self.carry_out(&command, intent).await?;
        Ok(())
    }

    /// Deletes the topic with this id and its records; answers its name.
    ///
    /// # Errors
    /// There is no such topic, or the controller did not answer.
    pub async fn delete_topic_with_id(&self, topic_id: TopicId) -> Result<TopicName, Failure> {
        self.check_serving()?;
        let mut state = self.core.metadata.state();
        if state.topic(&topic_id).is_none() {
            state = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await?;
        }
        let topic = state
            .topic(&topic_id)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let name = topic.name.clone();
        let at_ms = self.core.env.clock.wall_ms();
        let command = Command::DeleteTopic { topic_id, at_ms };
        match self
            .core
            .controller
            .propose(&command, METADATA_TIMEOUT)
            .await
        {
            // It was there: an earlier attempt, or somebody else at the same time, deleted it.
            Ok(_) | Err(Rejected::Refused(Refusal::UnknownTopic { .. })) => Ok(name),
            Err(rejected) => Err(rejected.into()),
        }
    }

    /// The id of a topic; that there is none is believed only when the controller confirms it.
    pub async fn known_topic(&self, name: &TopicName) -> Result<TopicId, Failure> {
        if let Some(topic_id) = self.topic_id_named(name) {
            return Ok(topic_id);
        }
        let state = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await?;
        let topic = state
            .topic_named(name)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(topic.topic_id)
    }

    /// The id of the topic that has the name now, for whoever is about to change it. A node that
    /// was away may know only a deleted one of the same name, and to change or delete that one
    /// is not what was asked for.
    pub(crate) async fn current_topic(&self, name: &TopicName) -> Result<TopicId, Failure> {
        let state = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await?;
        let topic = state
            .topic_named(name)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(topic.topic_id)
    }

    /// The metadata after `command`: proposed, or applied to a copy.
    async fn carry_out(&self, command: &Command, intent: Intent) -> Result<Arc<State>, Rejected> {
        match intent {
            Intent::Check => {
                let confirmed = self.core.confirmer.confirm(METADATA_TIMEOUT / 4).await?;
                let mut copy = State::clone(&confirmed);
                apply(&mut copy, command.clone())?;
                Ok(Arc::new(copy))
            }
            Intent::CarryOut { limit } => {
                let limit = limit.clamp(LIMIT_MIN, LIMIT_MAX);
                let applied = self.core.controller.propose(command, limit).await?;
                if let Applied::TopicCreated { topic_id, .. } = applied {
                    self.wait_for_leaders(topic_id, limit).await;
                }
                Ok(self.core.metadata.state())
            }
        }
    }

    /// Waits a while, so that a client that was told of a topic can write to it at once.
    async fn wait_for_leaders(&self, topic_id: TopicId, limit: Duration) {
        let led = |state: &State| {
            state.topic(&topic_id).is_none_or(|topic| {
                let mut partitions = topic.partitions.iter();
                partitions.all(|partition| partition.replica_set.leader.is_some())
            })
        };
        let metadata = self.core.metadata.clone();
        let all_led = metadata.wait_for(|view| led(&view.state));
        if tokio::time::timeout(limit, all_led).await.is_err() {
            tracing::info!(%topic_id, "topic made; some partitions have no leader yet");
        }
    }
}

fn planned(state: &State, topic_id: &TopicId) -> Result<PlannedTopic, Failure> {
    let topic = state
        .topic(topic_id)
        // Deleted meanwhile.
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(PlannedTopic {
        topic_id: topic.topic_id,
        partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
        replication: topic.replication,
        config: topic.config.clone(),
    })
}
