//! Whole batches as they stand in the logs and on the replicas: no holes, log time that never
//! falls, and the same bytes everywhere.

use std::collections::BTreeMap;

use floe_model::Offset;

use super::Found;
use crate::{Action, Anomaly, Batch, Key, Operation, OperationIndex, Replica, Stage};

/// Batches by their first offset, with whoever saw them first.
type Stored<'a> = BTreeMap<Offset, (&'a Batch, OperationIndex)>;

/// All batches that readings and replicas showed. Only what is committed is ever shown, so that
/// all of them are of one log.
pub(super) fn stored_batches(operations: &[Operation]) -> BTreeMap<&Key, Stored<'_>> {
    let mut stored: BTreeMap<&Key, Stored<'_>> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let (key, batches) = match &operation.action {
            Action::Batches { key, batches } => (key, batches),
            Action::Replica(replica) => (&replica.key, &replica.batches),
            _ => continue,
        };
        let stored = stored.entry(key).or_default();
        for batch in batches {
            let index = OperationIndex(operation.invoked);
            stored.entry(batch.base_offset).or_insert((batch, index));
        }
    }
    stored
}

/// Holes between the batches of one reading or replica, and log time that falls.
pub(super) fn check(operations: &[Operation], dense_offsets: bool, found: &mut Found) {
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        match &operation.action {
            Action::Batches { key, batches } => {
                if dense_offsets {
                    let mut next = batches
                        .first()
                        .map_or(Offset::ZERO, |first| first.base_offset);
                    for batch in batches {
                        check_next(key, &mut next, batch, found);
                    }
                }
                check_times(key, batches, found);
            }
            Action::Replica(replica) => {
                if dense_offsets {
                    check_replica(replica, found);
                }
                check_times(&replica.key, &replica.batches, found);
            }
            _ => {}
        }
    }
}

fn check_next(key: &Key, next: &mut Offset, batch: &Batch, found: &mut Found) {
    if batch.base_offset != *next {
        found.add(Anomaly::OffsetGap {
            key: key.clone(),
            offsets: [*next, batch.base_offset],
        });
    }
    *next = end(batch);
}

/// A replica must hold all that it calls committed.
fn check_replica(replica: &Replica, found: &mut Found) {
    let mut next = replica.start;
    if let Some(first) = replica.batches.first() {
        // Removal goes by offset, storage by batch: the first may begin before the start.
        next = next.min(first.base_offset);
    }
    for batch in &replica.batches {
        check_next(&replica.key, &mut next, batch, found);
    }
    if next < replica.committed {
        found.add(Anomaly::OffsetGap {
            key: replica.key.clone(),
            offsets: [next, replica.committed],
        });
    }
}

fn check_times(key: &Key, batches: &[Batch], found: &mut Found) {
    let timed = |batch: &Batch| Some((batch.base_offset, batch.appended_at_ms?));
    let mut before: Option<(Offset, i64)> = None;
    for (offset, at_ms) in batches.iter().filter_map(timed) {
        if let Some((earlier, before_ms)) = before.filter(|(_, before_ms)| at_ms < *before_ms) {
            found.add(Anomaly::TimestampRegression {
                key: key.clone(),
                offsets: [earlier, offset],
                appended_at_ms: [before_ms, at_ms],
            });
        }
        before = Some((offset, at_ms));
    }
}

/// The offset behind a batch.
fn end(batch: &Batch) -> Offset {
    batch.base_offset + i64::from(batch.count)
}

/// Compares each look at a replica with the one that reaches furthest. What one knows to be
/// committed is the same on all, at whatever time they were looked at.
pub(super) fn check_replicas(operations: &[Operation], found: &mut Found) {
    let mut looks: BTreeMap<&Key, Vec<(&Replica, OperationIndex)>> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        if let Action::Replica(replica) = &operation.action {
            let looks = looks.entry(&replica.key).or_default();
            looks.push((replica, OperationIndex(operation.invoked)));
        }
    }
    for (key, looks) in looks {
        // The longest first: it overlaps with most of the others.
        let longest = looks
            .iter()
            .max_by_key(|(replica, _)| replica.committed - replica.start);
        let Some(&(longest, first)) = longest else {
            continue;
        };
        for (replica, second) in looks {
            if let Some(offset) = divergence(longest, replica) {
                found.add(Anomaly::ReplicaDivergence {
                    key: key.clone(),
                    offset,
                    nodes: [longest.node, replica.node],
                    operations: [first, second],
                });
            }
        }
    }
}

/// The first offset at which two replicas differ where both are committed.
fn divergence(one: &Replica, two: &Replica) -> Option<Offset> {
    let start = one.start.max(two.start);
    let committed = one.committed.min(two.committed);
    let shared = |replica: &Replica| -> Vec<(Offset, u32, u32)> {
        let batches = replica.batches.iter();
        let inside = batches.filter(|batch| end(batch) > start && batch.base_offset < committed);
        inside
            .map(|batch| (batch.base_offset, batch.count, batch.crc))
            .collect()
    };
    let (one, two) = (shared(one), shared(two));
    let differs = one.iter().zip(&two).find(|(one, two)| one != two);
    match differs {
        Some((one, two)) => Some(one.0.min(two.0)),
        // One of them has nothing more to show.
        None => {
            let longer = if one.len() > two.len() { &one } else { &two };
            longer.get(one.len().min(two.len())).map(|batch| batch.0)
        }
    }
}
