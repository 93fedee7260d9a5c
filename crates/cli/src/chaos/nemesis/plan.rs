//! Chooses whom a fault hits and what exactly happens to each.
//!
//! Invariant: without `kill-all` the nodes that suffer are a minority, or one where there is
//! none. In a partition the nodes on the other side are cut off from those, and lose nothing
//! else.

use floe_client::{ChaosFault, NodeId};
use floe_env::Rng;

use crate::chaos::fault::{FaultKind, list};
use crate::chaos::nodes::TestedNode;

/// One fault of the cluster: a fault for each node that takes part.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    /// Whom it hits, and which variant of the kind it is where there are several; for people.
    pub(super) target: String,
    /// What each node is to suffer.
    pub(super) faults: Vec<(TestedNode, ChaosFault)>,
}

impl Strike {
    /// Some fault of this kind on some of `all`.
    pub(super) fn plan(kind: FaultKind, all: &[TestedNode], rng: &Rng) -> Self {
        let victims = match kind {
            FaultKind::KillAll => all.to_vec(),
            _ => minority(all, rng),
        };
        let (variant, faults) = match kind {
            FaultKind::Kill | FaultKind::KillAll => (None, each(&victims, &ChaosFault::Kill)),
            FaultKind::Pause => (None, each(&victims, &ChaosFault::Pause)),
            FaultKind::Partition => partition(all, &victims, rng),
            FaultKind::Disk => disk(&victims, rng),
            FaultKind::Clock => clock(&victims, rng),
        };
        let nodes = list(&ids(&victims));
        let target = match variant {
            Some(variant) => format!("node {nodes}, {variant}"),
            None => format!("node {nodes}"),
        };
        Self { target, faults }
    }
}

fn each(victims: &[TestedNode], fault: &ChaosFault) -> Vec<(TestedNode, ChaosFault)> {
    let suffers = |node: &TestedNode| (node.clone(), fault.clone());
    victims.iter().map(suffers).collect()
}

/// One node, or several if they are fewer than half.
fn minority(all: &[TestedNode], rng: &Rng) -> Vec<TestedNode> {
    let mut left = all.to_vec();
    let most = (left.len().saturating_sub(1) / 2).max(1);
    let count = 1 + pick(rng, most);
    let mut victims: Vec<TestedNode> = (0..count)
        .map(|_| left.swap_remove(pick(rng, left.len())))
        .collect();
    victims.sort_by_key(|node| node.id);
    victims
}

/// Cuts both directions between the victims and the others, or one of them.
fn partition(
    all: &[TestedNode],
    victims: &[TestedNode],
    rng: &Rng,
) -> (Option<String>, Vec<(TestedNode, ChaosFault)>) {
    let is_victim = |node: &TestedNode| victims.iter().any(|victim| victim.id == node.id);
    let others: Vec<TestedNode> = all
        .iter()
        .filter(|node| !is_victim(node))
        .cloned()
        .collect();
    let out = each(victims, &ChaosFault::Cut { from: ids(&others) });
    let back = each(&others, &ChaosFault::Cut { from: ids(victims) });
    match rng.below(4) {
        0 => (Some("outward".to_owned()), out),
        1 => (Some("inward".to_owned()), back),
        _ => (None, [out, back].concat()),
    }
}

fn disk(victims: &[TestedNode], rng: &Rng) -> (Option<String>, Vec<(TestedNode, ChaosFault)>) {
    let may_stop = victims.iter().all(|node| node.supervised);
    match rng.below(3) {
        0 if may_stop => {
            let fault = ChaosFault::DiskSyncFails;
            (Some("syncs fail".to_owned()), each(victims, &fault))
        }
        1 => (
            Some("full".to_owned()),
            each(victims, &ChaosFault::DiskFull),
        ),
        _ => {
            let delay_ms = 20 + u32::try_from(rng.below(150)).unwrap_or(0);
            let fault = ChaosFault::DiskSlow { delay_ms };
            let variant = format!("slower by {delay_ms} ms");
            (Some(variant), each(victims, &fault))
        }
    }
}

fn clock(victims: &[TestedNode], rng: &Rng) -> (Option<String>, Vec<(TestedNode, ChaosFault)>) {
    let ahead_ms = i64::try_from(1_000 + rng.below(3_600_000)).unwrap_or(1_000);
    let offset_ms = if rng.chance(0.5) { ahead_ms } else { -ahead_ms };
    let fault = ChaosFault::ClockOffset { offset_ms };
    (Some(format!("{offset_ms:+} ms")), each(victims, &fault))
}

/// Why a kind of fault cannot be had on these nodes.
pub(super) fn impossible(kind: FaultKind, nodes: &[TestedNode]) -> Option<&'static str> {
    match kind {
        FaultKind::Kill | FaultKind::Pause | FaultKind::KillAll => {
            let supervised = nodes.iter().all(|node| node.supervised);
            (!supervised).then_some("a node runs without a supervisor")
        }
        FaultKind::Partition => (nodes.len() < 2).then_some("there is one node only"),
        FaultKind::Disk | FaultKind::Clock => None,
    }
}

fn ids(nodes: &[TestedNode]) -> Vec<NodeId> {
    nodes.iter().map(|node| node.id).collect()
}

/// A number below `count`, which is not 0.
pub(super) fn pick(rng: &Rng, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(rng.below(count)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodes(count: u32) -> Vec<TestedNode> {
        let node = |id| TestedNode::new(NodeId(id), format!("host:{id}"), true);
        (1..=count).map(node).collect()
    }

    #[test]
    fn no_fault_but_kill_all_hits_more_than_a_minority() {
        let rng = Rng::from_seed(1);
        for count in 1..=7 {
            let all = nodes(count);
            let most = (all.len().saturating_sub(1) / 2).max(1);
            for _ in 0..200 {
                let hit: BTreeSet<NodeId> = minority(&all, &rng).iter().map(|n| n.id).collect();
                assert!((1..=most).contains(&hit.len()), "{hit:?} of {count}");
            }
            let all_killed = Strike::plan(FaultKind::KillAll, &all, &rng).faults;
            assert_eq!(all_killed.len(), all.len());
        }
    }

    #[test]
    fn a_partition_cuts_across_one_line_only() {
        let (all, rng) = (nodes(5), Rng::from_seed(2));
        for _ in 0..200 {
            let victims = minority(&all, &rng);
            let side = |id: NodeId| victims.iter().any(|victim| victim.id == id);
            let (variant, cuts) = partition(&all, &victims, &rng);
            assert!(!cuts.is_empty());
            for (node, fault) in &cuts {
                let ChaosFault::Cut { from } = fault else {
                    panic!("{fault:?} in a partition");
                };
                assert!(!from.is_empty());
                assert!(
                    from.iter().all(|other| side(*other) != side(node.id)),
                    "{cuts:?}"
                );
            }
            let both = cuts.iter().any(|(node, _)| side(node.id))
                && cuts.iter().any(|(node, _)| !side(node.id));
            assert_eq!(both, variant.is_none());
        }
    }

    #[test]
    fn what_nodes_cannot_suffer_is_said() {
        let unsupervised = [TestedNode::new(NodeId(1), "host:1".to_owned(), false)];
        assert!(impossible(FaultKind::Kill, &unsupervised).is_some());
        assert!(impossible(FaultKind::Partition, &nodes(1)).is_some());
        assert!(impossible(FaultKind::Clock, &unsupervised).is_none());
        for _ in 0..50 {
            let rng = Rng::from_os().unwrap();
            let strike = Strike::plan(FaultKind::Disk, &unsupervised, &rng);
            // It would stop and nobody would start it again.
            assert!(
                strike
                    .faults
                    .iter()
                    .all(|(_, fault)| *fault != ChaosFault::DiskSyncFails)
            );
        }
    }
}
