//! Random runs against a correct log are valid; one lost, doubled or changed record is found.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use floe_jepsen::{
    Action, AnomalyKind, Header, History, Key, Operation, Plan, SCHEMA, Sent, Stage, Value,
    Verdict, check,
};
use floe_model::Offset;
use proptest::prelude::*;

/// One step of a run on a single key.
#[derive(Clone, Debug)]
enum Step {
    /// A send of this many values whose answer arrives, gets lost, or says no.
    Send {
        process: u64,
        count: u64,
        outcome: Stage,
        takes_effect: bool,
    },
    /// A poll of up to this many values.
    Poll { process: u64, count: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let answered = (Just(Stage::Ok), Just(true));
    let lost = (Just(Stage::Info), any::<bool>());
    let refused = (Just(Stage::Fail), Just(false));
    let send = (
        1..4_u64,
        1..4_u64,
        prop_oneof![4 => answered, 2 => lost, 1 => refused],
    );
    prop_oneof![
        send.prop_map(|(process, count, (outcome, takes_effect))| {
            Step::Send {
                process,
                count,
                outcome,
                takes_effect,
            }
        }),
        (4..7_u64, 1..6_usize).prop_map(|(process, count)| Step::Poll { process, count }),
    ]
}

fn key() -> Key {
    Key("t/0".to_owned())
}

fn operation(operations: &[Operation], process: u64, outcome: Stage, action: Action) -> Operation {
    let invoked = operations.len() as u64 * 2;
    Operation {
        invoked,
        completed: Some(invoked + 1),
        invoked_ns: invoked,
        completed_ns: Some(invoked + 1),
        process,
        outcome,
        action,
        error: None,
        rebalanced: Vec::new(),
    }
}

fn poll(values: impl Iterator<Item = (usize, Value)>) -> Action {
    let values = values.map(|(offset, value)| (Offset(offset.try_into().unwrap()), value));
    Action::Poll([(key(), values.collect())].into())
}

/// What a correct log makes of `steps`, read to the end by process 8, and the log.
fn run(steps: &[Step]) -> (History, Vec<Value>) {
    let mut operations = Vec::new();
    let mut log: Vec<Value> = Vec::new();
    let mut next_value = 0;
    let mut positions: BTreeMap<u64, usize> = BTreeMap::new();
    for step in steps {
        let next = match *step {
            Step::Send {
                process,
                count,
                outcome,
                takes_effect,
            } => {
                let mut sends = Vec::new();
                for value in next_value..next_value + count {
                    let offset = Offset(log.len().try_into().unwrap());
                    let offset = (outcome == Stage::Ok).then_some(offset);
                    sends.push(Sent {
                        key: key(),
                        value,
                        offset,
                    });
                    if takes_effect {
                        log.push(value);
                    }
                }
                next_value += count;
                operation(&operations, process, outcome, Action::Send(sends))
            }
            Step::Poll { process, count } => {
                let position = positions.entry(process).or_default();
                let values = log.iter().copied().enumerate().skip(*position).take(count);
                let action = poll(values);
                *position = (*position + count).min(log.len());
                operation(&operations, process, Stage::Ok, action)
            }
        };
        operations.push(next);
    }
    let everything = poll(log.iter().copied().enumerate());
    let drain = Action::Drain([(key(), Offset(log.len().try_into().unwrap()))].into());
    for action in [drain, everything] {
        operations.push(operation(&operations, 8, Stage::Ok, action));
    }
    let plan = Plan {
        dense_offsets: true,
        ..Plan::default()
    };
    let header = Header {
        schema: SCHEMA,
        seed: 0,
        version: String::new(),
        plan,
    };
    (History { header, operations }, log)
}

/// Applies `change` to the values of every poll.
fn alter_polls(history: &mut History, change: impl Fn(&mut Vec<(Offset, Value)>)) {
    for operation in &mut history.operations {
        if let Action::Poll(polled) = &mut operation.action {
            polled.values_mut().for_each(&change);
        }
    }
}

fn acknowledged(history: &History) -> Vec<Value> {
    let ok = history
        .operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok);
    let sends = ok.filter_map(|operation| match &operation.action {
        Action::Send(sends) => Some(sends),
        _ => None,
    });
    sends.flatten().map(|sent| sent.value).collect()
}

proptest! {
    #[test]
    fn a_correct_log_is_never_accused(steps in prop::collection::vec(any_step(), 1..60)) {
        let (history, _) = run(&steps);
        let report = check(&history);
        prop_assert!(report.anomalies.is_empty(), "{report:#?}");
        let has_sent = report.sent_ok > 0;
        prop_assert_eq!(report.verdict == Verdict::Valid, has_sent, "{:#?}", report);
    }

    #[test]
    fn any_lost_acknowledged_record_is_found(
        steps in prop::collection::vec(any_step(), 1..60),
        which: prop::sample::Index,
    ) {
        let (mut history, _) = run(&steps);
        let acknowledged = acknowledged(&history);
        prop_assume!(!acknowledged.is_empty());
        let lost = *which.get(&acknowledged);
        alter_polls(&mut history, |values| values.retain(|(_, value)| *value != lost));
        let report = check(&history);
        prop_assert_eq!(report.verdict, Verdict::Invalid);
        prop_assert!(report.anomalies.contains_key(&AnomalyKind::Unseen), "{report:#?}");
    }

    #[test]
    fn any_changed_or_doubled_record_is_found(
        steps in prop::collection::vec(any_step(), 1..60),
        which: prop::sample::Index,
        doubled: bool,
    ) {
        let (mut history, log) = run(&steps);
        prop_assume!(!log.is_empty());
        let place = which.index(log.len());
        let (value, end) = (log[place], Offset(log.len().try_into().unwrap()));
        alter_polls(&mut history, |values| {
            let found = values.iter().position(|(_, other)| *other == value);
            match found {
                Some(_) if doubled => values.push((end, value)),
                Some(found) => values[found].1 = Value::MAX,
                None => {}
            }
        });
        let report = check(&history);
        prop_assert_eq!(report.verdict, Verdict::Invalid);
        let expected = if doubled { AnomalyKind::Duplicate } else { AnomalyKind::Phantom };
        prop_assert!(report.anomalies.contains_key(&expected), "{report:#?}");
    }
}
