//! Single rules of a consumer group, and random worlds of members, pauses, lost answers and
//! coordinator failures, with the real offsets state machine behind.
#![allow(clippy::unwrap_used)]

mod world;

use floe_model::{PartitionIndex, TopicId};
use proptest::prelude::*;
use world::{Act, World};

use super::super::{Beaten, Failure, TopicShape};
use super::*;

pub(super) fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(super) fn at(topic: u8, partition: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId([topic; 16]),
        partition: PartitionIndex(partition),
    }
}

/// Partitions of topic 1.
fn parts(indexes: &[u32]) -> BTreeSet<TopicIdPartition> {
    indexes.iter().map(|&index| at(1, index)).collect()
}

/// Topics `t1`, `t2`, ... with these numbers of partitions.
pub(super) fn topics(partitions: &[u32]) -> Topics {
    let shape = |(place, &partitions): (usize, &u32)| {
        let number = place as u8 + 1;
        let topic_id = TopicId([number; 16]);
        (
            topic(&format!("t{number}")),
            TopicShape {
                topic_id,
                partitions,
            },
        )
    };
    partitions.iter().enumerate().map(shape).collect()
}

pub(super) fn group_name() -> GroupName {
    GroupName::new("g").unwrap()
}

fn group(partitions: &[u32]) -> ConsumerGroup {
    let limits = Limits::default();
    ConsumerGroup::new(group_name(), Generation(0), topics(partitions), limits)
}

/// A heartbeat that says nothing new.
pub(super) fn beat(name: &str, member_epoch: i32) -> Heartbeat {
    Heartbeat {
        member_id: member(name),
        member_epoch,
        instance_id: None,
        rack: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        rebalance_timeout_ms: None,
        topics: None,
        pattern: None,
        assignor: None,
        owned: None,
    }
}

pub(super) fn join(name: &str) -> Heartbeat {
    Heartbeat {
        rebalance_timeout_ms: Some(30_000),
        topics: Some([topic("t1")].into()),
        owned: Some(BTreeSet::new()),
        ..beat(name, 0)
    }
}

fn holding(name: &str, member_epoch: i32, indexes: &[u32]) -> Heartbeat {
    Heartbeat {
        owned: Some(parts(indexes)),
        ..beat(name, member_epoch)
    }
}

/// Carries out what the group wants of metadata and of the offsets log, at once; gives back the
/// answers.
fn settle(group: &mut ConsumerGroup, now_ms: u64, event: Event) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        for action in group.on_event(now_ms, event) {
            match action {
                Action::Answer(_, answer) => answers.push(answer),
                Action::Propose(proposal) => {
                    events.push(Event::ProposalCommitted(Generation(
                        proposal.expected.0 + 1,
                    )));
                }
                Action::Fence(fence) => events.push(Event::FenceApplied(fence.generation)),
                Action::ReadRecord | Action::Close => panic!("unexpected {action:?}"),
            }
        }
    }
    answers
}

fn said(group: &mut ConsumerGroup, now_ms: u64, beat: Heartbeat) -> Answer {
    let event = Event::Heartbeat(Ticket(1), Box::new(beat));
    let mut answers = settle(group, now_ms, event);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn told(member_epoch: i32, indexes: &[u32]) -> Answer {
    Ok(Beaten {
        member_epoch,
        assignment: Some(parts(indexes)),
    })
}

fn unchanged(member_epoch: i32) -> Answer {
    Ok(Beaten {
        member_epoch,
        assignment: None,
    })
}

/// `a` and `b` share four partitions of `t1`; both in epoch 2.
fn group_of_two() -> ConsumerGroup {
    let mut group = group(&[4]);
    assert_eq!(said(&mut group, 0, join("a")), told(1, &[0, 1, 2, 3]));
    assert_eq!(said(&mut group, 0, join("b")), told(2, &[]));
    let Ok(Beaten {
        member_epoch: 1,
        assignment: Some(kept),
    }) = said(&mut group, 0, beat("a", 1))
    else {
        panic!("a was to give up two");
    };
    assert_eq!(kept.len(), 2);
    let freed = Heartbeat {
        owned: Some(kept.clone()),
        ..beat("a", 1)
    };
    assert_eq!(said(&mut group, 0, freed), unchanged(2));
    let Ok(Beaten {
        member_epoch: 2,
        assignment: Some(gained),
    }) = said(&mut group, 0, beat("b", 2))
    else {
        panic!("b was to get two");
    };
    assert!(kept.is_disjoint(&gained));
    assert_eq!(group.phase(), Phase::Stable);
    group
}

fn held_by(group: &ConsumerGroup, name: &str) -> BTreeSet<TopicIdPartition> {
    group.members[&member(name)].assigned.clone()
}

#[test]
fn a_partition_is_handed_over_only_when_its_holder_says_it_gave_it_up() {
    let mut group = group(&[2]);
    assert_eq!(said(&mut group, 0, join("a")), told(1, &[0, 1]));
    assert_eq!(said(&mut group, 0, join("b")), told(2, &[]));
    let Ok(Beaten {
        assignment: Some(kept),
        ..
    }) = said(&mut group, 0, beat("a", 1))
    else {
        panic!("nothing to give up");
    };
    // It still owns both, says nothing, says it again: `b` waits.
    assert_eq!(said(&mut group, 0, holding("a", 1, &[0, 1])), unchanged(1));
    assert_eq!(said(&mut group, 0, beat("a", 1)), unchanged(1));
    assert_eq!(said(&mut group, 0, beat("b", 2)), unchanged(2));
    assert_eq!(group.phase(), Phase::Reconciling);
    let freed = Heartbeat {
        owned: Some(kept.clone()),
        ..beat("a", 1)
    };
    assert_eq!(said(&mut group, 0, freed), unchanged(2));
    let rest: BTreeSet<_> = parts(&[0, 1]).difference(&kept).copied().collect();
    let expected = Ok(Beaten {
        member_epoch: 2,
        assignment: Some(rest),
    });
    assert_eq!(said(&mut group, 0, beat("b", 2)), expected);
    assert_eq!(group.phase(), Phase::Stable);
}

#[test]
fn members_that_join_while_a_decision_is_on_its_way_share_the_next_one() {
    let mut group = group(&[6]);
    let arrive = |group: &mut ConsumerGroup, ticket, name| {
        group.on_event(0, Event::Heartbeat(Ticket(ticket), Box::new(join(name))))
    };
    assert!(matches!(
        arrive(&mut group, 1, "a")[..],
        [Action::Propose(_)]
    ));
    assert_eq!(arrive(&mut group, 2, "b"), []);
    assert_eq!(arrive(&mut group, 3, "c"), []);
    let fence = group.on_event(0, Event::ProposalCommitted(Generation(1)));
    assert!(matches!(&fence[..], [Action::Fence(fence)] if fence.members.len() == 1));
    let next = group.on_event(0, Event::FenceApplied(Generation(1)));
    let [Action::Answer(Ticket(1), Ok(_)), Action::Propose(proposal)] = &next[..] else {
        panic!("{next:?}");
    };
    assert_eq!(proposal.members.len(), 3);
    group.on_event(0, Event::ProposalCommitted(Generation(2)));
    assert_eq!(
        group.on_event(0, Event::FenceApplied(Generation(2))).len(),
        2
    );
}

#[test]
fn an_epoch_that_is_not_the_current_one_is_fenced_except_for_one_lost_answer() {
    let mut group = group_of_two();
    let kept = held_by(&group, "a");
    let ahead = said(&mut group, 0, beat("a", 9));
    assert_eq!(ahead, Err(Refused::FencedMemberEpoch));
    let late = Heartbeat {
        owned: Some(kept.clone()),
        ..beat("a", 1)
    };
    let again = Ok(Beaten {
        member_epoch: 2,
        assignment: Some(kept),
    });
    assert_eq!(said(&mut group, 0, late), again);
    // With more than it may hold, or without saying, it is not that.
    let zombie = said(&mut group, 0, holding("a", 1, &[0, 1, 2, 3]));
    assert_eq!(zombie, Err(Refused::FencedMemberEpoch));
    let silent = said(&mut group, 0, beat("a", 1));
    assert_eq!(silent, Err(Refused::FencedMemberEpoch));
    let stranger = said(&mut group, 0, beat("z", 2));
    assert_eq!(stranger, Err(Refused::UnknownMember));
    let nonsense = said(&mut group, 0, beat("a", -3));
    assert_eq!(nonsense, Err(Refused::Invalid));
}

#[test]
fn a_join_that_is_repeated_changes_nothing_and_one_of_a_fenced_member_gives_a_new_epoch() {
    let mut group = group(&[2]);
    assert_eq!(said(&mut group, 0, join("a")), told(1, &[0, 1]));
    assert_eq!(said(&mut group, 0, join("a")), told(1, &[0, 1]));
    assert_eq!(said(&mut group, 0, join("b")), told(2, &[]));
    said(&mut group, 0, beat("a", 1)).unwrap();
    let kept: Vec<_> = held_by(&group, "a")
        .iter()
        .map(|id| id.partition.0)
        .collect();
    assert_eq!(said(&mut group, 0, holding("a", 1, &kept)), unchanged(2));
    let Ok(back) = said(&mut group, 0, join("a")) else {
        panic!("not let in again");
    };
    assert!(back.member_epoch > 2, "{back:?}");
    let old = group.check_epoch(&member("a"), 2);
    assert_eq!(old, Err(Refused::StaleMemberEpoch));
    assert_eq!(group.check_epoch(&member("a"), back.member_epoch), Ok(()));
}

#[test]
fn a_silent_member_is_out_after_its_session_and_one_that_gives_nothing_up_after_its_time() {
    let mut group = group(&[2]);
    assert_eq!(said(&mut group, 0, join("a")), told(1, &[0, 1]));
    assert_eq!(said(&mut group, 0, join("b")), told(2, &[]));
    said(&mut group, 0, beat("a", 1)).unwrap();
    assert_eq!(group.next_deadline_ms(), Some(30_000));
    for now_ms in [10_000, 20_000, 29_999] {
        assert_eq!(
            said(&mut group, now_ms, holding("a", 1, &[0, 1])),
            unchanged(1)
        );
        assert_eq!(said(&mut group, now_ms, beat("b", 2)), unchanged(2));
    }
    assert_eq!(settle(&mut group, 30_000, Event::Tick), []);
    let out = said(&mut group, 30_000, holding("a", 1, &[0, 1]));
    assert_eq!(out, Err(Refused::UnknownMember));
    assert_eq!(said(&mut group, 30_000, beat("b", 2)), told(4, &[0, 1]));
    assert_eq!(group.next_deadline_ms(), Some(75_000));
    settle(&mut group, 75_000, Event::Tick);
    assert_eq!(group.phase(), Phase::Empty);
    assert_eq!(group.standalone_commits(), StandaloneCommits::Ready);
}

#[test]
fn a_static_member_that_left_to_come_back_is_replaced_and_finds_what_it_left() {
    let mut group = group(&[4]);
    let fixed = |name: &str, epoch| Heartbeat {
        instance_id: Some("i".to_owned()),
        ..match epoch {
            0 => join(name),
            _ => beat(name, epoch),
        }
    };
    assert_eq!(said(&mut group, 0, fixed("a", 0)), told(1, &[0, 1, 2, 3]));
    let unreleased = said(&mut group, 0, fixed("b", 0));
    assert_eq!(unreleased, Err(Refused::UnreleasedInstance));
    assert_eq!(said(&mut group, 0, fixed("a", -2)), unchanged(-2));
    let away = group.check_epoch(&member("a"), -2);
    assert_eq!(away, Err(Refused::StaleMemberEpoch));
    // Others get nothing of it meanwhile.
    assert_eq!(said(&mut group, 0, join("c")), told(3, &[]));
    assert_eq!(said(&mut group, 0, beat("c", 3)), unchanged(3));
    let Ok(back) = said(&mut group, 0, fixed("b", 0)) else {
        panic!("not let in");
    };
    assert_eq!(back.assignment.unwrap(), held_by(&group, "b"));
    assert_eq!(held_by(&group, "b").len(), 2);
    let former = said(&mut group, 0, fixed("a", 1));
    assert_eq!(former, Err(Refused::FencedInstance));
    let unknown = group.check_epoch(&member("a"), 1);
    assert_eq!(unknown, Err(Refused::UnknownMember));
    assert_eq!(said(&mut group, 0, beat("c", -2)), Err(Refused::Invalid));
}

#[test]
fn a_static_member_that_does_not_come_back_is_out_after_its_session() {
    let mut group = group(&[2]);
    let fixed = Heartbeat {
        instance_id: Some("i".to_owned()),
        ..join("a")
    };
    said(&mut group, 0, fixed.clone()).unwrap();
    said(&mut group, 0, join("b")).unwrap();
    let away = Heartbeat {
        member_epoch: -2,
        ..fixed
    };
    said(&mut group, 1_000, away).unwrap();
    said(&mut group, 30_000, beat("b", 2)).unwrap();
    settle(&mut group, 46_000, Event::Tick);
    assert_eq!(group.member_count(), 1);
    let Ok(Beaten { assignment, .. }) = said(&mut group, 46_000, beat("b", 2)) else {
        panic!("refused");
    };
    assert_eq!(assignment, Some(parts(&[0, 1])));
}

#[test]
fn a_pattern_takes_in_topics_that_come_later() {
    let mut group = group(&[1]);
    let all = Heartbeat {
        topics: None,
        pattern: Some("t[0-9]".to_owned()),
        ..join("a")
    };
    assert_eq!(said(&mut group, 0, all), told(1, &[0]));
    settle(&mut group, 0, Event::TopicsChanged(topics(&[1, 1])));
    let both = Ok(Beaten {
        member_epoch: 2,
        assignment: Some([at(1, 0), at(2, 0)].into()),
    });
    assert_eq!(said(&mut group, 0, beat("a", 1)), both);
    // Topics that nobody reads are no reason for an epoch.
    settle(&mut group, 0, Event::TopicsChanged(topics(&[1, 1])));
    assert_eq!(said(&mut group, 0, beat("a", 2)), unchanged(2));
    let bad = Heartbeat {
        pattern: Some("(".to_owned()),
        ..beat("a", 2)
    };
    assert_eq!(said(&mut group, 0, bad), Err(Refused::InvalidPattern));
    assert!(group.is_subscribed("t7") && !group.is_subscribed("orders"));
}

#[test]
fn most_members_choose_the_way_to_assign() {
    let mut group = group(&[5]);
    let ranged = |name| Heartbeat {
        assignor: Some(Assignor::Range),
        ..join(name)
    };
    said(&mut group, 0, join("a")).unwrap();
    assert_eq!(group.describe().assignor, Assignor::StickyCooperative);
    said(&mut group, 0, ranged("b")).unwrap();
    assert_eq!(group.describe().assignor, Assignor::Range);
    let target = |name: &str| group.members[&member(name)].target.clone();
    assert_eq!(
        (target("a"), target("b")),
        (parts(&[0, 1, 2]), parts(&[3, 4]))
    );
}

#[test]
fn a_proposal_of_unknown_outcome_is_found_out_before_anybody_hears_of_it() {
    let mut group = group(&[1]);
    let event = Event::Heartbeat(Ticket(1), Box::new(join("a")));
    let [Action::Propose(proposal)] = &group.on_event(0, event)[..] else {
        panic!("no proposal");
    };
    let proposal = proposal.clone();
    assert_eq!(
        group.on_event(0, Event::ProposalFailed(Failure::Unknown)),
        []
    );
    assert_eq!(group.next_deadline_ms(), Some(100));
    assert_eq!(group.on_event(100, Event::Tick), [Action::ReadRecord]);
    let absent = Record::default();
    let again = group.on_event(100, Event::RecordRead(absent));
    assert_eq!(again, [Action::Propose(proposal.clone())]);
    let there = Record {
        generation: Generation(1),
        members: proposal.members,
    };
    let fence = group.on_event(100, Event::RecordRead(there.clone()));
    assert!(matches!(fence[..], [Action::Fence(_)]));
    group.on_event(100, Event::FenceFailed(Failure::Unknown));
    assert!(matches!(
        group.on_event(200, Event::Tick)[..],
        [Action::Fence(_)]
    ));
    let answered = group.on_event(200, Event::FenceApplied(Generation(1)));
    assert_eq!(answered, [Action::Answer(Ticket(1), told(1, &[0]))]);
    // Another's record: nothing more of this coordinator.
    group.on_event(200, Event::Heartbeat(Ticket(2), Box::new(join("b"))));
    let foreign = Record {
        generation: Generation(7),
        ..there
    };
    let closed = group.on_event(300, Event::RecordRead(foreign));
    let refused = Action::Answer(Ticket(2), Err(Refused::NotCoordinator));
    assert_eq!(closed, [refused, Action::Close]);
}

#[test]
fn a_restored_group_goes_on_where_it_was() {
    let mut group = group_of_two();
    let mut actions = Vec::new();
    group.propose(&mut actions);
    let [Action::Propose(proposal)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let record = Record {
        generation: Generation(7),
        members: proposal.members.clone(),
    };
    let limits = Limits::default();
    let (mut restored, actions) =
        ConsumerGroup::restore(50_000, group_name(), &record, topics(&[4]), limits);
    let [Action::Fence(fence)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(fence.members[&member("a")], 2);
    let early = restored.on_event(50_000, Event::Heartbeat(Ticket(1), Box::new(beat("a", 2))));
    assert_eq!(early, []);
    let loading = restored.check_epoch(&member("a"), 2);
    assert_eq!(loading, Err(Refused::Loading));
    let ready = restored.on_event(60_000, Event::FenceApplied(Generation(7)));
    assert_eq!(ready, [Action::Answer(Ticket(1), unchanged(2))]);
    assert_eq!(restored.phase(), Phase::Stable);
    assert_eq!(restored.next_deadline_ms(), Some(105_000));
    assert_eq!(held_by(&restored, "b"), held_by(&group, "b"));
}

#[test]
fn a_group_takes_no_more_of_its_members_words_than_its_record_has_room_for() {
    let mut group = group(&[1]);
    said(&mut group, 0, join("a")).unwrap();
    let names = (0..5_000).map(|place| topic(&format!("{place:0>120}")));
    let talker = Heartbeat {
        topics: Some(names.collect()),
        ..join("b")
    };
    assert_eq!(said(&mut group, 0, talker), Err(Refused::GroupFull));
    assert_eq!(group.member_count(), 1);
}

proptest! {
    #[test]
    fn no_two_members_that_may_commit_hold_a_partition_and_all_get_theirs(
        acts in proptest::collection::vec(any::<[u8; 3]>(), 1..160),
    ) {
        let mut world = World::new();
        for bytes in acts {
            world.act(Act::from(bytes));
            world.check();
        }
        world.calm_down();
    }
}
