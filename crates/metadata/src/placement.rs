//! Where replicas go: evenly over racks, then over nodes, with preferred leaders evenly too.
//!
//! A pure function of the candidates' present load and the Raft group ids. Guarantees: the
//! replicas of a group are on distinct nodes and on as many racks as possible; with racks of
//! equal size (or none) the replicas, and the preferred leaders, that one call gives to any two
//! nodes differ by at most one. What cannot be even goes to the nodes that have least, so that
//! many small topics are even too; a new node gets its share of each topic and not all of it,
//! which would make it a hot spot. Nodes without a rack share one.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, VecDeque};

use floe_model::{NodeId, RaftGroupId};

/// A node that can take replicas, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node_id: NodeId,
    /// Its failure domain.
    pub rack: Option<String>,
    /// Replicas it has.
    pub replicas: u64,
    /// Groups whose preferred leader it is.
    pub leaders: u64,
}

/// Chooses `replication` nodes for each group, the preferred leader first. With fewer
/// candidates than that, every group gets them all.
#[must_use]
pub fn place(
    candidates: &[Candidate],
    replication: usize,
    raft_groups: &[RaftGroupId],
) -> Vec<Vec<NodeId>> {
    let mut racks: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
    for (place, candidate) in candidates.iter().enumerate() {
        let rack = racks.entry(candidate.rack.as_deref()).or_default();
        rack.members.push(place);
        rack.before += candidate.replicas;
    }
    let mut racks: Vec<Rack> = racks.into_values().collect();
    let mut given = vec![0; candidates.len()];
    let mut sets: Vec<Vec<usize>> = raft_groups
        .iter()
        .map(|group| choose(candidates, &mut racks, &mut given, replication, group.0))
        .collect();
    Leaders {
        candidates,
        given: vec![0; candidates.len()],
        sets: &mut sets,
    }
    .balance();
    let name = |set: Vec<usize>| {
        set.into_iter()
            .map(|place| candidates[place].node_id)
            .collect()
    };
    sets.into_iter().map(name).collect()
}

#[derive(Default)]
struct Rack {
    members: Vec<usize>,
    /// Replicas that its nodes had, and that they got in this call.
    before: u64,
    given: u64,
}

impl Rack {
    /// Compares the load per node, of this call first.
    fn load_order(&self, other: &Self) -> Ordering {
        let per_node = |left: u64, right: u64| {
            let left = u128::from(left) * other.members.len() as u128;
            left.cmp(&(u128::from(right) * self.members.len() as u128))
        };
        per_node(self.given, other.given).then(per_node(self.before, other.before))
    }
}

/// One group's nodes: each next one from the rack that this group uses least, then the rack
/// least loaded per node, then the node least loaded.
fn choose(
    candidates: &[Candidate],
    racks: &mut [Rack],
    given: &mut [u64],
    replication: usize,
    seed: u64,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::with_capacity(replication);
    let mut used = vec![0_usize; racks.len()];
    while chosen.len() < replication.min(candidates.len()) {
        let open = (0..racks.len()).filter(|&rack| used[rack] < racks[rack].members.len());
        let rack = open.min_by(|&a, &b| {
            let tie = scatter(seed, a as u64).cmp(&scatter(seed, b as u64));
            used[a]
                .cmp(&used[b])
                .then(racks[a].load_order(&racks[b]))
                .then(tie)
        });
        let Some(rack) = rack else { break };
        let free = racks[rack]
            .members
            .iter()
            .copied()
            .filter(|place| !chosen.contains(place));
        let node = free.min_by_key(|&place| {
            let Candidate {
                node_id, replicas, ..
            } = &candidates[place];
            (given[place], *replicas, scatter(seed, node_id.0.into()))
        });
        let Some(node) = node else { break };
        used[rack] += 1;
        racks[rack].given += 1;
        given[node] += 1;
        chosen.push(node);
    }
    chosen
}

/// Breaks ties differently for every group, so that the groups of one node have their other
/// replicas on many nodes and a failure spreads its load (the finaliser of SplitMix64).
fn scatter(seed: u64, salt: u64) -> u64 {
    let mut mixed =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Chooses the preferred leader of each set: its first member.
struct Leaders<'a> {
    candidates: &'a [Candidate],
    /// Groups of this call that each node leads.
    given: Vec<u64>,
    sets: &'a mut [Vec<usize>],
}

impl Leaders<'_> {
    /// Greedy first; then, while a node leads two more than one that could take over through a
    /// chain of sets, shifts one along the chain. Ends, since each shift lowers the sum of
    /// squares, and then no assignment over these sets is more even.
    fn balance(&mut self) {
        for set in self.sets.iter_mut() {
            let first = (0..set.len()).min_by_key(|&place| {
                let node = set[place];
                (self.given[node], self.candidates[node].leaders)
            });
            if let Some(first) = first {
                set.swap(0, first);
                self.given[set[0]] += 1;
            }
        }
        let mut nodes: Vec<usize> = (0..self.given.len()).collect();
        loop {
            nodes.sort_by_key(|&node| (Reverse(self.given[node]), node));
            if !nodes.iter().any(|&node| self.relieve(node)) {
                return;
            }
        }
    }

    /// Moves one leadership from `start` to a node with at least two fewer, if a chain exists.
    fn relieve(&mut self, start: usize) -> bool {
        let mut led: Vec<Vec<usize>> = vec![Vec::new(); self.given.len()];
        for (place, set) in self.sets.iter().enumerate() {
            if let Some(&leader) = set.first() {
                led[leader].push(place);
            }
        }
        // For each reached node, the set through which it takes over and from whom.
        let mut reached: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            if self.given[node] + 2 <= self.given[start] {
                self.shift(start, node, &reached);
                return true;
            }
            for &place in &led[node] {
                for &next in &self.sets[place][1..] {
                    if next != start && !reached.contains_key(&next) {
                        reached.insert(next, (place, node));
                        queue.push_back(next);
                    }
                }
            }
        }
        false
    }

    fn shift(&mut self, start: usize, end: usize, reached: &BTreeMap<usize, (usize, usize)>) {
        let mut taker = end;
        while taker != start {
            let (place, giver) = reached[&taker];
            let set = &mut self.sets[place];
            if let Some(position) = set.iter().position(|&node| node == taker) {
                set.swap(0, position);
            }
            taker = giver;
        }
        self.given[start] -= 1;
        self.given[end] += 1;
    }
}

#[cfg(test)]
mod tests;
