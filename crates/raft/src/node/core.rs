//! What all parts of a node's Raft share.
//!
//! The mutexes guard short synchronous sections only, and none is taken while another is held,
//! but for `replicas`, under which nothing else happens at all.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use floe_env::Env;
use floe_journal::{GroupKind, Journal, StoreStatus};
use floe_model::{NodeId, RaftGroupId};
use openraft::async_runtime::watch::WatchReceiver as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ClusterHandler;
use super::peer_listener::PeerConnections;
use crate::binding::settings::openraft_config;
use crate::links::Links;
use crate::liveness::{Effects, Liveness, NodeHealth};
use crate::replica::Replica;
use crate::{RaftConfig, RoleState, StartError};

/// Groups are opened and closed one at a time per lane; different lanes run side by side.
const OPENING_LANES: usize = 32;

pub(crate) struct NodeCore {
    pub(crate) config: RaftConfig,
    pub(crate) env: Env,
    pub(crate) journal: Journal,
    pub(crate) store_status: watch::Receiver<StoreStatus>,
    pub(crate) links: Arc<Links>,
    pub(crate) connections: PeerConnections,
    pub(crate) cluster: Arc<dyn ClusterHandler>,
    pub(crate) liveness: Mutex<Liveness>,
    replicas: Mutex<BTreeMap<RaftGroupId, Arc<Replica>>>,
    /// Those of groups with timers.
    timed: Mutex<BTreeMap<RaftGroupId, Arc<Replica>>>,
    changed: Mutex<BTreeSet<RaftGroupId>>,
    pub(crate) changed_wake: Notify,
    /// The election task has something new to look at.
    pub(crate) queue_wake: Notify,
    /// Changes when peers should hear of this node before the next interval.
    pub(crate) beat_early: watch::Sender<()>,
    /// The peers beat in two turns, half an interval apart: see `beats`.
    pub(crate) beat_turns: [watch::Sender<()>; 2],
    pub(crate) peers_started: AtomicUsize,
    /// Groups whose proposals wait for an answer.
    pub(crate) waiting: Mutex<BTreeSet<RaftGroupId>>,
    pub(crate) waiting_wake: Notify,
    pub(crate) healths: watch::Sender<BTreeMap<NodeId, NodeHealth>>,
    pub(crate) budget: Arc<Semaphore>,
    pub(crate) transfers: Arc<AtomicU64>,
    pub(crate) openings: Vec<tokio::sync::Mutex<()>>,
    openraft_configs: BTreeMap<(GroupKind, bool), Arc<openraft::Config>>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl NodeCore {
    pub(crate) fn new(
        config: RaftConfig,
        env: Env,
        journal: Journal,
        links: Links,
        cluster: Arc<dyn ClusterHandler>,
    ) -> Result<Self, StartError> {
        let mut openraft_configs = BTreeMap::new();
        for kind in [GroupKind::Data, GroupKind::State] {
            for timers in [false, true] {
                let settings = openraft_config(&config, kind, timers).validate();
                let settings = settings.map_err(|error| StartError::Settings {
                    reason: error.to_string().into(),
                })?;
                openraft_configs.insert((kind, timers), Arc::new(settings));
            }
        }
        let incarnation = links.me().incarnation;
        Ok(Self {
            liveness: Mutex::new(Liveness::new(&config, incarnation, env.rng.fork())),
            budget: Arc::new(Semaphore::new(config.node_proposal_bytes)),
            links: Arc::new(links),
            connections: PeerConnections::new(),
            config,
            env,
            store_status: journal.status(),
            journal,
            cluster,
            replicas: Mutex::default(),
            timed: Mutex::default(),
            changed: Mutex::default(),
            changed_wake: Notify::new(),
            queue_wake: Notify::new(),
            beat_early: watch::Sender::new(()),
            beat_turns: [watch::Sender::new(()), watch::Sender::new(())],
            peers_started: AtomicUsize::new(0),
            waiting: Mutex::default(),
            waiting_wake: Notify::new(),
            healths: watch::Sender::default(),
            transfers: Arc::default(),
            openings: (0..OPENING_LANES)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
            openraft_configs,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.env.clock.now()
    }

    /// Starts a task of this node; shutdown waits for it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // The tracker waits for it; its handle would say no more.
        drop(self.env.spawn.task(self.tasks.track_future(task)));
    }

    pub(crate) fn openraft_config(&self, kind: GroupKind, timers: bool) -> Arc<openraft::Config> {
        self.openraft_configs[&(kind, timers)].clone()
    }

    // -- replicas

    pub(crate) fn replica(&self, group: RaftGroupId) -> Option<Arc<Replica>> {
        self.replicas.lock().get(&group).cloned()
    }

    pub(crate) fn replicas(&self) -> Vec<Arc<Replica>> {
        self.replicas.lock().values().cloned().collect()
    }

    /// The replicas of groups with timers.
    pub(crate) fn timed(&self) -> Vec<Arc<Replica>> {
        self.timed.lock().values().cloned().collect()
    }

    pub(crate) fn insert(&self, replica: Arc<Replica>) {
        let group = replica.spec.group;
        if replica.spec.timers {
            self.timed.lock().insert(group, replica.clone());
        }
        self.replicas.lock().insert(group, replica);
    }

    pub(crate) fn remove(&self, group: RaftGroupId) -> Option<Arc<Replica>> {
        self.timed.lock().remove(&group);
        self.replicas.lock().remove(&group)
    }

    pub(crate) fn replica_count(&self) -> usize {
        self.replicas.lock().len()
    }

    // -- roles

    /// Recomputes a replica's role and tells the detector and the broker.
    pub(crate) fn refresh(&self, replica: &Replica) {
        let metrics = replica.raft.server_metrics();
        let reading = replica.read(&metrics.borrow_watched(), self.config.node_id);
        let (mut role, group) = (reading.role, replica.spec.group);
        let now = self.now();
        let fenced = self.liveness.lock().update(group, reading.facts, now);
        if fenced
            && matches!(role.state, RoleState::Leader { .. })
            && !floe_model::mutant!("fence-ignored")
        {
            role.state = RoleState::Fenced;
        }
        let changed = replica.role.send_if_modified(|before| {
            let changed = *before != role;
            *before = role;
            changed
        });
        if changed {
            tracing::debug!(%group, ?role, "role");
            self.mark_changed(group);
        }
        self.queue_wake.notify_one();
    }

    pub(crate) fn mark_changed(&self, group: RaftGroupId) {
        self.changed.lock().insert(group);
        self.changed_wake.notify_one();
    }

    pub(crate) fn take_changed(&self) -> Vec<RaftGroupId> {
        std::mem::take(&mut *self.changed.lock())
            .into_iter()
            .collect()
    }

    /// Does what a liveness event asks for.
    pub(crate) fn carry_out(&self, effects: &Effects) {
        for group in &effects.fences {
            if let Some(replica) = self.replica(*group) {
                replica.signals.wake.notify_one();
            }
        }
        if effects.health {
            let healths = self.liveness.lock().healths();
            self.healths.send_if_modified(|before| {
                let changed = *before != healths;
                *before = healths;
                changed
            });
            self.queue_wake.notify_one();
        }
    }
}
