//! The services of a node, as a cheap handle for everybody in the process.

use std::sync::Arc;

use floe_journal::StoreStatus;
use floe_model::{ErrorCode, LeaderEpoch, Offset, TopicIdPartition};
use floe_rpc::{Failure, LeaderHint, PartitionKey};

use crate::core::{Core, METADATA_TIMEOUT};
use crate::partition::{Partition, not_leader};
use crate::{NodeStatus, NotReady, PartitionStatus, membership};

/// A node's services. Clones share the node. Calls after the node stopped answer `ShuttingDown`.
#[derive(Clone)]
pub struct Broker {
    pub(crate) core: Arc<Core>,
}

/// A partition as this node finds it without asking anybody.
pub(crate) enum Located {
    /// A replica is here; it may lead or not.
    Here(Arc<Partition>),
    /// It exists and this node cannot serve it.
    Elsewhere(Failure),
    /// This node's metadata, which may be behind, does not have it.
    Unknown,
}

impl Broker {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Why the node should get no traffic; empty when it should.
    #[must_use]
    pub fn readiness(&self) -> Vec<NotReady> {
        let core = &self.core;
        let mut reasons = Vec::new();
        // This start of this disk: metadata that is read again may still name a former one.
        let state = core.metadata.state();
        let recorded = state.node(core.config.node_id);
        if recorded.is_none_or(|node| node.registration != core.registration) {
            reasons.push(NotReady::NotJoined);
        } else if core.controller.leader().is_none() {
            reasons.push(NotReady::NoController);
        }
        match *core.unopened.borrow() {
            Some(0) => {}
            Some(remaining) => reasons.push(NotReady::OpeningReplicas { remaining }),
            None if reasons.is_empty() => reasons.push(NotReady::NotJoined),
            None => {}
        }
        match core.journal.damaged_groups().len() {
            0 => {}
            remaining => reasons.push(NotReady::DamagedReplicas { remaining }),
        }
        match membership::not_voting_yet(&core.metadata.state(), core.config.node_id) {
            0 => {}
            remaining => reasons.push(NotReady::CatchingUp { remaining }),
        }
        match &*core.journal.status().borrow() {
            StoreStatus::Healthy => {}
            StoreStatus::Full { .. } => reasons.push(NotReady::DiskFull),
            StoreStatus::Poisoned { .. } => reasons.push(NotReady::StoreFailed),
        }
        if core.draining.is_cancelled() {
            reasons.push(NotReady::Draining);
        }
        reasons
    }

    /// Where the Kafka gateway of this node counts.
    #[must_use]
    pub fn gateway_metrics(&self) -> &crate::GatewayMetrics {
        &self.core.metrics.gateway
    }

    /// All metrics of the node, OpenMetrics text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.core.metrics.render(&self.core)
    }

    /// Whether the node's store works and the node has not failed. That the answer comes shows
    /// that the event loop turns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.core.failure.borrow().is_none()
    }

    /// The node at a glance.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let partitions = self.core.partitions.all();
        NodeStatus {
            node_id: self.core.config.node_id,
            controller: self.core.controller.leader(),
            partitions: partitions
                .iter()
                .map(|partition| status_of(partition))
                .collect(),
            not_ready: self.readiness(),
        }
    }

    /// Refuses work that begins after the node started to stop or failed.
    pub(crate) fn check_serving(&self) -> Result<(), Failure> {
        if self.core.draining.is_cancelled() {
            return Err(ErrorCode::ShuttingDown.into());
        }
        if self.core.failure.borrow().is_some() {
            return Err(ErrorCode::StorageFailed.into());
        }
        Ok(())
    }

    pub(crate) fn locate(&self, key: PartitionKey) -> Located {
        let key = identity(key);
        if let Some(partition) = self.core.partitions.get(&key) {
            return Located::Here(partition);
        }
        match self.core.metadata.state().partition(&key) {
            Some(partition) => {
                let leader = partition.replica_set.leader;
                let hint = leader.filter(|leader| leader.node_id != self.core.config.node_id);
                let epoch = hint.map_or(LeaderEpoch(0), |hint| hint.epoch);
                Located::Elsewhere(not_leader(hint.map(|hint| hint.node_id), epoch))
            }
            None => Located::Unknown,
        }
    }

    /// Like [`Broker::locate`], but believes that a partition does not exist only when the
    /// controller confirms how new the metadata here is.
    pub(crate) async fn resolve(&self, key: PartitionKey) -> Result<Arc<Partition>, Failure> {
        match self.locate(key) {
            Located::Here(partition) => return Ok(partition),
            Located::Elsewhere(failure) => return Err(failure),
            Located::Unknown => {}
        }
        if self
            .core
            .confirmer
            .confirm(METADATA_TIMEOUT / 4)
            .await
            .is_err()
        {
            return Err(ErrorCode::NotLeader.into());
        }
        match self.locate(key) {
            Located::Here(partition) => Ok(partition),
            Located::Elsewhere(failure) => Err(failure),
            Located::Unknown => Err(ErrorCode::UnknownTopicOrPartition.into()),
        }
    }

    /// The partition, if this node may serve it now, and its epoch.
    pub(crate) async fn led(
        &self,
        key: PartitionKey,
    ) -> Result<(Arc<Partition>, LeaderEpoch), Failure> {
        let partition = self.resolve(key).await?;
        let epoch = partition.serving_epoch()?;
        Ok((partition, epoch))
    }

    /// Like [`Broker::led`], once a majority confirms that this node leads. `current` is the epoch
    /// that the caller believes the leader to be in, if it knows one.
    pub(crate) async fn led_for_certain(
        &self,
        key: PartitionKey,
        current: Option<LeaderEpoch>,
    ) -> Result<(Arc<Partition>, LeaderEpoch), Failure> {
        let (partition, epoch) = self.led(key).await?;
        match current {
            Some(current) if current < epoch => return Err(ErrorCode::FencedEpoch.into()),
            Some(current) if current > epoch => return Err(ErrorCode::UnknownEpoch.into()),
            Some(_) | None => {}
        }
        if !partition.leads_for_certain(epoch).await {
            return Err(ErrorCode::NotLeader.into());
        }
        Ok((partition, epoch))
    }
}

pub(crate) fn identity(key: PartitionKey) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: key.topic_id,
        partition: key.partition,
    }
}

pub(crate) fn wire_key(key: &TopicIdPartition) -> PartitionKey {
    PartitionKey {
        topic_id: key.topic_id,
        partition: key.partition,
    }
}

/// The leader that a failure names, if it does.
pub(crate) fn hint_epoch(failure: &Failure) -> LeaderEpoch {
    failure
        .leader
        .as_ref()
        .map_or(LeaderEpoch(-1), |hint: &LeaderHint| hint.epoch)
}

fn status_of(partition: &Partition) -> PartitionStatus {
    let role = partition.role();
    let high_watermark: Offset = partition.log().high_watermark();
    PartitionStatus {
        topic: partition.topic.clone(),
        partition: partition.key.partition,
        raft_group: partition.group(),
        leader: role.leader,
        leader_epoch: role.epoch,
        log_start_offset: partition.log_start_offset(),
        high_watermark,
        size_bytes: partition.log().size_bytes(),
    }
}
