//! Whether a restarted replica still has what it acknowledged.
//!
//! A replica whose log existed before this start tells its end to every peer, members or not: the
//! disk may be so old that it knows neither the present members nor any. One that got more from
//! it answers *damaged*. Until every peer that can be reached has looked, the replica gives no
//! vote, and takes nothing from those that have not.

use std::collections::BTreeSet;

use floe_model::{NodeId, RaftGroupId};
use floe_rpc::LogEnd;

use super::Liveness;

impl Liveness {
    /// Whether every reachable peer has checked the end of this replica's log.
    pub(crate) fn may_vote(&self, group: RaftGroupId) -> bool {
        let unchecked_by = |(node, groups): (&NodeId, &BTreeSet<RaftGroupId>)| {
            groups.contains(&group) && !self.suspects(*node)
        };
        self.groups.contains_key(&group) && !self.unchecked.iter().any(unchecked_by)
    }

    /// The same for a candidate on `node`. It must have looked too, even if it is not heard
    /// otherwise: a vote promises more than the log had at the start, so that a look after it
    /// would find the log short.
    pub(crate) fn may_vote_for(&self, group: RaftGroupId, node: NodeId) -> bool {
        self.may_vote(group) && !self.is_unchecked(group, node)
    }

    /// The log ends that `node` must check, at most `max`.
    pub(crate) fn logs_to_check(&self, node: NodeId, max: usize) -> Vec<LogEnd> {
        let groups = self.unchecked.get(&node).into_iter().flatten();
        let ends = groups.filter_map(|group| self.groups.get(group)?.restarted_with);
        ends.take(max).collect()
    }

    /// Whether leaders on `node` have still to check the end of this replica's log: until then
    /// they must not add to it.
    pub(crate) fn is_unchecked(&self, group: RaftGroupId, node: NodeId) -> bool {
        let groups = self.unchecked.get(&node);
        groups.is_some_and(|groups| groups.contains(&group))
    }

    /// The groups whose logs `node` has not checked yet, as they ended when it was asked. When
    /// its link is replaced it is asked over both: what it answers after the other answer was
    /// taken may already count what was added since.
    pub(crate) fn still_unchecked(&self, node: NodeId, asked: &[LogEnd]) -> Vec<RaftGroupId> {
        let is_open = |end: &&LogEnd| {
            let view = self.groups.get(&end.group);
            view.is_some_and(|view| view.restarted_with == Some(**end))
                && self.is_unchecked(end.group, node)
        };
        asked.iter().filter(is_open).map(|end| end.group).collect()
    }

    pub(crate) fn checked(&mut self, node: NodeId, groups: impl Iterator<Item = RaftGroupId>) {
        for group in groups {
            self.remove_unchecked(node, group);
        }
    }

    /// Every replica that existed before this start is to be checked by a new peer.
    pub(super) fn check_all_by(&mut self, node: NodeId) {
        let restarted = self.groups.iter();
        let restarted = restarted.filter(|(_, view)| view.restarted_with.is_some());
        let groups: BTreeSet<_> = restarted.map(|(group, _)| *group).collect();
        if !groups.is_empty() {
            self.unchecked.insert(node, groups);
        }
    }

    /// A replica that existed before this start is to be checked by every peer.
    pub(super) fn check_by_all(&mut self, group: RaftGroupId) {
        for node in self.peer_claims.keys() {
            self.unchecked.entry(*node).or_default().insert(group);
        }
    }

    pub(super) fn remove_unchecked(&mut self, node: NodeId, group: RaftGroupId) {
        if let Some(groups) = self.unchecked.get_mut(&node) {
            groups.remove(&group);
            if groups.is_empty() {
                self.unchecked.remove(&node);
            }
        }
    }
}
