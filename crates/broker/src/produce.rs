//! Produce: batches in, offsets out.
//!
//! Everything up to the queue of each partition happens without an await, so that requests of
//! one connection that are begun in order are appended in order.

use std::sync::Arc;
use std::time::Duration;

use floe_model::{Acks, ErrorCode, LeaderEpoch, Offset};
use floe_record::BatchHeader;
use floe_rpc::{
    Awaited, Failure, PartitionKey, Payload, Produce, ProducePart, ProducePartReply, Produced,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::Broker;
use crate::broker::Located;
use crate::failure_facts::timed_out;
use crate::intake::Intake;
use crate::partition::{BatchIdentity, Offer, Offered, Partition, Placed};

/// Longest wait that a request may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Offset that stands for one that is not known.
const NO_OFFSET: Offset = Offset(-1);

/// A part of a request after its batches were offered.
struct OfferedPart {
    key: PartitionKey,
    /// Where it was offered, and in which epoch.
    partition: Option<(Arc<Partition>, LeaderEpoch)>,
    batches: usize,
    offered: Vec<Offered>,
    refusal: Option<Refused>,
    /// The time that the batches got.
    append_time_ms: Option<i64>,
}

enum Refused {
    Final(Failure),
    /// Not in this node's metadata, which may be behind.
    Unknown,
}

impl Broker {
    /// Appends record batches. The parts fail or succeed one by one, in request order. The
    /// batches are queued when this returns, before the future is polled.
    ///
    /// # Errors
    /// The whole request was refused; nothing was written.
    pub fn produce(
        &self,
        request: Produce,
    ) -> impl Future<Output = Result<Vec<ProducePartReply>, Failure>> + Send + 'static + use<> {
        let acks = request.acks;
        let limit = Duration::from_millis(request.timeout_ms.into()).min(TIMEOUT_MAX);
        let count = |failure: &Failure| self.core.metrics.failed("produce", failure);
        let offered = self.offer_parts(request).inspect_err(count);
        let broker = self.clone();
        async move { Ok(broker.settle_parts(offered?, acks, limit).await) }
    }

    /// Waits until a produce of `bytes` would find room, at most `limit`. Another may take it
    /// first.
    pub async fn produce_room(&self, bytes: usize, limit: Duration) {
        let begun = self.core.env.clock.now();
        // Running out is no failure: the produce itself is told.
        drop(tokio::time::timeout(limit, self.core.admission.room(bytes)).await);
        let waited = self.core.env.clock.now().saturating_sub(begun);
        self.core.metrics.throttled.inc_by(waited.as_secs_f64());
    }

    fn offer_parts(&self, request: Produce) -> Result<Vec<OfferedPart>, Failure> {
        self.check_serving()?;
        let batches = request.parts.iter().flat_map(|part| &part.batches);
        let bytes = batches.map(|batch| batch.len()).sum();
        let admission = &self.core.admission;
        let Some(admitted) = admission.admit(bytes) else {
            for part in &request.parts {
                if let Located::Here(partition) = self.locate(part.key) {
                    partition.remember_refused(identities(&part.batches));
                }
            }
            return Err(admission.refusal());
        };
        let admitted = Arc::new(admitted);
        let acks = request.acks;
        let offer = |part| self.offer_part(part, acks, bytes, &admitted);
        Ok(request.parts.into_iter().map(offer).collect())
    }

    async fn settle_parts(
        &self,
        parts: Vec<OfferedPart>,
        acks: Acks,
        limit: Duration,
    ) -> Vec<ProducePartReply> {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        let mut replies = Vec::with_capacity(parts.len());
        for part in parts {
            let key = part.key;
            let outcome = tokio::select! {
                biased;
                outcome = self.settle_part(part, acks) => outcome,
                () = &mut deadline => Err(timed_out(Awaited::Majority, limit)),
            };
            self.core.metrics.produced(&outcome);
            replies.push(ProducePartReply { key, outcome });
        }
        replies
    }

    fn offer_part(
        &self,
        part: ProducePart,
        acks: Acks,
        request_bytes: usize,
        admitted: &Arc<OwnedSemaphorePermit>,
    ) -> OfferedPart {
        let (key, batches) = (part.key, part.batches.len());
        let nowhere = |refusal| OfferedPart {
            key,
            partition: None,
            batches,
            offered: Vec::new(),
            refusal: Some(refusal),
            append_time_ms: None,
        };
        match self.locate(key) {
            Located::Here(partition) => {
                let epoch = partition.role().epoch;
                let intake = self.intake(&partition, request_bytes);
                let append_time_ms = intake.append_time_ms();
                let (offered, refusal) =
                    self.offer_batches(&partition, &intake, part.batches, acks, admitted);
                OfferedPart {
                    key,
                    partition: Some((partition, epoch)),
                    batches,
                    offered,
                    refusal,
                    append_time_ms,
                }
            }
            Located::Elsewhere(failure) => nowhere(Refused::Final(failure)),
            Located::Unknown => nowhere(Refused::Unknown),
        }
    }

    fn offer_batches(
        &self,
        partition: &Arc<Partition>,
        intake: &Intake,
        batches: Vec<Payload>,
        acks: Acks,
        admitted: &Arc<OwnedSemaphorePermit>,
    ) -> (Vec<Offered>, Option<Refused>) {
        if let Err(failure) = partition.serving_epoch() {
            partition.remember_refused(identities(&batches));
            return (Vec::new(), Some(Refused::Final(failure)));
        }
        let (mut offers, mut records, mut bytes) = (Vec::with_capacity(batches.len()), 0, 0);
        let mut invalid = None;
        for (place, batch) in batches.into_iter().enumerate() {
            bytes += batch.len() as u64;
            match intake.take(place, batch) {
                Ok((batch, identity)) => {
                    records += u64::from(batch.offset_count());
                    let admitted = Arc::clone(admitted);
                    offers.push(Offer {
                        batch,
                        identity,
                        acks,
                        admitted,
                    });
                }
                Err(failure) => {
                    invalid = Some(Refused::Final(failure));
                    break;
                }
            }
        }
        self.core.metrics.produce_records.inc_by(records);
        self.core.metrics.produce_bytes.inc_by(bytes);
        let (offered, refusal) = partition.offer(offers);
        (offered, refusal.map(Refused::Final).or(invalid))
    }

    fn intake(&self, partition: &Partition, request_bytes: usize) -> Intake {
        let now_ms = self.core.env.clock.wall_ms();
        let rules = partition.rules(&self.core.metadata.state());
        Intake::new(rules, now_ms, request_bytes)
    }

    async fn settle_part(&self, part: OfferedPart, acks: Acks) -> Result<Produced, Failure> {
        // Nobody waits for what was queued, but a refusal is known already.
        if acks == Acks::None && part.refusal.is_none() {
            let base_offsets = vec![NO_OFFSET; part.batches];
            return Ok(Produced {
                base_offsets,
                leader_epoch: LeaderEpoch(-1),
                append_time_ms: None,
            });
        }
        let mut base_offsets = Vec::with_capacity(part.offered.len());
        let mut leader_epoch = LeaderEpoch(-1);
        let mut append_time_ms = part.append_time_ms;
        for offered in part.offered {
            let Placed { base_offset, epoch } = match offered {
                Offered::Placed(placed) => {
                    // It keeps the time it got when it was first sent.
                    append_time_ms = None;
                    placed
                }
                // Dropped without an answer only when the node stops.
                Offered::Waiting(answer) => answer
                    .await
                    .unwrap_or_else(|_| Err(ErrorCode::Timeout.into()))?,
            };
            base_offsets.push(base_offset);
            leader_epoch = epoch;
        }
        match part.refusal {
            None => Ok(Produced {
                base_offsets,
                leader_epoch,
                append_time_ms,
            }),
            Some(Refused::Final(failure)) => Err(confirm(part.partition, failure).await),
            // Found by now, it is one to ask again about: the batches were not kept.
            Some(Refused::Unknown) => Err(match self.resolve(part.key).await {
                Ok(_) => ErrorCode::NotLeader.into(),
                Err(failure) => failure,
            }),
        }
    }
}

/// Who sent these batches, as far as they say and before they are checked.
fn identities(batches: &[Payload]) -> impl Iterator<Item = BatchIdentity> {
    batches
        .iter()
        .filter_map(|batch| BatchIdentity::of(&BatchHeader::read(batch).ok()?))
}

/// A verdict about a producer's sequence stands only if this node led when it was made: a leader
/// that was replaced unnoticed does not know what its successor appended, and a producer that
/// believed it would send under a new identity what is in the log already.
async fn confirm(partition: Option<(Arc<Partition>, LeaderEpoch)>, failure: Failure) -> Failure {
    let judged = matches!(
        failure.code,
        ErrorCode::UnknownProducer | ErrorCode::OutOfOrderSequence | ErrorCode::ProducerFenced
    );
    match partition {
        Some((partition, epoch)) if judged && !partition.leads_for_certain(epoch).await => {
            ErrorCode::NotLeader.into()
        }
        Some(_) | None => failure,
    }
}
