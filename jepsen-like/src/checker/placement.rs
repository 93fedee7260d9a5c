//! Where partitions live: one leader per epoch, and nothing left on nodes that were emptied.

use std::collections::BTreeMap;

use floe_model::{LeaderEpoch, NodeId};

use super::Found;
use crate::{Action, Anomaly, Key, NodeChange, Operation, OperationIndex, Place, Stage};

/// Finds epochs with two leaders, and emptied nodes that are in use in the end.
pub(super) fn check(operations: &[Operation], found: &mut Found) {
    let mut leaders: BTreeMap<(&Key, LeaderEpoch), (NodeId, OperationIndex)> = BTreeMap::new();
    // Nodes that were emptied and not taken back, with when that was done and what did it.
    let mut emptied: BTreeMap<NodeId, (u64, OperationIndex)> = BTreeMap::new();
    let mut places: BTreeMap<&Key, (&Place, OperationIndex)> = BTreeMap::new();
    for operation in operations {
        let index = OperationIndex(operation.invoked);
        match &operation.action {
            Action::Membership { change, node } => match (change, operation.acknowledged()) {
                (NodeChange::Drain | NodeChange::Remove, Some(completed)) => {
                    emptied.insert(*node, (completed, index));
                }
                // Even an attempt may have given it replicas.
                (NodeChange::Add, _) => drop(emptied.remove(node)),
                (NodeChange::Drain | NodeChange::Remove, None) => {}
            },
            Action::Placement(found_places) if operation.outcome == Stage::Ok => {
                for (key, place) in found_places {
                    places.insert(key, (place, index));
                    let Some(leader) = place.leader else { continue };
                    let here = (leader, index);
                    let (known, first) = *leaders.entry((key, place.epoch)).or_insert(here);
                    if known != leader {
                        found.add(Anomaly::TwoLeaders {
                            key: key.clone(),
                            epoch: place.epoch,
                            nodes: [known, leader],
                            operations: [first, index],
                        });
                    }
                }
            }
            _ => {}
        }
    }
    // Views of the cluster lag behind; the last one of each log counts.
    for (key, (place, operation)) in places {
        for node in &place.replicas {
            if let Some(&(completed, change)) = emptied.get(node)
                && operation.0 > completed
            {
                found.add(Anomaly::DrainedNodeInUse {
                    key: key.clone(),
                    node: *node,
                    change,
                    operation,
                });
            }
        }
    }
}
