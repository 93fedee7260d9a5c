//! The replicas of one Raft group: founded, wanted, and reported.
//!
//! `founding` never changes: it is the set with which the group may be initialised. `replicas`
//! says what should be; `membership` what the group's leader last reported. Reports are
//! ordered by epoch (and log index), so that a delayed one never undoes a newer one.

use floe_model::{LeaderEpoch, LogIndex, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use serde::{Deserialize, Serialize};

/// One replica and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Replica {
    /// The Raft voter or learner.
    pub replica_id: ReplicaId,
    /// Its node.
    pub node_id: NodeId,
    /// Its disk.
    pub node_uuid: NodeUuid,
}

/// A leader as it reported itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderReport {
    /// The leading node.
    pub node_id: NodeId,
    /// The epoch in which it leads.
    pub epoch: LeaderEpoch,
}

/// A committed Raft membership as the leader reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipReport {
    /// Epoch of the reporting leader.
    pub epoch: LeaderEpoch,
    /// Where the membership stands in the group's log.
    pub log_index: LogIndex,
    /// Every voter, of both halves of a joint membership.
    pub voters: Vec<ReplicaId>,
    /// Every learner.
    pub learners: Vec<ReplicaId>,
}

impl MembershipReport {
    /// Whether the replica is a voter or learner of it.
    #[must_use]
    pub fn contains(&self, replica: ReplicaId) -> bool {
        self.voters.contains(&replica) || self.learners.contains(&replica)
    }
}

/// The replicas of one Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSet {
    /// The group.
    pub raft_group: RaftGroupId,
    /// The set with which the group is initialised, preferred leader first. Immutable.
    pub founding: Vec<Replica>,
    /// The set that should be, preferred leader first.
    pub replicas: Vec<Replica>,
    /// The newest known leader.
    pub leader: Option<LeaderReport>,
    /// The newest known membership; `None` until the first report, when it is `founding`.
    pub membership: Option<MembershipReport>,
}

impl ReplicaSet {
    pub(crate) fn founded(raft_group: RaftGroupId, founding: Vec<Replica>) -> Self {
        Self {
            raft_group,
            replicas: founding.clone(),
            founding,
            leader: None,
            membership: None,
        }
    }

    /// Where the leader should be when all is well.
    #[must_use]
    pub fn preferred_leader(&self) -> Option<NodeId> {
        self.replicas.first().map(|replica| replica.node_id)
    }

    /// The wanted replica on a node.
    #[must_use]
    pub fn replica_on(&self, node: NodeId) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.node_id == node)
    }

    /// Takes a leader report over if it is newer; tells whether it was.
    pub(crate) fn report_leader(&mut self, report: LeaderReport) -> bool {
        let newer = self.leader.is_none_or(|known| report.epoch > known.epoch);
        if newer {
            self.leader = Some(report);
        }
        newer
    }

    /// Whether a membership report is newer than all that is known of the group.
    pub(crate) fn accepts(&self, report: &MembershipReport) -> bool {
        let led_later = self
            .leader
            .is_some_and(|leader| leader.epoch > report.epoch);
        let known = self
            .membership
            .as_ref()
            .map(|known| (known.epoch, known.log_index));
        !led_later && known.is_none_or(|known| (report.epoch, report.log_index) >= known)
    }
}
