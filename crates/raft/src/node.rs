//! The Raft part of one node: its peers, its groups and the tasks that keep them alive.

mod beats;
pub(crate) mod core;
mod elections;
mod opening;
mod peer_listener;
mod progress;
mod service;
pub(crate) mod snapshot_inbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{Env, Listener};
use floe_journal::{Journal, StoreError};
use floe_model::{ClusterId, NodeId, RaftGroupId};
use floe_rpc::{ClusterReply, ClusterRequest, Failure, LinkError, PeerIdentity, PeerTarget};
use futures::future::{BoxFuture, join_all};
use tokio::sync::watch;

use self::core::NodeCore;
use crate::binding::layout;
use crate::links::Links;
use crate::{
    CallError, GroupSpec, NodeHealth, OpenGroupError, PeerAddr, RaftConfig, RaftGroup, RoleState,
    StartError, StateMachine,
};

/// Answers the cluster matters that other nodes ask about.
pub trait ClusterHandler: Send + Sync + 'static {
    /// Handles a request of the node `from`.
    fn handle(
        &self,
        from: PeerIdentity,
        request: ClusterRequest,
    ) -> BoxFuture<'static, Result<ClusterReply, Failure>>;
}

/// A node's Raft part. Clones share it.
#[derive(Clone)]
pub struct RaftNode {
    core: Arc<NodeCore>,
}

/// Counts for the metrics page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaftMetrics {
    /// Replicas that run on this node.
    pub replicas: usize,
    /// Groups that this node leads and claims.
    pub leading: usize,
    /// Peers taken for dead.
    pub suspected: usize,
    /// Bytes of proposals that wait for an answer.
    pub proposal_bytes: usize,
}

impl RaftNode {
    /// Starts to serve peers on `listener`. Peers and groups are added afterwards.
    ///
    /// # Errors
    /// The timings in `config` cannot work together.
    #[expect(clippy::unused_async, reason = "starting may have to wait one day")]
    pub async fn start(
        config: RaftConfig,
        env: Env,
        journal: Journal,
        identity: PeerIdentity,
        listener: Box<dyn Listener>,
        cluster: Arc<dyn ClusterHandler>,
    ) -> Result<Self, StartError> {
        let links = Links::new(env.clone(), identity);
        let core = Arc::new(NodeCore::new(config, env, journal, links, cluster)?);
        core.spawn(peer_listener::accept_peers(core.clone(), listener));
        core.spawn(beats::keep_time(core.clone()));
        core.spawn(elections::elect_leaders(core.clone()));
        core.spawn(progress::watch_progress(core.clone()));
        Ok(Self { core })
    }

    /// Makes these the peers, without this node itself; links to unchanged ones go on.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, PeerAddr>) {
        let me = self.core.config.node_id;
        let targets = peers.into_iter().filter(|(node, _)| *node != me);
        let targets = targets.map(|(node_id, peer)| {
            let PeerAddr { addr, node_uuid } = peer;
            let target = PeerTarget {
                node_id,
                addr,
                node_uuid,
            };
            (node_id, target)
        });
        let changes = self.core.links.set(targets.collect());
        let now = self.core.now();
        for (node, link) in changes.stopped {
            if self.core.links.get(node).is_none() {
                let effects = self.core.liveness.lock().remove_peer(node, now);
                self.core.carry_out(&effects);
            }
            self.core.spawn(link.shutdown());
        }
        for (node, link) in changes.started {
            self.core.liveness.lock().add_peer(node, now);
            self.core
                .spawn(beats::beat_to(self.core.clone(), node, link));
        }
    }

    /// This node belongs to a cluster now; later handshakes say so.
    pub fn set_cluster_id(&self, cluster_id: ClusterId) {
        self.core
            .links
            .change_me(|me| me.cluster_id = Some(cluster_id));
    }

    /// Opens a replica, or returns the open one. Its state is restored to the applied position;
    /// a founding replica of a new group initialises it in its turn.
    ///
    /// # Errors
    /// See [`OpenGroupError`]; nothing runs then.
    pub async fn open_group(
        &self,
        spec: GroupSpec,
        machine: Box<dyn StateMachine>,
    ) -> Result<RaftGroup, OpenGroupError> {
        let replica = self.core.open_group(spec, machine).await?;
        Ok(RaftGroup::new(self.core.clone(), replica))
    }

    /// Opens a replica that succeeds an earlier one of its group on this disk: the earlier one is
    /// stopped, what it left is set aside, and the successor begins with an empty log. The caller
    /// knows that metadata gave the place to it. Once begun this is [`open_group`](Self::open_group).
    ///
    /// # Errors
    /// See [`OpenGroupError`]. Retried when the store does not have the end of the earlier one
    /// on record yet.
    pub async fn open_successor(
        &self,
        spec: GroupSpec,
        machine: Box<dyn StateMachine>,
    ) -> Result<RaftGroup, OpenGroupError> {
        let replica = self.core.open_successor(spec, machine).await?;
        Ok(RaftGroup::new(self.core.clone(), replica))
    }

    /// All open groups.
    #[must_use]
    pub fn groups(&self) -> Vec<RaftGroup> {
        let replicas = self.core.replicas().into_iter();
        replicas
            .map(|replica| RaftGroup::new(self.core.clone(), replica))
            .collect()
    }

    /// An open group.
    #[must_use]
    pub fn group(&self, group: RaftGroupId) -> Option<RaftGroup> {
        let replica = self.core.replica(group)?;
        Some(RaftGroup::new(self.core.clone(), replica))
    }

    /// What this disk's replica of a group was first opened as. For the groups that a node must
    /// open before it can read any metadata.
    #[must_use]
    pub fn stored_spec(&self, group: RaftGroupId) -> Option<GroupSpec> {
        let log = self.core.journal.group(group)?;
        let meta = layout::decode_meta(&log.meta()).ok()?;
        Some(GroupSpec {
            group,
            kind: log.kind(),
            timers: meta.timers,
            replica_id: meta.replica_id,
            founders: meta.founders,
        })
    }

    /// Stops the replica of a group; its log stays on disk.
    pub async fn close_group(&self, group: RaftGroupId) {
        self.core.close_group(group).await;
    }

    /// Stops the replica of a group and deletes its log for ever.
    ///
    /// # Errors
    /// The journal could not record it.
    pub async fn delete_group(&self, group: RaftGroupId) -> Result<(), StoreError> {
        self.core.delete_group(group).await
    }

    /// Waits for groups whose role, leader, epoch or readiness changed since the last call. For
    /// one consumer.
    pub async fn changed(&self) -> Vec<RaftGroupId> {
        loop {
            let changed = self.core.take_changed();
            if !changed.is_empty() {
                return changed;
            }
            self.core.changed_wake.notified().await;
        }
    }

    /// Whether `node` is taken for dead. True for a node that is not a peer.
    #[must_use]
    pub fn suspects(&self, node: NodeId) -> bool {
        self.core.liveness.lock().suspects(node)
    }

    /// The health of all peers, as it changes.
    #[must_use]
    pub fn watch_nodes(&self) -> watch::Receiver<BTreeMap<NodeId, NodeHealth>> {
        self.core.healths.subscribe()
    }

    /// Asks another node about a cluster matter; this node itself is answered directly.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cluster_call(
        &self,
        to: NodeId,
        request: ClusterRequest,
        timeout: Duration,
    ) -> Result<ClusterReply, CallError> {
        let failed = |failure| CallError::Failed { node: to, failure };
        if to == self.core.config.node_id {
            let handled = self.core.cluster.handle(self.core.links.me(), request);
            let handled = tokio::time::timeout(timeout, handled).await;
            return handled
                .map_err(|_| CallError::NoAnswer(to))?
                .map_err(failed);
        }
        let link = self.core.links.get(to).ok_or(CallError::NotAPeer(to))?;
        let call = link.control(timeout, |api, ctx| async move {
            api.cluster(ctx, request).await
        });
        match call.await {
            Ok(reply) => reply.map_err(failed),
            Err(LinkError::Down | LinkError::Full | LinkError::TooLarge) => {
                Err(CallError::Down(to))
            }
            Err(LinkError::Refused(refusal)) => Err(CallError::Refused { node: to, refusal }),
            Err(LinkError::Timeout | LinkError::Closed | LinkError::Failed) => {
                Err(CallError::NoAnswer(to))
            }
        }
    }

    /// Gives all leaderships to other live voters, as far as they take them before `deadline`
    /// has passed. For a shutdown.
    pub async fn transfer_all(&self, deadline: Duration) {
        let leaders = self
            .core
            .replicas()
            .into_iter()
            .filter(|replica| matches!(replica.role.borrow().state, RoleState::Leader { .. }));
        let transfers = leaders.map(|replica| {
            let group = RaftGroup::new(self.core.clone(), replica);
            async move { group.transfer_away().await }
        });
        let all = join_all(transfers.collect::<Vec<_>>());
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!("not all leaderships were taken over in time");
        }
    }

    /// Counts for the metrics page.
    #[must_use]
    pub fn metrics(&self) -> RaftMetrics {
        let (leading, healths) = {
            let liveness = self.core.liveness.lock();
            (liveness.leading(), liveness.healths())
        };
        let free = self.core.budget.available_permits();
        RaftMetrics {
            replicas: self.core.replica_count(),
            leading,
            suspected: healths.values().filter(|health| health.suspected).count(),
            proposal_bytes: self.core.config.node_proposal_bytes.saturating_sub(free),
        }
    }

    /// Stops all groups, links and tasks.
    pub async fn shutdown(&self) {
        self.core.stop.cancel();
        let groups = self
            .core
            .replicas()
            .into_iter()
            .map(|replica| replica.spec.group);
        join_all(
            groups
                .map(|group| self.core.close_group(group))
                .collect::<Vec<_>>(),
        )
        .await;
        let links = self.core.links.set(BTreeMap::new());
        join_all(links.stopped.into_iter().map(|(_, link)| link.shutdown())).await;
        self.core.tasks.close();
        self.core.tasks.wait().await;
    }
}
