//! The order in which one process reads and writes, within an operation and across them.
//!
//! A process that reads by assignment is held to the strict order of the log from poll to poll.
//! A member of a group may be moved by a rebalance, so that only single polls bind it; what it
//! skips or repeats from poll to poll is observed and allowed.

use std::collections::BTreeMap;

use floe_model::Offset;

use super::Found;
use crate::version_order::KeyLog;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Stage, Value};

/// Left-out values that a finding names.
const SKIPPED_MAX: usize = 8;

/// How a process reads, and how far it came.
#[derive(Default)]
struct Reader<'a> {
    is_member: bool,
    /// The last offset read, per key.
    positions: BTreeMap<&'a Key, Offset>,
}

/// Skipped and repeated reads.
pub(super) fn check_polls(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    let mut readers: BTreeMap<u64, Reader<'_>> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        match &operation.action {
            Action::Assign(keys) => {
                let reader = readers.entry(operation.process).or_default();
                reader.is_member = false;
                reader.positions.retain(|key, _| keys.contains(key));
            }
            Action::Subscribe(_) => {
                let reader = readers.entry(operation.process).or_default();
                (reader.is_member, reader.positions) = (true, BTreeMap::new());
            }
            Action::Poll(_) | Action::Txn(_) => {
                let reader = readers.entry(operation.process).or_default();
                check_operation(operation, logs, reader, found);
            }
            _ => {}
        }
    }
}

/// The polls of one operation: of a transaction there are several.
fn check_operation<'a>(
    operation: &'a Operation,
    logs: &BTreeMap<Key, KeyLog>,
    reader: &mut Reader<'a>,
    found: &mut Found,
) {
    let mut positions: BTreeMap<&Key, Offset> = BTreeMap::new();
    operation.action.each_polled(|key, values| {
        let (Some(log), Some(last)) = (logs.get(key), values.last()) else {
            return;
        };
        let step = Step {
            log,
            key,
            reader: OperationIndex(operation.invoked),
        };
        let mut before = positions.insert(key, last.0);
        if before.is_none()
            && let Some(position) = reader.positions.get(key)
        {
            step.across([*position, values[0].0], reader.is_member, found);
        }
        for &(offset, _) in values {
            let from = before.replace(offset);
            // While a rebalance moves a key, even one poll may jump.
            if let (Some(from), false) = (from, operation.rebalanced.contains(key)) {
                step.within([from, offset], found);
            }
        }
    });
    reader.positions.extend(positions);
}

/// From one read to the next.
struct Step<'a> {
    log: &'a KeyLog,
    key: &'a Key,
    reader: OperationIndex,
}

impl Step<'_> {
    fn within(&self, offsets: [Offset; 2], found: &mut Found) {
        let (key, reader) = (|| self.key.clone(), self.reader);
        match self.distance(offsets) {
            1 => {}
            2.. => found.add(Anomaly::InternalPollSkip {
                key: key(),
                reader,
                offsets,
                skipped: self.skipped(offsets),
            }),
            _ => found.add(Anomaly::InternalNonmonotonicPoll {
                key: key(),
                reader,
                offsets,
            }),
        }
    }

    fn across(&self, offsets: [Offset; 2], is_member: bool, found: &mut Found) {
        let (key, reader) = (|| self.key.clone(), self.reader);
        match (self.distance(offsets), is_member) {
            (1, _) => {}
            (2.., true) => found.observations.subscribed_poll_skips += 1,
            (_, true) => found.observations.subscribed_nonmonotonic_polls += 1,
            (2.., false) => found.add(Anomaly::PollSkip {
                key: key(),
                reader,
                offsets,
                skipped: self.skipped(offsets),
            }),
            (_, false) => found.add(Anomaly::NonmonotonicPoll {
                key: key(),
                reader,
                offsets,
            }),
        }
    }

    /// In known offsets; holes that nobody ever saw do not count. Both were read, so both are
    /// known.
    fn distance(&self, [before, after]: [Offset; 2]) -> i64 {
        let index = |offset| self.log.index(offset).unwrap_or_default();
        i64::try_from(index(after)).unwrap_or(i64::MAX)
            - i64::try_from(index(before)).unwrap_or(i64::MAX)
    }

    fn skipped(&self, [before, after]: [Offset; 2]) -> Vec<Value> {
        let index = |offset| self.log.index(offset).unwrap_or_default();
        let between = index(before) + 1..index(after);
        let values = between.flat_map(|index| self.log.values_at(index));
        values.map(|(_, value)| *value).take(SKIPPED_MAX).collect()
    }
}

/// Sends that stand in another order than one process made them.
pub(super) fn check_sends(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    let mut last: BTreeMap<(u64, &Key), (OperationIndex, Offset)> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome != Stage::Fail)
    {
        let writer = OperationIndex(operation.invoked);
        // A batch may be sent again after later ones; its sequence says where it belongs.
        if matches!(operation.action, Action::Produce(_)) {
            continue;
        }
        operation.action.each_sent(|key, value, offset| {
            let Some(offset) = offset.or_else(|| only_offset(operation, logs.get(key)?, value))
            else {
                return;
            };
            let Some((earlier, before)) = last.insert((operation.process, key), (writer, offset))
            else {
                return;
            };
            let (key, offsets) = (key.clone(), [before, offset]);
            match (earlier == writer, before < offset) {
                (true, true) => {
                    let gap = logs.get(&key).and_then(|log| {
                        Some(log.index(offset)?.saturating_sub(log.index(before)?))
                    });
                    let is_skip = gap.is_some_and(|gap| gap > 1);
                    found.observations.internal_send_skips += u64::from(is_skip);
                }
                (false, true) => {}
                (true, false) => found.add(Anomaly::InternalNonmonotonicSend {
                    key,
                    writer,
                    offsets,
                }),
                (false, false) => found.add(Anomaly::NonmonotonicSend {
                    key,
                    writer,
                    offsets,
                }),
            }
        });
    }
}

/// Where a value stands whose acknowledgement did not say so.
fn only_offset(operation: &Operation, log: &KeyLog, value: Value) -> Option<Offset> {
    let (first, last) = log.place(value)?;
    let is_certain = operation.outcome == Stage::Ok && first == last;
    is_certain.then(|| log.offsets()[first])
}
