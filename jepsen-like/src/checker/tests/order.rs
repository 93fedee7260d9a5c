//! TODO
use super::*;

#[test]
fn one_poll_neither_skips_nor_goes_back() {
    let whole = || sound();
    let skip = [AnomalyKind::InternalPollSkip];
    whole().poll_as(4, Stage::Ok, &[(0, 10), (2, 12)]).is(&skip);
    let back = [AnomalyKind::InternalNonmonotonicPoll];
    whole().poll_as(4, Stage::Ok, &[(1, 11), (0, 10)]).is(&back);
    whole().poll_as(4, Stage::Ok, &[(1, 11), (1, 11)]).is(&back);
    whole().poll_as(4, Stage::Info, &[(1, 11), (0, 10)]).is(&[]);
    let mut rebalanced = whole().poll_as(4, Stage::Ok, &[(1, 11), (0, 10)]);
    rebalanced
        .operations
        .last_mut()
        .unwrap()
        .rebalanced
        .push(key());
    rebalanced.is(&[]);
}

#[test]
fn polls_of_one_process_neither_skip_nor_go_back() {
    let whole = || sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    whole()
        .poll_as(4, Stage::Ok, &[(2, 12)])
        .is(&[AnomalyKind::PollSkip]);
    whole()
        .poll_as(4, Stage::Ok, &[(0, 10)])
        .is(&[AnomalyKind::NonmonotonicPoll]);
    whole()
        .poll_as(4, Stage::Ok, &[])
        .poll_as(4, Stage::Ok, &[(1, 11)])
        .is(&[]);
    whole().poll_as(5, Stage::Ok, &[(2, 12)]).is(&[]);
    // A poll of unknown outcome moves nothing.
    whole()
        .poll_as(4, Stage::Info, &[(1, 11)])
        .poll_as(4, Stage::Ok, &[(1, 11)])
        .is(&[]);
}

#[test]
fn assignment_keeps_positions_and_subscription_forgets_them() {
    let whole = || sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    let kept = whole().act(4, Stage::Ok, Action::Assign(vec![key()]));
    kept.poll_as(4, Stage::Ok, &[(2, 12)])
        .is(&[AnomalyKind::PollSkip]);
    let left = whole().act(4, Stage::Ok, Action::Assign(vec![]));
    left.poll_as(4, Stage::Ok, &[(2, 12)]).is(&[]);
    let member = whole().act(4, Stage::Ok, Action::Subscribe(vec!["t".to_owned()]));
    let member = member
        .poll_as(4, Stage::Ok, &[(2, 12)])
        .poll_as(4, Stage::Ok, &[(0, 10)]);
    member.is(&[]);
}

#[test]
fn sends_of_one_process_stand_in_order() {
    let read = [(0, 10), (1, 11)];
    let within = Story::new().send_as(1, Stage::Ok, &[(11, Some(1)), (10, Some(0))]);
    within
        .poll(&read)
        .drain(2)
        .is(&[AnomalyKind::InternalNonmonotonicSend]);
    let across = Story::new().send(11, 1).send(10, 0);
    let kinds = [AnomalyKind::NonmonotonicSend, AnomalyKind::G0Process];
    across.poll(&read).drain(2).is(&kinds);
    // Two processes at once may stand in any order.
    let others = Story::new().send(11, 1).until(6);
    let others = others.send_as(4, Stage::Ok, &[(10, Some(0))]).wait(3);
    others.poll(&read).drain(2).is(&[]);
}
