//! The order in which one process reads and writes, within an operation and across them.

use std::collections::BTreeMap;

use floe_model::Offset;

use super::Found;
use crate::version_order::KeyLog;
use crate::{Action, Anomaly, Key, Operation, Stage};

/// How a process reads, and how far it came.
#[derive(Default)]
struct Reader {
    /// Group members may be moved by a rebalance, so that only single polls bind them.
    is_member: bool,
    /// The last offset read, per key.
    positions: BTreeMap<Key, Offset>,
}

/// Skipped and repeated reads.
pub(super) fn check_polls(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    let mut readers: BTreeMap<u64, Reader> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let reader = readers.entry(operation.process).or_default();
        match &operation.action {
            Action::Assign(keys) => {
                reader.is_member = false;
                reader.positions.retain(|key, _| keys.contains(key));
            }
            Action::Subscribe(_) => {
                *reader = Reader {
                    is_member: true,
                    ..Reader::default()
                }
            }
            Action::Poll(polled) => {
                for (key, values) in polled {
                    let Some(log) = logs.get(key) else { continue };
                    if !operation.rebalanced.contains(key) {
                        check_within(key, operation.invoked, values, log, found);
                    }
                    check_across(key, operation.invoked, values, log, reader, found);
                }
            }
            Action::Send(_)
            | Action::Commit { .. }
            | Action::Committed { .. }
            | Action::Drain(_)
            | Action::Fault { .. } => {}
        }
    }
}

fn check_within(key: &Key, reader: u64, values: &[(Offset, u64)], log: &KeyLog, found: &mut Found) {
    for pair in values.windows(2) {
        let offsets = [pair[0].0, pair[1].0];
        let key = || key.clone();
        match step(log, offsets) {
            Step::Next => {}
            Step::Skip => found.add(Anomaly::InternalPollSkip {
                key: key(),
                reader,
                offsets,
            }),
            Step::Back => {
                found.add(Anomaly::InternalNonmonotonicPoll {
                    key: key(),
                    reader,
                    offsets,
                });
            }
        }
    }
}

fn check_across(
    key: &Key,
    operation: u64,
    values: &[(Offset, u64)],
    log: &KeyLog,
    reader: &mut Reader,
    found: &mut Found,
) {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return;
    };
    let before = reader.positions.insert(key.clone(), last.0);
    if let (Some(before), false) = (before, reader.is_member) {
        let (key, reader, offsets) = (key.clone(), operation, [before, first.0]);
        match step(log, offsets) {
            Step::Next => {}
            Step::Skip => found.add(Anomaly::PollSkip {
                key,
                reader,
                offsets,
            }),
            Step::Back => found.add(Anomaly::NonmonotonicPoll {
                key,
                reader,
                offsets,
            }),
        }
    }
}

/// From one read to the next.
enum Step {
    Next,
    Skip,
    Back,
}

fn step(log: &KeyLog, [before, after]: [Offset; 2]) -> Step {
    // Both were read, so both are known; holes that nobody ever saw do not count.
    match (log.index(before), log.index(after)) {
        (Some(before), Some(after)) if after == before + 1 => Step::Next,
        (Some(before), Some(after)) if after > before => Step::Skip,
        _ => Step::Back,
    }
}

/// Sends that stand in another order than one process made them.
pub(super) fn check_sends(operations: &[Operation], found: &mut Found) {
    let mut last: BTreeMap<(u64, &Key), (u64, Offset)> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome != Stage::Fail)
    {
        let Action::Send(sends) = &operation.action else {
            continue;
        };
        let writer = operation.invoked;
        for sent in sends {
            let Some(offset) = sent.offset else { continue };
            let before = last.insert((operation.process, &sent.key), (writer, offset));
            let Some((earlier, before)) = before.filter(|(_, before)| *before >= offset) else {
                continue;
            };
            let (key, offsets) = (sent.key.clone(), [before, offset]);
            found.add(if earlier == writer {
                Anomaly::InternalNonmonotonicSend {
                    key,
                    writer,
                    offsets,
                }
            } else {
                Anomaly::NonmonotonicSend {
                    key,
                    writer,
                    offsets,
                }
            });
        }
    }
}
