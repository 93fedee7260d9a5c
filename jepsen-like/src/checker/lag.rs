//! How late readers were, and how often members read one record: observed, and never wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::version_order::KeyLog;
use crate::{Action, Key, Observations, Operation, Stage};

const NS_PER_MS: u64 = 1_000_000;

/// Observes both.
pub(super) fn observe(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    observations: &mut Observations,
) {
    let mut lags = lags(operations, logs);
    lags.sort_unstable();
    let rare = lags.len().saturating_sub(1 + lags.len() / 100);
    observations.realtime_lag_max_ms = lags.last().copied().unwrap_or(0) / NS_PER_MS;
    observations.realtime_lag_p99_ms = lags.get(rare).copied().unwrap_or(0) / NS_PER_MS;
    count_consumed(operations, observations);
}

/// For each poll and log: how old the record behind the last one returned was when it began, if
/// that was acknowledged by then.
fn lags(operations: &[Operation], logs: &BTreeMap<Key, KeyLog>) -> Vec<u64> {
    // When each known place of each log was acknowledged.
    let mut acknowledged: BTreeMap<&Key, Vec<Option<u64>>> = logs
        .iter()
        .map(|(key, log)| (key, vec![None; log.offsets().len()]))
        .collect();
    for operation in operations {
        operation.action.each_sent(|key, value, offset| {
            let place = logs.get(key).and_then(|log| log.place(value));
            let is_ok = operation.outcome_of(offset) == Stage::Ok;
            if let (true, Some((place, _)), Some(times)) = (is_ok, place, acknowledged.get_mut(key))
            {
                times[place] = operation.completed_ns;
            }
        });
    }
    // The dense index of the last record of each log that a process read.
    let mut positions: BTreeMap<u64, BTreeMap<&Key, usize>> = BTreeMap::new();
    let mut lags = Vec::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let positions = positions.entry(operation.process).or_default();
        match &operation.action {
            Action::Assign(keys) => positions.retain(|key, _| keys.contains(key)),
            Action::Subscribe(_) => positions.clear(),
            Action::Poll(_) => {
                operation.action.each_polled(|key, values| {
                    let last = values.last().map(|(offset, _)| *offset);
                    let place = last.and_then(|last| logs.get(key)?.index(last));
                    if let Some(place) = place {
                        positions.insert(key, place);
                    }
                });
                for (key, place) in positions {
                    let next = acknowledged
                        .get(key)
                        .and_then(|times| times.get(*place + 1));
                    let since = next.copied().flatten();
                    lags.push(since.map_or(0, |since| operation.invoked_ns.saturating_sub(since)));
                }
            }
            _ => {}
        }
    }
    lags
}

fn count_consumed(operations: &[Operation], observations: &mut Observations) {
    let mut members = BTreeSet::new();
    let mut consumed = Vec::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        match &operation.action {
            Action::Subscribe(_) => drop(members.insert(operation.process)),
            Action::Assign(_) => drop(members.remove(&operation.process)),
            _ if members.contains(&operation.process) => {
                operation.action.each_polled(|key, values| {
                    let values = values.iter().map(|(_, value)| *value);
                    consumed.extend(values.map(|value| (operation.process, key, value)));
                });
            }
            _ => {}
        }
    }
    consumed.sort_unstable();
    for same in consumed.chunk_by(|one, two| one == two) {
        let count = same.len() as u64;
        observations.consumed_again += u64::from(count > 1);
        observations.consume_count_max = observations.consume_count_max.max(count);
    }
}
