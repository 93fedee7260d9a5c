//! Fences: which of them follow each other, and what a deletion leaves of them.

use super::*;

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
