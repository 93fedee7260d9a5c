//! Reads and writes of one process in another order than the log's.

use super::*;

#[test]
fn one_poll_does_not_skip() {
    let skip = [AnomalyKind::InternalPollSkip];
    let poll = |values: &[(i64, Value)]| sound().poll_as(4, Stage::Ok, values);
    poll(&[(0, 10), (2, 12)]).is(&skip);
    let member = sound()
        .subscribe(4)
        .poll_as(4, Stage::Ok, &[(0, 10), (2, 12)]);
    member.is(&skip);
    let steps = [&[(0, 10)], &[(2, 12)]].map(|values| Step::Poll(polled(&key(), values)));
    sound()
        .act(4, Stage::Ok, Action::Txn(steps.into()))
        .is(&skip);
    poll(&[(1, 11), (2, 12)]).is(&[]);
    poll(&[(2, 12)]).is(&[]);
    sound().poll_as(4, Stage::Info, &[(0, 10), (2, 12)]).is(&[]);
    moved(
        sound()
            .subscribe(4)
            .poll_as(4, Stage::Ok, &[(0, 10), (2, 12)]),
    )
    .is(&[]);
    let report = check(&poll(&[(0, 10), (2, 12)]).history());
    let example = &report.anomalies[&AnomalyKind::InternalPollSkip].examples[0];
    assert!(
        matches!(example, Anomaly::InternalPollSkip { skipped, .. } if skipped == &[11]),
        "{example:?}"
    );
}

/// A rebalance moved the key while the last operation ran.
fn moved(mut story: Story) -> Story {
    let last = story.operations.last_mut().unwrap();
    last.rebalanced.push(key());
    story
}

#[test]
fn one_poll_does_not_go_back() {
    let back = [AnomalyKind::InternalNonmonotonicPoll];
    let poll = |values: &[(i64, Value)]| sound().poll_as(4, Stage::Ok, values);
    poll(&[(1, 11), (0, 10)]).is(&back);
    poll(&[(1, 11), (1, 11)]).is(&back);
    let steps = [&[(1, 11)], &[(1, 11)]].map(|values| Step::Poll(polled(&key(), values)));
    sound()
        .act(4, Stage::Ok, Action::Txn(steps.into()))
        .is(&back);
    poll(&[(0, 10), (1, 11)]).is(&[]);
    sound().poll_as(4, Stage::Info, &[(1, 11), (0, 10)]).is(&[]);
    moved(poll(&[(1, 11), (0, 10)])).is(&[]);
}

#[test]
fn polls_of_one_process_do_not_skip() {
    let skip = [AnomalyKind::PollSkip];
    let first = || sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    let next = |story: Story| story.poll_as(4, Stage::Ok, &[(2, 12)]);
    next(first()).is(&skip);
    next(first().poll_as(4, Stage::Ok, &[])).is(&skip);
    // A poll of unknown or failed outcome moves nothing.
    next(first().poll_as(4, Stage::Info, &[(1, 11)])).is(&skip);
    next(first().poll_as(4, Stage::Fail, &[(1, 11)])).is(&skip);
    next(first().poll_as(4, Stage::Ok, &[(1, 11)])).is(&[]);
    first().poll_as(5, Stage::Ok, &[(2, 12)]).is(&[]);
    first().poll_as(4, Stage::Info, &[(2, 12)]).is(&[]);
}

#[test]
fn polls_of_one_process_do_not_go_back() {
    let back = [AnomalyKind::NonmonotonicPoll];
    let first = || sound().poll_as(4, Stage::Ok, &[(0, 10), (1, 11)]);
    first().poll_as(4, Stage::Ok, &[(1, 11)]).is(&back);
    first().poll_as(4, Stage::Ok, &[(0, 10), (1, 11)]).is(&back);
    let empty = first().poll_as(4, Stage::Ok, &[]);
    empty.poll_as(4, Stage::Ok, &[(0, 10)]).is(&back);
    first().poll_as(4, Stage::Ok, &[(2, 12)]).is(&[]);
    first().poll_as(5, Stage::Ok, &[(0, 10)]).is(&[]);
    let unsure = first().poll_as(4, Stage::Info, &[(2, 12)]);
    unsure.poll_as(4, Stage::Ok, &[(2, 12)]).is(&[]);
}

#[test]
fn assignment_keeps_positions_and_subscription_forgets_them() {
    let whole = || sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    let kept = whole().act(4, Stage::Ok, Action::Assign(vec![key()]));
    let kept = kept.poll_as(4, Stage::Ok, &[(2, 12)]);
    kept.is(&[AnomalyKind::PollSkip]);
    let left = whole().act(4, Stage::Ok, Action::Assign(vec![]));
    left.poll_as(4, Stage::Ok, &[(2, 12)]).is(&[]);
    let member = whole().subscribe(4).poll_as(4, Stage::Ok, &[(2, 12)]);
    member.poll_as(4, Stage::Ok, &[(0, 10)]).is(&[]);
}

#[test]
fn what_members_skip_and_repeat_is_observed() {
    let member = sound().subscribe(4).poll_as(4, Stage::Ok, &[(0, 10)]);
    let member = member.poll_as(4, Stage::Ok, &[(2, 12)]);
    let member = member.poll_as(4, Stage::Ok, &[(0, 10), (1, 11)]);
    let seen = check(&member.history()).observations;
    assert_eq!(seen.subscribed_poll_skips, 1);
    assert_eq!(seen.subscribed_nonmonotonic_polls, 1);
    assert_eq!((seen.consumed_again, seen.consume_count_max), (1, 2));
    let strict = sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    let seen = check(&strict.history()).observations;
    assert_eq!((seen.consumed_again, seen.consume_count_max), (0, 0));
}

#[test]
fn values_of_one_send_stand_in_order() {
    let within = [AnomalyKind::InternalNonmonotonicSend];
    let send = |outcome, values: &[(Value, Option<i64>)]| {
        let story = Story::new().send_as(1, outcome, values);
        story.poll(&[(0, 10), (1, 11)]).drain(2)
    };
    let backwards = [(11, Some(1)), (10, Some(0))];
    send(Stage::Ok, &backwards).is(&within);
    send(Stage::Info, &backwards).is(&within);
    // Where it stands is known from who read it.
    send(Stage::Ok, &[(11, None), (10, Some(0))]).is(&within);
    send(Stage::Ok, &[(10, Some(0)), (11, Some(1))]).is(&[]);
    send(Stage::Info, &[(11, None), (10, Some(0))]).is(&[]);
    let two = [sent(&named("t/1"), 20, Some(1)), sent(&key(), 10, Some(0))];
    let two = Story::new().act(1, Stage::Ok, Action::Send(two.into()));
    let two = two.send(11, 1).poll(&[(0, 10), (1, 11)]).drain(2);
    let two = two.act(
        6,
        Stage::Ok,
        Action::Poll(polled(&named("t/1"), &[(1, 20)])),
    );
    two.act(9, Stage::Ok, Action::Drain(at(&[("t/1", 2)])))
        .is(&[]);
}

#[test]
fn sends_of_one_process_stand_in_order() {
    let read = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    let kinds = [AnomalyKind::NonmonotonicSend, AnomalyKind::G0Process];
    read(Story::new().send(11, 1).send(10, 0)).is(&kinds);
    let unsure = Story::new()
        .send_as(1, Stage::Info, &[(11, Some(1))])
        .send(10, 0);
    read(unsure).is(&kinds);
    let implied = Story::new()
        .send_as(1, Stage::Ok, &[(11, None)])
        .send(10, 0);
    read(implied).is(&kinds);
    read(Story::new().send(10, 0).send(11, 1)).is(&[]);
    // Two processes at once may stand in any order.
    let others = Story::new().send(11, 1).until(6);
    let others = others.send_as(4, Stage::Ok, &[(10, Some(0))]).wait(3);
    read(others).is(&[]);
    // What is not certain to have happened may happen late.
    let late = Story::new()
        .send_as(1, Stage::Info, &[(11, None)])
        .send(10, 0);
    read(late).is(&[]);
}

#[test]
fn writes_between_those_of_one_send_are_observed() {
    let story = Story::new()
        .send_as(1, Stage::Ok, &[(10, Some(0)), (12, Some(2))])
        .until(6);
    let story = story.send_as(4, Stage::Ok, &[(11, Some(1))]).wait(3);
    let story = story.poll(&[(0, 10), (1, 11), (2, 12)]).drain(3);
    let report = check(&story.history());
    assert_eq!(report.verdict, Verdict::Valid, "{report:#?}");
    assert_eq!(report.observations.internal_send_skips, 1);
}

#[test]
fn the_age_of_what_a_poll_could_have_returned_is_observed() {
    // Value 11 is acknowledged at event 3; the poll that returns only 10 begins at event 24.
    let story = Story::new().send(10, 0).send(11, 1).wait(20);
    let story = story.poll(&[(0, 10)]).poll(&[(1, 11)]).drain(2);
    let seen = check(&story.history()).observations;
    assert_eq!(
        (seen.realtime_lag_max_ms, seen.realtime_lag_p99_ms),
        (21, 21)
    );
    assert_eq!(
        check(&sound().history()).observations.realtime_lag_max_ms,
        0
    );
}
