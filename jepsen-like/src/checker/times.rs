//! Looking up offsets by time: a later time is never at a smaller offset, and no time moves back.

use std::collections::BTreeMap;

use floe_model::Offset;

use super::Found;
use super::replay::replay;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Stage};

/// Per log the times whose answers lie behind those of all earlier times.
type Answers<'a> = BTreeMap<&'a Key, BTreeMap<i64, (Offset, OperationIndex)>>;

/// Finds answers before those of earlier times, in one question or given before it.
pub(super) fn check(operations: &[Operation], completions: &[usize], found: &mut Found) {
    let mut answers = Answers::new();
    replay(
        operations,
        completions,
        &mut answers,
        |answers, operation| {
            if let Action::Times(times) = &operation.action {
                let index = OperationIndex(operation.invoked);
                for (key, times) in times {
                    let known = answers.entry(key).or_default();
                    for &(at_ms, offset) in times {
                        if let Some(offset) = offset {
                            learn(known, at_ms, offset, index);
                        }
                    }
                }
            }
        },
        |answers, operation| {
            if let (Action::Times(times), Stage::Ok) = (&operation.action, operation.outcome) {
                for (key, times) in times {
                    let mut known = answers.get(key).cloned().unwrap_or_default();
                    compare(key, times, &mut known, operation, found);
                }
            }
        },
    );
}

fn learn(
    known: &mut BTreeMap<i64, (Offset, OperationIndex)>,
    at_ms: i64,
    offset: Offset,
    operation: OperationIndex,
) {
    let before = known.range(..=at_ms).next_back();
    if before.is_some_and(|(_, (before, _))| *before >= offset) {
        return;
    }
    known.retain(|later_ms, (later, _)| *later_ms < at_ms || *later > offset);
    known.insert(at_ms, (offset, operation));
}

fn compare(
    key: &Key,
    times: &[(i64, Option<Offset>)],
    known: &mut BTreeMap<i64, (Offset, OperationIndex)>,
    operation: &Operation,
    found: &mut Found,
) {
    let index = OperationIndex(operation.invoked);
    let mut sorted: Vec<(i64, Offset)> = times
        .iter()
        .filter_map(|&(at_ms, offset)| Some((at_ms, offset?)))
        .collect();
    sorted.sort_unstable();
    for (at_ms, offset) in sorted {
        let before = known.range(..=at_ms).next_back();
        if let Some((&before_ms, &(before, earlier))) = before
            && offset < before
        {
            found.add(Anomaly::TimeLookupRegression {
                key: key.clone(),
                operations: [earlier, index],
                times_ms: [before_ms, at_ms],
                offsets: [before, offset],
            });
        }
        learn(known, at_ms, offset, index);
    }
}
