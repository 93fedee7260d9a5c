//! Leadership of one group: handing it over and giving it up.
//!
//! Invariant: a transfer that has begun ends, by the follower's election or by a vote for nobody,
//! whoever waits for it: during one openraft takes no writes.

use std::time::Duration;

use floe_model::{LeaderEpoch, NodeId, ReplicaId};
use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::sync::{oneshot, watch};

use super::RaftGroup;
use crate::binding::type_config::{RaftVote, to_raft};
use crate::{ChangeError, Role, RoleState, Voter};

/// Time for a follower to take over before it is asked again.
const TRANSFER_RETRY: Duration = Duration::from_millis(100);
/// Times that a follower is asked.
const TRANSFER_TRIES: u32 = 10;
/// No replica: their ids begin at one.
const NOBODY: ReplicaId = ReplicaId(0);

impl RaftGroup {
    /// Hands leadership to the replica on `node` and waits until it leads. Goes on to its end when
    /// the caller waits no more.
    ///
    /// # Errors
    /// See [`ChangeError`]; after `Timeout` this replica leads no more and any voter may be
    /// elected.
    pub async fn transfer_to(&self, node: NodeId) -> Result<(), ChangeError> {
        let voter = self
            .voters()
            .into_iter()
            .find(|voter| voter.node_id == node);
        let voter = voter.ok_or(ChangeError::NoReplica(node))?;
        let mut role = self.watch_role();
        let before = *role.borrow_and_update();
        if !matches!(before.state, RoleState::Leader { .. }) {
            return Err(self.no_leader());
        }
        if node == self.core.config.node_id {
            return Ok(());
        }
        let (done, outcome) = oneshot::channel();
        let group = self.clone();
        // A transfer that is given up half way would leave a leader that takes no writes.
        self.core.spawn(async move {
            drop(done.send(group.hand_over(voter, before.epoch, role).await));
        });
        outcome.await.unwrap_or(Err(ChangeError::ShuttingDown))
    }

    async fn hand_over(
        &self,
        voter: Voter,
        epoch: LeaderEpoch,
        mut role: watch::Receiver<Role>,
    ) -> Result<(), ChangeError> {
        for _ in 0..TRANSFER_TRIES {
            // Openraft asks the follower once, and a follower whose log lags does not stand.
            let asked = self.replica.raft.trigger();
            let asked = asked.transfer_leader(voter.replica_id.0).await;
            asked.map_err(|_| ChangeError::ShuttingDown)?;
            let taken = role.wait_for(|role| role.epoch > epoch && role.leader.is_some());
            match tokio::time::timeout(TRANSFER_RETRY, taken).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(_)) => return Err(ChangeError::ShuttingDown),
                Err(_) => {}
            }
        }
        self.step_down().await?;
        Err(ChangeError::Timeout(TRANSFER_RETRY * TRANSFER_TRIES))
    }

    /// Ends this replica's leadership. Openraft refuses writes from the first attempt to transfer
    /// on and never gives up on it, nor does a leader stand again; but like any replica it
    /// follows a higher vote. It must be for nobody: a replica that is told of a vote for itself
    /// takes itself for its candidate, and one that led before would never stand again.
    async fn step_down(&self) -> Result<(), ChangeError> {
        let (vote, last) = {
            let metrics = self.replica.raft.metrics();
            let metrics = metrics.borrow_watched();
            (metrics.vote, self.replica.log.last_log_id().map(to_raft))
        };
        if vote.leader_id.voted_for != self.replica.spec.replica_id.0 {
            return Ok(());
        }
        let next = RaftVote::new(vote.leader_id.term + 1, NOBODY.0);
        let mut request = openraft::raft::VoteRequest::new(next, last);
        request.leadership_transfer = true;
        let voted = self.replica.raft.vote(request).await;
        voted.map(|_| ()).map_err(|_| ChangeError::ShuttingDown)
    }

    /// Hands leadership to any live voter, the one that has most first.
    pub(crate) async fn transfer_away(&self) {
        let me = self.core.config.node_id;
        let mut others: Vec<_> = self
            .members()
            .into_iter()
            .filter(|member| member.votes && member.replica.node_id != me)
            .collect();
        others.sort_by_key(|member| std::cmp::Reverse(member.matching));
        for member in others {
            let node = member.replica.node_id;
            let alive = !self.core.liveness.lock().suspects(node);
            if alive && self.transfer_to(node).await.is_ok() {
                return;
            }
        }
    }
}
