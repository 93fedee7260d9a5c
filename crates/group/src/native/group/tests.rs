//! Single rules of a native group, and random worlds of members, lost replies, pauses and
//! coordinator failures, with the real offsets state machine behind.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use floe_model::{FencingToken, PartitionIndex, TopicId, TopicName};
use proptest::prelude::*;
use world::{Act, World};

use super::super::{Assignor, Failure, ProposedRebalance, TopicShape};
use super::*;

pub(super) fn topics(partitions: u32) -> Topics {
    let shape = TopicShape {
        topic_id: TopicId([1; 16]),
        partitions,
    };
    Topics::from([(TopicName::new("t").unwrap(), shape)])
}

pub(super) fn id(index: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId([1; 16]),
        partition: PartitionIndex(index),
    }
}

pub(super) fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(super) fn join(name: &str, assignor: Assignor) -> Event {
    Event::Join(Join {
        member_id: member(name),
        instance_id: None,
        subscription: Subscription {
            topics: topics(1).into_keys().collect(),
            assignor,
        },
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
    })
}

fn sticky(name: &str) -> Event {
    join(name, Assignor::StickyCooperative)
}

fn heartbeat(name: &str, generation: i32, held: &[u32]) -> Event {
    let held = held.iter().copied().map(id).collect();
    Event::Heartbeat {
        member_id: member(name),
        generation: Generation(generation),
        held,
    }
}

fn group(partitions: u32) -> NativeGroup {
    NativeGroup::new(
        GroupName::new("g").unwrap(),
        Generation(0),
        topics(partitions),
    )
}

fn proposal(actions: &[Action]) -> &ProposedRebalance {
    match actions {
        [.., Action::CompleteRebalance(proposal)] => proposal,
        other => panic!("no proposal in {other:?}"),
    }
}

/// Commits and fences a proposal; the token of partition i is 100 * generation + i.
fn complete(group: &mut NativeGroup, now_ms: u64, proposal: &ProposedRebalance) -> Vec<Action> {
    let generation = Generation(proposal.expected_generation.0 + 1);
    let token = |(id, owner): (&TopicIdPartition, &MemberId)| {
        let kept = group
            .owners()
            .get(id)
            .filter(|owned| owned.member_id == *owner);
        let new = generation.0.unsigned_abs() * 100 + id.partition.0;
        (
            *id,
            kept.map_or(FencingToken(new.into()), |owned| owned.token),
        )
    };
    let tokens = proposal.owners.iter().map(token).collect();
    let actions = group.on_event(now_ms, Event::RebalanceCommitted { generation, tokens });
    assert!(matches!(&actions[..], [Action::Fence(f)] if f.generation == generation));
    group.on_event(now_ms, Event::FenceApplied { generation })
}

fn assigned(actions: &[Action]) -> (i32, Vec<u32>) {
    match &actions[0] {
        Action::Answer(Answer::Assigned {
            generation,
            partitions,
            ..
        }) => (
            generation.0,
            partitions.keys().map(|id| id.partition.0).collect(),
        ),
        other => panic!("not an assignment: {other:?}"),
    }
}

/// A group in which `a` owns both partitions, in generation 1.
fn group_of_a() -> NativeGroup {
    let mut group = group(2);
    assert_eq!(group.on_event(0, sticky("a")).len(), 1);
    let actions = group.on_event(200, Event::Tick);
    complete(&mut group, 200, &proposal(&actions).clone());
    assert_eq!(
        assigned(&group.on_event(200, heartbeat("a", 0, &[]))),
        (1, vec![0, 1])
    );
    group
}

#[test]
fn joins_gather_and_members_hear_only_what_is_fenced() {
    let mut group = group(2);
    let joined = Answer::Joined {
        generation: Generation(0),
        heartbeat_interval_ms: 500,
    };
    assert_eq!(group.on_event(0, sticky("a")), [Action::Answer(joined)]);
    group.on_event(150, sticky("b"));
    assert_eq!(group.next_deadline_ms(), Some(200));
    let actions = group.on_event(200, Event::Tick);
    let proposed = proposal(&actions).clone();
    assert_eq!(proposed.members.len(), 2);
    assert_eq!(proposed.protocol, "sticky-cooperative");
    let tokens = proposed
        .owners
        .keys()
        .map(|&id| (id, FencingToken(7)))
        .collect();
    let committed = Event::RebalanceCommitted {
        generation: Generation(1),
        tokens,
    };
    assert!(matches!(
        group.on_event(210, committed)[..],
        [Action::Fence(_)]
    ));
    assert_eq!(
        assigned(&group.on_event(211, heartbeat("a", 0, &[]))),
        (0, vec![])
    );
    assert_eq!(group.phase(), Phase::Rebalancing);
    group.on_event(
        212,
        Event::FenceApplied {
            generation: Generation(1),
        },
    );
    assert_eq!(group.phase(), Phase::Stable);
    assert_eq!(
        assigned(&group.on_event(213, heartbeat("a", 0, &[]))),
        (1, vec![0])
    );
    assert_eq!(
        assigned(&group.on_event(213, heartbeat("b", 0, &[]))),
        (1, vec![1])
    );
}

#[test]
fn a_partition_moves_only_after_its_holder_gave_it_up() {
    let mut group = group_of_a();
    group.on_event(1000, sticky("b"));
    assert_eq!(group.on_event(1200, Event::Tick), []);
    // The holder is told to give one up, but has not yet.
    assert_eq!(
        assigned(&group.on_event(1250, heartbeat("a", 1, &[0, 1]))),
        (1, vec![1])
    );
    let actions = group.on_event(1300, heartbeat("a", 1, &[1]));
    let proposed = proposal(&actions).clone();
    let owners: Vec<_> = proposed.owners.values().map(MemberId::as_str).collect();
    assert_eq!(owners, ["b", "a"]);
    complete(&mut group, 1300, &proposed);
    let tokens: Vec<_> = group.owners().values().map(|owned| owned.token.0).collect();
    assert_eq!(tokens, [200, 101]);
    assert_eq!(
        assigned(&group.on_event(1301, heartbeat("b", 0, &[]))),
        (2, vec![0])
    );
}

#[test]
fn a_heartbeat_from_before_a_partition_was_heard_of_does_not_give_it_up() {
    let mut group = group_of_a();
    group.on_event(1000, sticky("b"));
    assert_eq!(group.on_event(1200, Event::Tick), []);
    // Sent in generation 0 and delayed until now; the holder has long heard of generation 1.
    assert_eq!(group.on_event(1250, heartbeat("a", 0, &[])).len(), 1);
    let actions = group.on_event(1250, heartbeat("a", 1, &[1]));
    assert_eq!(proposal(&actions).owners[&id(0)], member("b"));
}

#[test]
fn a_partition_on_its_way_to_another_is_not_named_to_its_former_holder() {
    let mut group = group_of_a();
    group.on_event(1000, sticky("b"));
    group.on_event(1200, Event::Tick);
    let actions = group.on_event(1300, heartbeat("a", 1, &[1]));
    let proposed = proposal(&actions).clone();
    // The target is the former holder again, but metadata may have the other one already.
    let leave = Event::Leave {
        member_id: member("b"),
    };
    assert_eq!(group.on_event(1310, leave), [Action::Answer(Answer::Left)]);
    assert_eq!(
        assigned(&group.on_event(1320, heartbeat("a", 1, &[1]))),
        (1, vec![1])
    );
    let actions = complete(&mut group, 1330, &proposed);
    assert_eq!(
        proposal(&actions)
            .owners
            .values()
            .filter(|o| o.as_str() == "a")
            .count(),
        2
    );
}

#[test]
fn naming_a_partition_again_takes_back_that_it_was_given_up() {
    let mut group = group_of_a();
    group.on_event(1000, sticky("b"));
    assert_eq!(
        assigned(&group.on_event(1010, heartbeat("a", 1, &[0, 1]))),
        (1, vec![1])
    );
    assert_eq!(
        assigned(&group.on_event(1020, heartbeat("a", 1, &[1]))),
        (1, vec![1])
    );
    group.on_event(
        1030,
        Event::Leave {
            member_id: member("b"),
        },
    );
    assert_eq!(
        assigned(&group.on_event(1040, heartbeat("a", 1, &[1]))),
        (1, vec![0, 1])
    );
    group.on_event(1050, sticky("c"));
    // It holds both again, so that the newcomer has to wait.
    let actions = group.on_event(1300, Event::Tick);
    assert_eq!(actions, []);
    let actions = group.on_event(1310, heartbeat("a", 1, &[1]));
    assert_eq!(proposal(&actions).owners[&id(0)], member("c"));
}

#[test]
fn a_slow_holder_delays_the_others_only_shortly_and_is_out_after_its_rebalance_timeout() {
    let mut group = group_of_a();
    group.on_event(1000, sticky("b"));
    let actions = group.on_event(1500, Event::Tick);
    let proposed = proposal(&actions).clone();
    assert_eq!(proposed.members.len(), 2);
    assert!(proposed.owners.values().all(|owner| owner.as_str() == "a"));
    complete(&mut group, 1500, &proposed);
    for now_ms in (2000..31_000).step_by(1000) {
        let actions = group.on_event(now_ms, heartbeat("a", 2, &[0, 1]));
        assert_eq!((assigned(&actions), actions.len()), ((2, vec![1]), 1));
        group.on_event(now_ms, heartbeat("b", 2, &[]));
    }
    assert_eq!(group.next_deadline_ms(), Some(31_000));
    let actions = group.on_event(31_000, Event::Tick);
    assert_eq!(
        proposal(&actions).members.keys().collect::<Vec<_>>(),
        [&member("b")]
    );
    let out = Action::Answer(Answer::Refused(ErrorCode::UnknownMember));
    assert_eq!(group.on_event(31_001, heartbeat("a", 2, &[0, 1])), [out]);
}

#[test]
fn a_silent_member_is_out_and_its_partitions_go_at_once() {
    let mut group = group_of_a();
    assert_eq!(group.next_deadline_ms(), Some(10_200));
    let actions = group.on_event(10_200, Event::Tick);
    let proposed = proposal(&actions).clone();
    assert!(proposed.members.is_empty() && proposed.owners.is_empty());
    complete(&mut group, 10_200, &proposed);
    assert_eq!(
        (group.phase(), group.generation()),
        (Phase::Empty, Generation(2))
    );
    assert_eq!(group.standalone_commits(), StandaloneCommits::Ready);
}

#[test]
fn an_unknown_outcome_is_read_and_adopted_or_proposed_again() {
    for was_applied in [false, true] {
        let mut group = group(1);
        group.on_event(0, sticky("a"));
        let actions = group.on_event(200, Event::Tick);
        let proposed = proposal(&actions).clone();
        assert_eq!(
            group.on_event(300, Event::RebalanceFailed(Failure::Unknown)),
            []
        );
        assert_eq!(group.on_event(400, Event::Tick), [Action::ReadOwnership]);
        let owned = Owned {
            member_id: member("a"),
            token: FencingToken(9),
        };
        let record = match was_applied {
            false => Ownership::default(),
            true => Ownership {
                generation: Generation(1),
                members: proposed.members.clone(),
                owners: BTreeMap::from([(id(0), owned)]),
            },
        };
        let actions = group.on_event(500, Event::OwnershipRead(record));
        match was_applied {
            false => assert_eq!(actions, [Action::CompleteRebalance(proposed)]),
            true => assert!(matches!(actions[..], [Action::Fence(_)])),
        }
    }
}

#[test]
fn another_coordinator_closes_the_group() {
    for event in [
        Event::RebalanceFailed(Failure::NotCoordinator),
        Event::OwnershipRead(Ownership {
            generation: Generation(5),
            ..Ownership::default()
        }),
    ] {
        let mut group = group(1);
        group.on_event(0, sticky("a"));
        group.on_event(200, Event::Tick);
        assert_eq!(group.on_event(300, event), [Action::Close]);
        let gone = || vec![Action::Answer(Answer::Refused(ErrorCode::NotCoordinator))];
        assert_eq!(group.on_event(301, heartbeat("a", 0, &[])), gone());
        assert_eq!(group.on_event(301, sticky("b")), gone());
        assert_eq!(group.next_deadline_ms(), None);
    }
}

#[test]
fn a_new_coordinator_fences_first_and_grants_a_full_session() {
    let former = group_of_a();
    let record = former.settled;
    let name = GroupName::new("g").unwrap();
    let (mut group, actions) = NativeGroup::restore(50_000, name, record.clone(), topics(2));
    assert!(matches!(&actions[..], [Action::Fence(f)] if f.generation == Generation(1)));
    let loading = Action::Answer(Answer::Refused(ErrorCode::CoordinatorLoading));
    assert_eq!(
        group.on_event(50_100, heartbeat("a", 1, &[0, 1])),
        [loading]
    );
    assert_eq!(
        group.on_event(50_200, Event::FenceFailed(Failure::Unknown)),
        []
    );
    assert!(matches!(
        group.on_event(50_300, Event::Tick)[..],
        [Action::Fence(_)]
    ));
    // A session timeout passes while nobody could be heard.
    group.on_event(64_000, Event::Tick);
    assert_eq!(
        group.on_event(
            65_000,
            Event::FenceApplied {
                generation: Generation(1)
            }
        ),
        []
    );
    assert_eq!(group.next_deadline_ms(), Some(75_000));
    assert_eq!(
        assigned(&group.on_event(66_000, heartbeat("a", 1, &[0, 1]))),
        (1, vec![0, 1])
    );
    assert_eq!(
        (group.owners(), group.phase()),
        (&record.owners, Phase::Stable)
    );
}

#[test]
fn a_static_member_that_comes_back_takes_its_partitions_over() {
    let mut group = group(2);
    let named = |name: &str, instance: &str| match sticky(name) {
        Event::Join(join) => Event::Join(Join {
            instance_id: Some(instance.to_owned()),
            ..join
        }),
        other => other,
    };
    group.on_event(0, named("a1", "a"));
    group.on_event(0, named("b1", "b"));
    let actions = group.on_event(200, Event::Tick);
    complete(&mut group, 200, &proposal(&actions).clone());
    // Sorts after "b1", so that only the inheritance gives it the former partition.
    group.on_event(300, named("x2", "a"));
    let out = Action::Answer(Answer::Refused(ErrorCode::UnknownMember));
    assert_eq!(group.on_event(301, heartbeat("a1", 1, &[0])), [out]);
    let actions = group.on_event(500, Event::Tick);
    assert_eq!(proposal(&actions).owners[&id(0)], member("x2"));
    complete(&mut group, 500, &proposal(&actions).clone());
    assert_eq!(group.owners()[&id(0)].token, FencingToken(200));
}

#[test]
fn commits_from_outside_wait_for_an_empty_fence() {
    let mut group = group(1);
    assert_eq!(group.standalone_commits(), StandaloneCommits::Pending);
    let actions = group.on_event(0, Event::PrepareStandalone);
    complete(&mut group, 0, &proposal(&actions).clone());
    assert_eq!(group.standalone_commits(), StandaloneCommits::Ready);
    assert_eq!(group.on_event(1, Event::PrepareStandalone), []);
    group.on_event(1, sticky("a"));
    assert_eq!(group.standalone_commits(), StandaloneCommits::HasMembers);
}

#[test]
fn joins_that_make_no_sense_are_refused() {
    let mut group = group_of_a();
    let refused = Action::Answer(Answer::Refused(ErrorCode::InvalidRequest));
    let actions = group.on_event(300, join("b", Assignor::Range));
    assert_eq!(actions[0], refused);
    let Event::Join(mut zero) = sticky("b") else {
        unreachable!()
    };
    zero.session_timeout_ms = 0;
    assert_eq!(group.on_event(300, Event::Join(zero)), [refused]);
    // A retry of a join changes nothing.
    assert_eq!(group.on_event(300, sticky("a")).len(), 1);
    assert_eq!(
        (group.phase(), group.gather_until_ms),
        (Phase::Stable, None)
    );
}

#[test]
fn new_partitions_are_assigned_and_those_of_a_deleted_topic_go() {
    let mut group = group_of_a();
    let actions = group.on_event(300, Event::TopicsChanged(topics(3)));
    complete(&mut group, 300, &proposal(&actions).clone());
    assert_eq!(
        assigned(&group.on_event(301, heartbeat("a", 1, &[0, 1]))),
        (2, vec![0, 1, 2])
    );
    let actions = group.on_event(400, Event::TopicsChanged(Topics::new()));
    assert!(proposal(&actions).owners.is_empty());
    assert_eq!(
        assigned(&group.on_event(401, heartbeat("a", 2, &[0, 1, 2]))),
        (2, vec![])
    );
}

#[test]
fn a_deleted_group_goes_on_counting() {
    let name = GroupName::new("g").unwrap();
    let mut group = NativeGroup::new(name, Generation(41), topics(1));
    group.on_event(0, sticky("a"));
    let actions = group.on_event(200, Event::Tick);
    assert_eq!(proposal(&actions).expected_generation, Generation(41));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_worlds_are_safe_and_settle(
        is_range in any::<bool>(),
        acts in proptest::collection::vec(any::<Act>(), 1..150),
    ) {
        let assignor = if is_range { Assignor::Range } else { Assignor::StickyCooperative };
        let mut world = World::new(assignor);
        for act in acts {
            world.act(act);
        }
        world.settle();
    }
}
