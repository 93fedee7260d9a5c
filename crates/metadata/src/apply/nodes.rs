//! Formation, and nodes that start, restart, move, or come back with another disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use floe_model::limits::OFFSETS_PARTITIONS;
use floe_model::{ClusterId, LeaderEpoch, NodeId, NodeUuid, RaftGroupId, ReplicaId};

use super::topics::place;
use super::{Change, Reach, damage};
use crate::{
    Applied, DeadReplica, Formation, NodeRecord, NodeRegistration, OffsetsPartition, Refusal,
    Replica, State,
};

/// Most metadata voters; with fewer seeds, the largest odd number that they can fill.
const VOTERS_MAX: usize = 5;
/// Replicas of an offsets partition, as far as there are nodes.
const OFFSETS_REPLICATION: usize = 3;

pub(super) fn form(
    state: &mut State,
    cluster_id: ClusterId,
    name: String,
    mut seeds: Vec<NodeRegistration>,
    at_ms: i64,
) -> Change {
    if state.formation.is_some() {
        return Err(Refusal::AlreadyFormed);
    }
    seeds.sort_by_key(|seed| seed.node_id);
    let ids: BTreeSet<_> = seeds.iter().map(|seed| seed.node_id).collect();
    let disks: BTreeSet<_> = seeds.iter().map(|seed| seed.node_uuid).collect();
    let distinct = ids.len() == seeds.len() && disks.len() == seeds.len();
    if seeds.is_empty() || !distinct || !ids.iter().all(|&id| is_node_id(id)) {
        return Err(Refusal::InvalidSeeds);
    }
    let voters = match seeds.len().min(VOTERS_MAX) {
        even if even % 2 == 0 => even - 1,
        odd => odd,
    };
    state.formation = Some(Formation {
        cluster_id,
        name,
        seeds: seeds
            .iter()
            .map(|seed| (seed.node_id, seed.node_uuid))
            .collect(),
        voters: voters as u32,
        formed_at_ms: at_ms,
    });
    for (place, registration) in seeds.into_iter().enumerate() {
        admit(state, registration, ReplicaId(place as u64 + 1), at_ms);
    }
    state.metadata_set.founding = state.metadata_set.replicas[..voters].to_vec();
    let raft_groups: Vec<_> = (0..OFFSETS_PARTITIONS).map(RaftGroupId::offsets).collect();
    let replication = OFFSETS_REPLICATION.min(state.nodes.len());
    for replica_set in place(state, replication, &raft_groups)? {
        let coordinator_epoch = LeaderEpoch(0);
        state.offsets.push(Arc::new(OffsetsPartition {
            replica_set,
            coordinator_epoch,
        }));
    }
    Ok((Applied::Done, Reach::Layout))
}

pub(super) fn register(state: &mut State, node: NodeRegistration, at_ms: i64) -> Change {
    let (node_id, node_uuid) = (node.node_id, node.node_uuid);
    if !is_node_id(node_id) {
        return Err(Refusal::InvalidNodeId { node_id });
    }
    if state.retired_disks.contains(&node_uuid) {
        return Err(Refusal::RetiredDisk { node_uuid });
    }
    let has_disk = move |other: &&NodeRecord| other.registration.node_uuid == node_uuid;
    let owner = state.nodes().find(has_disk).cloned();
    match owner {
        Some(other) if other.registration.node_id != node_id => {
            let owner = other.registration.node_id;
            return Err(Refusal::DiskOfAnotherNode { node_uuid, owner });
        }
        Some(known) => return restart(state, &known, node),
        None => {}
    }
    let metadata_replica = match state.node(node_id).map(|node| node.registration.node_uuid) {
        None => {
            let metadata_replica = reserve_replicas(state, 1)?;
            admit(state, node, metadata_replica, at_ms);
            metadata_replica
        }
        Some(former) => replace_disk(state, former, node, at_ms)?,
    };
    Ok((
        Applied::NodeRegistered {
            metadata_replica,
            new_disk: true,
        },
        Reach::Layout,
    ))
}

fn is_node_id(node_id: NodeId) -> bool {
    (1..=i32::MAX.unsigned_abs()).contains(&node_id.0)
}

/// The same disk again: a newer process, or other addresses of the same one.
fn restart(state: &mut State, known: &NodeRecord, node: NodeRegistration) -> Change {
    let (node_id, given) = (node.node_id, node.incarnation);
    let metadata_replica = known.metadata_replica;
    let applied = Applied::NodeRegistered {
        metadata_replica,
        new_disk: false,
    };
    if given < known.registration.incarnation {
        let known = known.registration.incarnation;
        return Err(Refusal::StaleIncarnation {
            node_id,
            known,
            given,
        });
    }
    if node == known.registration {
        return Ok((applied, Reach::Nothing));
    }
    let record = NodeRecord {
        registration: node,
        ..known.clone()
    };
    state.nodes.insert(node_id, Arc::new(record));
    let reach = if given == known.registration.incarnation {
        Reach::Facts
    } else {
        // What it finds damaged it tells again: an operator may have repaired it.
        damage::forget_on(state, node_id)
    };
    Ok((applied, reach))
}

/// Enters a node whose disk is new here, with its replica of the metadata group.
fn admit(state: &mut State, node: NodeRegistration, metadata_replica: ReplicaId, at_ms: i64) {
    let (node_id, node_uuid) = (node.node_id, node.node_uuid);
    state.metadata_set.replicas.push(Replica {
        replica_id: metadata_replica,
        node_id,
        node_uuid,
    });
    let record = NodeRecord {
        registration: node,
        metadata_replica,
        registered_at_ms: at_ms,
    };
    state.nodes.insert(node_id, Arc::new(record));
}

/// The place has another disk: all its replicas are dead, and each gets a successor there.
/// Answers the successor in the metadata group.
fn replace_disk(
    state: &mut State,
    former: NodeUuid,
    node: NodeRegistration,
    at_ms: i64,
) -> Result<ReplicaId, Refusal> {
    let (node_id, node_uuid) = (node.node_id, node.node_uuid);
    let hosted: Vec<_> = state.hosted_by(node_id).map(|set| set.raft_group).collect();
    let metadata_replica = reserve_replicas(state, hosted.len() as u64 + 1)?;
    let successors = (metadata_replica.0..).map(ReplicaId);
    let raft_groups = std::iter::once(RaftGroupId::METADATA).chain(hosted);
    for (raft_group, replica_id) in raft_groups.zip(successors) {
        let Some(set) = state.replica_set_mut(raft_group) else {
            continue;
        };
        let wanted = set
            .replicas
            .iter_mut()
            .find(|replica| replica.node_id == node_id);
        let Some(replica) = wanted else { continue };
        let dead = std::mem::replace(
            replica,
            Replica {
                replica_id,
                node_id,
                node_uuid,
            },
        );
        let record = DeadReplica {
            raft_group,
            node_id,
            node_uuid: former,
        };
        state.dead_replicas.insert(dead.replica_id, record);
    }
    damage::forget_unwanted(state);
    state.retired_disks.insert(former);
    state.tombstones.retain(|_, tombstone| {
        tombstone.unconfirmed.retain(|_, nodes| {
            nodes.remove(&node_id);
            !nodes.is_empty()
        });
        !tombstone.unconfirmed.is_empty()
    });
    let record = NodeRecord {
        registration: node,
        metadata_replica,
        registered_at_ms: at_ms,
    };
    state.nodes.insert(node_id, Arc::new(record));
    Ok(metadata_replica)
}

/// Takes `count` replica ids, none ever given out before, and answers the first.
pub(super) fn reserve_replicas(state: &mut State, count: u64) -> Result<ReplicaId, Refusal> {
    let first = state.next_replica;
    state.next_replica = ReplicaId(first.0.checked_add(count).ok_or(Refusal::Exhausted)?);
    Ok(first)
}
