//! What is in the logs against what was acknowledged.

use std::collections::BTreeMap;

use super::Found;
use crate::version_order::{KeyLog, Writer};
use crate::{Action, Anomaly, Key, Operation, Stage};

/// When each key was last read to its end: the invocation of that reading.
pub(super) fn drains(operations: &[Operation]) -> BTreeMap<Key, u64> {
    let mut drains = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        if let Action::Drain(ends) = &operation.action {
            drains.extend(ends.keys().map(|key| (key.clone(), operation.invoked)));
        }
    }
    drains
}

/// Whether a reading that began at `drain` had to show everything acknowledged to the key.
pub(super) fn is_drained(log: &KeyLog, drain: Option<u64>) -> bool {
    let last = log.writers.values().filter_map(Writer::acknowledged).max();
    last <= drain
}

/// Inconsistent offsets, duplicates, lost and unseen values, gaps.
pub(super) fn check(
    logs: &BTreeMap<Key, KeyLog>,
    drains: &BTreeMap<Key, u64>,
    dense_offsets: bool,
    found: &mut Found,
) {
    for (key, log) in logs {
        for (offset, values) in log.entries() {
            let mut values = values.iter();
            if let (Some(&one), Some(&two)) = (values.next(), values.next()) {
                let (key, values) = (key.clone(), [one, two]);
                found.add(Anomaly::InconsistentOffset {
                    key,
                    offset,
                    values,
                });
            }
        }
        for (&value, &(first, last)) in &log.places {
            if first != last {
                let offsets = [log.offsets()[first], log.offsets()[last]];
                found.add(Anomaly::Duplicate {
                    key: key.clone(),
                    value,
                    offsets,
                });
            }
        }
        check_lost(key, log, found);
        if let Some(&drain) = drains.get(key) {
            check_unseen(key, log, drain, found);
            if dense_offsets {
                check_gaps(key, log, found);
            }
        }
    }
}

/// Values that must have been read because something behind them was. First and last index keep
/// this sound for a log that is inconsistent already.
fn check_lost(key: &Key, log: &KeyLog, found: &mut Found) {
    let read = log.read.iter().filter_map(|value| log.places.get(value));
    let Some(bound) = read.map(|place| place.0).max() else {
        return;
    };
    for (&value, &(_, last)) in &log.places {
        let writer = log
            .writers
            .get(&value)
            .filter(|writer| writer.outcome == Stage::Ok);
        if let (true, false, Some(writer)) = (last <= bound, log.read.contains(&value), writer) {
            let (key, writer) = (key.clone(), writer.operation);
            found.add(Anomaly::LostWrite { key, value, writer });
        }
    }
}

fn check_unseen(key: &Key, log: &KeyLog, drain: u64, found: &mut Found) {
    for (&value, writer) in &log.writers {
        let was_there = writer
            .acknowledged()
            .is_some_and(|completed| completed < drain);
        if was_there && !log.read.contains(&value) {
            let (key, writer) = (key.clone(), writer.operation);
            found.add(Anomaly::Unseen { key, value, writer });
        }
    }
}

fn check_gaps(key: &Key, log: &KeyLog, found: &mut Found) {
    for pair in log.offsets().windows(2) {
        let offsets = [pair[0], pair[1]];
        if offsets[1] - offsets[0] != 1 {
            found.add(Anomaly::OffsetGap {
                key: key.clone(),
                offsets,
            });
        }
    }
}

/// Reads of values that failed or were never sent.
pub(super) fn check_reads(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let Action::Poll(polled) = &operation.action else {
            continue;
        };
        let reader = operation.invoked;
        for (key, values) in polled {
            let Some(log) = logs.get(key) else { continue };
            for &(_, value) in values {
                let key = || key.clone();
                match log.writers.get(&value) {
                    None => found.add(Anomaly::Phantom {
                        key: key(),
                        value,
                        reader,
                    }),
                    Some(writer) if writer.outcome == Stage::Fail => {
                        let writer = writer.operation;
                        found.add(Anomaly::AbortedRead {
                            key: key(),
                            value,
                            writer,
                            reader,
                        });
                    }
                    Some(_) => {}
                }
            }
        }
    }
}
