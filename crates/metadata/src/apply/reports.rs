//! What nodes report: leaders, memberships, finished deletions.

use floe_model::{NodeId, NodeUuid, RaftGroupId};

use super::{Change, Reach, damage};
use crate::{Applied, LeaderReport, MembershipReport, Refusal, State};

/// Takes over every newer report. Reports of deleted groups are late, not wrong.
pub(super) fn leaders(
    state: &mut State,
    leaders: &[(RaftGroupId, LeaderReport)],
) -> (Applied, Reach) {
    let mut reach = Reach::Nothing;
    for &(raft_group, report) in leaders {
        let known = state.replica_set(raft_group);
        let newer = |set: &crate::ReplicaSet| set.leader.is_none_or(|led| report.epoch > led.epoch);
        // Looks before it takes mutable access, which would copy a record that readers share.
        if known.is_some_and(newer)
            && state
                .replica_set_mut(raft_group)
                .is_some_and(|set| set.report_leader(report))
        {
            reach = Reach::Facts;
        }
    }
    (Applied::Done, reach)
}

pub(super) fn membership(
    state: &mut State,
    raft_group: RaftGroupId,
    membership: MembershipReport,
) -> Change {
    let set = state
        .replica_set_mut(raft_group)
        .ok_or(Refusal::UnknownRaftGroup { raft_group })?;
    if !set.accepts(&membership) {
        return Err(Refusal::StaleReport { raft_group });
    }
    if set.membership.as_ref() == Some(&membership) {
        return Ok((Applied::Done, Reach::Nothing));
    }
    damage::replace_removed(state, raft_group, Some(&membership))?;
    state
        .dead_replicas
        .retain(|&replica, dead| dead.raft_group != raft_group || membership.contains(replica));
    if let Some(set) = state.replica_set_mut(raft_group) {
        set.membership = Some(membership);
    }
    Ok((Applied::Done, Reach::Layout))
}

pub(super) fn confirm_deleted(
    state: &mut State,
    node_id: NodeId,
    node_uuid: NodeUuid,
    raft_groups: &[RaftGroupId],
) -> Change {
    let is_current = |node: &crate::NodeRecord| node.registration.node_uuid == node_uuid;
    if !state.node(node_id).is_some_and(is_current) {
        return Err(Refusal::UnknownNode { node_id });
    }
    let mut reach = Reach::Nothing;
    state.tombstones.retain(|_, tombstone| {
        for raft_group in raft_groups {
            let Some(nodes) = tombstone.unconfirmed.get_mut(raft_group) else {
                continue;
            };
            if nodes.remove(&node_id) {
                reach = Reach::Layout;
            }
            if nodes.is_empty() {
                tombstone.unconfirmed.remove(raft_group);
            }
        }
        !tombstone.unconfirmed.is_empty()
    });
    Ok((Applied::Done, reach))
}
