//! TODO
use super::*;

#[test]
fn a_commit_that_falls_behind_an_acknowledged_one_is_a_regression() {
    let read = || {
        let subscribe = Action::Subscribe(vec!["t".to_owned()]);
        let member = sound().act(5, Stage::Ok, subscribe);
        member.poll_as(5, Stage::Ok, &[(0, 10), (1, 11), (2, 12)])
    };
    let committed = |offset| {
        let first = read().commit_at(1, Stage::Ok, 2);
        first.commit_at(2, Stage::Ok, offset)
    };
    committed(2).is(&[]);
    committed(1).is(&[AnomalyKind::CommitRegression]);
    committed(3).committed(&[("t/0", 3)]).is(&[]);
    let lost = [AnomalyKind::CommitRegression];
    committed(3).committed(&[("t/0", 2)]).is(&lost);
    committed(3).committed(&[]).is(&lost);
    let unsure = read().commit_at(1, Stage::Info, 2);
    unsure.committed(&[]).is(&[]);
}

#[test]
fn a_group_must_have_read_what_it_committed_past() {
    let subscribe = || Action::Subscribe(vec!["t".to_owned()]);
    let member = || sound().act(5, Stage::Ok, subscribe());
    let read = member().poll_as(5, Stage::Ok, &[(0, 10), (1, 11)]);
    read.commit_at(1, Stage::Ok, 2).is(&[]);
    let skipped = member().poll_as(5, Stage::Ok, &[(1, 11)]);
    skipped
        .commit_at(1, Stage::Ok, 2)
        .is(&[AnomalyKind::GroupSkip]);
    let by_two = member()
        .poll_as(5, Stage::Ok, &[(0, 10)])
        .act(6, Stage::Ok, subscribe());
    by_two
        .poll_as(6, Stage::Ok, &[(1, 11)])
        .commit_at(1, Stage::Ok, 2)
        .is(&[]);
}

#[test]
fn a_commit_of_an_old_generation_is_a_zombies() {
    let commits = |late| {
        sound()
            .commit(1, Stage::Ok)
            .commit(2, Stage::Ok)
            .commit(1, late)
    };
    commits(Stage::Ok).is(&[AnomalyKind::ZombieCommit]);
    commits(Stage::Fail).is(&[]);
    // Concurrent commits may go either way.
    let mut concurrent = commits(Stage::Ok);
    concurrent.operations[6].completed = Some(20);
    concurrent.is(&[]);
}
