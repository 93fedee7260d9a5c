//! Single rules of a classic group, and random worlds of members, pauses, lost answers and
//! coordinator failures, with the real offsets state machine behind.
#![allow(clippy::unwrap_used)]

mod world;

use proptest::prelude::*;
use world::{Act, World};

use super::super::{Failure, Join, Joined, Leaving, Proposal, Protocol, Sync, Synced};
use super::*;

pub(super) fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(super) fn limits(initial_rebalance_delay_ms: u32) -> Limits {
    Limits {
        initial_rebalance_delay_ms,
        ..Limits::default()
    }
}

pub(super) fn group(initial_rebalance_delay_ms: u32) -> ClassicGroup {
    let name = GroupName::new("g").unwrap();
    ClassicGroup::new(name, Generation(0), limits(initial_rebalance_delay_ms))
}

/// A join under the old rules, which need no id first.
pub(super) fn join(member_id: Option<&str>, new_member_id: &str) -> Join {
    let protocol = |name: &str| Protocol {
        name: name.to_owned(),
        metadata: b"\0\0\0\0\0\x01\0\x01t".to_vec(),
    };
    Join {
        member_id: member_id.map(member),
        new_member_id: member(new_member_id),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol("range"), protocol("roundrobin")],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        is_id_required: false,
        may_skip_assignment: false,
    }
}

fn instance(new_member_id: &str, instance_id: &str) -> Join {
    Join {
        instance_id: Some(instance_id.to_owned()),
        ..join(None, new_member_id)
    }
}

pub(super) fn claim(name: &str, generation: i32) -> Claim {
    Claim {
        member_id: member(name),
        instance_id: None,
        generation: Generation(generation),
    }
}

pub(super) fn sync(name: &str, generation: i32, assignments: &[(&str, u8)]) -> Sync {
    let assignment = |&(name, byte): &(&str, u8)| (member(name), vec![byte]);
    Sync {
        claim: claim(name, generation),
        protocol_type: None,
        protocol: None,
        assignments: assignments.iter().map(assignment).collect(),
    }
}

/// Carries out what the group wants of metadata and of the offsets log, at once; gives back the
/// answers.
fn settle(group: &mut ClassicGroup, now_ms: u64, event: Event) -> Vec<(u64, Answer)> {
    let mut answers = Vec::new();
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        for action in group.on_event(now_ms, event) {
            match action {
                Action::Answer(Ticket(ticket), answer) => answers.push((ticket, answer)),
                Action::Propose(Proposal::Rebalance { expected, .. }) => {
                    events.push(Event::ProposalCommitted(Generation(expected.0 + 1)));
                }
                Action::Propose(_) => events.push(Event::ProposalCommitted(group.generation())),
                Action::Fence(fence) => events.push(Event::FenceApplied(fence.generation)),
                Action::ReadRecord | Action::Close => panic!("unexpected {action:?}"),
            }
        }
    }
    answers
}

fn joined(answer: &Answer) -> &Joined {
    match answer {
        Answer::Joined(joined) => joined,
        other => panic!("not joined: {other:?}"),
    }
}

fn heartbeat(group: &mut ClassicGroup, now_ms: u64, claim: Claim) -> Answer {
    let answers = settle(group, now_ms, Event::Heartbeat(Ticket(99), claim));
    answers[0].1.clone()
}

fn refused(why: Refused) -> Vec<(u64, Answer)> {
    vec![(1, Answer::Refused(why))]
}

/// A stable group of `a` and `b`, in generation 2; `a` leads.
fn group_of_two() -> ClassicGroup {
    let mut group = group(0);
    settle(&mut group, 0, Event::Join(Ticket(1), join(None, "a")));
    settle(
        &mut group,
        0,
        Event::Sync(Ticket(2), sync("a", 1, &[("a", 1)])),
    );
    assert_eq!(
        settle(&mut group, 0, Event::Join(Ticket(3), join(None, "b"))),
        []
    );
    let answers = settle(&mut group, 0, Event::Join(Ticket(4), join(Some("a"), "x")));
    assert_eq!(answers.len(), 2);
    assert_eq!(
        settle(&mut group, 0, Event::Sync(Ticket(5), sync("b", 2, &[]))),
        []
    );
    let assignments = [("a", 7), ("b", 8)];
    let answers = settle(
        &mut group,
        0,
        Event::Sync(Ticket(6), sync("a", 2, &assignments)),
    );
    assert_eq!(answers.len(), 2);
    assert_eq!(group.phase(), Phase::Stable);
    group
}

#[test]
fn the_leader_alone_sees_the_members_and_everybody_gets_its_assignment() {
    let mut group = group_of_two();
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), join(Some("b"), "x")));
    let b = joined(&answers[0].1);
    assert_eq!((b.generation, b.members.len()), (Generation(2), 0));
    assert_eq!((&b.leader, b.protocol.as_str()), (&member("a"), "range"));
    let answers = settle(&mut group, 0, Event::Sync(Ticket(1), sync("b", 2, &[])));
    let Answer::Synced(Synced { assignment, .. }) = &answers[0].1 else {
        panic!("{answers:?}");
    };
    assert_eq!(assignment, &[8]);
    assert_eq!(heartbeat(&mut group, 0, claim("b", 2)), Answer::Alive);
    // The leader joins again: everybody has to.
    assert_eq!(
        settle(&mut group, 0, Event::Join(Ticket(1), join(Some("a"), "x"))),
        []
    );
    let again = Answer::Refused(Refused::RebalanceInProgress);
    assert_eq!(heartbeat(&mut group, 0, claim("b", 2)), again);
    let answers = settle(&mut group, 0, Event::Join(Ticket(2), join(Some("b"), "x")));
    let a = answers.iter().find(|(ticket, _)| *ticket == 1).unwrap();
    assert_eq!(joined(&a.1).members.len(), 2);
    assert_eq!(joined(&a.1).generation, Generation(3));
}

#[test]
fn a_new_member_of_version_4_gets_an_id_first_and_an_older_one_joins_at_once() {
    let mut group = group(0);
    let first = Join {
        is_id_required: true,
        ..join(None, "a")
    };
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), first.clone()));
    assert_eq!(answers, [(1, Answer::MemberIdRequired(member("a")))]);
    assert_eq!(group.member_count(), 0);
    let second = Join {
        member_id: Some(member("a")),
        new_member_id: member("b"),
        ..first
    };
    let answers = settle(&mut group, 0, Event::Join(Ticket(2), second.clone()));
    assert_eq!(joined(&answers[0].1).member_id, member("a"));
    let stranger = Join {
        member_id: Some(member("z")),
        ..second
    };
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), stranger));
    assert_eq!(answers, refused(Refused::UnknownMember));
}

#[test]
fn a_promised_id_holds_the_rebalance_up_until_it_expires() {
    let mut group = group(0);
    let promised = Join {
        is_id_required: true,
        ..join(None, "slow")
    };
    settle(&mut group, 0, Event::Join(Ticket(1), promised));
    assert_eq!(
        settle(&mut group, 0, Event::Join(Ticket(2), join(None, "a"))),
        []
    );
    assert_eq!(settle(&mut group, 9_999, Event::Tick), []);
    assert_eq!(group.next_deadline_ms(), Some(10_000));
    let answers = settle(&mut group, 10_000, Event::Tick);
    assert_eq!(joined(&answers[0].1).members.len(), 1);
}

#[test]
fn an_empty_group_gathers_members_as_long_as_more_come() {
    let mut group = group(3_000);
    assert_eq!(
        settle(&mut group, 0, Event::Join(Ticket(1), join(None, "a"))),
        []
    );
    assert_eq!(group.next_deadline_ms(), Some(3_000));
    assert_eq!(
        settle(&mut group, 2_000, Event::Join(Ticket(2), join(None, "b"))),
        []
    );
    assert_eq!(settle(&mut group, 3_000, Event::Tick), []);
    let answers = settle(&mut group, 6_000, Event::Tick);
    assert_eq!(answers.len(), 2);
    assert_eq!(group.generation(), Generation(1));
}

#[test]
fn who_does_not_rejoin_or_sync_in_time_is_out() {
    let mut group = group_of_two();
    assert_eq!(
        settle(&mut group, 0, Event::Join(Ticket(1), join(Some("a"), "x"))),
        []
    );
    for now_ms in [9_000, 18_000, 27_000] {
        heartbeat(&mut group, now_ms, claim("b", 2));
        settle(&mut group, now_ms, Event::Tick);
    }
    let answers = settle(&mut group, 30_000, Event::Tick);
    assert_eq!(joined(&answers[0].1).members.len(), 1);
    assert_eq!(
        heartbeat(&mut group, 30_000, claim("b", 2)),
        Answer::Refused(Refused::UnknownMember)
    );
    for now_ms in [39_000, 48_000, 57_000] {
        assert_eq!(heartbeat(&mut group, now_ms, claim("a", 3)), Answer::Alive);
    }
    settle(&mut group, 60_000, Event::Tick);
    assert_eq!((group.phase(), group.member_count()), (Phase::Empty, 0));
    assert_eq!(group.generation(), Generation(4));
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut group = group_of_two();
    heartbeat(&mut group, 5_000, claim("a", 2));
    assert_eq!(group.next_deadline_ms(), Some(10_000));
    settle(&mut group, 10_000, Event::Tick);
    assert_eq!((group.phase(), group.member_count()), (Phase::Preparing, 1));
}

#[test]
fn commits_pass_while_members_join_and_not_before_they_synced() {
    let mut group = group_of_two();
    let commit =
        |group: &mut ClassicGroup, claim| settle(group, 0, Event::Commit(Ticket(1), claim));
    assert_eq!(commit(&mut group, claim("a", 2)), [(1, Answer::MayCommit)]);
    assert_eq!(
        commit(&mut group, claim("a", 1)),
        refused(Refused::IllegalGeneration)
    );
    assert_eq!(
        commit(&mut group, claim("z", 2)),
        refused(Refused::UnknownMember)
    );
    settle(&mut group, 0, Event::Join(Ticket(2), join(Some("a"), "x")));
    assert_eq!(commit(&mut group, claim("b", 2)), [(1, Answer::MayCommit)]);
    settle(&mut group, 0, Event::Join(Ticket(3), join(Some("b"), "x")));
    assert_eq!(
        commit(&mut group, claim("b", 3)),
        refused(Refused::RebalanceInProgress)
    );
    assert_eq!(
        commit(&mut group, claim("b", 2)),
        refused(Refused::IllegalGeneration)
    );
}

#[test]
fn protocols_must_agree_and_session_timeouts_be_allowed() {
    let mut group = group_of_two();
    let connect = Join {
        protocol_type: "connect".to_owned(),
        ..join(None, "c")
    };
    let stranger = Join {
        protocols: vec![Protocol {
            name: "mine".to_owned(),
            metadata: Vec::new(),
        }],
        ..join(None, "c")
    };
    for odd in [connect, stranger] {
        let answers = settle(&mut group, 0, Event::Join(Ticket(1), odd));
        assert_eq!(answers, refused(Refused::InconsistentProtocol));
    }
    for session_timeout_ms in [5_999, 1_800_001] {
        let odd = Join {
            session_timeout_ms,
            ..join(None, "c")
        };
        let answers = settle(&mut group, 0, Event::Join(Ticket(1), odd));
        assert_eq!(answers, refused(Refused::InvalidSessionTimeout));
    }
    let huge = Join {
        client_id: "x".repeat(600_000),
        ..join(None, "c")
    };
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), huge));
    assert_eq!(answers, refused(Refused::GroupFull));
    let other = Sync {
        protocol: Some("roundrobin".to_owned()),
        ..sync("b", 2, &[])
    };
    let answers = settle(&mut group, 0, Event::Sync(Ticket(1), other));
    assert_eq!(answers, refused(Refused::InconsistentProtocol));
    assert_eq!(group.phase(), Phase::Stable);
}

/// A stable group of the static member `i` as `a`, in generation 1.
fn group_of_i() -> ClassicGroup {
    let mut group = group(0);
    settle(&mut group, 0, Event::Join(Ticket(1), instance("a", "i")));
    settle(
        &mut group,
        0,
        Event::Sync(Ticket(2), sync("a", 1, &[("a", 7)])),
    );
    group
}

#[test]
fn a_static_member_that_returns_unchanged_keeps_generation_and_assignment() {
    let mut group = group_of_i();
    let returned = Join {
        may_skip_assignment: true,
        ..instance("b", "i")
    };
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), returned));
    let back = joined(&answers[0].1);
    assert_eq!(
        (back.generation, &back.member_id),
        (Generation(1), &member("b"))
    );
    assert!(back.skips_assignment && back.leader == member("b"));
    let former = Claim {
        instance_id: Some("i".to_owned()),
        ..claim("a", 1)
    };
    assert_eq!(
        heartbeat(&mut group, 0, former.clone()),
        Answer::Refused(Refused::FencedInstance)
    );
    let answers = settle(&mut group, 0, Event::Commit(Ticket(1), former));
    assert_eq!(answers, refused(Refused::FencedInstance));
    let answers = settle(&mut group, 0, Event::Sync(Ticket(1), sync("b", 1, &[])));
    assert!(matches!(&answers[0].1, Answer::Synced(synced) if synced.assignment == [7]));
    // One that knows no skipping is told that somebody else leads.
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), instance("c", "i")));
    assert_eq!(joined(&answers[0].1).leader, member("b"));
}

#[test]
fn a_static_member_that_returns_with_other_topics_rebalances() {
    let mut group = group_of_i();
    let mut changed = instance("b", "i");
    for protocol in &mut changed.protocols {
        protocol.metadata = b"\0\0\0\0\0\x01\0\x01u".to_vec();
    }
    let answers = settle(&mut group, 0, Event::Join(Ticket(1), changed));
    assert_eq!(joined(&answers[0].1).generation, Generation(2));
    assert_eq!(group.member_count(), 1);
}

#[test]
fn members_leave_by_id_or_by_instance_each_with_its_own_answer() {
    let mut group = group_of_i();
    let leaving = |member_id: Option<&str>, instance_id: Option<&str>| Leaving {
        member_id: member_id.map(member),
        instance_id: instance_id.map(str::to_owned),
    };
    let all = vec![
        leaving(Some("z"), None),
        leaving(Some("z"), Some("i")),
        leaving(None, Some("j")),
        leaving(None, Some("i")),
    ];
    let answers = settle(&mut group, 0, Event::Leave(Ticket(1), all));
    let outcomes = vec![
        Err(Refused::UnknownMember),
        Err(Refused::FencedInstance),
        Err(Refused::UnknownMember),
        Ok(()),
    ];
    assert_eq!(answers[0].1, Answer::Left(outcomes));
    assert_eq!(
        (group.phase(), group.generation()),
        (Phase::Empty, Generation(2))
    );
    assert_eq!(group.standalone_commits(), StandaloneCommits::Ready);
}

#[test]
fn joins_are_answered_only_when_metadata_and_the_fence_have_the_generation() {
    let mut group = group(0);
    let actions = group.on_event(0, Event::Join(Ticket(1), join(None, "a")));
    assert!(matches!(
        &actions[..],
        [Action::Propose(Proposal::Rebalance { .. })]
    ));
    assert_eq!(
        group.on_event(0, Event::Join(Ticket(2), join(None, "b"))),
        []
    );
    let actions = group.on_event(0, Event::ProposalFailed(Failure::Unknown));
    assert_eq!((actions, group.next_deadline_ms()), (vec![], Some(100)));
    let actions = group.on_event(100, Event::Tick);
    assert_eq!(actions, [Action::ReadRecord]);
    let actions = group.on_event(100, Event::RecordRead(Record::default()));
    let [
        Action::Propose(Proposal::Rebalance {
            members, protocol, ..
        }),
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    let record = Record {
        generation: Generation(1),
        protocol: protocol.clone(),
        members: members.clone(),
        ..Record::default()
    };
    group.on_event(100, Event::ProposalFailed(Failure::Unknown));
    group.on_event(200, Event::Tick);
    let actions = group.on_event(200, Event::RecordRead(record));
    assert!(matches!(&actions[..], [Action::Fence(_)]));
    let actions = group.on_event(200, Event::FenceApplied(Generation(1)));
    assert!(matches!(
        &actions[..],
        [Action::Answer(Ticket(1), Answer::Joined(_))]
    ));
    assert_eq!(
        group.phase(),
        Phase::Preparing,
        "the second join waited its turn"
    );
    let actions = group.on_event(200, Event::ProposalFailed(Failure::NotCoordinator));
    assert_eq!(
        actions.len(),
        2,
        "the waiting join is answered: {actions:?}"
    );
    assert_eq!(actions.last(), Some(&Action::Close));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// No two members with one instance id, generations only grow, no stale commit passes, and
    /// every question is answered once.
    #[test]
    fn worlds_keep_the_rules(delay in prop_oneof![Just(0_u32), Just(3_000)], acts in prop::collection::vec(any::<Act>(), 1..150)) {
        let mut world = World::new(delay);
        for act in acts {
            world.act(act);
        }
        world.answer_everything();
    }
}
