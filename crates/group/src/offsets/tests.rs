//! The rules of a commit, one by one, and over random interleavings with rebalances.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{
    FencingToken, Generation, GroupKind, GroupName, LeaderEpoch, MemberId, Offset, PartitionIndex,
    TopicId, TopicIdPartition,
};
use proptest::prelude::*;

use super::*;

fn group() -> GroupName {
    GroupName::new("g").unwrap()
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

fn id(index: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId([7; 16]),
        partition: PartitionIndex(index),
    }
}

fn fence(
    generation: i32,
    kind: GroupKind,
    members: &[(&str, i32)],
    tokens: &[(u32, u64)],
) -> Command {
    Command::Fence(Fence {
        group: group(),
        generation: Generation(generation),
        kind,
        members: members
            .iter()
            .map(|&(name, epoch)| (member(name), epoch))
            .collect(),
        tokens: tokens
            .iter()
            .map(|&(index, token)| (id(index), FencingToken(token)))
            .collect(),
    })
}

fn commit(committer: Committer, commits: &[(u32, i64, Option<u64>)]) -> Command {
    let offset = |&(index, offset, token): &(u32, i64, Option<u64>)| OffsetCommit {
        partition: id(index),
        offset: Offset(offset),
        leader_epoch: Some(LeaderEpoch(3)),
        metadata: "note".to_owned(),
        token: token.map(FencingToken),
    };
    let offsets = commits.iter().map(offset).collect();
    Command::Commit {
        group: group(),
        committer,
        at_ms: 5,
        offsets,
    }
}

fn classic(name: &str, generation: i32) -> Committer {
    Committer::Classic {
        member_id: member(name),
        generation: Generation(generation),
    }
}

fn consumer(name: &str, member_epoch: i32) -> Committer {
    Committer::Consumer {
        member_id: member(name),
        member_epoch,
    }
}

const PASSED: Outcome = Ok(Applied::Done);

#[test]
fn classic_commits_need_the_generation_and_a_listed_member() {
    let mut state = OffsetsState::new();
    let stale = |current, given| {
        Err(Refusal::StaleGeneration {
            current: Generation(current),
            given: Generation(given),
        })
    };
    assert_eq!(
        apply(&mut state, commit(classic("a", 4), &[(0, 9, None)])),
        Err(Refusal::NotFenced)
    );
    apply(&mut state, fence(4, GroupKind::Classic, &[("a", 0)], &[])).unwrap();
    assert_eq!(
        apply(&mut state, commit(classic("a", 4), &[(0, 9, None)])),
        PASSED
    );
    assert_eq!(state.committed(&group(), &id(0)).unwrap().offset, Offset(9));
    assert_eq!(
        apply(&mut state, commit(classic("a", 3), &[(0, 1, None)])),
        stale(4, 3)
    );
    let unknown = Err(Refusal::UnknownMember {
        member_id: member("b"),
    });
    assert_eq!(
        apply(&mut state, commit(classic("b", 4), &[(0, 1, None)])),
        unknown
    );
    let wrong = Err(Refusal::WrongKind {
        kind: GroupKind::Classic,
    });
    assert_eq!(
        apply(&mut state, commit(Committer::Native, &[(0, 1, Some(1))])),
        wrong
    );
    assert_eq!(
        apply(&mut state, commit(consumer("a", 4), &[(0, 1, None)])),
        wrong
    );
    assert_eq!(
        apply(&mut state, fence(3, GroupKind::Classic, &[], &[])),
        stale(4, 3)
    );
    assert_eq!(state.committed(&group(), &id(0)).unwrap().offset, Offset(9));
}

#[test]
fn consumer_commits_need_the_listed_member_epoch() {
    let mut state = OffsetsState::new();
    apply(
        &mut state,
        fence(9, GroupKind::Consumer, &[("a", 5), ("b", 9)], &[]),
    )
    .unwrap();
    assert_eq!(
        apply(&mut state, commit(consumer("a", 5), &[(0, 1, None)])),
        PASSED
    );
    for stale in [4, 6, 9] {
        let refused = Err(Refusal::StaleMemberEpoch {
            current: 5,
            given: stale,
        });
        assert_eq!(
            apply(&mut state, commit(consumer("a", stale), &[(0, 2, None)])),
            refused
        );
    }
}

#[test]
fn a_native_commit_with_one_stale_token_stores_nothing() {
    let mut state = OffsetsState::new();
    apply(
        &mut state,
        fence(1, GroupKind::Native, &[("a", 0)], &[(0, 5), (1, 6)]),
    )
    .unwrap();
    let native = |offsets: &[_]| commit(Committer::Native, offsets);
    let fenced = |partition, given: Option<u64>, owner: Option<u64>| {
        Err(Refusal::FencedToken {
            partition: id(partition),
            given: given.map(FencingToken),
            owner: owner.map(FencingToken),
        })
    };
    let before = state.clone();
    for (partition, given, owner) in [
        (1, Some(5), Some(6)),
        (2, Some(6), None),
        (1, None, Some(6)),
    ] {
        let stale = native(&[(0, 10, Some(5)), (partition, 10, given)]);
        assert_eq!(apply(&mut state, stale), fenced(partition, given, owner));
        assert_eq!(state, before);
    }
    let both = native(&[(0, 10, Some(5)), (1, 11, Some(6))]);
    assert_eq!(apply(&mut state, both), PASSED);
    assert_eq!(state.committed_by(&group()).count(), 2);
}

#[test]
fn commits_from_outside_need_an_empty_fence() {
    let mut state = OffsetsState::new();
    let outside = || commit(Committer::Standalone, &[(0, 3, None)]);
    assert_eq!(apply(&mut state, outside()), Err(Refusal::NotFenced));
    apply(
        &mut state,
        fence(1, GroupKind::Native, &[("a", 0)], &[(0, 1)]),
    )
    .unwrap();
    assert_eq!(apply(&mut state, outside()), Err(Refusal::HasMembers));
    let delete = Command::DeleteOffsets {
        group: group(),
        partitions: BTreeSet::from([id(0)]),
    };
    assert_eq!(apply(&mut state, delete.clone()), Err(Refusal::HasMembers));
    apply(&mut state, fence(2, GroupKind::Native, &[], &[])).unwrap();
    assert_eq!(apply(&mut state, outside()), PASSED);
    apply(&mut state, delete).unwrap();
    assert_eq!(state.committed(&group(), &id(0)), None);
}

#[test]
fn a_repeated_fence_is_no_change_and_a_different_one_a_conflict() {
    let mut state = OffsetsState::new();
    apply(
        &mut state,
        fence(1, GroupKind::Native, &[("a", 0)], &[(0, 1)]),
    )
    .unwrap();
    let before = state.clone();
    apply(
        &mut state,
        fence(1, GroupKind::Native, &[("a", 0)], &[(0, 1)]),
    )
    .unwrap();
    let conflict = Err(Refusal::FenceConflict {
        generation: Generation(1),
    });
    assert_eq!(
        apply(
            &mut state,
            fence(1, GroupKind::Native, &[("b", 0)], &[(0, 2)])
        ),
        conflict
    );
    assert_eq!(state, before);
}

#[test]
fn a_returned_static_member_commits_in_its_generation_and_its_former_id_does_not() {
    let mut state = OffsetsState::new();
    let by = |name: &str| Committer::Classic {
        member_id: MemberId::new(name).unwrap(),
        generation: Generation(4),
    };
    apply(&mut state, fence(4, GroupKind::Classic, &[("a", 0)], &[])).unwrap();
    assert_eq!(apply(&mut state, commit(by("a"), &[(0, 3, None)])), PASSED);
    apply(&mut state, fence(4, GroupKind::Classic, &[("b", 0)], &[])).unwrap();
    assert_eq!(apply(&mut state, commit(by("b"), &[(0, 4, None)])), PASSED);
    let stale = apply(&mut state, commit(by("a"), &[(0, 3, None)]));
    assert!(matches!(stale, Err(Refusal::UnknownMember { .. })));
}

#[test]
fn an_empty_group_may_change_its_kind_within_a_generation() {
    let mut state = OffsetsState::new();
    apply(&mut state, fence(4, GroupKind::Native, &[], &[])).unwrap();
    apply(&mut state, fence(4, GroupKind::Classic, &[], &[])).unwrap();
    assert!(apply(&mut state, fence(4, GroupKind::Consumer, &[("a", 1)], &[])).is_err());
}

#[test]
fn a_deleted_group_keeps_its_generation() {
    let mut state = OffsetsState::new();
    let delete = |generation| Command::DeleteGroup {
        group: group(),
        generation: Generation(generation),
    };
    apply(&mut state, fence(7, GroupKind::Native, &[("a", 0)], &[])).unwrap();
    assert_eq!(apply(&mut state, delete(7)), Err(Refusal::HasMembers));
    apply(&mut state, fence(8, GroupKind::Native, &[], &[])).unwrap();
    apply(&mut state, commit(Committer::Standalone, &[(0, 3, None)])).unwrap();
    apply(&mut state, delete(8)).unwrap();
    assert_eq!(
        (state.committed_by(&group()).count(), state.groups().count()),
        (0, 0)
    );
    let outside = commit(Committer::Standalone, &[(0, 3, None)]);
    assert_eq!(apply(&mut state, outside), Err(Refusal::NotFenced));
    assert!(apply(&mut state, fence(7, GroupKind::Native, &[], &[])).is_err());
    apply(&mut state, fence(9, GroupKind::Native, &[], &[])).unwrap();
}

#[test]
fn a_repeated_fence_does_not_bring_a_deleted_group_back() {
    let mut state = OffsetsState::new();
    let empty = |generation| fence(generation, GroupKind::Native, &[], &[]);
    apply(&mut state, empty(8)).unwrap();
    let delete = Command::DeleteGroup {
        group: group(),
        generation: Generation(9),
    };
    apply(&mut state, delete.clone()).unwrap();
    let stale = Refusal::StaleGeneration {
        current: Generation(9),
        given: Generation(8),
    };
    assert_eq!(apply(&mut state, empty(8)), Err(stale));
    assert_eq!(state.fenced(&group()), None);
    // Outsiders may begin anew, and a deletion that comes again is none of a later generation.
    apply(&mut state, empty(9)).unwrap();
    apply(&mut state, commit(Committer::Standalone, &[(0, 3, None)])).unwrap();
    apply(&mut state, fence(10, GroupKind::Native, &[("a", 0)], &[])).unwrap();
    assert!(apply(&mut state, delete).is_err());
    assert_eq!(state.committed_by(&group()).count(), 1);
}

#[test]
fn offsets_of_a_deleted_topic_go_and_long_texts_are_refused() {
    let mut state = OffsetsState::new();
    apply(&mut state, fence(1, GroupKind::Native, &[], &[])).unwrap();
    apply(&mut state, commit(Committer::Standalone, &[(0, 3, None)])).unwrap();
    apply(
        &mut state,
        Command::ForgetTopics {
            topic_ids: BTreeSet::from([TopicId([8; 16])]),
        },
    )
    .unwrap();
    assert_eq!(state.committed_by(&group()).count(), 1);
    apply(
        &mut state,
        Command::ForgetTopics {
            topic_ids: BTreeSet::from([TopicId([7; 16])]),
        },
    )
    .unwrap();
    assert_eq!(state.committed_by(&group()).count(), 0);
    let Command::Commit {
        group,
        committer,
        at_ms,
        mut offsets,
    } = commit(Committer::Standalone, &[(0, 3, None)])
    else {
        unreachable!()
    };
    offsets[0].metadata = "x".repeat(4097);
    let long = Command::Commit {
        group,
        committer,
        at_ms,
        offsets,
    };
    let refused = Err(Refusal::MetadataTooLong {
        length: 4097,
        limit: 4096,
    });
    assert_eq!(apply(&mut state, long), refused);
}

fn every_command() -> Vec<Command> {
    vec![
        commit(Committer::Standalone, &[(0, 300, None)]),
        commit(classic("a", 2), &[]),
        commit(consumer("a", -1), &[]),
        commit(Committer::Native, &[(1, 5, Some(9))]),
        fence(2, GroupKind::Native, &[("a", 0)], &[(1, 9)]),
        Command::DeleteOffsets {
            group: group(),
            partitions: BTreeSet::from([id(1)]),
        },
        Command::DeleteGroup {
            group: group(),
            generation: Generation(2),
        },
        Command::ForgetTopics {
            topic_ids: BTreeSet::from([TopicId([1; 16])]),
        },
    ]
}

#[test]
fn golden_bytes_of_commands() {
    let golden = [
        "01000167000a010707070707070707070707070707070700fb58020106046e6f746500",
        "01000167010161040a00",
        "01000167020161010a00",
        "01000167030a0107070707070707070707070707070707010a0106046e6f74650109",
        "0101016704020101610001070707070707070707070707070707070109",
        "01020167010707070707070707070707070707070701",
        "0103016704",
        "01040101010101010101010101010101010101",
    ];
    for (command, golden) in every_command().iter().zip(golden) {
        assert_eq!(floe_model::to_hex(&encode(command)), golden, "{command:?}");
        assert_eq!(decode(&encode(command)).unwrap(), *command);
    }
}

/// A coordinator, some members and some zombies. Metadata is a counter of generations and one
/// of tokens.
#[derive(Default)]
struct World {
    state: OffsetsState,
    generation: i32,
    next_token: u64,
    /// The right that the last fence gave to each member, by kind.
    kind: Option<GroupKind>,
    members: BTreeMap<MemberId, i32>,
    tokens: BTreeMap<TopicIdPartition, FencingToken>,
    /// Everything that was ever granted: what zombies hold.
    granted: Vec<(Committer, TopicIdPartition, Option<FencingToken>)>,
}

impl World {
    fn rebalance(&mut self, kind: GroupKind, count: usize, moved: &[bool]) {
        self.generation += 1;
        let generation = Generation(self.generation);
        self.kind = Some(kind);
        self.members = (0..count)
            .map(|place| (member(&format!("m{place}")), self.generation))
            .collect();
        let native = kind == GroupKind::Native && count > 0;
        for (index, &moved) in (0..).zip(moved) {
            if native && (moved || !self.tokens.contains_key(&id(index))) {
                self.next_token += 1;
                self.tokens.insert(id(index), FencingToken(self.next_token));
            }
        }
        if !native {
            self.tokens.clear();
        }
        let (members, tokens) = (self.members.clone(), self.tokens.clone());
        let fence = Fence {
            group: group(),
            generation,
            kind,
            members,
            tokens,
        };
        assert_eq!(
            apply(&mut self.state, Command::Fence(fence)),
            Ok(Applied::Done)
        );
        for (member_id, &member_epoch) in &self.members {
            let member_id = member_id.clone();
            self.granted.push((
                Committer::Classic {
                    member_id: member_id.clone(),
                    generation,
                },
                id(0),
                None,
            ));
            self.granted.push((
                Committer::Consumer {
                    member_id,
                    member_epoch,
                },
                id(0),
                None,
            ));
        }
        for (&partition, &token) in &self.tokens {
            self.granted
                .push((Committer::Native, partition, Some(token)));
        }
        self.granted.push((Committer::Standalone, id(0), None));
    }

    /// The rule in other words than the code's.
    fn is_right(&self, right: &(Committer, TopicIdPartition, Option<FencingToken>)) -> bool {
        let Some(kind) = self.kind else { return false };
        match &right.0 {
            Committer::Standalone => self.members.is_empty(),
            Committer::Classic {
                member_id,
                generation,
            } => {
                kind == GroupKind::Classic
                    && generation.0 == self.generation
                    && self.members.contains_key(member_id)
            }
            Committer::Consumer {
                member_id,
                member_epoch,
            } => kind == GroupKind::Consumer && self.members.get(member_id) == Some(member_epoch),
            Committer::Native => {
                kind == GroupKind::Native && right.2 == self.tokens.get(&right.1).copied()
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Rebalance(usize, usize, Vec<bool>),
    Commit(prop::sample::Index, i64),
    Delete,
    StaleFence(i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_usize..3, 0_usize..3, proptest::collection::vec(any::<bool>(), 3))
            .prop_map(|(kind, count, moved)| Step::Rebalance(kind, count, moved)),
        6 => (any::<prop::sample::Index>(), 0_i64..1000).prop_map(|(i, o)| Step::Commit(i, o)),
        1 => Just(Step::Delete),
        1 => (1_i32..4).prop_map(Step::StaleFence),
    ]
}

proptest! {
    #[test]
    fn no_stale_commit_ever_succeeds(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::default();
        let mut log = Vec::new();
        for step in steps {
            match step {
                Step::Rebalance(kind, count, moved) => {
                    let kinds = [GroupKind::Classic, GroupKind::Consumer, GroupKind::Native];
                    world.rebalance(kinds[kind], count, &moved);
                    let fenced = world.state.fenced(&group()).unwrap().clone();
                    log.push(Command::Fence(fenced));
                }
                Step::Commit(index, offset) if !world.granted.is_empty() => {
                    let right = index.get(&world.granted).clone();
                    let (committer, partition, token) = right.clone();
                    let before = world.state.committed(&group(), &partition).cloned();
                    let commit = OffsetCommit {
                        partition, offset: Offset(offset), leader_epoch: None,
                        metadata: String::new(), token,
                    };
                    let command = Command::Commit {
                        group: group(), committer, at_ms: offset, offsets: vec![commit],
                    };
                    log.push(command.clone());
                    let outcome = apply(&mut world.state, command);
                    prop_assert_eq!(outcome == PASSED, world.is_right(&right));
                    let after = world.state.committed(&group(), &partition);
                    if outcome == PASSED {
                        prop_assert_eq!(after.unwrap().offset, Offset(offset));
                    } else {
                        prop_assert_eq!(after.cloned(), before);
                    }
                }
                // Metadata deletes only empty groups, and under a new generation.
                Step::Delete if world.members.is_empty() => {
                    let repeated = world.state.fenced(&group()).cloned();
                    world.generation += 1;
                    let generation = Generation(world.generation);
                    let command = Command::DeleteGroup { group: group(), generation };
                    log.push(command.clone());
                    prop_assert_eq!(apply(&mut world.state, command), Ok(Applied::Done));
                    world.kind = None;
                    world.tokens.clear();
                    if let Some(repeated) = repeated {
                        log.push(Command::Fence(repeated.clone()));
                        prop_assert!(apply(&mut world.state, Command::Fence(repeated)).is_err());
                        prop_assert_eq!(world.state.fenced(&group()), None);
                    }
                }
                Step::StaleFence(behind) => {
                    let stale = fence(world.generation - behind, GroupKind::Native, &[("z", 0)], &[(0, 0)]);
                    log.push(stale.clone());
                    prop_assert!(world.generation < 1 || apply(&mut world.state, stale).is_err());
                }
                Step::Commit(..) | Step::Delete => {}
            }
        }
        if world.generation > 0 {
            let mut twin = OffsetsState::new();
            for command in log {
                let command = decode(&encode(&command)).unwrap();
                let _same_as_before = apply(&mut twin, command);
            }
            prop_assert_eq!(twin.snapshot(), world.state.snapshot());
            prop_assert_eq!(OffsetsState::from_snapshot(&twin.snapshot()).unwrap(), twin);
        }
    }

    #[test]
    fn any_bytes_decode_or_fail(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let _either = (decode(&bytes).is_ok(), OffsetsState::from_snapshot(&bytes).is_ok());
    }
}
