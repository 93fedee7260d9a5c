//! Circles in what must have happened before what.
//!
//! Invariant: every moment is one thing that took place within its operation, and every edge says
//! that one moment lies before another, so that any circle is impossible.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use super::graph::{Edge, Graph, Labels};
use super::moments::{FREE, Moments, PROCESS, REALTIME, WR, WW};
use crate::version_order::KeyLog;
use crate::{Anomaly, Dependency, Key, Link, Operation};

/// The edges that a class of circles has, and what it is called.
type Class = (Labels, fn(Vec<Link>) -> Anomaly);

/// Finds circles.
pub(super) fn check(operations: &[Operation], logs: &BTreeMap<Key, KeyLog>, found: &mut Found) {
    let mut moments = Moments::of(operations, logs);
    moments.add_time();
    let graph = Graph::new(moments.nodes.len(), std::mem::take(&mut moments.edges));
    // The order of a process is part of the order in time: without a circle here there is none.
    if !graph.components(WW | WR | REALTIME).is_empty() {
        drop(graph);
        classify(operations, logs, found);
    }
}

/// From the narrowest class to the widest: a circle counts in the first that has it.
fn classify(operations: &[Operation], logs: &BTreeMap<Key, KeyLog>, found: &mut Found) {
    let mut moments = Moments::of(operations, logs);
    moments.add_time();
    moments.add_processes(operations);
    let graph = Graph::new(moments.nodes.len(), std::mem::take(&mut moments.edges));
    let classes: [Class; 6] = [
        (WW, |cycle| Anomaly::G0 { cycle }),
        (WW | WR, |cycle| Anomaly::G1c { cycle }),
        (WW | PROCESS, |cycle| Anomaly::G0Process { cycle }),
        (WW | WR | PROCESS, |cycle| Anomaly::G1cProcess { cycle }),
        (WW | REALTIME, |cycle| Anomaly::G0Realtime { cycle }),
        (WW | WR | REALTIME, |cycle| Anomaly::G1cRealtime { cycle }),
    ];
    let mut explained: BTreeSet<u32> = BTreeSet::new();
    for (labels, anomaly) in classes {
        for component in graph.components(labels) {
            let is_of_history = |node: &u32| moments.operation(*node).is_some();
            let members = component.iter().copied().filter(is_of_history);
            if members.clone().any(|node| explained.contains(&node)) {
                continue;
            }
            explained.extend(members);
            let cycle = graph.short_cycle(&component, labels);
            found.add(anomaly(links(&moments, operations, &cycle)));
        }
    }
}

/// The steps from operation to operation in a circle of edges.
fn links(moments: &Moments<'_>, operations: &[Operation], cycle: &[Edge]) -> Vec<Link> {
    let first = cycle
        .iter()
        .position(|edge| moments.operation(edge.from).is_some());
    let Some(first) = first else {
        return Vec::new();
    };
    let mut links = Vec::new();
    let mut last = cycle[first].from;
    for edge in cycle[first..].iter().chain(&cycle[..first]) {
        let (Some(from), Some(to)) = (moments.operation(last), moments.operation(edge.to)) else {
            continue;
        };
        let because = match edge.label {
            WW => Some(Dependency::Ww),
            WR => Some(Dependency::Wr),
            PROCESS => Some(Dependency::Process),
            REALTIME => Some(Dependency::Realtime),
            // Parts of one transaction.
            _ => None,
        };
        if let Some(because) = because {
            let shown = match edge.label {
                WW => moments.written(edge.to),
                WR => moments
                    .written(last)
                    .or_else(|| moments.read_of(operations, from, to)),
                _ => None,
            };
            links.push(Link {
                from,
                to,
                because,
                key: shown.map(|(key, _)| key.clone()),
                value: shown.map(|(_, value)| value),
            });
        }
        last = edge.to;
    }
    debug_assert!(cycle.iter().any(|edge| edge.label != FREE));
    links
}
