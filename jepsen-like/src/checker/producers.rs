//! Idempotent producers: each sequence once and in order, and no success for an old epoch.

use std::collections::BTreeMap;

use floe_model::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::Found;
use super::batches::stored_batches;
use super::replay::replay;
use crate::{Action, Anomaly, Identity, Key, Operation, OperationIndex, Produce, Stage};

/// Sequences count up to `i32::MAX` and then from 0 again.
const SEQUENCES: i64 = 1 << 31;

/// The sequence that follows `count` records.
fn after(sequence: Sequence, count: i64) -> Sequence {
    let next = (i64::from(sequence.0) + count) % SEQUENCES;
    Sequence(i32::try_from(next).unwrap_or(0))
}

/// How far `sequence` lies ahead of `expected`; negative if it lies behind.
fn ahead(expected: Sequence, sequence: Sequence) -> i64 {
    let distance = (i64::from(sequence.0) - i64::from(expected.0)).rem_euclid(SEQUENCES);
    if distance < SEQUENCES / 2 {
        distance
    } else {
        distance - SEQUENCES
    }
}

/// One producer's last batch in a log.
struct Last {
    epoch: ProducerEpoch,
    next: Sequence,
    offset: Offset,
}

/// Follows the sequences through the batches that stand in the logs. The first batch of an epoch
/// may have any sequence: what came before it may be trimmed or forgotten.
pub(super) fn check_batches(operations: &[Operation], found: &mut Found) {
    for (key, batches) in stored_batches(operations) {
        let mut producers: BTreeMap<ProducerId, Last> = BTreeMap::new();
        for (offset, (batch, operation)) in batches {
            let Some(identity) = batch.producer.filter(|of| of.producer_id.0 >= 0) else {
                continue;
            };
            let here = Last {
                epoch: identity.epoch,
                next: after(identity.sequence, i64::from(batch.count)),
                offset,
            };
            let Some(last) = producers.insert(identity.producer_id, here) else {
                continue;
            };
            if identity.epoch < last.epoch {
                found.add(Anomaly::ZombieProduce {
                    key: key.clone(),
                    producer: identity.producer_id,
                    writer: operation,
                    newer: operation,
                    epochs: [identity.epoch, last.epoch],
                });
            } else if identity.epoch == last.epoch {
                compare(key, identity, last.next, [last.offset, offset], found);
            }
        }
    }
}

/// Compares the sequence of a batch with the one that was to come.
fn compare(key: &Key, identity: Identity, next: Sequence, offsets: [Offset; 2], found: &mut Found) {
    let (producer, epoch, sequences) = (
        identity.producer_id,
        identity.epoch,
        [next, identity.sequence],
    );
    match ahead(next, identity.sequence) {
        0 => {}
        1.. => found.add(Anomaly::SequenceGap {
            key: key.clone(),
            producer,
            epoch,
            offset: offsets[1],
            sequences,
        }),
        _ => found.add(Anomaly::SequenceRepeat {
            key: key.clone(),
            producer,
            epoch,
            offsets,
            sequences,
        }),
    }
}

/// The newest epoch acknowledged, per log and producer.
type Newest<'a> = BTreeMap<(&'a Key, ProducerId), (ProducerEpoch, OperationIndex)>;

/// Judges what producers were told: no success for an epoch after a newer one had succeeded,
/// and for the batches of one epoch the places that their sequences demand.
pub(super) fn check_acknowledged(
    operations: &[Operation],
    completions: &[usize],
    found: &mut Found,
) {
    let mut newest = Newest::new();
    replay(
        operations,
        completions,
        &mut newest,
        |newest, operation| {
            if let Action::Produce(batch) = &operation.action {
                let here = (batch.producer.epoch, OperationIndex(operation.invoked));
                let known = newest.entry((&batch.key, batch.producer.producer_id));
                let known = known.or_insert(here);
                if known.0 < here.0 {
                    *known = here;
                }
            }
        },
        |newest, operation| {
            let Action::Produce(batch) = &operation.action else {
                return;
            };
            let known = newest.get(&(&batch.key, batch.producer.producer_id));
            if let (Stage::Ok, Some(&(epoch, newer))) = (operation.outcome, known)
                && batch.producer.epoch < epoch
            {
                found.add(Anomaly::ZombieProduce {
                    key: batch.key.clone(),
                    producer: batch.producer.producer_id,
                    writer: OperationIndex(operation.invoked),
                    newer,
                    epochs: [batch.producer.epoch, epoch],
                });
            }
        },
    );
    check_sequences(operations, found);
}

/// Batches of one producer, epoch and log that may be in the log.
type Run<'a> = BTreeMap<Sequence, Vec<&'a Produce>>;

fn check_sequences(operations: &[Operation], found: &mut Found) {
    let mut runs: BTreeMap<(&Key, ProducerId, ProducerEpoch), Run<'_>> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome != Stage::Fail)
    {
        if let Action::Produce(batch) = &operation.action {
            let producer = batch.producer;
            let run = runs.entry((&batch.key, producer.producer_id, producer.epoch));
            let run = run.or_default();
            run.entry(producer.sequence).or_default().push(batch);
        }
    }
    for run in runs.into_values() {
        check_run(&run, found);
    }
}

fn check_run(run: &Run<'_>, found: &mut Found) {
    // The furthest that acknowledged batches, and those that may be there, reach.
    let mut last: Option<Last> = None;
    for batches in run.values() {
        let mut placed: Option<(&Produce, Offset)> = None;
        for &batch in batches {
            let Some(offset) = batch.offset else { continue };
            match placed {
                Some((first, known)) if known != offset => {
                    let sequence = first.producer.sequence;
                    let next = after(sequence, first.values.len() as i64);
                    compare(&batch.key, batch.producer, next, [known, offset], found);
                }
                Some(_) => {}
                None => placed = Some((batch, offset)),
            }
        }
        let Some(&any) = batches.first() else {
            continue;
        };
        let next = after(any.producer.sequence, any.values.len() as i64);
        if let (Some((batch, offset)), Some(last)) = (placed, &last) {
            let identity = batch.producer;
            if ahead(last.next, identity.sequence) > 0 {
                compare(
                    &batch.key,
                    identity,
                    last.next,
                    [last.offset, offset],
                    found,
                );
            } else if offset < last.offset {
                compare(&batch.key, identity, next, [last.offset, offset], found);
            }
        }
        let offset = placed.map(|(_, offset)| offset);
        let known = last.as_ref().map_or(Offset::ZERO, |last| last.offset);
        // What may be there explains that nothing is missing; it proves nothing of offsets.
        if last.is_some() || placed.is_some() {
            last = Some(Last {
                epoch: any.producer.epoch,
                next,
                offset: offset.unwrap_or(known).max(known),
            });
        }
    }
}
