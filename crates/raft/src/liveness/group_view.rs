//! What the detector must know of one group of this node.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_model::{Incarnation, LeaderEpoch, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use floe_rpc::LogEnd;

use crate::Voter;

/// The facts of a group, told by its replica whenever they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    /// This node's replica.
    pub(crate) replica_id: ReplicaId,
    /// The node that leads, as far as known.
    pub(crate) leader: Option<NodeId>,
    /// The newest term seen, as an epoch: of a leader, or of a candidate without success.
    pub(crate) epoch: LeaderEpoch,
    /// This replica leads, fenced or not.
    pub(crate) leads: bool,
    /// This replica may be a candidate: a voter, neither damaged nor stopped.
    pub(crate) may_stand: bool,
    /// The voters of each config; two configs while members change.
    pub(crate) configs: Vec<BTreeSet<ReplicaId>>,
    /// Every member's home.
    pub(crate) members: Vec<Voter>,
    /// The exact founding set, while the group is not initialised and this replica is in it.
    pub(crate) founders: Vec<Voter>,
}

impl GroupFacts {
    /// The home of a replica.
    pub(crate) fn home(&self, replica: ReplicaId) -> Option<(NodeId, NodeUuid)> {
        let member = self
            .members
            .iter()
            .find(|member| member.replica_id == replica)?;
        Some((member.node_id, member.node_uuid))
    }

    /// Whether the replicas for which `counts` holds are a majority of every config.
    pub(crate) fn is_majority(&self, counts: impl Fn(NodeId) -> bool) -> bool {
        !self.configs.is_empty()
            && self.configs.iter().all(|config| {
                let nodes = config.iter().filter_map(|replica| self.home(*replica));
                let votes = nodes.filter(|(node, _)| counts(*node)).count();
                votes > config.len() / 2
            })
    }

    /// Every voter, in the order in which they stand: it begins at a place that differs between
    /// groups, so that a dead node's groups spread over the survivors.
    pub(crate) fn order(&self, group: RaftGroupId) -> Vec<Voter> {
        let is_voter =
            |member: &&Voter| self.configs.iter().any(|c| c.contains(&member.replica_id));
        let mut voters: Vec<Voter> = self.members.iter().filter(is_voter).copied().collect();
        if !voters.is_empty() {
            let start = spread(group.0) % voters.len() as u64;
            voters.rotate_left(usize::try_from(start).unwrap_or(0));
        }
        voters
    }
}

/// Mixes the bits of a group id: ids and preferred leaders are both handed out in turn, so a
/// plain remainder would send all groups of one dead node to the same survivor. (`SplitMix64`.)
fn spread(id: u64) -> u64 {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// A group as the detector keeps it.
#[derive(Debug)]
pub(crate) struct GroupView {
    pub(crate) facts: GroupFacts,
    /// When the present leadership was learned, and the leader's incarnation then.
    pub(crate) since: Duration,
    pub(crate) leader_incarnation: Option<Incarnation>,
    /// When its first facts were taken.
    pub(crate) opened: Duration,
    /// Its place in the election queue.
    pub(crate) queued: Option<Duration>,
    /// Its place in the heartbeat queue.
    pub(crate) poke: Option<Duration>,
    /// Leads but must not serve: it did not reach a majority, and no round since has confirmed
    /// that nobody else was elected meanwhile.
    pub(crate) fenced: bool,
    /// Leads but its proposals get no answer: the data link or the journal is stuck.
    pub(crate) stuck: bool,
    /// Nothing was learned of it yet since it was opened.
    pub(crate) fresh: bool,
    /// The end of the log when it was opened, if it existed before this start.
    pub(crate) restarted_with: Option<LogEnd>,
}
