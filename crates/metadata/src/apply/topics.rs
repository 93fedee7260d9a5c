//! Topics that are made, grown, changed and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_model::limits::{REPLICATION_MAX, TOPIC_PARTITIONS_MAX};
use floe_model::{NodeId, PartitionIndex, RaftGroupId, ReplicaId, TopicId};

use super::nodes::reserve_replicas;
use super::{Change, Reach, damage};
use crate::placement::{self, Candidate};
use crate::{
    Applied, AssignmentFault, ConfigEdit, NewTopic, NodeRegistration, Partition, Refusal, Replica,
    ReplicaSet, State, Tombstone, Topic, TopicConfig,
};

/// Replicas of a topic that does not say.
const REPLICATION_DEFAULT: u32 = 3;

/// Makes a topic, with its replicas on `nodes` if they are named.
pub(super) fn create(
    state: &mut State,
    mut new: NewTopic,
    nodes: Option<&[Vec<NodeId>]>,
) -> Change {
    if let Some(existing) = state.topic_named(&new.name) {
        if new.if_not_exists {
            let topic_id = existing.topic_id;
            return Ok((
                Applied::TopicCreated {
                    topic_id,
                    created: false,
                },
                Reach::Nothing,
            ));
        }
        return Err(Refusal::TopicExists { name: new.name });
    }
    let topic_id = new.topic_id;
    if state.topics.contains_key(&topic_id) || state.tombstones.contains_key(&topic_id) {
        return Err(Refusal::TopicIdUsed { topic_id });
    }
    if let Some(nodes) = nodes {
        new.partitions = nodes.len() as u32;
        new.replication = Some(nodes.first().map_or(0, Vec::len) as u32);
    }
    if !(1..=TOPIC_PARTITIONS_MAX).contains(&new.partitions) {
        let (given, max) = (new.partitions, TOPIC_PARTITIONS_MAX);
        return Err(Refusal::InvalidPartitions { given, min: 1, max });
    }
    let replication_max = REPLICATION_MAX.min(state.nodes.len() as u32);
    let replication = new
        .replication
        .unwrap_or(REPLICATION_DEFAULT.min(replication_max));
    if !(1..=replication_max).contains(&replication) {
        return Err(Refusal::InvalidReplication {
            given: replication,
            max: replication_max,
        });
    }
    let config = TopicConfig::new(new.configs, replication)?;
    let mut topic = Topic {
        topic_id,
        name: new.name,
        replication,
        config,
        partitions: Vec::new(),
        created_at_ms: new.at_ms,
    };
    match nodes {
        Some(nodes) => grow_at(state, &mut topic, nodes)?,
        None => grow(state, &mut topic, new.partitions)?,
    }
    state.index(&topic);
    state.topics.insert(topic_id, Arc::new(topic));
    Ok((
        Applied::TopicCreated {
            topic_id,
            created: true,
        },
        Reach::Layout,
    ))
}

pub(super) fn alter(
    state: &mut State,
    topic_id: TopicId,
    configs: BTreeMap<String, Option<String>>,
    partitions: Option<u32>,
) -> Change {
    let known = state
        .topics
        .get(&topic_id)
        .ok_or(Refusal::UnknownTopic { topic_id })?;
    let mut topic = Topic::clone(known);
    topic.config = topic.config.altered(configs, topic.replication)?;
    let reach = match partitions {
        None if topic.config == known.config => return Ok((Applied::Done, Reach::Nothing)),
        None => Reach::Layout,
        Some(given) => {
            let (min, max) = (topic.partitions.len() as u32 + 1, TOPIC_PARTITIONS_MAX);
            if !(min..=max).contains(&given) {
                return Err(Refusal::InvalidPartitions { given, min, max });
            }
            grow(state, &mut topic, given)?;
            state.index(&topic);
            Reach::Layout
        }
    };
    state.topics.insert(topic_id, Arc::new(topic));
    Ok((Applied::Done, reach))
}

/// Edits settings; with `replace`, those not named return to their defaults.
pub(super) fn edit_config(
    state: &mut State,
    topic_id: TopicId,
    replace: bool,
    edits: BTreeMap<String, ConfigEdit>,
) -> Change {
    let known = state
        .topics
        .get(&topic_id)
        .ok_or(Refusal::UnknownTopic { topic_id })?;
    let former = if replace {
        &TopicConfig::default()
    } else {
        &known.config
    };
    let config = former.edited(edits, known.replication)?;
    if config == known.config {
        return Ok((Applied::Done, Reach::Nothing));
    }
    let mut topic = Topic::clone(known);
    topic.config = config;
    state.topics.insert(topic_id, Arc::new(topic));
    Ok((Applied::Done, Reach::Layout))
}

/// Adds partitions on the nodes named, until there are `count`.
pub(super) fn add_partitions_at(
    state: &mut State,
    topic_id: TopicId,
    count: u32,
    nodes: &[Vec<NodeId>],
) -> Change {
    let known = state
        .topics
        .get(&topic_id)
        .ok_or(Refusal::UnknownTopic { topic_id })?;
    let mut topic = Topic::clone(known);
    let (first, max) = (topic.partitions.len() as u32, TOPIC_PARTITIONS_MAX);
    if !(first + 1..=max).contains(&count) {
        return Err(Refusal::InvalidPartitions {
            given: count,
            min: first + 1,
            max,
        });
    }
    let (given, wanted) = (nodes.len() as u32, count - first);
    if given != wanted {
        return Err(Refusal::InvalidAssignment {
            partition: first,
            fault: AssignmentFault::Count { given, wanted },
        });
    }
    grow_at(state, &mut topic, nodes)?;
    state.index(&topic);
    state.topics.insert(topic_id, Arc::new(topic));
    Ok((Applied::Done, Reach::Layout))
}

pub(super) fn delete(state: &mut State, topic_id: TopicId, at_ms: i64) -> Change {
    let topic = state
        .topics
        .remove(&topic_id)
        .ok_or(Refusal::UnknownTopic { topic_id })?;
    state.unindex(&topic);
    let sets = topic
        .partitions
        .iter()
        .map(|partition| &partition.replica_set);
    let raft_groups: Vec<_> = sets.clone().map(|set| set.raft_group).collect();
    let unconfirmed: BTreeMap<_, _> = sets
        .map(|set| (set.raft_group, holders(state, set)))
        .filter(|(_, n)| !n.is_empty())
        .collect();
    let deleted: BTreeSet<_> = raft_groups.iter().copied().collect();
    if floe_model::mutant!("raft-group-reused")
        && let Some(&first) = deleted.first()
    {
        state.next_raft_group = first;
    }
    state
        .dead_replicas
        .retain(|_, dead| !deleted.contains(&dead.raft_group));
    damage::forget_unwanted(state);
    if !unconfirmed.is_empty() {
        let (name, deleted_at_ms) = (topic.name.clone(), at_ms);
        let tombstone = Tombstone {
            topic_id,
            name,
            deleted_at_ms,
            unconfirmed,
        };
        state.tombstones.insert(topic_id, tombstone);
    }
    Ok((Applied::TopicDeleted { raft_groups }, Reach::Layout))
}

/// The nodes that may hold bytes of a group on the disk that they have now.
fn holders(state: &State, set: &ReplicaSet) -> BTreeSet<NodeId> {
    let present = |replica: &&Replica| {
        let node = state.node(replica.node_id);
        node.is_some_and(|node| node.registration.node_uuid == replica.node_uuid)
    };
    let replicas = set.replicas.iter().chain(&set.founding);
    replicas
        .filter(present)
        .map(|replica| replica.node_id)
        .collect()
}

/// Adds partitions to a topic until it has `count`.
fn grow(state: &mut State, topic: &mut Topic, count: u32) -> Result<(), Refusal> {
    let first = topic.partitions.len() as u32;
    let raft_groups = next_raft_groups(state, count - first)?;
    let sets = place(state, topic.replication as usize, &raft_groups)?;
    add(state, topic, sets);
    Ok(())
}

/// Adds one partition to a topic per list of nodes.
fn grow_at(state: &mut State, topic: &mut Topic, nodes: &[Vec<NodeId>]) -> Result<(), Refusal> {
    let first = topic.partitions.len() as u32;
    for (partition, nodes) in (first..).zip(nodes) {
        check_assignment(state, topic.replication, nodes)
            .map_err(|fault| Refusal::InvalidAssignment { partition, fault })?;
    }
    let raft_groups = next_raft_groups(state, nodes.len() as u32)?;
    let sets = seat(state, nodes.to_vec(), &raft_groups)?;
    add(state, topic, sets);
    Ok(())
}

fn check_assignment(
    state: &State,
    replication: u32,
    nodes: &[NodeId],
) -> Result<(), AssignmentFault> {
    if nodes.is_empty() {
        return Err(AssignmentFault::NoNode);
    }
    for (place, &node_id) in nodes.iter().enumerate() {
        if state.node(node_id).is_none() {
            return Err(AssignmentFault::UnknownNode { node_id });
        }
        if nodes[..place].contains(&node_id) {
            return Err(AssignmentFault::NodeTwice { node_id });
        }
    }
    let given = nodes.len() as u32;
    if given == replication {
        Ok(())
    } else {
        Err(AssignmentFault::Uneven { given, replication })
    }
}

/// The ids that the next `count` Raft groups get; they are taken by [`add`].
fn next_raft_groups(state: &State, count: u32) -> Result<Vec<RaftGroupId>, Refusal> {
    let next = state.next_raft_group.0;
    let end = next
        .checked_add(u64::from(count))
        .ok_or(Refusal::Exhausted)?;
    Ok((next..end).map(RaftGroupId).collect())
}

/// Adds partitions with these replicas.
fn add(state: &mut State, topic: &mut Topic, sets: Vec<ReplicaSet>) {
    let first = topic.partitions.len() as u32;
    state.next_raft_group.0 += sets.len() as u64;
    for (index, replica_set) in (first..).map(PartitionIndex).zip(sets) {
        topic
            .partitions
            .push(Arc::new(Partition { index, replica_set }));
    }
}

/// Replica sets for new Raft groups, over all nodes and by their present load.
pub(super) fn place(
    state: &mut State,
    replication: usize,
    raft_groups: &[RaftGroupId],
) -> Result<Vec<ReplicaSet>, Refusal> {
    let placed = placement::place(&candidates(state), replication, raft_groups);
    seat(state, placed, raft_groups)
}

/// Replica sets for new Raft groups on these nodes.
fn seat(
    state: &mut State,
    placed: Vec<Vec<NodeId>>,
    raft_groups: &[RaftGroupId],
) -> Result<Vec<ReplicaSet>, Refusal> {
    let count = placed.iter().map(|nodes| nodes.len() as u64).sum();
    let mut replica_ids = (reserve_replicas(state, count)?.0..).map(ReplicaId);
    let mut sets = Vec::with_capacity(placed.len());
    for (&raft_group, node_ids) in raft_groups.iter().zip(placed) {
        let nodes = node_ids
            .into_iter()
            .filter_map(|node_id| state.node(node_id));
        let founding = nodes.zip(replica_ids.by_ref()).map(|(node, replica_id)| {
            let NodeRegistration {
                node_id, node_uuid, ..
            } = node.registration;
            Replica {
                replica_id,
                node_id,
                node_uuid,
            }
        });
        sets.push(ReplicaSet::founded(raft_group, founding.collect()));
    }
    Ok(sets)
}

fn candidates(state: &State) -> Vec<Candidate> {
    let mut load: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for set in state.replica_sets() {
        for (place, replica) in set.replicas.iter().enumerate() {
            let (replicas, leaders) = load.entry(replica.node_id).or_default();
            *replicas += 1;
            *leaders += u64::from(place == 0);
        }
    }
    let candidate = |node: &crate::NodeRecord| {
        let node_id = node.registration.node_id;
        let (replicas, leaders) = load.get(&node_id).copied().unwrap_or_default();
        Candidate {
            node_id,
            rack: node.registration.rack.clone(),
            replicas,
            leaders,
        }
    };
    state.nodes().map(candidate).collect()
}
