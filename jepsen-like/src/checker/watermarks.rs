//! What leaders say of the bounds of their logs: high watermark and log start never fall, and
//! nothing that was read or acknowledged lies beyond what a later leader calls committed.
//!
//! A leader that was deposed and does not know it may speak of the past. Where leaders name their
//! epochs, one of an older epoch than was seen before is not held to what came after it.

use std::collections::BTreeMap;

use floe_model::{LeaderEpoch, Offset};

use super::Found;
use super::replay::replay;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Stage, Watermarks};

/// What is certain of one log.
#[derive(Default)]
struct Known {
    epoch: Option<LeaderEpoch>,
    start: Option<(Offset, OperationIndex)>,
    high: Option<(Offset, OperationIndex)>,
    /// The last record that was read or acknowledged.
    last: Option<(Offset, OperationIndex)>,
}

/// Finds bounds that fell, and records beyond them.
pub(super) fn check(operations: &[Operation], completions: &[usize], found: &mut Found) {
    let asks = |operation: &Operation| matches!(operation.action, Action::Watermarks(_));
    if !operations.iter().any(asks) {
        return;
    }
    let mut known: BTreeMap<&Key, Known> = BTreeMap::new();
    replay(
        operations,
        completions,
        &mut known,
        advance,
        |known, operation| {
            if let (Action::Watermarks(told), Stage::Ok) = (&operation.action, operation.outcome) {
                for (key, told) in told {
                    let known = known.entry(key).or_default();
                    compare(key, told, known, OperationIndex(operation.invoked), found);
                }
            }
        },
    );
}

fn raise(bound: &mut Option<(Offset, OperationIndex)>, offset: Offset, operation: OperationIndex) {
    if bound.is_none_or(|(known, _)| known < offset) {
        *bound = Some((offset, operation));
    }
}

fn advance<'a>(known: &mut BTreeMap<&'a Key, Known>, operation: &'a Operation) {
    let index = OperationIndex(operation.invoked);
    if let Action::Watermarks(told) = &operation.action {
        for (key, told) in told {
            let known = known.entry(key).or_default();
            known.epoch = known.epoch.max(told.epoch);
            raise(&mut known.start, told.start, index);
            raise(&mut known.high, told.high, index);
        }
    }
    operation.action.each_polled(|key, values| {
        if let Some((last, _)) = values.iter().max() {
            raise(&mut known.entry(key).or_default().last, *last, index);
        }
    });
    operation.action.each_sent(|key, _, offset| {
        if let Some(offset) = offset {
            raise(&mut known.entry(key).or_default().last, offset, index);
        }
    });
}

fn compare(
    key: &Key,
    told: &Watermarks,
    known: &Known,
    operation: OperationIndex,
    found: &mut Found,
) {
    let stable = told.stable.unwrap_or(told.high);
    for offsets in [[told.start, stable], [stable, told.high]] {
        if offsets[0] > offsets[1] {
            found.add(Anomaly::WatermarksCrossed {
                key: key.clone(),
                operation,
                offsets,
            });
        }
    }
    if told.epoch.is_some() && told.epoch < known.epoch {
        return;
    }
    for (known, told) in [(known.start, told.start), (known.high, told.high)] {
        if let Some((before, earlier)) = known.filter(|(before, _)| told < *before) {
            found.add(Anomaly::WatermarkRegression {
                key: key.clone(),
                operations: [earlier, operation],
                offsets: [before, told],
            });
        }
    }
    if let Some((offset, reader)) = known.last.filter(|(offset, _)| *offset >= told.high) {
        found.add(Anomaly::AboveHighWatermark {
            key: key.clone(),
            offset,
            reader,
            operation,
            high_watermark: told.high,
        });
    }
}
