//! Consumer groups: zombies, lost commits, skipped records, shared assignments.

use super::*;

/// A member of the group that read everything.
fn member() -> Story {
    let member = sound().subscribe(5);
    member.poll_as(5, Stage::Ok, &[(0, 10), (1, 11), (2, 12)])
}

#[test]
fn a_commit_that_falls_behind_an_acknowledged_one_is_a_regression() {
    let lost = [AnomalyKind::CommitRegression];
    let committed = |offset| {
        let first = member().commit_at(1, Stage::Ok, 2);
        first.commit_at(2, Stage::Ok, offset)
    };
    committed(1).is(&lost);
    committed(3).committed(&[("t/0", 2)]).is(&lost);
    committed(3).committed(&[]).is(&lost);
    committed(2).is(&[]);
    committed(3).committed(&[("t/0", 3)]).is(&[]);
    // What was not acknowledged may be gone, and two at once may stand in any order.
    member().commit_at(1, Stage::Info, 2).committed(&[]).is(&[]);
    let concurrent = member().commit_at(1, Stage::Ok, 2).until(40);
    concurrent.commit_at(1, Stage::Ok, 1).is(&[]);
}

#[test]
fn a_reset_may_set_a_group_back() {
    let lost = [AnomalyKind::CommitRegression];
    let reset = |outcome| member().commit_at(1, Stage::Ok, 3).reset(outcome, 1);
    reset(Stage::Ok).committed(&[("t/0", 1)]).is(&[]);
    reset(Stage::Info).committed(&[("t/0", 1)]).is(&[]);
    reset(Stage::Info).committed(&[("t/0", 3)]).is(&[]);
    // But not behind where it set it, nor if it did not happen.
    reset(Stage::Ok).committed(&[("t/0", 0)]).is(&lost);
    reset(Stage::Info).committed(&[]).is(&lost);
    reset(Stage::Fail).committed(&[("t/0", 1)]).is(&lost);
    // After it commits count again.
    let again = reset(Stage::Ok).commit_at(1, Stage::Ok, 2);
    again.committed(&[("t/0", 1)]).is(&lost);
    // A reading that was under way may have seen it.
    let reading = member()
        .commit_at(1, Stage::Ok, 3)
        .committed(&[("t/0", 1)])
        .until(60);
    reading.reset(Stage::Ok, 1).is(&[]);
}

#[test]
fn a_group_must_have_read_what_it_committed_past() {
    let skip = [AnomalyKind::GroupSkip];
    let read = |values: &[(i64, Value)]| sound().subscribe(5).poll_as(5, Stage::Ok, values);
    let commit = |story: Story, offset| story.commit_at(1, Stage::Ok, offset);
    commit(read(&[(1, 11)]), 2).is(&skip);
    commit(read(&[]), 1).is(&skip);
    commit(read(&[(0, 10), (1, 11)]), 3).is(&skip);
    commit(read(&[(0, 10), (1, 11)]), 2).is(&[]);
    // Two members together, and a poll of unknown outcome.
    let two = read(&[(0, 10)])
        .subscribe(6)
        .poll_as(6, Stage::Info, &[(1, 11)]);
    commit(two, 2).is(&[]);
    read(&[(1, 11)]).commit_at(1, Stage::Info, 2).is(&[]);
    commit(read(&[(1, 11)]).reset(Stage::Ok, 1), 2).is(&[]);
}

#[test]
fn members_are_known_by_their_joins_where_there_are_several_groups() {
    let skip = [AnomalyKind::GroupSkip];
    let other = |story: Story| {
        let (group, offsets) = ("h".to_owned(), at(&[("t/0", 3)]));
        let generation = 1;
        story.act(
            6,
            Stage::Ok,
            Action::Commit {
                group,
                generation,
                offsets,
            },
        )
    };
    let joined = |values: &[(i64, Value)]| {
        let story = sound().join(5, "a", 1, &[key()]);
        other(
            story
                .poll_as(5, Stage::Ok, values)
                .commit_at(1, Stage::Ok, 2),
        )
    };
    joined(&[(1, 11)]).is(&skip);
    joined(&[(0, 10), (1, 11)]).is(&[]);
    // Nobody can tell whose reads these are.
    let unknown = sound().subscribe(5).commit_at(1, Stage::Ok, 2);
    other(unknown).is(&[]);
}

#[test]
fn a_commit_of_an_old_generation_is_a_zombies() {
    let zombie = [AnomalyKind::ZombieCommit];
    let commits = |late| {
        let commits = sound().commit(1, Stage::Ok).commit(2, Stage::Ok);
        commits.commit(1, late)
    };
    commits(Stage::Ok).is(&zombie);
    commits(Stage::Fail).is(&[]);
    commits(Stage::Info).is(&[]);
    // The key was given away, though its new owner has not committed yet.
    let given = || sound().join(4, "a", 1, &[key()]).join(5, "b", 2, &[key()]);
    given().commit(1, Stage::Ok).is(&zombie);
    given()
        .commit(1, Stage::Ok)
        .commit(2, Stage::Ok)
        .is(&zombie);
    given().commit(2, Stage::Ok).is(&[]);
    let other = sound()
        .join(4, "a", 1, &[key()])
        .join(5, "b", 2, &[named("t/1")]);
    other.commit(1, Stage::Ok).is(&[]);
    // Concurrent commits may go either way.
    let concurrent = sound().commit(1, Stage::Ok).commit(2, Stage::Ok).until(30);
    concurrent.commit(1, Stage::Ok).is(&[]);
}

#[test]
fn one_generation_gives_a_log_to_one_member() {
    let shared = [AnomalyKind::SharedAssignment];
    let both = [key(), named("t/1")];
    let first = || sound().join(4, "a", 3, &both);
    first().join(5, "b", 3, &[key()]).is(&shared);
    first().join(5, "b", 3, &both[1..]).is(&shared);
    first()
        .join(6, "c", 4, &[])
        .join(5, "b", 3, &both)
        .is(&shared);
    first().join(5, "b", 4, &both).is(&[]);
    first().join(4, "a", 3, &both).is(&[]);
    first().join(5, "b", 3, &[named("t/2")]).is(&[]);
}
