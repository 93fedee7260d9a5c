//! Producers whose next batch the leader waits for.
//!
//! A batch may overtake the one before it: that one was refused for now, or went to a leader that
//! is gone. A leader that knows nothing of the producer could take any batch for the next one,
//! and one that knows it would call it a gap, which producers take for lost records. Instead the
//! producer is told to try again, until the missing batch comes or time is up; then a leader
//! that knows nothing of the producer takes what comes, as of one that it has forgotten.

use std::collections::VecDeque;
use std::time::Duration;

use floe_model::Sequence;

use super::producer::BatchIdentity;

/// Producers waited for; the one that waits longest is forgotten for another.
const PRODUCERS_MAX: usize = 128;
/// Longest that a client waits for the answer to a request before it sends it again: a minute for
/// those that wait long.
const PATIENCE: Duration = Duration::from_secs(65);

struct Missing {
    /// A batch of the producer that comes first: later ones wait.
    batch: BatchIdentity,
    since: Duration,
}

/// The first missing batch of each such producer.
#[derive(Default)]
pub(crate) struct MissingBatches {
    by_time: VecDeque<Missing>,
}

impl MissingBatches {
    /// A batch was refused for now.
    pub(crate) fn refused(&mut self, batch: BatchIdentity, now: Duration) {
        let same = |one: &&Missing| is_same_life(&one.batch, &batch);
        let known = self.by_time.iter().find(same);
        if known.is_some_and(|one| is_before(&one.batch, &batch)) {
            return;
        }
        let since = known.map_or(now, |one| one.since);
        self.forget(&batch);
        if self.by_time.len() == PRODUCERS_MAX {
            self.by_time.pop_front();
        }
        self.by_time.push_back(Missing { batch, since });
    }

    /// A batch came that cannot be a producer's first, of one that nothing is known of.
    pub(crate) fn unknown_before(&mut self, batch: &BatchIdentity, now: Duration) {
        let base_sequence = Sequence(batch.base_sequence.0.wrapping_sub(1) & i32::MAX);
        let before = BatchIdentity {
            base_sequence,
            ..*batch
        };
        self.refused(before, now);
    }

    /// A batch of the producer was accepted: nothing before it is missing.
    pub(crate) fn forget(&mut self, batch: &BatchIdentity) {
        let id = batch.producer_id;
        self.by_time.retain(|one| one.batch.producer_id != id);
    }

    /// A batch has its place in the log: neither it nor one before it is missing.
    pub(crate) fn placed(&mut self, batch: &BatchIdentity) {
        let is_settled = |one: &Missing| {
            is_same_life(&one.batch, batch)
                && (one.batch.base_sequence == batch.base_sequence || is_before(&one.batch, batch))
        };
        self.by_time.retain(|one| !is_settled(one));
    }

    /// Whether one before `batch` is missing; `None` when it was waited for long enough.
    pub(crate) fn is_missing_before(&self, batch: &BatchIdentity, now: Duration) -> Option<bool> {
        let before =
            |one: &&Missing| is_same_life(&one.batch, batch) && is_before(&one.batch, batch);
        match self.by_time.iter().find(before) {
            Some(one) if now.saturating_sub(one.since) > PATIENCE => None,
            found => Some(found.is_some()),
        }
    }
}

fn is_same_life(one: &BatchIdentity, other: &BatchIdentity) -> bool {
    (one.producer_id, one.producer_epoch) == (other.producer_id, other.producer_epoch)
}

/// Whether `one` is less than half a turn of the sequence before `other`.
fn is_before(one: &BatchIdentity, other: &BatchIdentity) -> bool {
    let distance = other.base_sequence.0.wrapping_sub(one.base_sequence.0) & i32::MAX;
    distance > 0 && distance < i32::MAX / 2
}

#[cfg(test)]
mod tests {
    use floe_model::{ProducerEpoch, ProducerId};

    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn batch(id: i64, epoch: i16, base: i32) -> BatchIdentity {
        BatchIdentity {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: Sequence(base),
            last_sequence: Sequence(base),
        }
    }

    #[test]
    fn only_later_batches_of_the_same_producer_and_epoch_wait() {
        let mut missing = MissingBatches::default();
        missing.refused(batch(1, 0, 5), START);
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 6), START),
            Some(true)
        );
        for other in [
            batch(1, 0, 5),
            batch(1, 0, 4),
            batch(1, 1, 6),
            batch(2, 0, 6),
        ] {
            assert_eq!(missing.is_missing_before(&other, START), Some(false));
        }
        missing.forget(&batch(1, 0, 5));
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 6), START),
            Some(false)
        );
    }

    #[test]
    fn a_batch_that_has_its_place_is_not_missing_any_more() {
        let mut missing = MissingBatches::default();
        missing.refused(batch(1, 0, 5), START);
        missing.placed(&batch(1, 0, 4));
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 9), START),
            Some(true)
        );
        missing.placed(&batch(1, 0, 5));
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 9), START),
            Some(false)
        );
    }

    #[test]
    fn the_first_missing_batch_counts_also_across_the_wrap() {
        let mut missing = MissingBatches::default();
        missing.refused(batch(1, 0, i32::MAX), START);
        missing.refused(batch(1, 0, 0), START);
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 0), START),
            Some(true)
        );
        let first = batch(1, 0, i32::MAX);
        assert_eq!(missing.is_missing_before(&first, START), Some(false));
    }

    #[test]
    fn patience_ends_and_counts_from_the_first_time() {
        let mut missing = MissingBatches::default();
        missing.unknown_before(&batch(1, 0, 9), START);
        assert_eq!(
            missing.is_missing_before(&batch(1, 0, 9), START),
            Some(true)
        );
        let late = START + PATIENCE + Duration::from_secs(1);
        missing.unknown_before(&batch(1, 0, 9), late);
        assert_eq!(missing.is_missing_before(&batch(1, 0, 9), late), None);
    }

    #[test]
    fn producers_are_bounded() {
        let mut missing = MissingBatches::default();
        for id in 0..1000 {
            missing.refused(batch(id, 0, 0), START);
        }
        assert_eq!(missing.by_time.len(), PRODUCERS_MAX);
        assert_eq!(
            missing.is_missing_before(&batch(999, 0, 1), START),
            Some(true)
        );
    }
}
