//! The order of a partition's batches on their way into the log: leader side, in memory.
//!
//! Batches are judged against the applied state and all accepted before them, wait in one queue
//! and leave it in that order, several to an entry, while at most [`ENTRIES_IN_FLIGHT_MAX`]
//! entries are in flight. Invariants: everything in the overlay was accepted in `epoch` and
//! continues the applied state; when a batch fails, no later one of the epoch is appended that
//! was judged behind it (a definite refusal fails the whole queue and pauses the intake; an unknown
//! outcome closes the epoch). Batches of an earlier epoch stay only until their outcome is told to who waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use floe_model::limits::{ENTRY_BATCHES_MAX, ENTRY_BYTES_MAX};
use floe_model::{Acks, ErrorCode, LeaderEpoch, Offset, ProducerId};
use floe_record::StampedBatch;
use floe_rpc::Failure;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::missing::MissingBatches;
use super::producer::{BatchIdentity, Producers, UnappliedBatch, Verdict, judge};

/// Entries of one partition between proposal and outcome. Small, so that what comes meanwhile
/// shares the next entry; more than one, so that the disk never waits for the network.
pub(crate) const ENTRIES_IN_FLIGHT_MAX: usize = 3;
/// Largest sum of batches in one entry that more than one batch may have, bytes.
const SHARED_ENTRY_BYTES_MAX: usize = 1 << 20;
const _: () = assert!(SHARED_ENTRY_BYTES_MAX < ENTRY_BYTES_MAX);

/// Names one accepted batch on this node.
pub(crate) type BatchId = u64;

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) base_offset: Offset,
    pub(crate) epoch: LeaderEpoch,
}

/// Told once, when the batch is where the asker wanted it.
pub(crate) type Answer = oneshot::Receiver<Result<Placed, Failure>>;

/// What came of offering a batch.
#[derive(Debug)]
pub(crate) enum Offered {
    /// It is in the log already.
    Placed(Placed),
    /// The answer comes.
    Waiting(Answer),
}

/// A batch to be judged and queued.
pub(crate) struct Offer {
    pub(crate) batch: StampedBatch,
    pub(crate) identity: Option<BatchIdentity>,
    pub(crate) acks: Acks,
    /// The request's share of the node's memory, given back when the last batch has an outcome.
    pub(crate) admitted: Arc<OwnedSemaphorePermit>,
}

/// Batches that left the queue together.
#[derive(Debug)]
pub(crate) struct NextEntry {
    pub(crate) epoch: LeaderEpoch,
    /// Whether somebody waits for this node's disk only.
    pub(crate) wants_local: bool,
    pub(crate) ids: Vec<BatchId>,
    pub(crate) batches: Vec<StampedBatch>,
}

struct Waiter {
    acks: Acks,
    answer: oneshot::Sender<Result<Placed, Failure>>,
}

struct Accepted {
    producer: Option<ProducerId>,
    offset_count: i64,
    waiters: Vec<Waiter>,
    admitted: Arc<OwnedSemaphorePermit>,
}

/// The leader side of one partition. Empty and without heap use while nothing is produced.
#[derive(Default)]
pub(crate) struct Sequencer {
    epoch: LeaderEpoch,
    /// An outcome of this epoch is unknown: nothing more is accepted in it.
    closed: bool,
    /// An entry was refused: nothing more is accepted until the others in flight are settled.
    paused: bool,
    next_id: BatchId,
    accepted: BTreeMap<BatchId, Accepted>,
    queue: VecDeque<(BatchId, StampedBatch)>,
    overlay: BTreeMap<ProducerId, VecDeque<UnappliedBatch<BatchId>>>,
    missing: MissingBatches,
    entries_in_flight: usize,
}

impl Sequencer {
    /// Takes `epoch` as the one to work in. What was queued in an earlier one is refused: it was
    /// judged against a state that may have changed.
    pub(crate) fn enter(&mut self, epoch: LeaderEpoch, now: Duration) -> Result<(), ErrorCode> {
        if epoch < self.epoch {
            // Read before the leadership moved on.
            return Err(ErrorCode::NotLeader);
        }
        if epoch > self.epoch {
            self.refuse_queue(&ErrorCode::NotLeader.into(), now);
            self.overlay.clear();
            self.epoch = epoch;
            self.closed = false;
            self.entries_in_flight = 0;
        }
        self.paused &= self.entries_in_flight > 0;
        if self.closed || self.paused {
            Err(ErrorCode::NotLeader)
        } else {
            Ok(())
        }
    }

    /// Judges a batch and queues it. Call [`Sequencer::enter`] first.
    pub(crate) fn offer(
        &mut self,
        offer: Offer,
        producers: &Producers,
        now: Duration,
    ) -> Result<Offered, ErrorCode> {
        if let Some(identity) = &offer.identity {
            let id = identity.producer_id;
            let none = VecDeque::new();
            let unapplied = self.overlay.get(&id).unwrap_or(&none);
            match judge(identity, producers.get(id), unapplied) {
                Verdict::Append => self.missing.forget(identity),
                Verdict::Applied(_) if floe_model::mutant!("dedupe-forgotten") => {}
                Verdict::OutOfOrder if floe_model::mutant!("sequence-gap-accepted") => {}
                Verdict::Fenced if floe_model::mutant!("producer-fence-missing") => {}
                Verdict::UnknownProducer => self.wait_for_the_one_before(identity, now)?,
                Verdict::Applied(base_offset) => {
                    self.missing.placed(identity);
                    return Ok(Offered::Placed(Placed {
                        base_offset,
                        epoch: self.epoch,
                    }));
                }
                Verdict::OnItsWay(id) => {
                    self.missing.placed(identity);
                    return self.join(id, offer.acks);
                }
                Verdict::Fenced => return Err(ErrorCode::ProducerFenced),
                Verdict::OutOfOrder => {
                    return Err(match self.missing.is_missing_before(identity, now) {
                        Some(true) => ErrorCode::NotLeader,
                        Some(false) | None => ErrorCode::OutOfOrderSequence,
                    });
                }
            }
        }
        Ok(Offered::Waiting(self.accept(offer)))
    }

    /// A batch was refused for now and will come again.
    pub(crate) fn remember_refused(&mut self, identity: BatchIdentity, now: Duration) {
        self.missing.refused(identity, now);
    }

    /// Nothing is known of the producer of a batch that is not its first.
    fn wait_for_the_one_before(
        &mut self,
        identity: &BatchIdentity,
        now: Duration,
    ) -> Result<(), ErrorCode> {
        match self.missing.is_missing_before(identity, now) {
            Some(is_noted) => {
                if !is_noted {
                    self.missing.unknown_before(identity, now);
                }
                Err(ErrorCode::NotLeader)
            }
            None => {
                self.missing.forget(identity);
                Ok(())
            }
        }
    }

    /// The next entry to propose, if one may be.
    pub(crate) fn next_entry(&mut self) -> Option<NextEntry> {
        if self.entries_in_flight >= ENTRIES_IN_FLIGHT_MAX || self.queue.is_empty() {
            return None;
        }
        let (mut ids, mut batches, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut wants_local = false;
        while let Some((_, batch)) = self.queue.front() {
            bytes += batch.size_bytes();
            let full = batches.len() == ENTRY_BATCHES_MAX || bytes > SHARED_ENTRY_BYTES_MAX;
            if full && !batches.is_empty() {
                break;
            }
            let (id, batch) = self.queue.pop_front().expect("the queue has a front");
            wants_local |= self.accepted.get(&id).is_some_and(Accepted::wants_local);
            ids.push(id);
            batches.push(batch);
        }
        self.entries_in_flight += 1;
        Some(NextEntry {
            epoch: self.epoch,
            wants_local,
            ids,
            batches,
        })
    }

    /// The entry is on this node's disk: answers those who wanted no more than that.
    pub(crate) fn local(&mut self, ids: &[BatchId], base_offset: Offset, epoch: LeaderEpoch) {
        let mut base_offset = base_offset;
        for id in ids {
            let Some(accepted) = self.accepted.get_mut(id) else {
                return;
            };
            let placed = Placed { base_offset, epoch };
            for waiter in accepted.waiters.extract_if(.., |waiter| {
                waiter.acks == Acks::Leader || floe_model::mutant!("ack-before-quorum")
            }) {
                // Who left does not want to know.
                drop(waiter.answer.send(Ok(placed)));
            }
            base_offset = base_offset + accepted.offset_count;
        }
    }

    /// The entry is committed and applied. The tasks that tell this may come in another order
    /// than the entries: what was accepted before is applied as well.
    pub(crate) fn committed(&mut self, ids: &[BatchId], base_offset: Offset, epoch: LeaderEpoch) {
        let mut base_offset = base_offset;
        self.leave_flight(epoch);
        for id in ids {
            let Some(accepted) = self.accepted.remove(id) else {
                continue;
            };
            self.uncover(accepted.producer, |unapplied| unapplied <= *id);
            let placed = Placed { base_offset, epoch };
            if !floe_model::mutant!("offsets-miscounted") {
                base_offset = base_offset + accepted.offset_count;
            }
            accepted.answer(&Ok(placed));
        }
    }

    /// The entry was certainly not appended, and so must none be that was judged behind it.
    pub(crate) fn refused(
        &mut self,
        ids: &[BatchId],
        failure: &Failure,
        epoch: LeaderEpoch,
        now: Duration,
    ) {
        self.leave_flight(epoch);
        for id in ids {
            self.remember_overlaid(*id, now);
            if let Some(accepted) = self.remove(*id) {
                accepted.answer(&Err(failure.clone()));
            }
        }
        if epoch == self.epoch {
            self.refuse_queue(failure, now);
            self.paused = true;
        }
    }

    /// Nobody knows what becomes of the entry: leadership was lost over it.
    pub(crate) fn unknown(
        &mut self,
        ids: &[BatchId],
        failure: &Failure,
        epoch: LeaderEpoch,
        now: Duration,
    ) {
        if epoch == self.epoch {
            self.closed = true;
        }
        self.leave_flight(epoch);
        for id in ids {
            if let Some(accepted) = self.accepted.remove(id) {
                accepted.answer(&Err(failure.clone()));
            }
        }
        if epoch == self.epoch {
            self.refuse_queue(&ErrorCode::NotLeader.into(), now);
        }
    }

    /// The leader may serve no more: what is queued is refused, of what is in flight nobody
    /// knows. In the same epoch nothing is accepted before all of it is settled.
    pub(crate) fn let_go(&mut self, now: Duration) {
        self.refuse_queue(&ErrorCode::NotLeader.into(), now);
        if floe_model::mutant!("acked-in-transfer") {
            return;
        }
        for accepted in std::mem::take(&mut self.accepted).into_values() {
            accepted.answer(&Err(ErrorCode::Timeout.into()));
        }
        self.overlay.clear();
        self.paused = true;
    }

    /// Batches accepted whose outcome is open.
    pub(crate) fn batches_waiting(&self) -> usize {
        self.accepted.len()
    }

    fn accept(&mut self, offer: Offer) -> Answer {
        let (answer, waiting) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        if let Some(identity) = offer.identity {
            let unapplied = self.overlay.entry(identity.producer_id).or_default();
            unapplied.push_back(UnappliedBatch { id, identity });
        }
        let accepted = Accepted {
            producer: offer.identity.map(|identity| identity.producer_id),
            offset_count: i64::from(offer.batch.offset_count()),
            waiters: vec![Waiter {
                acks: offer.acks,
                answer,
            }],
            admitted: offer.admitted,
        };
        self.accepted.insert(id, accepted);
        self.queue.push_back((id, offer.batch));
        waiting
    }

    /// Waits for a batch that is on its way together with whoever sent it first.
    fn join(&mut self, id: BatchId, acks: Acks) -> Result<Offered, ErrorCode> {
        // A batch whose outcome is unknown has closed the epoch; its producer asks again.
        let accepted = self.accepted.get_mut(&id).ok_or(ErrorCode::NotLeader)?;
        let (answer, waiting) = oneshot::channel();
        // Whether it is on this disk already was told before: wait for the commit.
        let acks = if acks == Acks::None {
            acks
        } else {
            Acks::Quorum
        };
        accepted.waiters.push(Waiter { acks, answer });
        Ok(Offered::Waiting(waiting))
    }

    fn remove(&mut self, id: BatchId) -> Option<Accepted> {
        let accepted = self.accepted.remove(&id)?;
        self.uncover(accepted.producer, |unapplied| unapplied == id);
        Some(accepted)
    }

    /// Takes batches of a producer out of the overlay.
    fn uncover(&mut self, producer: Option<ProducerId>, which: impl Fn(BatchId) -> bool) {
        if let Some(producer) = producer
            && let Some(unapplied) = self.overlay.get_mut(&producer)
        {
            unapplied.retain(|one| !which(one.id));
            if unapplied.is_empty() {
                self.overlay.remove(&producer);
            }
        }
    }

    fn remember_overlaid(&mut self, id: BatchId, now: Duration) {
        let producer = self.accepted.get(&id).and_then(|one| one.producer);
        let unapplied = producer.and_then(|producer| self.overlay.get(&producer));
        if let Some(one) = unapplied.and_then(|all| all.iter().find(|one| one.id == id)) {
            self.missing.refused(one.identity, now);
        }
    }

    fn refuse_queue(&mut self, failure: &Failure, now: Duration) {
        for (id, _) in std::mem::take(&mut self.queue) {
            self.remember_overlaid(id, now);
            if let Some(accepted) = self.remove(id) {
                accepted.answer(&Err(failure.clone()));
            }
        }
    }

    fn leave_flight(&mut self, epoch: LeaderEpoch) {
        if epoch == self.epoch {
            self.entries_in_flight = self.entries_in_flight.saturating_sub(1);
        }
    }
}

impl Accepted {
    fn wants_local(&self) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.acks == Acks::Leader)
    }

    fn answer(self, outcome: &Result<Placed, Failure>) {
        // Room first: who is answered may send the next at once.
        drop(self.admitted);
        for waiter in self.waiters {
            // Who left does not want to know.
            drop(waiter.answer.send(outcome.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
