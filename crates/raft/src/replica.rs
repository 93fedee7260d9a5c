//! One replica of one group: its log, its openraft instance, and what it is at the moment.
//!
//! The replica's role is recomputed by its own task whenever openraft's server state, the applied
//! term, the fence or the damage mark changes; nothing else writes it. The task sleeps otherwise.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use floe_journal::GroupLog;
use floe_model::{LeaderEpoch, LogId, NodeId, ReplicaId, Term};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::metrics::RaftServerMetrics;
use openraft::{Raft, ServerState};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::binding::acknowledged::Acknowledged;
use crate::binding::apply::{Applier, ApplyWatch};
use crate::binding::type_config::{StoredMembership, Types};
use crate::liveness::GroupFacts;
use crate::node::snapshot_inbox::SnapshotInbox;
use crate::{GroupSpec, Role, RoleState, Voter};

/// What wakes the role task, apart from openraft itself.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    applied_term: AtomicU64,
    /// Grows with every applied entry.
    applied_count: AtomicU64,
    /// Proposals of the group are watched for an answer.
    pub(crate) watched: AtomicBool,
    damaged: AtomicBool,
    stopped: AtomicBool,
    pub(crate) wake: Notify,
}

impl ApplyWatch for Signals {
    fn applied(&self, id: LogId) {
        self.applied_count.fetch_add(1, Ordering::Relaxed);
        if self.applied_term.swap(id.term.0, Ordering::AcqRel) != id.term.0 {
            self.wake.notify_one();
        }
    }
}

impl Signals {
    pub(crate) fn mark_damaged(&self) {
        self.damaged.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn applied_count(&self) -> u64 {
        self.applied_count.load(Ordering::Relaxed)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }
}

/// A replica that runs on this node.
pub(crate) struct Replica {
    pub(crate) spec: GroupSpec,
    pub(crate) log: GroupLog,
    pub(crate) raft: Raft<Types, Applier>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) acknowledged: Arc<Acknowledged>,
    pub(crate) role: watch::Sender<Role>,
    /// Bytes of proposals that may wait for an answer.
    pub(crate) budget: Arc<Semaphore>,
    /// A snapshot that is being received.
    pub(crate) inbox: Mutex<SnapshotInbox>,
    pub(crate) closed: CancellationToken,
}

/// A reading of a replica: the role without the fence, and the facts for the detector.
pub(crate) struct Reading {
    pub(crate) role: Role,
    pub(crate) facts: GroupFacts,
}

impl Replica {
    pub(crate) fn membership(&self) -> Arc<StoredMembership> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.clone()
    }

    /// Marks it stopped: openraft's core is gone.
    pub(crate) fn mark_stopped(&self) {
        self.signals.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.signals.stopped.load(Ordering::Acquire) || self.signals.is_damaged()
    }

    pub(crate) fn read(&self, metrics: &RaftServerMetrics<Types>, me: NodeId) -> Reading {
        let membership = &metrics.membership_config;
        let term = metrics.vote.leader_id.term;
        let mut epoch = LeaderEpoch::from_term(Term(term));
        if floe_model::mutant!("epoch-not-bumped") {
            epoch = LeaderEpoch::from_term(Term(term & !1));
        }
        let stopped = self.is_stopped() || metrics.state == ServerState::Shutdown;
        // Of the vote on disk, like the epoch beside it: openraft's own `current_leader` and state
        // run ahead of it while a vote is being written.
        let voted_for = metrics.vote.leader_id.voted_for;
        let is_mine = metrics.vote.committed && voted_for == self.spec.replica_id.0;
        // A term that no epoch can express must not lead; its followers will not see a claim.
        let leads = metrics.state == ServerState::Leader && is_mine && epoch.is_some() && !stopped;
        let leader = if leads {
            Some(me)
        } else {
            let leader = metrics.vote.committed.then_some(voted_for);
            let leader = leader.filter(|id| *id != self.spec.replica_id.0);
            leader
                .and_then(|id| membership.get_node(&id))
                .map(|home| home.node_id)
        };
        let votes = membership
            .voter_ids()
            .any(|id| id == self.spec.replica_id.0);
        let ready = self.signals.applied_term.load(Ordering::Acquire) == term;
        let state = match (stopped, leads, votes) {
            (true, ..) => RoleState::Stopped,
            (false, true, _) => RoleState::Leader { ready },
            (false, false, true) => RoleState::Follower,
            (false, false, false) => RoleState::Learner,
        };
        let newest = epoch.unwrap_or(LeaderEpoch(i32::MAX));
        let role = Role {
            leader,
            epoch: if metrics.vote.committed {
                newest
            } else {
                self.role.borrow().epoch
            },
            state,
        };
        let configs = membership.membership().get_joint_config();
        let facts = GroupFacts {
            replica_id: self.spec.replica_id,
            leader,
            epoch: newest,
            leads,
            may_stand: votes && !stopped && epoch.is_some(),
            configs: configs
                .iter()
                .map(|config| {
                    config
                        .iter()
                        .copied()
                        .map(ReplicaId)
                        .collect::<BTreeSet<_>>()
                })
                .collect(),
            members: members(membership),
            founders: if configs.is_empty() && !stopped {
                self.founders()
            } else {
                Vec::new()
            },
        };
        Reading { role, facts }
    }

    /// The founding set, if this replica belongs to it.
    fn founders(&self) -> Vec<Voter> {
        let is_me = |founder: &Voter| founder.replica_id == self.spec.replica_id;
        if self.spec.founders.iter().any(is_me) {
            self.spec.founders.clone()
        } else {
            Vec::new()
        }
    }
}

pub(crate) fn members(membership: &StoredMembership) -> Vec<Voter> {
    let nodes = membership.nodes();
    nodes
        .map(|(id, home)| Voter {
            replica_id: ReplicaId(*id),
            node_id: home.node_id,
            node_uuid: home.node_uuid,
        })
        .collect()
}
