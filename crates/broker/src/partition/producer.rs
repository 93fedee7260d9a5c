//! What a partition remembers of its idempotent producers.
//!
//! The table is applied state: it changes only with committed entries, is equal on all replicas
//! at one log index, and goes into snapshots. It keeps the last five batches of each producer,
//! which is what a producer may have in flight, and forgets a producer when log time (never a
//! node's clock) has passed its last batch by [`PRODUCER_EXPIRATION_MS`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use floe_model::limits::PRODUCER_BATCHES_KEPT;
use floe_model::{Offset, ProducerEpoch, ProducerId, Sequence};
use floe_record::BatchHeader;

/// Silence in log time after which a producer is forgotten (Kafka's default). A constant: nodes
/// that disagreed on it would disagree on what is a duplicate.
pub(crate) const PRODUCER_EXPIRATION_MS: i64 = 24 * 3_600_000;

/// Who wrote a batch and as which of its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchIdentity {
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    /// Sequences of the first and the last record.
    pub(crate) base_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
}

impl BatchIdentity {
    /// The identity of a batch; `None` for one without idempotence.
    pub(crate) fn of(header: &BatchHeader) -> Option<Self> {
        (header.producer_id.0 >= 0).then(|| Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_sequence: advance(header.base_sequence, header.last_offset_delta),
        })
    }

    fn same_records(&self, base: Sequence, last: Sequence) -> bool {
        (self.base_sequence, self.last_sequence) == (base, last)
    }
}

/// `sequence + count`, wrapping from `i32::MAX` to 0.
pub(crate) fn advance(sequence: Sequence, count: i32) -> Sequence {
    let sum = (i64::from(sequence.0) + i64::from(count)).rem_euclid(1 << 31);
    Sequence(i32::try_from(sum).expect("a remainder of 2^31 is an i32"))
}

/// A committed batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptBatch {
    pub(crate) base_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
    pub(crate) base_offset: Offset,
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: ProducerEpoch,
    pub(crate) last_seen_ms: i64,
    /// Oldest first, at most [`PRODUCER_BATCHES_KEPT`], all of `epoch`.
    pub(crate) batches: VecDeque<KeptBatch>,
}

/// All producers of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: BTreeMap<ProducerId, Producer>,
    /// The same producers by time of their last batch.
    by_time: BTreeSet<(i64, ProducerId)>,
}

impl Producers {
    pub(crate) fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&ProducerId, &Producer)> {
        self.by_id.iter()
    }

    /// Puts a producer back that a snapshot had.
    pub(crate) fn restore(&mut self, id: ProducerId, producer: Producer) {
        self.by_time.insert((producer.last_seen_ms, id));
        if let Some(replaced) = self.by_id.insert(id, producer) {
            self.by_time.remove(&(replaced.last_seen_ms, id));
        }
    }

    /// Records a committed batch.
    pub(crate) fn record(
        &mut self,
        identity: &BatchIdentity,
        base_offset: Offset,
        log_time_ms: i64,
    ) {
        let id = identity.producer_id;
        let producer = self.by_id.entry(id).or_insert_with(|| Producer {
            epoch: identity.producer_epoch,
            last_seen_ms: log_time_ms,
            batches: VecDeque::new(),
        });
        self.by_time.remove(&(producer.last_seen_ms, id));
        self.by_time.insert((log_time_ms, id));
        producer.last_seen_ms = log_time_ms;
        if producer.epoch != identity.producer_epoch {
            producer.epoch = identity.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == PRODUCER_BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(KeptBatch {
            base_sequence: identity.base_sequence,
            last_sequence: identity.last_sequence,
            base_offset,
        });
    }

    /// Forgets the producers that were silent too long when log time reaches `log_time_ms`.
    pub(crate) fn expire(&mut self, log_time_ms: i64) {
        let limit_ms = log_time_ms.saturating_sub(PRODUCER_EXPIRATION_MS);
        while let Some(&(last_seen_ms, id)) = self.by_time.first() {
            if last_seen_ms >= limit_ms {
                return;
            }
            self.by_time.pop_first();
            self.by_id.remove(&id);
        }
    }
}

/// A batch of a producer that was accepted and is not applied yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnappliedBatch<Id> {
    pub(crate) id: Id,
    pub(crate) identity: BatchIdentity,
}

/// What to do with a batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<Id> {
    /// It is the next one.
    Append,
    /// It is in the log at this offset.
    Applied(Offset),
    /// It is the same as one that is on its way.
    OnItsWay(Id),
    /// A newer epoch of the producer exists.
    Fenced,
    /// It leaves a gap, or repeats what is older than all that is kept.
    OutOfOrder,
    /// Nothing is known of the producer and it does not begin at 0.
    UnknownProducer,
}

/// Decides about `batch`, given what is applied and what is on its way (in order) of its
/// producer. The latter continues the former.
pub(crate) fn judge<Id: Copy>(
    batch: &BatchIdentity,
    applied: Option<&Producer>,
    unapplied: &VecDeque<UnappliedBatch<Id>>,
) -> Verdict<Id> {
    let newest = unapplied.back().map(|last| &last.identity);
    let epoch = newest
        .map(|last| last.producer_epoch)
        .or(applied.map(|producer| producer.epoch));
    match epoch {
        None if batch.base_sequence.0 == 0 => return Verdict::Append,
        None => return Verdict::UnknownProducer,
        Some(epoch) if batch.producer_epoch < epoch => return Verdict::Fenced,
        Some(epoch) if batch.producer_epoch > epoch && batch.base_sequence.0 == 0 => {
            return Verdict::Append;
        }
        Some(epoch) if batch.producer_epoch > epoch => return Verdict::OutOfOrder,
        Some(_) => {}
    }
    let current = |epoch| batch.producer_epoch == epoch;
    for one in unapplied
        .iter()
        .filter(|one| current(one.identity.producer_epoch))
    {
        if batch.same_records(one.identity.base_sequence, one.identity.last_sequence) {
            return Verdict::OnItsWay(one.id);
        }
    }
    let kept = applied
        .filter(|producer| current(producer.epoch))
        .map(|producer| &producer.batches);
    for one in kept.into_iter().flatten() {
        if batch.same_records(one.base_sequence, one.last_sequence) {
            return Verdict::Applied(one.base_offset);
        }
    }
    let last = newest.map(|last| last.last_sequence);
    let last = last.or_else(|| Some(kept?.back()?.last_sequence));
    match last {
        Some(last) if batch.base_sequence == advance(last, 1) => Verdict::Append,
        Some(_) | None => Verdict::OutOfOrder,
    }
}

#[cfg(test)]
mod tests;
