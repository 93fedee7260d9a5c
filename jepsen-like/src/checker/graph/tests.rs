//! Components and cycles of small graphs.

use std::collections::BTreeSet;

use super::*;

fn graph(nodes: usize, edges: &[(u32, u32, Labels)]) -> Graph {
    let edges = edges
        .iter()
        .map(|&(from, to, label)| Edge { from, to, label });
    Graph::new(nodes, edges.collect())
}

fn components(graph: &Graph, labels: Labels) -> BTreeSet<BTreeSet<u32>> {
    let found = graph.components(labels);
    found.into_iter().map(BTreeSet::from_iter).collect()
}

#[test]
fn components_are_what_can_reach_each_other() {
    let edges = [
        (0, 1, 1),
        (1, 2, 1),
        (2, 0, 1),
        (2, 3, 1),
        (3, 4, 1),
        (4, 3, 1),
        (4, 5, 1),
    ];
    let expected = [[0, 1, 2].into(), [3, 4].into()].into();
    assert_eq!(components(&graph(6, &edges), 1), expected);
    assert_eq!(
        components(&graph(6, &edges[1..]), 1),
        [[3, 4].into()].into()
    );
    assert!(components(&graph(0, &[]), 1).is_empty());
}

#[test]
fn only_the_labels_asked_for_count_and_those_without_label() {
    let edges = [(0, 1, 1), (1, 2, 0), (2, 0, 2)];
    assert!(components(&graph(3, &edges), 1).is_empty());
    assert!(components(&graph(3, &edges), 2).is_empty());
    assert_eq!(components(&graph(3, &edges), 3), [[0, 1, 2].into()].into());
}

#[test]
fn the_cycle_with_the_fewest_labelled_edges_is_found() {
    // Around through 1, 2 and 3, or at once through 4, whose way has free edges.
    let edges = [
        (0, 1, 1),
        (1, 2, 1),
        (2, 3, 1),
        (3, 0, 1),
        (0, 4, 1),
        (4, 5, 0),
        (5, 0, 1),
    ];
    let graph = graph(6, &edges);
    let component = graph.components(1).remove(0);
    let cycle = graph.short_cycle(&component, 1);
    let nodes: BTreeSet<u32> = cycle.iter().map(|edge| edge.from).collect();
    assert_eq!(nodes, [0, 4, 5].into());
    for (edge, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
        assert_eq!(edge.to, next.from);
    }
}

#[test]
fn a_long_way_needs_no_deep_stack() {
    let nodes = 200_000;
    let mut edges: Vec<_> = (0..nodes - 1).map(|node| (node, node + 1, 1)).collect();
    edges.push((nodes - 1, 0, 1));
    let graph = graph(nodes as usize, &edges);
    assert_eq!(graph.components(1)[0].len(), nodes as usize);
}
