//! TODO
use super::*;

#[test]
fn a_sound_history_is_valid() {
    sound().is(&[]);
    let several = sound()
        .poll_as(4, Stage::Ok, &[(0, 10)])
        .poll_as(4, Stage::Ok, &[(1, 11)]);
    several.drain(3).is(&[]);
}

#[test]
fn a_value_overtaken_by_a_reader_is_lost() {
    let story = Story::new().send(10, 0).send(11, 1).send(12, 2);
    let lost = [AnomalyKind::LostWrite, AnomalyKind::InternalPollSkip];
    story.poll(&[(0, 10), (2, 12)]).is(&lost);
    // Not yet read is not lost.
    let story = Story::new()
        .send(10, 0)
        .send(11, 1)
        .send(12, 2)
        .poll(&[(0, 10), (1, 11)]);
    assert_eq!(check(&story.history()).verdict, Verdict::Unknown);
    // Neither is what was never acknowledged.
    let unknown = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Info, &[(11, None)])
        .send(12, 1);
    unknown.poll(&[(0, 10), (1, 12)]).drain(2).is(&[]);
}

#[test]
fn what_was_acknowledged_of_an_info_send_must_be_there() {
    let sends = [(10, Some(0)), (11, Some(1)), (12, None)];
    let story = Story::new().send_as(1, Stage::Info, &sends).send(13, 2);
    let lost = [AnomalyKind::LostWrite, AnomalyKind::Unseen];
    story
        .poll(&[(0, 10)])
        .poll_as(4, Stage::Ok, &[(2, 13)])
        .drain(3)
        .is(&lost);
    let story = Story::new().send_as(1, Stage::Info, &sends).send(13, 2);
    story.poll(&[(0, 10), (1, 11), (2, 13)]).drain(3).is(&[]);
}

#[test]
fn an_acknowledged_value_missing_at_the_end_is_unseen() {
    let story = Story::new()
        .send(10, 0)
        .send_as(1, Stage::Ok, &[(11, None)]);
    story.poll(&[(0, 10)]).drain(1).is(&[AnomalyKind::Unseen]);
    let failed = Story::new()
        .send(10, 0)
        .send_as(1, Stage::Fail, &[(11, None)]);
    failed.poll(&[(0, 10)]).drain(1).is(&[]);
}

#[test]
fn a_value_at_two_offsets_is_a_duplicate() {
    let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 10)]);
    story.drain(2).is(&[AnomalyKind::Duplicate]);
    let twice_read = sound().poll_as(4, Stage::Ok, &[(0, 10), (1, 11), (2, 12)]);
    twice_read.drain(3).is(&[]);
}

#[test]
fn an_offset_with_two_values_is_inconsistent() {
    let story = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Ok, &[(11, Some(0))]);
    story
        .poll(&[(0, 10)])
        .poll_as(5, Stage::Ok, &[(0, 11)])
        .drain(1)
        .is(&[AnomalyKind::InconsistentOffset]);
    // Polls of unknown outcome bear witness too.
    let story = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Info, &[(11, None)]);
    let story = story.poll(&[(0, 10)]).poll_as(5, Stage::Info, &[(0, 11)]);
    story.drain(1).is(&[AnomalyKind::InconsistentOffset]);
}

#[test]
fn a_read_of_a_failed_write_is_an_aborted_read() {
    let story = |outcome| Story::new().send(9, 0).send_as(4, outcome, &[(10, None)]);
    let read = [(0, 9), (1, 10)];
    story(Stage::Fail)
        .poll(&read)
        .drain(2)
        .is(&[AnomalyKind::AbortedRead]);
    story(Stage::Info).poll(&read).drain(2).is(&[]);
    // A failed poll proves nothing.
    story(Stage::Fail)
        .poll(&[(0, 9)])
        .poll_as(5, Stage::Fail, &[(1, 10)])
        .drain(2)
        .is(&[]);
}

#[test]
fn a_value_nobody_sent_is_a_phantom() {
    let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 99)]);
    story.drain(2).is(&[AnomalyKind::Phantom]);
}

#[test]
fn offsets_that_nobody_ever_saw_are_not_skipped_but_gaps() {
    let story = || {
        Story::new()
            .send(10, 0)
            .send(11, 5)
            .poll(&[(0, 10), (5, 11)])
            .drain(6)
    };
    story().is(&[AnomalyKind::OffsetGap]);
    let mut sparse = story();
    sparse.plan.dense_offsets = false;
    sparse.is(&[]);
}
