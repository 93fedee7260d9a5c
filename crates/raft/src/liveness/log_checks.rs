//! Whether a restarted replica still has what it acknowledged.
//!
//! A replica whose log existed before this start tells its end to the other members' nodes; one
//! that leads the group and knows of more answers *damaged*. Until every node that can be reached
//! has looked, the replica gives no vote, and takes nothing from those that have not.

use floe_model::{NodeId, RaftGroupId};
use floe_rpc::{LogEnd, Route};

use super::Liveness;

impl Liveness {
    /// Whether every reachable node has checked the end of this replica's log.
    pub(crate) fn may_vote(&self, group: RaftGroupId) -> bool {
        self.groups
            .get(&group)
            .is_some_and(|view| view.unchecked.iter().all(|node| self.suspects(*node)))
    }

    /// The log ends that `node` must check, at most `max`. A node with a new disk has nothing to
    /// check: what it knew is gone.
    pub(crate) fn logs_to_check(&mut self, node: NodeId, max: usize) -> Vec<LogEnd> {
        let groups: Vec<_> = self
            .unchecked
            .get(&node)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let disk = self.detector.disk(node);
        let (mut ends, mut obsolete) = (Vec::new(), Vec::new());
        for group in groups.into_iter().take(max) {
            let Some(view) = self.groups.get(&group) else {
                continue;
            };
            let mut there = view.facts.members.iter().filter(|member| {
                member.node_id == node && disk.is_none_or(|disk| disk == member.node_uuid)
            });
            match there.next() {
                Some(member) => ends.push(LogEnd {
                    route: Route {
                        group,
                        from: view.facts.replica_id,
                        to: member.replica_id,
                        to_node_uuid: member.node_uuid,
                    },
                    term: view.facts.epoch.term(),
                    last_log_id: view.opened_with,
                }),
                None if view.facts.members.is_empty() => {}
                None => obsolete.push(group),
            }
        }
        self.checked(node, obsolete.into_iter());
        ends
    }

    /// Whether leaders on `node` have still to check the end of this replica's log: until then
    /// they must not add to it, or the check would find more than there was.
    pub(crate) fn is_unchecked(&self, group: RaftGroupId, node: NodeId) -> bool {
        let groups = self.unchecked.get(&node);
        groups.is_some_and(|groups| groups.contains(&group))
    }

    pub(crate) fn checked(&mut self, node: NodeId, groups: impl Iterator<Item = RaftGroupId>) {
        for group in groups {
            self.remove_unchecked(node, group);
            if let Some(view) = self.groups.get_mut(&group) {
                view.unchecked.remove(&node);
            }
        }
    }

    /// A node that is no member any more has nothing to check.
    pub(super) fn forget_checks_by_strangers(&mut self, group: RaftGroupId) {
        let Some(view) = self.groups.get(&group) else {
            return;
        };
        if view.unchecked.is_empty() || view.facts.members.is_empty() {
            return;
        }
        let is_member = |node: NodeId| view.facts.members.iter().any(|m| m.node_id == node);
        let strangers = view
            .unchecked
            .iter()
            .copied()
            .filter(|node| !is_member(*node));
        for node in strangers.collect::<Vec<_>>() {
            self.checked(node, std::iter::once(group));
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
