//! One partition's batches between buffer and acknowledgement.
//!
//! Batches get their sequence when they are sealed and keep it through every attempt, so that a
//! leader recognises what it has. At most one request of a lane is in flight and at most five
//! batches are in it, which is what a partition remembers of a producer. Invariant: a batch whose
//! fate is unknown is only ever sent again under the same identity and sequence; a batch gets a
//! new sequence only when it is certain that it was not appended.
//!
//!   unacked:  [ sent | sent | .. | sealed ]      sequences ascend without gaps

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_env::Rng;
use floe_model::{Acks, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Sequence, limits};
use floe_record::{BatchBuilder, Compression};
use floe_rpc::{Payload, Produced, ProducerIdentity};

use super::buffers::Gathered;
use super::delivery::BatchSlot;
use super::undelivered::decode;
use crate::Error;
use crate::backoff::Backoff;
use crate::error::Cause;

const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(250);
/// Attempts after which a sequence that stays out of order is given up.
const DISORDER_ATTEMPTS_MAX: u32 = 4;

/// A batch ready to travel.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) partition: PartitionIndex,
    pub(super) batch: Bytes,
    pub(super) slot: Arc<BatchSlot>,
    pub(super) number: u64,
    pub(super) charged_bytes: usize,
    pub(super) record_count: u32,
    opened_at: Duration,
    base_sequence: Sequence,
    /// Whether an attempt may have appended it without our hearing of it.
    is_doubted: bool,
}

impl From<Gathered> for Sealed {
    fn from(gathered: Gathered) -> Self {
        Self {
            record_count: gathered.builder.record_count(),
            batch: gathered.builder.build(),
            partition: gathered.slot.partition(),
            slot: gathered.slot,
            number: gathered.number,
            charged_bytes: gathered.charged_bytes,
            opened_at: gathered.opened_at,
            base_sequence: Sequence(-1),
            is_doubted: false,
        }
    }
}

/// A batch that is through, one way or the other.
pub(super) struct Settled {
    pub(super) sealed: Sealed,
    pub(super) outcome: Result<Offset, Error>,
}

/// What a failed attempt asks of the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// Look for the leader.
    pub(super) layout: bool,
    /// Get a new producer identity.
    pub(super) identity: bool,
}

/// One partition's batches in sequence.
#[derive(Debug)]
pub(super) struct Lane {
    compression: Compression,
    identity: Option<ProducerIdentity>,
    /// The identity that must not be taken again: its sequence is lost.
    retired: Option<ProducerIdentity>,
    next_sequence: Sequence,
    unacked: VecDeque<Sealed>,
    /// How many of `unacked` the request in flight carries.
    sent_count: usize,
    in_flight: Option<u64>,
    /// Epoch of the leader last asked.
    asked_epoch: LeaderEpoch,
    backoff: Backoff,
    not_before: Duration,
    /// After a refusal that names no batch: find out which.
    one_at_a_time: bool,
    disorder: u32,
    last_error: Option<Error>,
}

impl Lane {
    pub(super) fn new(compression: Compression) -> Self {
        Self {
            compression,
            identity: None,
            retired: None,
            next_sequence: Sequence(0),
            unacked: VecDeque::new(),
            sent_count: 0,
            in_flight: None,
            asked_epoch: LeaderEpoch(-1),
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            not_before: Duration::ZERO,
            one_at_a_time: false,
            disorder: 0,
            last_error: None,
        }
    }

    /// Whether nothing is sealed here.
    pub(super) fn is_empty(&self) -> bool {
        self.unacked.is_empty()
    }

    /// Whether a request is on its way.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Earliest time of the next attempt.
    pub(super) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Epoch of the leader last asked.
    pub(super) fn asked_epoch(&self) -> LeaderEpoch {
        self.asked_epoch
    }

    /// When the oldest sealed batch was opened.
    pub(super) fn oldest_opened_at(&self) -> Option<Duration> {
        self.unacked.front().map(|sealed| sealed.opened_at)
    }

    /// Gives the lane an identity if it needs one and `current` will do. Whether it has one now.
    pub(super) fn identify(&mut self, current: Option<ProducerIdentity>) -> bool {
        if self.identity.is_none() && current != self.retired {
            self.identity = current;
            self.next_sequence = Sequence(0);
            self.resequence();
        }
        self.identity.is_some()
    }

    /// Takes a batch over from the buffer and gives it its sequence.
    pub(super) fn seal(&mut self, mut gathered: Gathered) {
        let base_sequence = self.next_sequence;
        if let Some(identity) = self.identity {
            let ProducerIdentity {
                producer_id,
                producer_epoch,
            } = identity;
            let builder = &mut gathered.builder;
            builder.producer(producer_id, producer_epoch, base_sequence);
            self.next_sequence = after(base_sequence, builder.record_count());
        }
        let sealed = Sealed {
            base_sequence,
            ..Sealed::from(gathered)
        };
        self.unacked.push_back(sealed);
    }

    /// The batches of the next request, about `bytes_max` of them, at least one. One that is larger
    /// than the topic is known to accept goes alone: its refusal then says nothing of others.
    pub(super) fn send(
        &mut self,
        request: u64,
        epoch: LeaderEpoch,
        bytes_max: usize,
        batch_bytes_max: usize,
    ) -> Vec<Payload> {
        let count_max = if self.one_at_a_time {
            1
        } else {
            limits::PRODUCER_BATCHES_KEPT
        };
        let mut bytes = 0;
        let mut batches = Vec::new();
        for sealed in self.unacked.iter().take(count_max) {
            bytes += sealed.batch.len();
            let is_large = sealed.batch.len() > batch_bytes_max;
            if !batches.is_empty() && (bytes > bytes_max || is_large) {
                break;
            }
            batches.push(Payload(sealed.batch.clone()));
            if is_large {
                break;
            }
        }
        self.sent_count = batches.len();
        self.in_flight = Some(request);
        self.asked_epoch = epoch;
        batches
    }

    /// Whether an answer to `request` still matters here; if so, it is awaited no longer.
    pub(super) fn arrived(&mut self, request: u64) -> bool {
        let matters = self.in_flight == Some(request);
        if matters {
            self.in_flight = None;
        }
        matters
    }

    /// Waits no longer for the request in flight: somebody else leads by now.
    pub(super) fn abandon(&mut self, now: Duration) {
        if self.in_flight.take().is_some() {
            self.last_error = Some(Error::code_error(ErrorCode::NotLeader));
            self.doubt_sent();
            self.not_before = now;
        }
    }

    /// The leader is another than the one asked last: no reason to wait.
    pub(super) fn leader_moved(&mut self, now: Duration) {
        self.not_before = self.not_before.min(now);
    }

    /// Whether the answer has an offset for every batch sent, where offsets are told.
    pub(super) fn is_answered_by(&self, produced: &Produced, acks: Acks) -> bool {
        acks == Acks::None || produced.base_offsets.len() == self.sent_count
    }

    /// Whether the last attempt failed in a way that another leader would mend.
    pub(super) fn doubts_leader(&self) -> bool {
        let is_answer =
            |error: &Error| matches!(error.code(), Some(ErrorCode::Busy | ErrorCode::DiskFull));
        self.in_flight.is_none() && self.last_error.as_ref().is_some_and(|e| !is_answer(e))
    }

    /// All sealed batches go out again as if for the first time, under a new identity.
    pub(super) fn start_anew(&mut self) {
        self.in_flight = None;
        self.sent_count = 0;
        for sealed in &mut self.unacked {
            sealed.is_doubted = false;
        }
        self.retire();
    }

    /// Every batch sent is appended, at these offsets.
    pub(super) fn acknowledged(&mut self, base_offsets: &[Offset]) -> Vec<Settled> {
        self.backoff.reset();
        self.disorder = 0;
        let sent: Vec<Sealed> = self.unacked.drain(..self.sent_count).collect();
        self.sent_count = 0;
        self.rest();
        let unknown = Offset(-1);
        let settle = |(place, sealed)| Settled {
            sealed,
            outcome: Ok(base_offsets.get(place).copied().unwrap_or(unknown)),
        };
        sent.into_iter().enumerate().map(settle).collect()
    }

    /// The attempt failed. Returns what is given up, and what is needed to go on.
    pub(super) fn failed(
        &mut self,
        error: Error,
        now: Duration,
        rng: &Rng,
    ) -> (Vec<Settled>, Wants) {
        let pause = self.backoff.next(rng);
        self.not_before = now + pause;
        let verdict = self.judge(&error);
        // Of several batches those before the failed one are appended, and it is not said which.
        let hides_success = self.sent_count > 1
            && error
                .code()
                .is_some_and(|code| code != ErrorCode::UnknownProducer);
        if error.leaves_doubt() || hides_success {
            self.doubt_sent();
        }
        self.last_error = Some(error.clone());
        match verdict {
            Verdict::Retry => {
                let layout = error.code() != Some(ErrorCode::Busy);
                (
                    Vec::new(),
                    Wants {
                        layout,
                        identity: false,
                    },
                )
            }
            Verdict::Forgotten => {
                // Nothing of a producer unknown to the partition is in it, so all may start anew.
                self.not_before = now;
                self.retire();
                (
                    Vec::new(),
                    Wants {
                        layout: false,
                        identity: true,
                    },
                )
            }
            Verdict::Refused { is_disorder } => self.refused(error, is_disorder, now),
        }
    }

    fn judge(&mut self, error: &Error) -> Verdict {
        let Some(code) = error.code() else {
            // Without a node's verdict nothing is certain, but that this was never sent.
            return match error.cause() {
                Cause::RequestTooLarge => Verdict::Refused { is_disorder: false },
                _ => Verdict::Retry,
            };
        };
        match code {
            // The layout decides whether the topic is gone or the node has not heard of it.
            ErrorCode::UnknownTopicOrPartition | ErrorCode::Internal => Verdict::Retry,
            // A leader of former days may not know of what was appended since.
            ErrorCode::UnknownProducer if self.has_doubt() => Verdict::Retry,
            ErrorCode::UnknownProducer if self.identity.is_some() => Verdict::Forgotten,
            ErrorCode::OutOfOrderSequence => {
                self.disorder += 1;
                if self.disorder < DISORDER_ATTEMPTS_MAX {
                    Verdict::Retry
                } else {
                    Verdict::Refused { is_disorder: true }
                }
            }
            ErrorCode::ProducerFenced => Verdict::Refused { is_disorder: true },
            code if code.is_retriable() => Verdict::Retry,
            _ => Verdict::Refused { is_disorder: false },
        }
    }

    /// A batch was refused for good. When several were sent, it is not said which: each goes alone
    /// until it is found. The next ones take its place in the sequence, but only if it is certain
    /// that neither it nor any of them was ever appended; else all are given up.
    fn refused(&mut self, error: Error, is_disorder: bool, now: Duration) -> (Vec<Settled>, Wants) {
        self.not_before = now;
        if self.sent_count > 1 {
            self.one_at_a_time = true;
            return (Vec::new(), Wants::default());
        }
        let wants = Wants {
            layout: false,
            identity: self.identity.is_some(),
        };
        if self.identity.is_some() && self.has_doubt() {
            let cause = Cause::Entangled { refusal: error };
            return (self.fail_all(&cause.into()), wants);
        }
        let Some(sealed) = self.unacked.pop_front() else {
            return (Vec::new(), Wants::default());
        };
        self.disorder = 0;
        self.sent_count = 0;
        self.next_sequence = sealed.base_sequence;
        if is_disorder {
            self.retire();
        } else {
            self.resequence();
        }
        self.rest();
        let settled = Settled {
            sealed,
            outcome: Err(error),
        };
        let wants = Wants {
            identity: wants.identity && is_disorder,
            ..wants
        };
        (vec![settled], wants)
    }

    fn has_doubt(&self) -> bool {
        self.unacked.iter().any(|sealed| sealed.is_doubted)
    }

    fn doubt_sent(&mut self) {
        for sealed in self.unacked.iter_mut().take(self.sent_count) {
            sealed.is_doubted = true;
        }
    }

    /// Gives up all batches if the oldest was opened before `oldest`. They were tried together, so
    /// their fates are equally unknown and none may get a new sequence.
    pub(super) fn expire(&mut self, oldest: Duration, timeout: Duration) -> Vec<Settled> {
        if self
            .oldest_opened_at()
            .is_none_or(|opened_at| opened_at > oldest)
        {
            return Vec::new();
        }
        let cause = Cause::DeadlineExceeded {
            after: timeout,
            is_unsure: self.in_flight.is_some() || self.has_doubt(),
            last: self.last_error.clone(),
        };
        self.fail_all(&cause.into())
    }

    /// Gives up all batches.
    pub(super) fn fail_all(&mut self, error: &Error) -> Vec<Settled> {
        let settle = |sealed| Settled {
            sealed,
            outcome: Err(error.clone()),
        };
        let settled: Vec<Settled> = self.unacked.drain(..).map(settle).collect();
        if !settled.is_empty() {
            self.retire();
        }
        self.in_flight = None;
        self.sent_count = 0;
        self.rest();
        settled
    }

    /// Forgets the troubles of batches that are all gone.
    fn rest(&mut self) {
        if self.unacked.is_empty() {
            self.one_at_a_time = false;
            self.last_error = None;
        }
    }

    /// The sequence is lost: only another identity can go on.
    fn retire(&mut self) {
        if let Some(identity) = self.identity.take() {
            self.retired = Some(identity);
        }
    }

    /// Numbers the sealed batches anew from `next_sequence`; none of them was appended.
    fn resequence(&mut self) {
        let Some(identity) = self.identity else {
            return;
        };
        for sealed in &mut self.unacked {
            let mut builder = BatchBuilder::new(self.compression);
            let ProducerIdentity {
                producer_id,
                producer_epoch,
            } = identity;
            builder.producer(producer_id, producer_epoch, self.next_sequence);
            for record in decode(&sealed.batch) {
                builder.push(&floe_record::Record {
                    timestamp_ms: record.timestamp_ms.unwrap_or_default(),
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                });
            }
            sealed.batch = builder.build();
            sealed.base_sequence = self.next_sequence;
            self.next_sequence = after(self.next_sequence, sealed.record_count);
        }
    }
}

enum Verdict {
    /// The same again, later or elsewhere.
    Retry,
    /// The partition does not know the producer any more.
    Forgotten,
    /// Never.
    Refused { is_disorder: bool },
}

/// The sequence that follows `count` records from `base` on; it wraps to 0.
fn after(base: Sequence, count: u32) -> Sequence {
    let sum = (i64::from(base.0) + i64::from(count)) & i64::from(i32::MAX);
    Sequence(i32::try_from(sum).unwrap_or(0))
}

#[cfg(test)]
mod tests;
