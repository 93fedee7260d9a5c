//! Produce: record batches in, offsets out.
//!
//! Batches are offered to their partitions in the call that begins a request, so the order of
//! requests on a connection is the order in the log. Bytes pass through as they came; what a
//! consumer relies on is checked by the partition, what only this protocol knows is checked here.
//! To `acks` 0 there is no response; if a batch is refused then, the connection ends, which is
//! how such a client learns that it must look for the leader.

use bytes::Bytes;
use floe_broker::api::{Failure, PartitionKey, Produce, ProducePart, ProducePartReply, Produced};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ProducePartition, ProducePartitionResponse, ProduceRecordError, ProduceRequest,
    ProduceResponse, ProduceTopicResponse,
};
use floe_model::{Acks, PartitionIndex, TopicName};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::context::RequestContext;
use crate::errors::{Asked, NO_TRANSACTIONS, NO_TRANSACTIONS_TEXT, kafka_error};
use crate::leader_hints::LeaderHints;
use crate::produced_batch::{Refusal, check};

/// A batch that takes less than this share of its frame is copied: it must not hold the frame.
const FRAME_SHARE: usize = 4;

/// What follows from a produce.
pub(crate) enum Outcome {
    Respond(ProduceResponse),
    /// Nobody waits for an answer.
    Silent,
    /// Nobody waits for an answer, and there is bad news.
    Close,
}

type Settled = BoxFuture<'static, Result<Vec<ProducePartReply>, Failure>>;

/// One partition of a request after it began.
enum Begun {
    Offered(PartitionKey, Settled),
    Refused(Refusal),
    /// The topic is not in this node's metadata, which may be behind.
    Unknown(TopicName),
}

struct BegunTopic {
    name: String,
    partitions: Vec<(i32, Begun)>,
}

/// Offers all batches before it returns.
pub(crate) fn begin(
    cx: RequestContext,
    version: i16,
    request: ProduceRequest,
) -> impl Future<Output = Outcome> + Send + 'static {
    let acks = acks_of(&request);
    let timeout_ms = u32::try_from(request.timeout_ms).unwrap_or(0);
    let all_bytes = request.topic_data.iter().flat_map(|t| &t.partition_data);
    let all_bytes = all_bytes
        .map(|p| p.records.as_ref().map_or(0, Bytes::len))
        .sum();
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let mut begun = BegunTopic {
            name: topic.name,
            partitions: Vec::with_capacity(topic.partition_data.len()),
        };
        let name = TopicName::new(begun.name.as_str());
        let topic_id = name
            .as_ref()
            .ok()
            .and_then(|n| cx.broker().topic_id_named(n));
        for partition in topic.partition_data {
            let index = partition.index;
            let one = match (&acks, &name, topic_id) {
                (Err(refusal), ..) => Begun::Refused(refusal.clone()),
                (Ok(_), Err(_), _) => {
                    Begun::Refused(Refusal::of(KafkaError::INVALID_TOPIC_EXCEPTION))
                }
                (Ok(_), Ok(name), None) => Begun::Unknown(name.clone()),
                (Ok(acks), Ok(_), Some(topic_id)) => {
                    let key = key_of(topic_id, index);
                    offer(&cx, version, key, partition, *acks, timeout_ms, all_bytes)
                }
            };
            begun.partitions.push((index, one));
        }
        topics.push(begun);
    }
    let silent = matches!(acks, Ok(Acks::None));
    settle(cx, topics, silent)
}

fn key_of(topic_id: floe_model::TopicId, index: i32) -> Option<PartitionKey> {
    let partition = PartitionIndex(u32::try_from(index).ok()?);
    Some(PartitionKey {
        topic_id,
        partition,
    })
}

fn acks_of(request: &ProduceRequest) -> Result<Acks, Refusal> {
    if request.transactional_id.is_some() {
        return Err(Refusal::new(NO_TRANSACTIONS, NO_TRANSACTIONS_TEXT));
    }
    match request.acks {
        -1 => Ok(Acks::Quorum),
        1 => Ok(Acks::Leader),
        0 => Ok(Acks::None),
        _ => Err(Refusal::of(KafkaError::INVALID_REQUIRED_ACKS)),
    }
}

fn offer(
    cx: &RequestContext,
    version: i16,
    key: Option<PartitionKey>,
    partition: ProducePartition,
    acks: Acks,
    timeout_ms: u32,
    all_bytes: usize,
) -> Begun {
    let Some(key) = key else {
        return Begun::Refused(Refusal::of(KafkaError::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let batch = match check(partition.records, version) {
        Ok(batch) => batch,
        Err(refusal) => return Begun::Refused(refusal),
    };
    let batch = if batch.len() < all_bytes / FRAME_SHARE {
        Bytes::copy_from_slice(&batch)
    } else {
        batch
    };
    let request = Produce {
        acks,
        timeout_ms,
        parts: vec![ProducePart {
            key,
            batches: vec![batch.into()],
        }],
    };
    Begun::Offered(key, cx.broker().produce(request).boxed())
}

async fn settle(cx: RequestContext, topics: Vec<BegunTopic>, silent: bool) -> Outcome {
    let mut hints = LeaderHints::new(&cx);
    let mut failed = false;
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (index, begun) in topic.partitions {
            let mut response = settle_one(&cx, begun, &mut hints).await;
            response.index = index;
            failed |= response.error_code != KafkaError::NONE;
            partitions.push(response);
        }
        responses.push(ProduceTopicResponse {
            name: topic.name,
            partition_responses: partitions,
        });
    }
    match (silent, failed) {
        (true, false) => Outcome::Silent,
        (true, true) => Outcome::Close,
        (false, _) => Outcome::Respond(ProduceResponse {
            responses,
            throttle_time_ms: 0,
            node_endpoints: hints.into_endpoints(),
        }),
    }
}

async fn settle_one(
    cx: &RequestContext,
    begun: Begun,
    hints: &mut LeaderHints<'_>,
) -> ProducePartitionResponse {
    let (key, settled) = match begun {
        Begun::Offered(key, settled) => (key, settled.await),
        Begun::Refused(refusal) => return refused(&refusal),
        Begun::Unknown(name) => return refused(&unknown(cx, name).await),
    };
    let outcome = settled.and_then(|replies| match replies.into_iter().next() {
        Some(reply) => reply.outcome,
        None => Err(floe_model::ErrorCode::Internal.into()),
    });
    match outcome {
        Ok(produced) => placed(cx, key, &produced),
        Err(failure) => {
            let error = kafka_error(failure.code, Asked::Produce);
            let mut response = refused(&Refusal::new(error, failure.to_string()));
            response.current_leader = hints.of(&failure);
            if let Some(ends) = cx.broker().log_ends(key) {
                response.log_start_offset = ends.log_start_offset.0;
            }
            response
        }
    }
}

fn placed(cx: &RequestContext, key: PartitionKey, produced: &Produced) -> ProducePartitionResponse {
    let base_offset = produced.base_offsets.first().map_or(-1, |offset| offset.0);
    let ends = cx.broker().log_ends(key);
    ProducePartitionResponse {
        base_offset,
        log_append_time_ms: produced.append_time_ms.unwrap_or(-1),
        log_start_offset: ends.map_or(-1, |ends| ends.log_start_offset.0),
        ..ProducePartitionResponse::default()
    }
}

fn refused(refusal: &Refusal) -> ProducePartitionResponse {
    let record_errors = refusal
        .records
        .iter()
        .map(|&batch_index| ProduceRecordError {
            batch_index,
            batch_index_error_message: None,
        });
    ProducePartitionResponse {
        error_code: refusal.error,
        base_offset: -1,
        record_errors: record_errors.collect(),
        error_message: refusal.text.as_deref().map(str::to_owned),
        ..ProducePartitionResponse::default()
    }
}

/// A topic that this node did not know when the request came: does it exist?
async fn unknown(cx: &RequestContext, name: TopicName) -> Refusal {
    let request = floe_broker::api::TopicsRequest {
        names: Some(vec![name]),
        auto_create: false,
    };
    match cx.broker().topics(request).await {
        Ok(found) if found.topics.is_empty() => Refusal::of(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
        // It exists by now, and the batch was not kept.
        Ok(_) => Refusal::of(KafkaError::NOT_LEADER_OR_FOLLOWER),
        Err(failure) => Refusal::of(kafka_error(failure.code, Asked::Produce)),
    }
}
