//! Circles in what must have happened before what.

use super::*;
use crate::{Dependency, Link, OperationIndex};

fn send(key: &Key, value: Value, offset: i64) -> Step {
    Step::Send(sent(key, value, Some(offset)))
}

fn poll(key: &Key, values: &[(i64, Value)]) -> Step {
    Step::Poll(polled(key, values))
}

/// Two transactions at once: the first on `t/0`, the second on `t/1`.
fn two(first: Vec<Step>, second: Vec<Step>) -> Story {
    let story = Story::new().act(1, Stage::Ok, Action::Txn(first)).until(6);
    story.act(2, Stage::Ok, Action::Txn(second)).wait(3)
}

/// Everything of both logs is read to the end.
fn read(story: Story, values: [&[(i64, Value)]; 2]) -> Story {
    let [zero, one] = values;
    let story = story.poll_as(7, Stage::Ok, zero).drain(9);
    let story = story.act(8, Stage::Ok, Action::Poll(polled(&named("t/1"), one)));
    story.act(9, Stage::Ok, Action::Drain(at(&[("t/1", 9)])))
}

#[test]
fn information_does_not_flow_in_a_circle() {
    let (zero, one) = (key(), named("t/1"));
    let end = |story| read(story, [&[(0, 10)], &[(0, 20)]]);
    let circle = two(
        vec![send(&zero, 10, 0), poll(&one, &[(0, 20)])],
        vec![send(&one, 20, 0), poll(&zero, &[(0, 10)])],
    );
    end(circle).is(&[AnomalyKind::G1c]);
    // Whatever the order of the steps.
    let circle = two(
        vec![poll(&one, &[(0, 20)]), send(&zero, 10, 0)],
        vec![send(&one, 20, 0), poll(&zero, &[(0, 10)])],
    );
    end(circle).is(&[AnomalyKind::G1c]);
    let line = two(
        vec![send(&zero, 10, 0)],
        vec![send(&one, 20, 0), poll(&zero, &[(0, 10)])],
    );
    end(line).is(&[]);
    // Sends that are no transaction happen one by one.
    let sends = |first: Sent, second: Sent| Action::Send(vec![first, second]);
    let apart = Story::new()
        .act(
            1,
            Stage::Ok,
            sends(sent(&zero, 10, Some(0)), sent(&one, 21, Some(1))),
        )
        .until(6)
        .act(
            2,
            Stage::Ok,
            sends(sent(&one, 20, Some(0)), sent(&zero, 11, Some(1))),
        )
        .wait(3);
    read(apart, [&[(0, 10), (1, 11)], &[(0, 20), (1, 21)]]).is(&[]);
}

#[test]
fn a_circle_through_three_transactions_is_found_with_its_steps() {
    let keys = [key(), named("t/1"), named("t/2")];
    let step = |own: usize, other: usize| {
        let (own_value, other_value) = (10 + own as u64, 10 + other as u64);
        vec![
            send(&keys[own], own_value, 0),
            poll(&keys[other], &[(0, other_value)]),
        ]
    };
    let story = Story::new()
        .act(1, Stage::Ok, Action::Txn(step(0, 1)))
        .until(20)
        .act(2, Stage::Ok, Action::Txn(step(1, 2)))
        .until(20)
        .act(3, Stage::Ok, Action::Txn(step(2, 0)))
        .until(20);
    let report = check(&story.history());
    let example = &report.anomalies[&AnomalyKind::G1c].examples[0];
    let Anomaly::G1c { cycle } = example else {
        panic!("{example:?}");
    };
    assert_eq!(cycle.len(), 3, "{cycle:?}");
    let link = Link {
        from: OperationIndex(2),
        to: OperationIndex(0),
        because: Dependency::Wr,
        key: Some(named("t/1")),
        value: Some(11),
    };
    assert!(cycle.contains(&link), "{cycle:?}");
}

#[test]
fn writes_do_not_overwrite_each_other_in_a_circle() {
    // Only a log that holds a value twice can have one of writes alone.
    let kinds = [AnomalyKind::Duplicate, AnomalyKind::G0];
    let sends = || Story::new().send_as(1, Stage::Info, &[(10, None), (11, None)]);
    let doubled = sends().poll(&[(0, 10), (1, 11), (2, 10)]);
    doubled.send(12, 3).poll(&[(3, 12)]).drain(4).is(&kinds);
    let acknowledged = Story::new()
        .send(10, 0)
        .until(8)
        .send_as(4, Stage::Ok, &[(11, Some(1))]);
    let acknowledged = acknowledged.wait(6).poll(&[(0, 10), (1, 11), (2, 10)]);
    acknowledged.drain(3).is(&kinds);
    let three = Story::new().send_as(1, Stage::Ok, &[(10, Some(0)), (11, Some(1)), (12, Some(2))]);
    let three = three.poll(&[(0, 10), (1, 11), (2, 12), (3, 10)]);
    three.drain(4).is(&kinds);
    // Doubled right behind itself it has no circle.
    let next = sends().poll(&[(0, 10), (1, 10), (2, 11)]);
    next.send(12, 3)
        .poll(&[(3, 12)])
        .drain(4)
        .is(&[AnomalyKind::Duplicate]);
    sound().is(&[]);
    let interleaved = Story::new()
        .send_as(1, Stage::Ok, &[(10, Some(0)), (12, Some(2))])
        .until(6);
    let interleaved = interleaved.send_as(4, Stage::Ok, &[(11, Some(1))]).wait(3);
    interleaved
        .poll(&[(0, 10), (1, 11), (2, 12)])
        .drain(3)
        .is(&[]);
}

#[test]
fn writes_stand_in_the_order_in_which_they_were_acknowledged() {
    let end = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    let kinds = [AnomalyKind::G0Realtime];
    let late = |outcome, offset| {
        let story = Story::new().send(11, 1);
        story.send_as(4, outcome, &[(10, offset)])
    };
    end(late(Stage::Ok, Some(0))).is(&kinds);
    end(late(Stage::Ok, None)).is(&kinds);
    // It began after the other was acknowledged, whatever came of it.
    end(late(Stage::Info, None)).is(&kinds);
    let concurrent = Story::new().send(11, 1).until(6);
    end(concurrent.send_as(4, Stage::Ok, &[(10, Some(0))]).wait(3)).is(&[]);
    let unsure = Story::new().send_as(1, Stage::Info, &[(11, None)]);
    end(unsure.send_as(4, Stage::Ok, &[(10, Some(0))])).is(&[]);
    let apart = Story::new().send_as(4, Stage::Ok, &[(10, Some(0))]);
    end(apart.send(11, 1)).is(&[]);
}

#[test]
fn nothing_is_read_before_it_is_written() {
    let kinds = [AnomalyKind::G1cRealtime];
    let early = |outcome| {
        let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]);
        story.send_as(4, outcome, &[(11, Some(1))]).drain(2)
    };
    early(Stage::Ok).is(&kinds);
    early(Stage::Info).is(&kinds);
    let batch = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]);
    let batch = batch
        .produce(Stage::Ok, identity(1, 0, 0), &[11], Some(1))
        .drain(2);
    batch.is(&kinds);
    // The reader waited for it.
    let waited = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]).until(6);
    waited
        .send_as(4, Stage::Ok, &[(11, Some(1))])
        .wait(3)
        .drain(2)
        .is(&[]);
    // The writer was slow to hear of it.
    let slow = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Ok, &[(11, Some(1))])
        .until(8);
    slow.poll(&[(0, 10), (1, 11)]).wait(3).drain(2).is(&[]);
    sound().is(&[]);
}

#[test]
fn a_process_does_not_read_what_it_writes_only_later() {
    let kinds = [AnomalyKind::G1cProcess];
    let early = |process| {
        let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]);
        story.send_as(process, Stage::Ok, &[(11, Some(1))]).drain(2)
    };
    early(2).is(&kinds);
    // Through another process: only clocks say that it is wrong.
    early(4).is(&[AnomalyKind::G1cRealtime]);
    let info = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]);
    info.send_as(2, Stage::Info, &[(11, None)])
        .drain(2)
        .send(12, 2)
        .poll(&[(2, 12)])
        .drain(3)
        .is(&kinds);
    let step = Story::new().send(10, 0).poll(&[(0, 10), (1, 11)]);
    let transaction = Action::Txn(vec![send(&key(), 11, 1)]);
    step.act(2, Stage::Ok, transaction).drain(2).is(&kinds);
    let own = Story::new()
        .send(10, 0)
        .send_as(2, Stage::Ok, &[(11, Some(1))]);
    own.poll(&[(0, 10), (1, 11)]).drain(2).is(&[]);
    sound().is(&[]);
}

#[test]
fn a_circle_counts_once_and_in_its_narrowest_class() {
    let story = Story::new()
        .send(11, 1)
        .send(10, 0)
        .poll(&[(0, 10), (1, 11)])
        .drain(2);
    let report = check(&story.history());
    assert_eq!(report.anomalies[&AnomalyKind::G0Process].count, 1);
    let example = &report.anomalies[&AnomalyKind::G0Process].examples[0];
    let Anomaly::G0Process { cycle } = example else {
        panic!("{example:?}");
    };
    let steps: Vec<_> = cycle.iter().map(|link| (link.from.0, link.to.0)).collect();
    assert!(
        steps.contains(&(2, 0)) && steps.contains(&(0, 2)),
        "{cycle:?}"
    );
}
