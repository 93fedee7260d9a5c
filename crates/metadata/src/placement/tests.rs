//! The guarantees of placement, over random clusters.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn cluster(racks: usize, nodes_per_rack: usize) -> Vec<Candidate> {
    (0..racks * nodes_per_rack)
        .map(|place| Candidate {
            node_id: NodeId(place as u32 + 1),
            rack: (racks > 1).then(|| format!("rack-{}", place % racks)),
            replicas: 0,
            leaders: 0,
        })
        .collect()
}

fn groups(first: u64, count: usize) -> Vec<RaftGroupId> {
    (first..).take(count).map(RaftGroupId).collect()
}

fn spread(counts: impl Iterator<Item = u64> + Clone) -> u64 {
    counts.clone().max().unwrap() - counts.min().unwrap()
}

fn add(candidates: &mut [Candidate], placed: &[Vec<NodeId>]) {
    for set in placed {
        for (place, node) in set.iter().enumerate() {
            let candidate = candidates.iter_mut().find(|c| c.node_id == *node).unwrap();
            candidate.replicas += 1;
            candidate.leaders += u64::from(place == 0);
        }
    }
}

proptest! {
    #[test]
    fn equal_racks_balance_within_one_on_distinct_nodes_and_racks(
        racks in 1_usize..5, per_rack in 1_usize..5, replication in 1_usize..8,
        first in 1000_u64..100_000, count in 0_usize..120, more in 0_usize..40,
    ) {
        let mut candidates = cluster(racks, per_rack);
        let replication = replication.min(candidates.len());
        for (first, count) in [(first, count), (first + 200, more)] {
            let placed = place(&candidates, replication, &groups(first, count));
            prop_assert_eq!(placed.len(), count);
            for set in &placed {
                prop_assert_eq!(set.iter().collect::<BTreeSet<_>>().len(), replication);
                let rack_of = |node: &NodeId| &candidates[node.0 as usize - 1].rack;
                let on: BTreeSet<_> = set.iter().map(rack_of).collect();
                prop_assert_eq!(on.len(), replication.min(racks));
            }
            let mut given = cluster(racks, per_rack);
            add(&mut given, &placed);
            prop_assert!(spread(given.iter().map(|c| c.replicas)) <= 1);
            prop_assert!(spread(given.iter().map(|c| c.leaders)) <= 1);
            add(&mut candidates, &placed);
        }
    }

    #[test]
    fn unequal_racks_still_spread_and_never_repeat_a_node(
        racks in proptest::collection::vec(0_usize..4, 1..9), replication in 1_usize..8,
        count in 1_usize..40,
    ) {
        let rack_of = |place: usize| (racks[place] > 0).then(|| racks[place].to_string());
        let candidates: Vec<_> = (0..racks.len())
            .map(|place| Candidate {
                node_id: NodeId(place as u32 + 1), rack: rack_of(place), replicas: 0, leaders: 0,
            })
            .collect();
        let distinct = racks.iter().collect::<BTreeSet<_>>().len();
        let replication = replication.min(racks.len());
        let placed = place(&candidates, replication, &groups(1000, count));
        for set in &placed {
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>().len(), replication);
            let on: BTreeSet<_> = set.iter().map(|node| rack_of(node.0 as usize - 1)).collect();
            prop_assert_eq!(on.len(), replication.min(distinct));
        }
        prop_assert_eq!(placed, place(&candidates, replication, &groups(1000, count)));
    }
}

#[test]
fn a_new_node_takes_what_is_left_over_but_not_a_whole_topic() {
    let mut candidates = cluster(1, 4);
    for candidate in &mut candidates[..3] {
        (candidate.replicas, candidate.leaders) = (30, 10);
    }
    assert_eq!(place(&candidates, 1, &groups(1000, 1)), [[NodeId(4)]]);
    let placed = place(&candidates, 3, &groups(1000, 12));
    assert_eq!(placed.iter().filter(|set| set[0] == NodeId(4)).count(), 3);
}

#[test]
fn many_small_topics_are_even() {
    let mut candidates = cluster(1, 5);
    for first in 1000..1500 {
        let placed = place(&candidates, 3, &groups(first, 1));
        add(&mut candidates, &placed);
    }
    assert!(spread(candidates.iter().map(|c| c.replicas)) <= 1);
    assert!(spread(candidates.iter().map(|c| c.leaders)) <= 5);
}

#[test]
fn one_failed_node_of_many_spreads_its_leaders_over_several_others() {
    let placed = place(&cluster(1, 6), 3, &groups(1000, 60));
    let heirs: BTreeSet<_> = placed
        .iter()
        .filter(|set| set[0] == NodeId(1))
        .map(|set| set[1])
        .collect();
    assert!(heirs.len() >= 3, "{heirs:?}");
}

#[test]
fn a_thousand_groups_on_three_nodes_lead_a_third_each() {
    let placed = place(&cluster(1, 3), 3, &groups(1000, 1000));
    let mut candidates = cluster(1, 3);
    add(&mut candidates, &placed);
    assert!(
        candidates.iter().all(|c| (333..=334).contains(&c.leaders)),
        "{candidates:?}"
    );
}
