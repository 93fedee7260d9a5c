//! What makes stored offsets go, and what keeps them.

use proptest::prelude::*;

use super::*;

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

/// A group of one member that committed for two partitions.
fn two_committed() -> OffsetsState {
    let mut state = OffsetsState::new();
    apply(&mut state, fence(4, GroupKind::Classic, &[("a", 0)], &[])).unwrap();
    let both = [(0, 3, None), (1, 3, None)];
    apply(&mut state, commit(classic("a", 4), &both)).unwrap();
    state
}

#[test]
fn what_no_member_reads_goes_only_in_the_generation_that_does_not_read_it() {
    let mut state = two_committed();
    let delete = |generation| Command::DeleteUnread {
        group: group(),
        generation: Generation(generation),
        partitions: BTreeSet::from([id(1)]),
    };
    for stale in [3, 5] {
        let refused = Err(Refusal::StaleGeneration {
            current: Generation(4),
            given: Generation(stale),
        });
        assert_eq!(apply(&mut state, delete(stale)), refused);
        assert_eq!(state.committed_by(&group()).count(), 2);
    }
    assert_eq!(apply(&mut state, delete(4)), PASSED);
    assert_eq!(state.committed(&group(), &id(1)), None);
    assert!(state.committed(&group(), &id(0)).is_some());
    let mut unknown = OffsetsState::new();
    assert_eq!(apply(&mut unknown, delete(4)), Err(Refusal::NotFenced));
}

fn expire(before_ms: i64) -> Command {
    let group = group();
    Command::Expire { group, before_ms }
}

fn aged(state: &OffsetsState, before_ms: i64) -> bool {
    state.aged(before_ms).any(|name| *name == group())
}

#[test]
fn offsets_of_a_group_age_from_when_its_last_member_left() {
    let mut state = two_committed();
    assert!(!aged(&state, i64::MAX), "it has a member");
    assert_eq!(
        apply(&mut state, expire(i64::MAX)),
        Err(Refusal::HasMembers)
    );
    let empty = |generation| fence(generation, GroupKind::Classic, &[], &[]);
    super::super::apply(&mut state, 1_000, empty(5)).unwrap();
    // The next coordinator fences again: the group is as empty as it was.
    super::super::apply(&mut state, 2_000, empty(5)).unwrap();
    super::super::apply(&mut state, 3_000, empty(6)).unwrap();
    assert!(!aged(&state, 1_000));
    apply(&mut state, expire(1_000)).unwrap();
    assert_eq!(state.committed_by(&group()).count(), 2);
    assert!(aged(&state, 1_001));
    apply(&mut state, expire(1_001)).unwrap();
    assert_eq!(state.committed_by(&group()).count(), 0);
    assert!(!aged(&state, i64::MAX), "nothing is left");
}

#[test]
fn offsets_of_simple_consumers_age_from_their_last_commit_each() {
    let mut state = OffsetsState::new();
    super::super::apply(&mut state, 9_000, fence(1, GroupKind::Classic, &[], &[])).unwrap();
    let commit_at = |state: &mut OffsetsState, index, at_ms| {
        let Command::Commit {
            group,
            committer,
            offsets,
            ..
        } = commit(Committer::Standalone, &[(index, 3, None)])
        else {
            unreachable!()
        };
        let command = Command::Commit {
            group,
            committer,
            at_ms,
            offsets,
        };
        assert_eq!(super::super::apply(state, 9_000, command), PASSED);
    };
    commit_at(&mut state, 0, 100);
    commit_at(&mut state, 1, 100);
    commit_at(&mut state, 0, 200);
    apply(&mut state, expire(200)).unwrap();
    assert!(state.committed(&group(), &id(0)).is_some());
    assert_eq!(state.committed(&group(), &id(1)), None);
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// So many members are there from now on.
    Members(usize),
    Commit(u32),
    Expire(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0_usize..3).prop_map(Happening::Members),
        (0_u32..3).prop_map(Happening::Commit),
        (0_i64..60).prop_map(Happening::Expire),
    ]
}

proptest! {
    /// An offset goes if and only if nobody has used it for as long as is said, where every member
    /// uses all offsets of its group.
    #[test]
    fn an_offset_goes_only_after_nobody_used_it_for_the_time(
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let names = ["a", "b"];
        let mut state = OffsetsState::new();
        let (mut generation, mut count, mut last_use_ms) = (1, 0, BTreeMap::new());
        apply(&mut state, fence(generation, GroupKind::Classic, &[], &[])).unwrap();
        for (now_ms, happening) in (0..).zip(happenings) {
            match happening {
                Happening::Members(next) => {
                    if count > 0 {
                        last_use_ms.values_mut().for_each(|used_ms| *used_ms = now_ms);
                    }
                    (generation, count) = (generation + 1, next);
                    let members: Vec<_> = names[..count].iter().map(|&name| (name, 0)).collect();
                    let fence = fence(generation, GroupKind::Classic, &members, &[]);
                    super::super::apply(&mut state, now_ms, fence).unwrap();
                }
                Happening::Commit(index) => {
                    let committer = match count {
                        0 => Committer::Standalone,
                        _ => classic("a", generation),
                    };
                    let Command::Commit { group, committer, offsets, .. } =
                        commit(committer, &[(index, 3, None)])
                    else {
                        unreachable!()
                    };
                    let command = Command::Commit { group, committer, offsets, at_ms: now_ms };
                    super::super::apply(&mut state, now_ms, command).unwrap();
                    last_use_ms.insert(id(index), now_ms);
                }
                Happening::Expire(before_ms) => {
                    let is_old = |used_ms: &i64| count == 0 && *used_ms < before_ms;
                    prop_assert_eq!(aged(&state, before_ms), last_use_ms.values().any(is_old));
                    let outcome = super::super::apply(&mut state, now_ms, expire(before_ms));
                    prop_assert_eq!(outcome.is_ok(), count == 0);
                    last_use_ms.retain(|_, used_ms| !is_old(used_ms));
                }
            }
            let kept: Vec<_> = state.committed_by(&group()).map(|(id, _)| *id).collect();
            prop_assert_eq!(kept, last_use_ms.keys().copied().collect::<Vec<_>>());
        }
    }
}
