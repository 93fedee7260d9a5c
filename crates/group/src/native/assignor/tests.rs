//! The guarantees of the assignors, over random groups.
#![allow(clippy::unwrap_used)]

use floe_model::TopicId;
use proptest::prelude::*;

use super::*;

fn topics(partitions: &[u32]) -> Topics {
    let shape = |(place, &partitions): (usize, &u32)| {
        let topic_id = TopicId([place as u8 + 1; 16]);
        (
            TopicName::new(format!("t{place}")).unwrap(),
            TopicShape {
                topic_id,
                partitions,
            },
        )
    };
    partitions.iter().enumerate().map(shape).collect()
}

fn member(place: usize) -> MemberId {
    MemberId::new(format!("m{place}")).unwrap()
}

type Subscriptions = BTreeMap<MemberId, BTreeSet<TopicName>>;

fn run(
    assignor: Assignor,
    subscriptions: &Subscriptions,
    topics: &Topics,
    present: &Owners,
) -> Owners {
    let subscriptions = subscriptions.iter().collect();
    assign(assignor, &subscriptions, topics, present)
}

fn everyone_reads_all(members: impl Iterator<Item = usize>, topics: &Topics) -> Subscriptions {
    members
        .map(|place| (member(place), topics.keys().cloned().collect()))
        .collect()
}

fn loads(subscriptions: &Subscriptions, owners: &Owners) -> BTreeMap<MemberId, usize> {
    let mut loads: BTreeMap<_, _> = subscriptions.keys().map(|m| (m.clone(), 0)).collect();
    for owner in owners.values() {
        *loads.get_mut(owner).unwrap() += 1;
    }
    loads
}

fn is_even(loads: &BTreeMap<MemberId, usize>) -> bool {
    loads.values().max().unwrap() - loads.values().min().unwrap() <= 1
}

/// A partition of a subscribed topic has exactly one owner (owners are a map), a subscriber.
fn is_complete(subscriptions: &Subscriptions, topics: &Topics, owners: &Owners) -> bool {
    let mut wanted = BTreeMap::new();
    for (name, shape) in topics {
        let readers: BTreeSet<_> = subscriptions
            .iter()
            .filter(|(_, names)| names.contains(name))
            .map(|(m, _)| m)
            .collect();
        if !readers.is_empty() {
            wanted.extend(partitions(*shape).map(|id| (id, readers.clone())));
        }
    }
    wanted.len() == owners.len()
        && owners
            .iter()
            .all(|(id, owner)| wanted.get(id).is_some_and(|r| r.contains(owner)))
}

#[test]
fn range_gives_neighbours_and_the_rest_to_the_first() {
    let topics = topics(&[5]);
    let subscriptions = everyone_reads_all(0..2, &topics);
    let owners = run(Assignor::Range, &subscriptions, &topics, &Owners::new());
    let names: Vec<_> = owners.values().map(MemberId::as_str).collect();
    assert_eq!(names, ["m0", "m0", "m0", "m1", "m1"]);
}

proptest! {
    #[test]
    fn every_partition_has_exactly_one_subscriber(
        sticky in any::<bool>(),
        partitions in proptest::collection::vec(0_u32..12, 1..5),
        reads in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 5), 0..7),
        former in proptest::collection::vec(0_usize..9, 60),
    ) {
        let topics = topics(&partitions);
        let named = |reads: &Vec<bool>| {
            topics.keys().zip(reads).filter(|(_, r)| **r).map(|(n, _)| n.clone()).collect()
        };
        let subscriptions: Subscriptions =
            reads.iter().enumerate().map(|(place, reads)| (member(place), named(reads))).collect();
        let all = topics.values().flat_map(|&shape| super::partitions(shape));
        let present: Owners = all.zip(&former).map(|(id, &place)| (id, member(place))).collect();
        let assignor = if sticky { Assignor::StickyCooperative } else { Assignor::Range };
        let owners = run(assignor, &subscriptions, &topics, &present);
        prop_assert!(is_complete(&subscriptions, &topics, &owners));
        prop_assert_eq!(&owners, &run(assignor, &subscriptions, &topics, &present));
        if sticky {
            // Nothing can be moved to make it more even, and what is settled stays.
            let loads = loads(&subscriptions, &owners);
            for (id, owner) in &owners {
                let name = topics.iter().find(|(_, shape)| shape.topic_id == id.topic_id).unwrap().0;
                for (other, names) in &subscriptions {
                    prop_assert!(!names.contains(name) || loads[other] + 2 > loads[owner]);
                }
            }
            prop_assert_eq!(&run(assignor, &subscriptions, &topics, &owners), &owners);
        }
    }

    #[test]
    fn range_is_even_in_each_topic(partitions in 0_u32..40, members in 1_usize..9) {
        let topics = topics(&[partitions]);
        let subscriptions = everyone_reads_all(0..members, &topics);
        let owners = run(Assignor::Range, &subscriptions, &topics, &Owners::new());
        prop_assert!(is_even(&loads(&subscriptions, &owners)));
    }

    #[test]
    fn sticky_is_even_and_moves_the_fewest_possible(
        partitions in proptest::collection::vec(0_u32..20, 1..4),
        former in proptest::collection::vec(0_usize..8, 60),
        alive in proptest::collection::btree_set(0_usize..8, 1..8),
    ) {
        let topics = topics(&partitions);
        let subscriptions = everyone_reads_all(alive.into_iter(), &topics);
        let all: Vec<_> = topics.values().flat_map(|&shape| super::partitions(shape)).collect();
        let present: Owners =
            all.iter().zip(&former).map(|(&id, &place)| (id, member(place))).collect();
        let owners = run(Assignor::StickyCooperative, &subscriptions, &topics, &present);
        prop_assert!(is_complete(&subscriptions, &topics, &owners));
        prop_assert!(is_even(&loads(&subscriptions, &owners)));
        let moved = owners.iter().filter(|(id, owner)| present[id] != **owner).count();
        // Each member may keep its even share; of the larger shares there are only so many.
        let (each, larger) = (all.len() / subscriptions.len(), all.len() % subscriptions.len());
        let had = |m: &MemberId| present.values().filter(|owner| *owner == m).count();
        let small: usize = subscriptions.keys().map(|m| had(m).min(each)).sum();
        let above = subscriptions.keys().filter(|m| had(m) > each).count();
        prop_assert_eq!(moved, all.len() - small - above.min(larger));
    }
}
