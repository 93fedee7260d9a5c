//! What is in the logs against what was acknowledged.

use std::collections::BTreeMap;

use super::Found;
use crate::version_order::KeyLog;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Stage, Value};

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
    let last = log.writers().filter_map(|(_, writer)| writer.acknowledged);
    last.max() <= drain
}

/// Inconsistent offsets, duplicates, lost and unseen values, gaps. Returns how many acknowledged
/// values are gone.
pub(super) fn check(
    logs: &BTreeMap<Key, KeyLog>,
    drains: &BTreeMap<Key, u64>,
    dense_offsets: bool,
    found: &mut Found,
) -> u64 {
    let mut gone = 0;
    for (key, log) in logs {
        check_places(key, log, found);
        let drain = drains.get(key).copied();
        gone += check_lost(key, log, drain, found);
        if dense_offsets && drain.is_some() {
            check_gaps(key, log, found);
        }
    }
    gone
}

/// One value per offset and one offset per value.
fn check_places(key: &Key, log: &KeyLog, found: &mut Found) {
    for index in 0..log.offsets().len() {
        if let &[(offset, one), (_, two), ..] = log.values_at(index) {
            let (key, values) = (key.clone(), [one, two]);
            found.add(Anomaly::InconsistentOffset {
                key,
                offset,
                values,
            });
        }
    }
    for (value, (first, last)) in log.places() {
        if first != last {
            let offsets = [log.offsets()[first], log.offsets()[last]];
            let key = key.clone();
            found.add(Anomaly::Duplicate {
                key,
                value,
                offsets,
            });
        }
    }
}

/// Values that must have been read because something behind them was, or because the final
/// reading began after they were acknowledged. First and last index keep this sound for a log
/// that is inconsistent already.
fn check_lost(key: &Key, log: &KeyLog, drain: Option<u64>, found: &mut Found) -> u64 {
    let read = log.places().filter(|(value, _)| log.is_read(*value));
    let bound = read.map(|(_, place)| place.0).max();
    let mut gone = 0;
    for (value, writer) in log.writers() {
        if writer.outcome != Stage::Ok || log.is_read(value) {
            continue;
        }
        let writer_index = writer.operation;
        let last = log.place(value).map(|place| place.1);
        let is_lost = matches!((last, bound), (Some(last), Some(bound)) if last <= bound);
        let is_unseen =
            matches!((writer.acknowledged, drain), (Some(at), Some(drain)) if at < drain);
        if is_lost {
            found.add(Anomaly::LostWrite {
                key: key.clone(),
                value,
                writer: writer_index,
            });
        }
        if is_unseen {
            found.add(Anomaly::Unseen {
                key: key.clone(),
                value,
                writer: writer_index,
            });
        }
        gone += u64::from(is_lost || is_unseen);
    }
    gone
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

/// Reads of values that failed, were never sent, were sent elsewhere or are not committed.
pub(super) fn check_reads(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let reader = OperationIndex(operation.invoked);
        operation.action.each_polled(|key, values| {
            let Some(log) = logs.get(key) else { return };
            for &(_, value) in values {
                match log.writer(value) {
                    None => found.add(unsent(logs, key, value, reader)),
                    Some(writer) if writer.outcome == Stage::Fail => {
                        found.add(Anomaly::AbortedRead {
                            key: key.clone(),
                            value,
                            writer: writer.operation,
                            reader,
                        });
                    }
                    Some(writer) if writer.operation == reader => {
                        found.add(Anomaly::PrecommittedRead {
                            key: key.clone(),
                            value,
                            reader,
                        });
                    }
                    Some(_) => {}
                }
            }
        });
    }
}

/// A value that nobody sent to `key`: perhaps it belongs to another log.
fn unsent(
    logs: &BTreeMap<Key, KeyLog>,
    key: &Key,
    value: Value,
    reader: OperationIndex,
) -> Anomaly {
    let mut others = logs
        .iter()
        .filter(|(_, log)| log.writer(value).is_some())
        .map(|(other, _)| other);
    let first = others.clone().next();
    // Another life of the same topic says most.
    let home = others.find(|other| other.topic() == key.topic() && life(other) != life(key));
    let key = key.clone();
    match (home, first) {
        (Some(sent_to), _) => Anomaly::Resurrected {
            key,
            sent_to: sent_to.clone(),
            value,
            reader,
        },
        (None, Some(sent_to)) => Anomaly::Misplaced {
            key,
            sent_to: sent_to.clone(),
            value,
            reader,
        },
        (None, None) => Anomaly::Phantom { key, value, reader },
    }
}

/// The topic with its incarnation.
fn life(key: &Key) -> &str {
    key.0.rsplit_once('/').map_or(&*key.0, |(life, _)| life)
}
