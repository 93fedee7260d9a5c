//! Which links between nodes are cut: ordered pairs, so that each direction is one of its own.
//!
//! Invariant: a node is never cut off from itself, and every pair names two nodes that exist.

use std::collections::BTreeSet;
use std::fmt;

use floe_env::Rng;

/// Directed links that let nothing through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CutMatrix {
    links: BTreeSet<(u32, u32)>,
}

impl CutMatrix {
    /// Nothing from `from` gets to `to`.
    pub(crate) fn one_way(from: &BTreeSet<u32>, to: &BTreeSet<u32>) -> Self {
        let links = from
            .iter()
            .flat_map(|a| to.iter().map(|b| (*a, *b)))
            .filter(|(a, b)| a != b)
            .collect();
        Self { links }
    }

    /// Nothing passes between the two sides.
    pub(crate) fn between(one: &BTreeSet<u32>, other: &BTreeSet<u32>) -> Self {
        let mut matrix = Self::one_way(one, other);
        matrix.links.extend(Self::one_way(other, one).links);
        matrix
    }

    /// Two halves of `1..=nodes` that one node connects. With fewer than three nodes there is
    /// nothing to cut.
    pub(crate) fn bridge(nodes: u32, rng: &Rng) -> Self {
        let mut left: Vec<u32> = (1..=nodes).collect();
        let take = |left: &mut Vec<u32>| left.swap_remove(pick(rng, left.len()));
        if nodes < 3 {
            return Self::default();
        }
        take(&mut left);
        let half = (left.len() / 2).max(1);
        let one: BTreeSet<u32> = (0..half).map(|_| take(&mut left)).collect();
        Self::between(&one, &left.into_iter().collect())
    }

    /// The links, ascending.
    pub(crate) fn links(&self) -> impl Iterator<Item = (u32, u32)> {
        self.links.iter().copied()
    }

    /// Nodes that `node` does not reach.
    pub(crate) fn unreachable_from(&self, node: u32) -> Vec<u32> {
        let from_it = self.links().filter(|(from, _)| *from == node);
        from_it.map(|(_, to)| to).collect()
    }
}

impl fmt::Display for CutMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, to)) in self.links().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{from}->{to}")?;
        }
        Ok(())
    }
}

/// A number below `count`, which is not 0.
pub(crate) fn pick(rng: &Rng, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(rng.below(count)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(nodes: [u32; N]) -> BTreeSet<u32> {
        nodes.into_iter().collect()
    }

    #[test]
    fn a_one_way_cut_leaves_the_other_direction_and_the_node_itself() {
        let matrix = CutMatrix::one_way(&set([1]), &set([1, 2, 3]));
        assert_eq!(matrix.to_string(), "1->2, 1->3");
        assert_eq!(matrix.unreachable_from(1), [2, 3]);
        assert!(matrix.unreachable_from(2).is_empty());
    }

    #[test]
    fn a_cut_between_sides_is_symmetric_and_leaves_each_side_whole() {
        let (one, other) = (set([2, 4]), set([1, 3, 5]));
        let matrix = CutMatrix::between(&one, &other);
        assert_eq!(matrix.links().count(), 12);
        for (from, to) in matrix.links() {
            assert_ne!(one.contains(&from), one.contains(&to));
            assert!(matrix.unreachable_from(to).contains(&from));
        }
    }

    #[test]
    fn exactly_one_node_of_a_bridge_reaches_all_others() {
        let rng = Rng::from_seed(1);
        for nodes in [3, 5, 7] {
            for _ in 0..100 {
                let matrix = CutMatrix::bridge(nodes, &rng);
                let is_whole = |node: &u32| matrix.unreachable_from(*node).is_empty();
                assert_eq!((1..=nodes).filter(is_whole).count(), 1, "{matrix}");
                // More than half of the cluster is within reach of nobody else.
                for node in (1..=nodes).filter(|node| !is_whole(node)) {
                    let lost = u32::try_from(matrix.unreachable_from(node).len()).unwrap();
                    assert_eq!(lost, (nodes - 1) / 2, "{matrix}");
                }
            }
        }
        assert_eq!(CutMatrix::bridge(2, &rng), CutMatrix::default());
    }
}
