//! Opens and closes the replicas of a node.
//!
//! A replica is opened in an order that leaves nothing half true: its CREATE is durable, its
//! state is restored, the detector knows it, and only then do messages find it.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use floe_journal::{GroupLog, StoreError};
use floe_model::{LogIndex, RaftGroupId, ReplicaId, Term};
use floe_rpc::LogEnd;
use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::core::NodeCore;
use super::snapshot_inbox::SnapshotInbox;
use crate::binding::acknowledged::Acknowledged;
use crate::binding::apply::{Applier, RestoreError};
use crate::binding::layout::{self, GroupMeta};
use crate::binding::log_store::LogStore;
use crate::binding::network::GroupNetwork;
use crate::binding::type_config::invalid_data;
use crate::replica::{Replica, Signals};
use crate::{GroupSpec, OpenGroupError, Role, StateMachine};

impl NodeCore {
    fn lane(&self, group: RaftGroupId) -> &tokio::sync::Mutex<()> {
        let lanes = self.openings.len() as u64;
        let lane = usize::try_from(group.0 % lanes).unwrap_or(0);
        &self.openings[lane]
    }

    pub(crate) async fn open_group(
        self: &Arc<Self>,
        spec: GroupSpec,
        machine: Box<dyn StateMachine>,
    ) -> Result<Arc<Replica>, OpenGroupError> {
        let group = spec.group;
        let _alone = self.lane(group).lock().await;
        if self.stop.is_cancelled() {
            return Err(OpenGroupError::ShuttingDown);
        }
        if let Some(replica) = self.replica(group) {
            return same_replica(&replica.spec, &spec).map(|()| replica);
        }
        let existed = self.journal.group(group).is_some();
        let log = self.log_of(&spec).await?;
        self.run(spec, log, existed, machine).await
    }

    /// Opens a replica in the place of an earlier one of the same disk, which is over: what that
    /// one left is set aside, and no message reaches it any more.
    pub(crate) async fn open_successor(
        self: &Arc<Self>,
        spec: GroupSpec,
        machine: Box<dyn StateMachine>,
    ) -> Result<Arc<Replica>, OpenGroupError> {
        let group = spec.group;
        let _alone = self.lane(group).lock().await;
        if self.stop.is_cancelled() {
            return Err(OpenGroupError::ShuttingDown);
        }
        self.close(group).await;
        let former = self.journal.group(group);
        let ours = former.as_ref().map(stored_replica).transpose()?;
        match ours.map(|ours| (ours, ours.cmp(&spec.replica_id))) {
            // It was begun before, and this process or its predecessor came no further.
            Some((_, Ordering::Equal)) => {
                let log = self.log_of(&spec).await?;
                return self.run(spec, log, true, machine).await;
            }
            Some((ours, Ordering::Greater)) => {
                let asked = spec.replica_id;
                return Err(OpenGroupError::OtherReplica { group, ours, asked });
            }
            Some((_, Ordering::Less)) | None => {}
        }
        if let Some(former) = &former {
            former.mark_damaged();
        }
        let log = self.journal.renew_group(group, spec.kind, meta_of(&spec));
        let log = log.await;
        let log = log.map_err(|source| OpenGroupError::Store { group, source })?;
        tracing::info!(%group, replica = %spec.replica_id, "replica begins anew");
        self.run(spec, log, false, machine).await
    }

    /// Runs a replica whose log may have `existed` before this start.
    async fn run(
        self: &Arc<Self>,
        spec: GroupSpec,
        log: GroupLog,
        existed: bool,
        machine: Box<dyn StateMachine>,
    ) -> Result<Arc<Replica>, OpenGroupError> {
        let group = spec.group;
        let restarted_with = if existed {
            Some(end_of(&spec, &log)?)
        } else {
            None
        };
        let replica = Arc::new(self.start_raft(spec, log, machine).await?);
        self.liveness.lock().open(group, restarted_with);
        self.insert(replica.clone());
        self.refresh(&replica);
        if existed {
            self.beat_early.send_replace(());
        }
        self.spawn(watch_role(self.clone(), replica.clone()));
        Ok(replica)
    }

    async fn log_of(&self, spec: &GroupSpec) -> Result<GroupLog, OpenGroupError> {
        let group = spec.group;
        let log = match self.journal.group(group) {
            Some(log) => {
                let (ours, asked) = (stored_replica(&log)?, spec.replica_id);
                if ours != asked {
                    return Err(OpenGroupError::OtherReplica { group, ours, asked });
                }
                log
            }
            None => {
                let created = self.journal.create_group(group, spec.kind, meta_of(spec));
                created.await.map_err(|error| match error {
                    StoreError::Lost { group, damage } => OpenGroupError::Damaged { group, damage },
                    source => OpenGroupError::Store { group, source },
                })?
            }
        };
        match log.is_damaged() {
            Some(damage) => Err(OpenGroupError::Damaged { group, damage }),
            None => Ok(log),
        }
    }

    async fn start_raft(
        self: &Arc<Self>,
        spec: GroupSpec,
        log: GroupLog,
        machine: Box<dyn StateMachine>,
    ) -> Result<Replica, OpenGroupError> {
        let group = spec.group;
        let signals = Arc::new(Signals::default());
        let applier = Applier::restore(log.clone(), machine, signals.clone()).await;
        let applier = applier.map_err(|error| match error {
            RestoreError::State(source) => OpenGroupError::State { group, source },
            RestoreError::Log(source) => OpenGroupError::Log { group, source },
        })?;
        let acknowledged = Arc::new(Acknowledged::default());
        let core = Arc::downgrade(self);
        let may_ask = move || {
            let core = core.upgrade();
            core.is_some_and(|core| core.liveness.lock().may_vote(group))
        };
        let config = self.openraft_config(spec.kind, spec.timers);
        let kept = config.max_in_snapshot_log_to_keep;
        let of_log = log.clone();
        let network = GroupNetwork {
            group,
            replica_id: spec.replica_id,
            links: self.links.clone(),
            transfers: self.transfers.clone(),
            acknowledged: acknowledged.clone(),
            may_ask: Arc::new(may_ask),
            purge_overdue: Arc::new(move || {
                let start = of_log.log_start().map_or(LogIndex(0), |id| id.index.next());
                let purgeable = of_log.purgeable();
                purgeable.is_some_and(|upto| upto.index.0 >= start.0 + kept)
            }),
        };
        let store = LogStore::new(log.clone());
        let raft = Raft::new(spec.replica_id.0, config, network, store, applier);
        // Everything that openraft spawns is spawned here and inherits the seed.
        #[cfg(sim)]
        let raft = crate::binding::type_config::Runtime::scope(self.env.rng.next_u64(), raft);
        let raft = raft.await;
        let raft = raft.map_err(|error| OpenGroupError::Raft {
            group,
            reason: error.to_string().into(),
        })?;
        Ok(Replica {
            spec,
            log,
            raft,
            signals,
            acknowledged,
            role: watch::Sender::new(Role::UNKNOWN),
            budget: Arc::new(Semaphore::new(self.config.group_proposal_bytes)),
            inbox: Mutex::new(SnapshotInbox::default()),
            closed: self.stop.child_token(),
        })
    }

    /// Stops a replica; its log stays.
    pub(crate) async fn close_group(&self, group: RaftGroupId) {
        let _alone = self.lane(group).lock().await;
        self.close(group).await;
    }

    pub(crate) async fn delete_group(&self, group: RaftGroupId) -> Result<(), StoreError> {
        let _alone = self.lane(group).lock().await;
        self.close(group).await;
        self.journal.delete_group(group).await
    }

    async fn close(&self, group: RaftGroupId) {
        if let Some(replica) = self.remove(group) {
            self.liveness.lock().close(group);
            replica.closed.cancel();
            replica.mark_stopped();
            stop_raft(&replica).await;
            self.refresh(&replica);
        }
    }
}

/// What the journal keeps of a replica's identity.
fn meta_of(spec: &GroupSpec) -> Bytes {
    layout::encode_meta(&GroupMeta {
        replica_id: spec.replica_id,
        timers: spec.timers,
        founders: spec.founders.clone(),
    })
}

/// The replica that a log on this disk belongs to.
fn stored_replica(log: &GroupLog) -> Result<ReplicaId, OpenGroupError> {
    let meta = layout::decode_meta(&log.meta());
    let meta = meta.map_err(|error| OpenGroupError::Log {
        group: log.id(),
        source: invalid_data(error),
    })?;
    Ok(meta.replica_id)
}

/// What the log of a replica that was here before this start ends with.
fn end_of(spec: &GroupSpec, log: &GroupLog) -> Result<LogEnd, OpenGroupError> {
    let vote = log.vote().map(|vote| layout::decode_vote(&vote));
    let vote = vote.transpose().map_err(|error| OpenGroupError::Log {
        group: spec.group,
        source: invalid_data(error),
    })?;
    Ok(LogEnd {
        group: spec.group,
        replica: spec.replica_id,
        term: vote.map_or(Term(0), |vote| Term(vote.leader_id.term)),
        last_log_id: log.last_log_id().or_else(|| log.log_start()),
    })
}

/// Ends openraft's tasks of a replica.
pub(crate) async fn stop_raft(replica: &Replica) {
    if let Err(error) = replica.raft.shutdown().await {
        tracing::error!(group = %replica.spec.group, %error, "raft did not stop cleanly");
    }
}

fn same_replica(ours: &GroupSpec, asked: &GroupSpec) -> Result<(), OpenGroupError> {
    if ours.replica_id == asked.replica_id {
        Ok(())
    } else {
        Err(OpenGroupError::OtherReplica {
            group: ours.group,
            ours: ours.replica_id,
            asked: asked.replica_id,
        })
    }
}

/// Keeps the role of one replica current until it is closed or openraft stops.
async fn watch_role(core: Arc<NodeCore>, replica: Arc<Replica>) {
    let mut server = replica.raft.server_metrics();
    loop {
        core.refresh(&replica);
        let alive = tokio::select! {
            () = replica.closed.cancelled() => return,
            () = replica.signals.wake.notified() => Ok(()),
            changed = server.changed() => changed.map_err(io::Error::other),
        };
        if alive.is_err() && !replica.closed.is_cancelled() {
            tracing::error!(group = %replica.spec.group, "raft stopped by an error");
            replica.mark_stopped();
            core.refresh(&replica);
            return;
        }
        if replica.signals.is_damaged() {
            core.refresh(&replica);
            stop_raft(&replica).await;
            return;
        }
    }
}
