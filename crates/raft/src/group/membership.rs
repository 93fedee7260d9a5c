//! The members of one group, and changes of them.
//!
//! Invariant: one change at a time, committed before the next one begins.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use floe_model::ReplicaId;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};

use super::{Member, RaftGroup, other_leader};
use crate::binding::type_config::{Home, Types, from_raft};
use crate::replica::members;
use crate::{ChangeError, Voter};

/// Time for a change of members to be committed.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

impl RaftGroup {
    /// The voters in the newest membership, committed or not.
    #[must_use]
    pub fn voters(&self) -> Vec<Voter> {
        let members = self.members().into_iter();
        members
            .filter(|member| member.votes)
            .map(|member| member.replica)
            .collect()
    }

    /// All members in the newest membership, with what the leader knows of them.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = &metrics.membership_config;
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let matching = |id| {
            let replication = metrics.replication.as_ref()?;
            replication.get(&id)?.as_ref().map(from_raft)
        };
        members(membership)
            .into_iter()
            .map(|replica| Member {
                replica,
                votes: voters.contains(&replica.replica_id.0),
                matching: matching(replica.replica_id.0),
            })
            .collect()
    }

    /// Adds a replica that follows without a vote. Returns once the membership is committed;
    /// whether it caught up shows in [`members`](Self::members).
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn add_learner(&self, learner: Voter) -> Result<(), ChangeError> {
        let home = Home {
            node_id: learner.node_id,
            node_uuid: learner.node_uuid,
        };
        let change = self
            .replica
            .raft
            .add_learner(learner.replica_id.0, home, false);
        self.changed(change).await
    }

    /// Makes exactly these replicas the voters; each must be a member. Voters left out are
    /// removed from the group. The leader must hand over before it is left out.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_membership(&self, voters: BTreeSet<ReplicaId>) -> Result<(), ChangeError> {
        if !voters.contains(&self.replica.spec.replica_id) {
            return Err(ChangeError::Refused {
                reason: "the leader must hand over first".into(),
            });
        }
        let voters: BTreeSet<u64> = voters.into_iter().map(|replica| replica.0).collect();
        let change = self.replica.raft.change_membership(voters, false);
        self.changed(change).await
    }

    /// Removes replicas that do not vote.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_learners(&self, learners: BTreeSet<ReplicaId>) -> Result<(), ChangeError> {
        let learners: BTreeSet<u64> = learners.into_iter().map(|replica| replica.0).collect();
        let removal = openraft::ChangeMembers::RemoveNodes(learners);
        let change = self.replica.raft.change_membership(removal, false);
        self.changed(change).await
    }

    /// Takes this replica out of its group if its log turned out to be damaged, as a read may be
    /// the first to see: it leads and counts no more, also after a restart, and others go on.
    /// Returns whether it is.
    pub fn withdraw_damaged(&self) -> bool {
        let is_damaged = self.replica.log.is_damaged().is_some();
        if is_damaged {
            self.replica.log.mark_damaged();
            self.replica.signals.mark_damaged();
        }
        is_damaged
    }

    async fn changed<T>(
        &self,
        change: impl Future<Output = Result<T, RaftError<Types, ClientWriteError<Types>>>>,
    ) -> Result<(), ChangeError> {
        let Ok(changed) = tokio::time::timeout(CHANGE_TIMEOUT, change).await else {
            return Err(ChangeError::Timeout(CHANGE_TIMEOUT));
        };
        match changed {
            Ok(_) => Ok(()),
            Err(RaftError::Fatal(_)) => Err(ChangeError::ShuttingDown),
            Err(RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            )) => Err(self.no_leader()),
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            ))) => Err(ChangeError::InProgress),
            Err(RaftError::APIError(error)) => Err(ChangeError::Refused {
                reason: error.to_string().into(),
            }),
        }
    }

    pub(super) fn no_leader(&self) -> ChangeError {
        ChangeError::NotLeader {
            leader: other_leader(&self.replica),
        }
    }
}
