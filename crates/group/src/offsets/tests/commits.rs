//! Who may commit: the rules, one by one.

use super::*;

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
