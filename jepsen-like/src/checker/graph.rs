//! A directed graph with labelled edges: its strongly connected components and short cycles.
//!
//! Invariant: components take time linear in the graph, without recursion. The search for a
//! short cycle is bounded: in a huge component it may miss the shortest.

use std::collections::VecDeque;

/// A set of labels, one bit each.
pub(super) type Labels = u8;

/// Edges that one component's search for a short cycle follows.
const STEPS_MAX: usize = 4_000_000;
/// Nodes from which it starts.
const STARTS_MAX: usize = 256;
const UNSEEN: u32 = u32::MAX;

/// An edge; one without label always counts and has no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) label: Labels,
}

/// Edges by where they begin.
pub(super) struct Graph {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    pub(super) fn new(nodes: usize, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable();
        let mut starts = vec![0; nodes + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        Self { starts, edges }
    }

    fn edges(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// Components of more than one node, over the edges with these labels. Tarjan's algorithm.
    pub(super) fn components(&self, labels: Labels) -> Vec<Vec<u32>> {
        let nodes = self.starts.len() - 1;
        let mut search = Components {
            graph: self,
            labels,
            order: vec![UNSEEN; nodes],
            low: vec![0; nodes],
            is_open: vec![false; nodes],
            open: Vec::new(),
            next: 0,
            found: Vec::new(),
        };
        for node in 0..nodes as u32 {
            if search.order[node as usize] == UNSEEN {
                search.visit(node);
            }
        }
        search.found
    }

    /// A cycle inside a component with as few labelled edges as possible.
    pub(super) fn short_cycle(&self, component: &[u32], labels: Labels) -> Vec<Edge> {
        let mut within = vec![false; self.starts.len() - 1];
        for node in component {
            within[*node as usize] = true;
        }
        let edges: usize = component.iter().map(|node| self.edges(*node).len()).sum();
        let starts = (STEPS_MAX / edges.max(1)).clamp(1, STARTS_MAX);
        let cycles = component
            .iter()
            .take(starts)
            .filter_map(|start| self.cycle_from(*start, &within, labels));
        let length = |cycle: &Vec<Edge>| cycle.iter().filter(|edge| edge.label != 0).count();
        cycles.min_by_key(length).unwrap_or_default()
    }

    /// The shortest way from a node back to it.
    fn cycle_from(&self, start: u32, within: &[bool], labels: Labels) -> Option<Vec<Edge>> {
        let mut distance = vec![UNSEEN; within.len()];
        let mut came_by: Vec<Option<Edge>> = vec![None; within.len()];
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((node, so_far)) = queue.pop_front() {
            if node == start && so_far > 0 {
                break;
            }
            if node != start && distance[node as usize] < so_far {
                continue;
            }
            for edge in self.edges(node) {
                let (to, is_free) = (edge.to as usize, edge.label == 0);
                let further = so_far + u32::from(!is_free);
                let is_usable = within[to] && (is_free || edge.label & labels != 0);
                if is_usable && further < distance[to] {
                    distance[to] = further;
                    came_by[to] = Some(*edge);
                    if is_free {
                        queue.push_front((edge.to, further));
                    } else {
                        queue.push_back((edge.to, further));
                    }
                }
            }
        }
        let mut cycle = vec![came_by[start as usize]?];
        while let Some(edge) = cycle.last().filter(|edge| edge.from != start) {
            cycle.push(came_by[edge.from as usize]?);
        }
        cycle.reverse();
        Some(cycle)
    }
}

struct Components<'a> {
    graph: &'a Graph,
    labels: Labels,
    order: Vec<u32>,
    low: Vec<u32>,
    is_open: Vec<bool>,
    open: Vec<u32>,
    next: u32,
    found: Vec<Vec<u32>>,
}

impl Components<'_> {
    fn visit(&mut self, root: u32) {
        // Nodes on the way, with the edge of each that is next.
        let mut way = vec![(root, 0_usize)];
        self.enter(root);
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            let Some(edge) = self.graph.edges(node).get(*next) else {
                way.pop();
                if let Some((before, _)) = way.last() {
                    let (before, low) = (*before as usize, self.low[node as usize]);
                    self.low[before] = self.low[before].min(low);
                }
                self.leave(node);
                continue;
            };
            *next += 1;
            if edge.label != 0 && edge.label & self.labels == 0 {
                continue;
            }
            let to = edge.to as usize;
            if self.order[to] == UNSEEN {
                self.enter(edge.to);
                way.push((edge.to, 0));
            } else if self.is_open[to] {
                let node = node as usize;
                self.low[node] = self.low[node].min(self.order[to]);
            }
        }
    }

    fn enter(&mut self, node: u32) {
        let place = node as usize;
        (self.order[place], self.low[place]) = (self.next, self.next);
        self.next += 1;
        self.is_open[place] = true;
        self.open.push(node);
    }

    /// Closes the component that `node` is the first of, if it is.
    fn leave(&mut self, node: u32) {
        let place = node as usize;
        if self.low[place] != self.order[place] {
            return;
        }
        let first = self.open.iter().rposition(|open| *open == node);
        let component = self.open.split_off(first.unwrap_or(0));
        for member in &component {
            self.is_open[*member as usize] = false;
        }
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests;
