//! Values that are lost, doubled, made up, or not where they belong.

use super::*;

#[test]
fn a_sound_history_is_valid() {
    sound().is(&[]);
    let several = sound().poll_as(4, Stage::Ok, &[(0, 10)]);
    several.poll_as(4, Stage::Ok, &[(1, 11)]).is(&[]);
}

#[test]
fn a_value_overtaken_by_a_reader_is_lost() {
    let sends = || Story::new().send(10, 0).send(11, 1).send(12, 2);
    let skip = [AnomalyKind::LostWrite, AnomalyKind::InternalPollSkip];
    sends().poll(&[(0, 10), (2, 12)]).is(&skip);
    // By another process than the one that read before it.
    let lost = [AnomalyKind::LostWrite];
    let apart = sends().poll(&[(0, 10)]).poll_as(4, Stage::Ok, &[(2, 12)]);
    apart.is(&lost);
    // Where it stood is known from a poll of unknown outcome only.
    let unsure = Story::new().send_as(1, Stage::Ok, &[(10, None)]);
    let unsure = unsure.send(11, 1).poll_as(5, Stage::Info, &[(0, 10)]);
    unsure.poll(&[(1, 11)]).is(&lost);
    // Not yet read is not lost.
    let early = sends().poll(&[(0, 10), (1, 11)]);
    assert_eq!(check(&early.history()).verdict, Verdict::Unknown);
    // Neither is what was never acknowledged, or certainly not written.
    for outcome in [Stage::Info, Stage::Fail] {
        let absent = Story::new().send(10, 0).send_as(4, outcome, &[(11, None)]);
        let absent = absent.send(12, 1).poll(&[(0, 10), (1, 12)]);
        absent.drain(2).is(&[]);
    }
}

#[test]
fn what_was_acknowledged_of_an_info_send_must_be_there() {
    let sends = [(10, Some(0)), (11, Some(1)), (12, None)];
    let story = || Story::new().send_as(1, Stage::Info, &sends).send(13, 2);
    let lost = [AnomalyKind::LostWrite, AnomalyKind::Unseen];
    let apart = story().poll(&[(0, 10)]).poll_as(4, Stage::Ok, &[(2, 13)]);
    apart.drain(3).is(&lost);
    let whole = story().poll(&[(0, 10), (1, 11), (2, 13)]);
    whole.drain(3).is(&[]);
}

#[test]
fn an_acknowledged_value_missing_at_the_end_is_unseen() {
    let unseen = [AnomalyKind::Unseen];
    let of = |outcome, offset| {
        let sends = Story::new()
            .send(10, 0)
            .send_as(1, outcome, &[(11, offset)]);
        sends.poll(&[(0, 10)]).drain(1)
    };
    of(Stage::Ok, None).is(&unseen);
    of(Stage::Ok, Some(1)).is(&unseen);
    of(Stage::Info, Some(1)).is(&unseen);
    of(Stage::Info, None).is(&[]);
    of(Stage::Fail, None).is(&[]);
    // A failed poll has shown nothing to anybody.
    let failed = Story::new().send(10, 0).send(11, 1).poll(&[(0, 10)]);
    let failed = failed.poll_as(2, Stage::Fail, &[(1, 11)]);
    failed.drain(2).is(&unseen);
    // Acknowledged after the final reading began: it could not be judged.
    let late = of(Stage::Fail, None).send(12, 1);
    late.shows_nothing(&Doubt::NotDrained { key: key() });
}

#[test]
fn lost_values_are_counted_once() {
    let story = Story::new().send(10, 0).send(11, 1).send(12, 2).send(13, 3);
    let story = story.poll(&[(0, 10)]).poll_as(4, Stage::Ok, &[(2, 12)]);
    let report = check(&story.drain(4).history());
    assert_eq!(report.anomalies[&AnomalyKind::LostWrite].count, 1);
    assert_eq!(report.anomalies[&AnomalyKind::Unseen].count, 2);
    assert_eq!(report.lost, 2);
    assert_eq!(check(&sound().history()).lost, 0);
}

#[test]
fn a_value_at_two_offsets_is_a_duplicate() {
    let twice = [AnomalyKind::Duplicate];
    let read = Story::new().send(10, 0).poll(&[(0, 10), (1, 10)]);
    read.drain(2).is(&twice);
    // The answer named one place, the log has it at another.
    let elsewhere = Story::new().send(10, 1).poll(&[(0, 10)]);
    elsewhere.drain(2).is(&twice);
    // Two readers, each of them content.
    let apart = Story::new().send_as(1, Stage::Info, &[(10, None)]);
    let apart = apart.send(11, 1).poll(&[(0, 10), (1, 11)]);
    let apart = apart.poll_as(4, Stage::Ok, &[(2, 10)]).drain(3);
    assert!(check(&apart.history()).anomalies.contains_key(&twice[0]));
    // Read twice is not there twice, and two logs may hold one value each.
    sound()
        .poll_as(4, Stage::Ok, &[(0, 10), (1, 11), (2, 12)])
        .is(&[]);
    let other = named("t/1");
    let both = sound().act(5, Stage::Ok, Action::Send(vec![sent(&other, 10, Some(7))]));
    let both = both.act(6, Stage::Ok, Action::Poll(polled(&other, &[(7, 10)])));
    both.act(9, Stage::Ok, Action::Drain(at(&[("t/1", 8)])))
        .is(&[]);
    sound().poll_as(2, Stage::Info, &[(2, 12)]).is(&[]);
}

#[test]
fn an_offset_with_two_values_is_inconsistent() {
    let two = [AnomalyKind::InconsistentOffset];
    let sends = |outcome, offset| {
        let sends = Story::new().send(10, 0);
        sends.send_as(4, outcome, &[(11, offset)]).poll(&[(0, 10)])
    };
    // Two acknowledgements, two reads, and polls of unknown or failed outcome bear witness.
    let acknowledged = sends(Stage::Ok, Some(0)).poll_as(5, Stage::Ok, &[(0, 11)]);
    acknowledged.drain(1).is(&two);
    for outcome in [Stage::Info, Stage::Fail] {
        let seen = sends(Stage::Info, None).poll_as(5, outcome, &[(0, 11)]);
        seen.drain(1).is(&two);
    }
    sends(Stage::Info, None).drain(1).is(&[]);
    sends(Stage::Fail, None).drain(1).is(&[]);
    let two_logs = [sent(&key(), 11, Some(1)), sent(&named("t/1"), 12, Some(0))];
    let apart = sends(Stage::Fail, None).act(1, Stage::Ok, Action::Send(two_logs.into()));
    let apart = apart.poll(&[(1, 11)]).drain(2);
    let apart = apart.act(
        6,
        Stage::Ok,
        Action::Poll(polled(&named("t/1"), &[(0, 12)])),
    );
    apart
        .act(9, Stage::Ok, Action::Drain(at(&[("t/1", 1)])))
        .is(&[]);
}

#[test]
fn a_read_of_a_failed_write_is_an_aborted_read() {
    let story = |outcome| Story::new().send(9, 0).send_as(4, outcome, &[(10, None)]);
    let read = [(0, 9), (1, 10)];
    let aborted = [AnomalyKind::AbortedRead];
    story(Stage::Fail).poll(&read).drain(2).is(&aborted);
    let send = |value| Step::Send(sent(&key(), value, None));
    let transaction = Story::new()
        .send(9, 0)
        .act(4, Stage::Fail, Action::Txn(vec![send(10)]));
    transaction.poll(&read).drain(2).is(&aborted);
    let batch = Story::new()
        .send(9, 0)
        .produce(Stage::Fail, identity(1, 0, 0), &[10], None);
    batch.poll(&read).drain(2).is(&aborted);
    story(Stage::Info).poll(&read).drain(2).is(&[]);
    // A failed poll proves nothing.
    let unread = story(Stage::Fail).poll(&[(0, 9)]);
    unread.poll_as(5, Stage::Fail, &[(1, 10)]).drain(2).is(&[]);
    // Of a batch that was sent again one attempt may fail.
    let again = Story::new()
        .send(9, 0)
        .produce(Stage::Info, identity(1, 0, 0), &[10], None);
    let again = again.produce(Stage::Fail, identity(1, 0, 0), &[10], None);
    again.poll(&read).drain(2).is(&[]);
}

#[test]
fn a_transaction_sees_nothing_of_its_own_before_it_commits() {
    let send = |value, offset| Step::Send(sent(&key(), value, Some(offset)));
    let poll = |values: &[(i64, Value)]| Step::Poll(polled(&key(), values));
    let own = [AnomalyKind::PrecommittedRead];
    let transaction = |steps| {
        Story::new()
            .send(10, 0)
            .act(4, Stage::Ok, Action::Txn(steps))
    };
    let end = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    end(transaction(vec![send(11, 1), poll(&[(0, 10), (1, 11)])])).is(&own);
    end(transaction(vec![send(11, 1), poll(&[(1, 11)])])).is(&own);
    let later = vec![send(11, 1), poll(&[(0, 10)]), poll(&[(1, 11)])];
    end(transaction(later)).is(&own);
    end(transaction(vec![send(11, 1), poll(&[(0, 10)])])).is(&[]);
    end(transaction(vec![send(11, 1)])).is(&[]);
    // The next transaction may.
    let next = transaction(vec![send(11, 1)]);
    let next = next.act(4, Stage::Ok, Action::Txn(vec![poll(&[(0, 10), (1, 11)])]));
    end(next).is(&[]);
}

#[test]
fn a_transaction_that_was_seen_in_part_must_be_there_as_a_whole() {
    let steps = |first| {
        vec![
            Step::Send(sent(&key(), 10, first)),
            Step::Send(sent(&key(), 11, None)),
        ]
    };
    let unsure = || Story::new().act(1, Stage::Info, Action::Txn(steps(Some(0))));
    unsure()
        .poll(&[(0, 10)])
        .send(12, 1)
        .poll(&[(1, 12)])
        .drain(2)
        .is(&[AnomalyKind::Unseen]);
    unsure()
        .send(12, 2)
        .poll(&[(0, 10), (1, 11), (2, 12)])
        .drain(3)
        .is(&[]);
    // Nothing of it was seen: it may never have been.
    let unseen = unsure().send(12, 1).poll(&[(1, 12)]);
    unseen.drain(2).is(&[]);
}

#[test]
fn a_value_nobody_sent_is_a_phantom() {
    let phantom = [AnomalyKind::Phantom];
    let story = || Story::new().send(10, 0);
    story().poll(&[(0, 10), (1, 99)]).drain(2).is(&phantom);
    story()
        .poll(&[(0, 10)])
        .poll_as(4, Stage::Ok, &[(1, 99)])
        .drain(2)
        .is(&phantom);
    let member = story().poll(&[(0, 10)]).subscribe(5);
    member
        .poll_as(5, Stage::Ok, &[(1, 99)])
        .drain(2)
        .is(&phantom);
    story()
        .poll(&[(0, 10)])
        .poll_as(4, Stage::Fail, &[(1, 99)])
        .drain(1)
        .is(&[]);
    story()
        .poll(&[(0, 10)])
        .poll_as(4, Stage::Info, &[(1, 99)])
        .drain(1)
        .is(&[]);
    let unsure = story().send_as(1, Stage::Info, &[(99, None)]);
    unsure.poll(&[(0, 10), (1, 99)]).drain(2).is(&[]);
}

#[test]
fn a_value_of_another_log_is_misplaced_and_one_of_an_earlier_life_resurrected() {
    let read = |sent_to: &str, read_at: &str| {
        let (sent_to, read_at) = (named(sent_to), named(read_at));
        let send = Action::Send(vec![sent(&sent_to, 77, None)]);
        let story = sound().act(4, Stage::Info, send);
        story.act(5, Stage::Ok, Action::Poll(polled(&read_at, &[(0, 77)])))
    };
    read("u/0", "t/1").is(&[AnomalyKind::Misplaced]);
    read("t/1", "t/2").is(&[AnomalyKind::Misplaced]);
    read("u#1/0", "u#1/1").is(&[AnomalyKind::Misplaced]);
    read("u#1/0", "u#2/0").is(&[AnomalyKind::Resurrected]);
    read("u#1/0", "u#3/2").is(&[AnomalyKind::Resurrected]);
    read("u/0", "u#2/0").is(&[AnomalyKind::Resurrected]);
    read("u#1/0", "u#1/0").is(&[]);
    read("t/1", "t/1").is(&[]);
    read("u#2/0", "u#2/0").is(&[]);
}

#[test]
fn offsets_that_nobody_ever_saw_are_not_skipped_but_gaps() {
    let gap = [AnomalyKind::OffsetGap];
    let story = || {
        let story = Story::new().send(10, 0).send(11, 5);
        story.poll(&[(0, 10), (5, 11)]).drain(6)
    };
    story().is(&gap);
    let mut sparse = story();
    sparse.plan.dense_offsets = false;
    sparse.is(&[]);
    // A log that begins late was trimmed, and one that was not read to the end is not judged.
    let trimmed = Story::new().send(10, 5).send(11, 6);
    trimmed.poll(&[(5, 10), (6, 11)]).drain(7).is(&[]);
    let unread = Story::new()
        .send(10, 0)
        .send(11, 5)
        .poll(&[(0, 10), (5, 11)]);
    unread.shows_nothing(&Doubt::NotDrained { key: key() });
}

#[test]
fn batches_and_replicas_have_no_gaps() {
    let gap = [AnomalyKind::OffsetGap];
    let batches = |batches: &[Batch]| sound().batches(batches);
    batches(&[batch(0, 2), batch(3, 1)]).is(&gap);
    batches(&[batch(0, 2), batch(1, 2)]).is(&gap);
    batches(&[batch(5, 2), batch(7, 1)]).is(&[]);
    batches(&[]).is(&[]);
    sound().replica(1, 3, &[batch(0, 2)]).is(&gap);
    sound().replica(1, 3, &[batch(1, 2)]).is(&gap);
    sound().replica(1, 3, &[batch(0, 2), batch(2, 1)]).is(&[]);
    let mut sparse = batches(&[batch(0, 2), batch(3, 1)]);
    sparse.plan.dense_offsets = false;
    sparse.is(&[]);
}
