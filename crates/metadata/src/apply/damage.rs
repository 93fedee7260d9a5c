//! Damaged replicas and their successors.
//!
//! A damaged replica keeps its place until its group's committed membership is reported without
//! it; then a successor with a fresh id takes the place, on the same disk. Raft itself proves by
//! that membership that a majority of the others went on: what the damaged replica still has is
//! needed no more. So the order of report and membership does not matter, nor how often either
//! comes. Invariant: every damaged replica is wanted by its group.

use floe_model::{Incarnation, NodeId, NodeUuid, RaftGroupId, ReplicaId};

use super::nodes::reserve_replicas;
use super::{Change, Reach};
use crate::{Applied, MembershipReport, Refusal, State};

/// Notes which replicas of a node are damaged.
pub(super) fn report(
    state: &mut State,
    node_id: NodeId,
    node_uuid: NodeUuid,
    given: Incarnation,
    replicas: &[(RaftGroupId, ReplicaId)],
) -> Change {
    let node = state.node(node_id).map(|node| &node.registration);
    let node = node.filter(|node| node.node_uuid == node_uuid);
    // A process that has not registered yet is unknown as well.
    let node = node.filter(|node| node.incarnation >= given);
    let known = node.ok_or(Refusal::UnknownNode { node_id })?.incarnation;
    if given < known {
        return Err(Refusal::StaleIncarnation {
            node_id,
            known,
            given,
        });
    }
    let fresh: Vec<_> = replicas
        .iter()
        .copied()
        .filter(|&(raft_group, replica)| {
            is_replaceable(state, node_id, raft_group, replica) && !state.is_damaged(replica)
        })
        .collect();
    if fresh.is_empty() {
        return Ok((Applied::Done, Reach::Nothing));
    }
    let mut changed = state.clone();
    for (raft_group, replica) in fresh {
        changed.damaged_replicas.insert(replica, raft_group);
        replace_removed(&mut changed, raft_group, None)?;
    }
    *state = changed;
    Ok((Applied::Done, Reach::Layout))
}

/// Whether the replica is what its group wants on the node. The metadata group is left out: a
/// node without a readable one takes no part in the cluster.
fn is_replaceable(
    state: &State,
    node_id: NodeId,
    raft_group: RaftGroupId,
    replica: ReplicaId,
) -> bool {
    let set = state.replica_set(raft_group);
    let wanted = set.and_then(|set| set.replica_on(node_id));
    raft_group != RaftGroupId::METADATA && wanted.is_some_and(|one| one.replica_id == replica)
}

/// Gives every damaged replica that is not in the membership a successor; `newest` is a report
/// about to be taken over. A group that never reported one has its founding replicas in it.
pub(super) fn replace_removed(
    state: &mut State,
    raft_group: RaftGroupId,
    newest: Option<&MembershipReport>,
) -> Result<(), Refusal> {
    let Some(set) = state.replica_set(raft_group) else {
        return Ok(());
    };
    let Some(membership) = newest.or(set.membership.as_ref()) else {
        return Ok(());
    };
    let removed: Vec<ReplicaId> = set
        .replicas
        .iter()
        .map(|one| one.replica_id)
        .filter(|&id| state.is_damaged(id) && !membership.contains(id))
        .collect();
    if removed.is_empty() {
        return Ok(());
    }
    let first = reserve_replicas(state, removed.len() as u64)?;
    let successors = (first.0..).map(ReplicaId);
    for (removed, successor) in removed.into_iter().zip(successors) {
        state.damaged_replicas.remove(&removed);
        let set = state.replica_set_mut(raft_group);
        let mut places = set.into_iter().flat_map(|set| &mut set.replicas);
        if let Some(place) = places.find(|one| one.replica_id == removed) {
            place.replica_id = successor;
        }
    }
    Ok(())
}

/// Forgets what a node said of its replicas.
pub(super) fn forget_on(state: &mut State, node_id: NodeId) -> Reach {
    let before = state.damaged_replicas.len();
    let mut damaged = std::mem::take(&mut state.damaged_replicas);
    damaged
        .retain(|&replica, &mut raft_group| !is_replaceable(state, node_id, raft_group, replica));
    state.damaged_replicas = damaged;
    if state.damaged_replicas.len() == before {
        Reach::Facts
    } else {
        Reach::Layout
    }
}

/// Forgets damaged replicas whose place or whole group is another one's or gone.
pub(super) fn forget_unwanted(state: &mut State) {
    let mut damaged = std::mem::take(&mut state.damaged_replicas);
    damaged.retain(|&replica, &mut raft_group| {
        let set = state.replica_set(raft_group);
        set.is_some_and(|set| set.replicas.iter().any(|one| one.replica_id == replica))
    });
    state.damaged_replicas = damaged;
}
