//! Coordinators of consumer groups: one per offsets partition with a replica here.
//!
//! The leader of an offsets partition coordinates the groups that hash to it. What was committed
//! is replicated state; membership is soft state of one task per partition, the [`tenure`],
//! which lives as long as the leadership. Others talk to it through a bounded mailbox.

mod ask;
mod machine;
mod membership;
mod proposal;
mod tenure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_group::offsets::OffsetsState;
use floe_metadata::{State, offsets_partition_of};
use floe_model::{ErrorCode, GroupName, LeaderEpoch, TopicId};
use floe_raft::RaftGroup;
use floe_rpc::{Failure, LeaderHint};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

pub(crate) use ask::{Ask, ClassicQuestion, Described, DescribedMember, DescribedNative};
pub use ask::{GroupState, ListedGroup, Readership};
pub(crate) use machine::OffsetsMachine;

use crate::core::Core;

/// Requests that wait for one coordinator; more are answered `Busy`.
const MAILBOX: usize = 4096;

/// This node's replica of one offsets partition.
pub(crate) struct OffsetsReplica {
    pub(crate) index: u32,
    pub(crate) raft: RaftGroup,
    /// Changed by apply only. Held for a look.
    pub(crate) state: Arc<Mutex<OffsetsState>>,
    mailbox: mpsc::Sender<Ask>,
}

/// The offsets partitions with a replica here.
#[derive(Default)]
pub(crate) struct Coordinators {
    /// Held for one lookup or change.
    open: RwLock<BTreeMap<u32, Arc<OffsetsReplica>>>,
}

impl Coordinators {
    /// Takes a replica in and starts its coordinator.
    pub(crate) fn open(
        &self,
        core: &Arc<Core>,
        index: u32,
        raft: RaftGroup,
        state: Arc<Mutex<OffsetsState>>,
    ) {
        let (mailbox, asks) = mpsc::channel(MAILBOX);
        let replica = Arc::new(OffsetsReplica {
            index,
            raft,
            state,
            mailbox,
        });
        self.open.write().insert(index, Arc::clone(&replica));
        core.spawn_until_stop(tenure::run(Arc::clone(core), replica, asks));
    }

    pub(crate) fn all(&self) -> Vec<Arc<OffsetsReplica>> {
        self.open.read().values().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.open.write().clear();
    }

    /// The replica that coordinates `group` and its epoch, if that is here and may serve.
    pub(crate) fn of(
        &self,
        group: &GroupName,
    ) -> Result<(Arc<OffsetsReplica>, LeaderEpoch), Failure> {
        let replica = self.open.read().get(&offsets_partition_of(group)).cloned();
        let replica = replica.ok_or(ErrorCode::NotCoordinator)?;
        let epoch = replica.serving_epoch()?;
        Ok((replica, epoch))
    }
}

impl OffsetsReplica {
    pub(crate) fn serving_epoch(&self) -> Result<LeaderEpoch, Failure> {
        let role = self.raft.role();
        let hint = role.leader.map(|node| LeaderHint {
            node,
            epoch: role.epoch,
        });
        let elsewhere = Failure::elsewhere(ErrorCode::NotCoordinator, hint);
        role.serving_epoch().ok_or(elsewhere)
    }

    /// Puts a question to the coordinator and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Ask,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        self.mailbox
            .try_send(question(answer))
            .map_err(|_| ErrorCode::Busy)?;
        // The coordinator ended with the question in its hands.
        answered
            .await
            .unwrap_or_else(|_| Err(ErrorCode::NotCoordinator.into()))
    }

    /// Topics that offsets are stored of and that metadata does not have.
    fn topics_gone_from(&self, state: &State) -> BTreeSet<TopicId> {
        let stored = self.state.lock();
        let ids = stored.groups().flat_map(|group| stored.committed_by(group));
        let ids = ids.map(|(partition, _)| partition.topic_id);
        ids.filter(|id| {
            state.topic(id).is_none() || floe_model::mutant!("commits-lost-at-failover")
        })
        .collect()
    }

    /// Tells the coordinator that a group was deleted.
    pub(crate) async fn forget(&self, group: GroupName) {
        // Without a coordinator there is no membership either.
        drop(self.mailbox.send(Ask::Forget { group }).await);
    }
}
