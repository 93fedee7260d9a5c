//! Random runs against a correct cluster are valid; whatever is changed in one is found.
//!
//! The cluster is a model in memory: two logs, one group, operations of several processes at
//! once whose answers may get lost. The lines of each history are written and read again.
#![allow(clippy::unwrap_used)]

use floe_jepsen::{Action, AnomalyKind, History, Stage, Verdict, check};
use proptest::prelude::*;

mod model;

use model::{Begin, Cluster, Fate, Step, any_steps};

/// Runs the steps to their end.
fn run(steps: &[Step]) -> History {
    let mut cluster = Cluster::default();
    for step in steps {
        cluster.take(step);
    }
    cluster.finish()
}

/// Values of acknowledged sends, with their logs.
fn acknowledged(history: &History) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for operation in &history.operations {
        operation.action.each_sent(|key, value, offset| {
            if operation.outcome_of(offset) == Stage::Ok {
                found.push((key.0.clone(), value));
            }
        });
    }
    found
}

/// Applies `change` to what every poll returned of a log.
fn alter_polls(
    history: &mut History,
    of: &str,
    change: impl Fn(&mut Vec<(floe_model::Offset, u64)>),
) {
    for operation in &mut history.operations {
        if let Action::Poll(polled) = &mut operation.action {
            let of_key = polled.iter_mut().filter(|(key, _)| key.0 == of);
            of_key.for_each(|(_, values)| change(values));
        }
    }
}

#[track_caller]
fn has(history: &History, kind: AnomalyKind) {
    let report = check(history);
    assert_eq!(report.verdict, Verdict::Invalid);
    assert!(
        report.anomalies.contains_key(&kind),
        "{kind:?} in {report:#?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_correct_cluster_is_never_accused(steps in any_steps()) {
        let report = check(&run(&steps));
        prop_assert!(report.anomalies.is_empty(), "{report:#?}");
        let has_sent = report.sent_ok > 0;
        prop_assert_eq!(report.verdict == Verdict::Valid, has_sent, "{:#?}", report);
    }

    #[test]
    fn any_lost_acknowledged_record_is_found(
        steps in any_steps(),
        which: prop::sample::Index,
    ) {
        let mut history = run(&steps);
        let acknowledged = acknowledged(&history);
        prop_assume!(!acknowledged.is_empty());
        let (key, lost) = which.get(&acknowledged).clone();
        alter_polls(&mut history, &key, |values| values.retain(|(_, value)| *value != lost));
        has(&history, AnomalyKind::Unseen);
    }

    #[test]
    fn any_doubled_record_is_found(steps in any_steps(), which: prop::sample::Index) {
        let mut history = run(&steps);
        let acknowledged = acknowledged(&history);
        prop_assume!(!acknowledged.is_empty());
        let (key, value) = which.get(&acknowledged).clone();
        let far = floe_model::Offset(1_000_000);
        alter_polls(&mut history, &key, |values| {
            if values.iter().any(|(_, other)| *other == value) {
                values.push((far, value));
            }
        });
        has(&history, AnomalyKind::Duplicate);
    }

    #[test]
    fn any_changed_record_is_found(steps in any_steps(), which: prop::sample::Index) {
        let mut history = run(&steps);
        let acknowledged = acknowledged(&history);
        prop_assume!(!acknowledged.is_empty());
        let (key, value) = which.get(&acknowledged).clone();
        alter_polls(&mut history, &key, |values| {
            for place in values.iter_mut().filter(|(_, other)| *other == value) {
                place.1 = u64::MAX;
            }
        });
        has(&history, AnomalyKind::Phantom);
    }

    #[test]
    fn any_two_records_that_change_places_are_found(
        steps in any_steps(),
        which: prop::sample::Index,
    ) {
        let mut history = run(&steps);
        // Two neighbours in one poll: acknowledgements and other polls know their places.
        let mut pairs = Vec::new();
        for (place, operation) in history.operations.iter().enumerate() {
            operation.action.each_polled(|key, values| {
                pairs.extend((1..values.len()).map(|second| (place, key.clone(), second)));
            });
        }
        prop_assume!(!pairs.is_empty());
        let (place, key, second) = which.get(&pairs).clone();
        let Action::Poll(polled) = &mut history.operations[place].action else {
            unreachable!("only polls were collected");
        };
        polled.get_mut(&key).unwrap().swap(second - 1, second);
        if history.operations[place].outcome == Stage::Ok {
            has(&history, AnomalyKind::InternalNonmonotonicPoll);
        }
    }

    #[test]
    fn a_write_that_is_said_to_have_failed_and_is_there_is_found(
        steps in any_steps(),
        which: prop::sample::Index,
    ) {
        let mut history = run(&steps);
        let is_sent = |place: &usize| {
            let operation = &history.operations[*place];
            operation.outcome == Stage::Ok && matches!(operation.action, Action::Send(_))
        };
        let sends: Vec<usize> = (0..history.operations.len()).filter(is_sent).collect();
        prop_assume!(!sends.is_empty());
        history.operations[*which.get(&sends)].outcome = Stage::Fail;
        has(&history, AnomalyKind::AbortedRead);
    }

    #[test]
    fn a_write_that_began_after_it_was_read_is_found(
        steps in any_steps(),
        which: prop::sample::Index,
    ) {
        let mut history = run(&steps);
        // Renamed, so that it is another write of the same process at the very end.
        let acknowledged = acknowledged(&history);
        prop_assume!(!acknowledged.is_empty());
        let (of, value) = which.get(&acknowledged).clone();
        let end = history.operations.last().unwrap().completed.unwrap() + 1;
        for operation in &mut history.operations {
            let mut is_it = false;
            operation.action.each_sent(|key, sent, _| is_it |= key.0 == of && sent == value);
            if is_it {
                (operation.invoked, operation.completed) = (end, Some(end + 1));
            }
        }
        history.operations.sort_by_key(|operation| operation.invoked);
        let report = check(&history);
        let cycles = [AnomalyKind::G1cProcess, AnomalyKind::G1cRealtime, AnomalyKind::G0Process,
            AnomalyKind::G0Realtime];
        let is_found = cycles.iter().any(|kind| report.anomalies.contains_key(kind));
        prop_assert!(is_found, "{report:#?}");
    }

    #[test]
    fn a_lost_commit_is_found(mut steps in any_steps()) {
        // The member reads something and commits it, whatever it did before.
        steps.push(Step::End(0, Fate::Answered));
        for begin in [Begin::Send(vec![0, 1]), Begin::Poll(99), Begin::Commit] {
            steps.extend([Step::Begin(0, begin), Step::End(0, Fate::Answered)]);
        }
        let mut history = run(&steps);
        prop_assert_eq!(check(&history).verdict, Verdict::Valid);
        for operation in &mut history.operations {
            if let Action::Committed { offsets, .. } = &mut operation.action {
                offsets.clear();
            }
        }
        has(&history, AnomalyKind::CommitRegression);
    }
}
