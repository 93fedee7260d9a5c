//! The handle of one group on this node.
//!
//! Proposals stand in the group's queue in call order: a proposal is queued before `propose`
//! returns its future. Each is fenced with the epoch it was validated in, and holds its bytes of
//! the group's and the node's budget until it is answered.

mod leadership;
mod membership;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use floe_journal::{AppendError, GroupKind, GroupLog, StoreStatus};
use floe_model::{LeaderEpoch, LogId, NodeId, Offset, RaftGroupId, ReplicaId, Term, limits};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::binding::responder::{Outcome, ProposalResponder};
use crate::binding::type_config::{Command, CommandBody};
use crate::node::core::NodeCore;
use crate::replica::Replica;
use crate::{
    Applied, ChangeError, LocallyDurable, Proposal, ProposeError, Proposed, ReadIndexError, Role,
    RoleState, Voter,
};

/// Time for a majority to confirm a leader.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A replica of a group, and through it the group. Clones share it.
#[derive(Clone)]
pub struct RaftGroup {
    core: Arc<NodeCore>,
    replica: Arc<Replica>,
}

/// A vote that a replica gave or took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// The term.
    pub term: Term,
    /// Whether the candidate is known to have been elected.
    pub is_elected: bool,
    /// For whom.
    pub candidate: ReplicaId,
}

/// A member of a group as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who and where.
    pub replica: Voter,
    /// Whether it votes.
    pub votes: bool,
    /// The end of its log that agrees with the leader's. Known to leaders only.
    pub matching: Option<LogId>,
}

type Write = BoxFuture<'static, Result<(), ProposeError>>;

/// A proposal with a place in openraft's queue.
struct Queued {
    /// Left over if the queue is full; the place is taken all the same.
    write: Option<Write>,
    answered: oneshot::Receiver<Outcome>,
}

impl RaftGroup {
    pub(crate) fn new(core: Arc<NodeCore>, replica: Arc<Replica>) -> Self {
        Self { core, replica }
    }

    /// The group.
    #[must_use]
    pub fn id(&self) -> RaftGroupId {
        self.replica.spec.group
    }

    /// This node's replica.
    #[must_use]
    pub fn replica_id(&self) -> ReplicaId {
        self.replica.spec.replica_id
    }

    /// Its log on this node: records, watermarks, segments.
    #[must_use]
    pub fn log(&self) -> &GroupLog {
        &self.replica.log
    }

    /// The newest vote that this replica has on disk.
    #[must_use]
    pub fn ballot(&self) -> Ballot {
        let metrics = self.replica.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        Ballot {
            term: Term(metrics.vote.leader_id.term),
            is_elected: metrics.vote.committed,
            candidate: ReplicaId(metrics.vote.leader_id.voted_for),
        }
    }

    /// What this replica is now.
    #[must_use]
    pub fn role(&self) -> Role {
        *self.replica.role.borrow()
    }

    /// The same as it changes.
    #[must_use]
    pub fn watch_role(&self) -> watch::Receiver<Role> {
        self.replica.role.subscribe()
    }

    // -- proposals

    /// Appends an entry, and answers when it is committed and applied here. The proposal is
    /// queued when this returns; it is refused if `epoch` is not current when its turn comes.
    pub fn propose(
        &self,
        epoch: LeaderEpoch,
        proposal: Proposal,
    ) -> impl Future<Output = Result<Applied, ProposeError>> + Send + 'static {
        let queued = self.queue(epoch, proposal, None);
        let replica = self.replica.clone();
        async move { committed(&replica, queued?).await }
    }

    /// The same for a proposer that also wants to know when this node alone has it durable.
    ///
    /// # Errors
    /// A certain refusal: nothing was queued.
    pub fn propose_observed(
        &self,
        epoch: LeaderEpoch,
        proposal: Proposal,
    ) -> Result<Proposed, ProposeError> {
        let (observer, local) = oneshot::channel();
        let queued = self.queue(epoch, proposal, Some(observer))?;
        let replica = self.replica.clone();
        Ok(Proposed {
            local,
            committed: async move { committed(&replica, queued).await }.boxed(),
        })
    }

    /// Checks a proposal and queues it.
    fn queue(
        &self,
        epoch: LeaderEpoch,
        proposal: Proposal,
        local: Option<oneshot::Sender<LocallyDurable>>,
    ) -> Result<Queued, ProposeError> {
        let role = self.role();
        if role.serving_epoch() != Some(epoch) {
            return Err(match role.state {
                RoleState::Stopped => ProposeError::ShuttingDown,
                _ => not_leader(&self.replica, None),
            });
        }
        let size_bytes = proposal.size_bytes();
        if size_bytes > limits::ENTRY_BYTES_MAX {
            return Err(ProposeError::TooLarge { size_bytes });
        }
        self.check_store(size_bytes)?;
        // Records must not keep the node's own groups from their few commands.
        let node_share = match self.replica.spec.kind {
            GroupKind::Data => Some(reserve(
                &self.core.budget,
                size_bytes,
                self.core.config.node_proposal_bytes,
            )?),
            GroupKind::State => None,
        };
        let group_budget = self.core.config.group_proposal_bytes;
        let group_share = reserve(&self.replica.budget, size_bytes, group_budget)?;
        let share = (group_share, node_share);
        self.core.note_waiting(&self.replica);
        let (answer, answered) = oneshot::channel();
        let responder = ProposalResponder::new(answer, share);
        let command = Command {
            appended_at_ms: self.core.env.clock.wall_ms(),
            body: match proposal {
                Proposal::Data(batches) => CommandBody::Data(batches),
                Proposal::Control(command) => CommandBody::Control(command),
            },
            local,
        };
        let raft = self.replica.raft.clone();
        let write = async move {
            let write = raft
                .write(command)
                .with_leader(epoch.term().0)
                .responder(responder);
            write.await.map_err(|_| ProposeError::ShuttingDown)
        };
        let mut write: Write = write.boxed();
        match tokio::task::unconstrained(&mut write).now_or_never() {
            Some(written) => written.map(|()| Queued {
                write: None,
                answered,
            }),
            None => Ok(Queued {
                write: Some(write),
                answered,
            }),
        }
    }

    fn check_store(&self, size_bytes: usize) -> Result<(), ProposeError> {
        let admitted = self.replica.log.admit(size_bytes as u64);
        admitted.map_err(|error| match error {
            AppendError::Full => match &*self.core.store_status.borrow() {
                StoreStatus::Full { disk: true, .. } => ProposeError::DiskFull,
                StoreStatus::Full { disk: false, .. }
                | StoreStatus::Healthy
                | StoreStatus::Poisoned { .. } => ProposeError::Busy,
            },
            AppendError::TooLarge { .. } => ProposeError::TooLarge { size_bytes },
            AppendError::Closed | AppendError::Deleted => ProposeError::ShuttingDown,
            AppendError::Poisoned(_)
            | AppendError::Damaged(_)
            | AppendError::Gap { .. }
            | AppendError::OffsetMismatch { .. }
            | AppendError::Term { .. }
            | AppendError::Applied { .. }
            | AppendError::NotCovered { .. } => ProposeError::StorageFailed,
        })
    }

    /// Returns when the state applied here includes everything acknowledged before the call. A
    /// majority confirmed this leader meanwhile.
    ///
    /// # Errors
    /// See [`ReadIndexError`].
    pub async fn read_index(&self) -> Result<(), ReadIndexError> {
        let role = self.role();
        if role.serving_epoch().is_none() {
            return Err(ReadIndexError::NotLeader {
                leader: other_leader(&self.replica),
            });
        }
        let read = self.replica.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        match tokio::time::timeout(READ_TIMEOUT, read).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => {
                Err(ReadIndexError::NotLeader {
                    leader: other_leader(&self.replica),
                })
            }
            Ok(Err(RaftError::Fatal(_))) => Err(ReadIndexError::ShuttingDown),
            Ok(Err(RaftError::APIError(_))) | Err(_) => Err(ReadIndexError::NoQuorum),
        }
    }

    // -- retention

    /// Drops the records before `before` from this disk, as far as whole segments hold them.
    /// Returns whether there were any. A committed trim must allow it: nothing here checks that.
    ///
    /// # Errors
    /// The group is closing.
    pub async fn trim(&self, before: Offset) -> Result<bool, ChangeError> {
        let log = &self.replica.log;
        let advanced = log.advance_log_start(before).is_some();
        // Openraft ignores an order while it makes a snapshot.
        if !advanced && log.purgeable() <= log.log_start() {
            return Ok(false);
        }
        // The state at the new start is the snapshot; openraft purges the log up to it.
        let asked = self.replica.raft.trigger().snapshot().await;
        asked.map(|()| true).map_err(|_| ChangeError::ShuttingDown)
    }
}

/// Waits for the outcome of a queued proposal.
async fn committed(replica: &Replica, queued: Queued) -> Result<Applied, ProposeError> {
    if let Some(write) = queued.write {
        write.await?;
    }
    match queued.answered.await {
        Ok(Outcome::Applied(applied)) => Ok(applied),
        Ok(Outcome::NotLeader { leader }) => Err(not_leader(replica, leader)),
        Ok(Outcome::Unknown) | Err(_) => Err(ProposeError::Unknown),
    }
}

/// The leader, if it is another node.
fn other_leader(replica: &Replica) -> Option<NodeId> {
    let role = *replica.role.borrow();
    match role.state {
        RoleState::Leader { .. } | RoleState::Fenced => None,
        RoleState::Follower | RoleState::Learner | RoleState::Stopped => role.leader,
    }
}

fn not_leader(replica: &Replica, leader: Option<u64>) -> ProposeError {
    let named = leader.and_then(|id| replica.membership().get_node(&id).map(|home| home.node_id));
    ProposeError::NotLeader {
        leader: named.or_else(|| other_leader(replica)),
        epoch: replica.role.borrow().epoch,
    }
}

/// Takes `size_bytes` of a budget of `budget_bytes`; all of it when that is less.
fn reserve(
    budget: &Arc<Semaphore>,
    size_bytes: usize,
    budget_bytes: usize,
) -> Result<OwnedSemaphorePermit, ProposeError> {
    let share = u32::try_from(size_bytes.min(budget_bytes)).unwrap_or(u32::MAX);
    let permit = budget.clone().try_acquire_many_owned(share);
    permit.map_err(|_| ProposeError::Busy)
}
