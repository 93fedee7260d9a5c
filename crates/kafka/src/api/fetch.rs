//! Fetch: record batches out, up to the high watermark, which is the last stable offset too.
//!
//! A long poll waits in the node for new records, never on a timer but its own end. A partition
//! that fails is answered at once, so that its client can look for the leader. So is one whose client
//! has other records than the leader, and says so by the epoch of its last one (KIP-320).

use std::collections::BTreeMap;

use floe_broker::api::{
    EpochEnd, Failure, Fetch, FetchPart, FetchPartReply, LogEnds, PartitionKey, WireBatch,
};
use floe_kafka_codec::messages::{
    FetchDivergingEpoch, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse,
};
use floe_kafka_codec::{KafkaError, RecordSlices};
use floe_model::{ErrorCode, LeaderEpoch, Offset};

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::fetch_sessions::{FetchedTopic, Opened, Outcome, Told, Wanted};
use crate::leader_hints::LeaderHints;
use crate::topic_lookup::{self, partition_key};

/// From this version on topics are identified, not named.
const IDS_FROM: i16 = 13;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: FetchRequest,
) -> FetchResponse {
    let now = cx.env().clock.now();
    let sessions = &cx.shared.fetch_sessions;
    let opened = match sessions.open(&request, version >= IDS_FROM, now, &cx.env().rng) {
        Ok(opened) => opened,
        Err(error_code) => {
            return FetchResponse {
                error_code,
                ..FetchResponse::default()
            };
        }
    };
    let Opened { session_id, wanted } = opened;
    let keys = find_keys(cx, &wanted).await;
    let replies = read(cx, &request, &wanted, keys).await;
    let mut hints = LeaderHints::new(cx);
    let read_committed = request.isolation_level == 1;
    let mut answer = TopicResponses::default();
    let mut outcomes = Vec::with_capacity(wanted.len());
    for (one, reply) in wanted.into_iter().zip(replies) {
        let mut response = match reply {
            Ok(reply) => answered(reply, &mut hints),
            Err(fault) => failed(&fault, &mut hints),
        };
        response.partition_index = one.partition.1;
        response.aborted_transactions = read_committed.then(Vec::new);
        let outcome = outcome_of(&one, &response);
        // In a session the client knows what has not changed.
        let is_news = outcome.had_records || outcome.told.is_none() || outcome.told != one.told;
        if is_news || session_id == 0 {
            answer.push(one.partition.0, response);
        }
        outcomes.push(outcome);
    }
    if session_id != 0 {
        sessions.tell(session_id, outcomes);
    }
    FetchResponse {
        session_id,
        responses: answer.topics,
        node_endpoints: hints.into_endpoints(),
        ..FetchResponse::default()
    }
}

/// Why a partition gives nothing.
#[derive(Clone)]
enum Fault {
    /// Found out here.
    Here(KafkaError),
    /// The node says so.
    Node(Failure),
    /// The client's log ends elsewhere than the leader's.
    Parted { end: EpochEnd, log: LogEnds },
}

async fn find_keys(cx: &RequestContext, wanted: &[Wanted]) -> Vec<Result<PartitionKey, Fault>> {
    let mut topics = BTreeMap::new();
    let mut keys = Vec::with_capacity(wanted.len());
    for one in wanted {
        let (topic, index) = &one.partition;
        let topic_id = match topics.get(topic) {
            Some(&found) => found,
            None => {
                let found = match topic {
                    FetchedTopic::Named(name) => topic_lookup::by_name(cx, name).await,
                    FetchedTopic::Identified(id) if cx.broker().has_topic(id) => Ok(*id),
                    FetchedTopic::Identified(_) => Err(KafkaError::UNKNOWN_TOPIC_ID),
                };
                topics.insert(topic, found);
                found
            }
        };
        let key = topic_id.and_then(|topic_id| partition_key(topic_id, *index));
        keys.push(match key {
            Ok(key) => check_position(cx, one, key).await.map(|()| key),
            Err(error) => Err(Fault::Here(error)),
        });
    }
    keys
}

/// Refuses a client that follows another leader, or that has what the leader has not.
async fn check_position(cx: &RequestContext, one: &Wanted, key: PartitionKey) -> Result<(), Fault> {
    let Some(log) = cx.broker().log_ends(key) else {
        return Ok(());
    };
    check_epoch(one, log.serving_epoch).map_err(Fault::Here)?;
    let last = one.position.last_fetched_epoch;
    if last < 0 {
        return Ok(());
    }
    let offset = Offset(one.position.offset);
    let parting = cx.broker().parting(key, LeaderEpoch(last), offset).await;
    match parting.map_err(Fault::Node)? {
        Some(end) => Err(Fault::Parted { end, log }),
        None => Ok(()),
    }
}

/// Refuses a client that follows another leader than the one of `serving`.
fn check_epoch(one: &Wanted, serving: Option<LeaderEpoch>) -> Result<(), KafkaError> {
    let asked = one.position.current_leader_epoch;
    match serving {
        Some(epoch) if asked >= 0 && asked < epoch.0 => Err(KafkaError::FENCED_LEADER_EPOCH),
        Some(epoch) if asked > epoch.0 => Err(KafkaError::UNKNOWN_LEADER_EPOCH),
        Some(_) | None => Ok(()),
    }
}

async fn read(
    cx: &RequestContext,
    request: &FetchRequest,
    wanted: &[Wanted],
    keys: Vec<Result<PartitionKey, Fault>>,
) -> Vec<Result<FetchPartReply, Fault>> {
    let unsigned = |number: i32| u32::try_from(number).unwrap_or(0);
    let readable = wanted.iter().zip(&keys);
    let parts: Vec<_> = readable
        .filter_map(|(one, key)| {
            Some(FetchPart {
                key: *key.as_ref().ok()?,
                offset: Offset(one.position.offset),
                bytes_max: unsigned(one.position.bytes_max),
                owner: None,
            })
        })
        .collect();
    // What failed already must not wait for what did not; and nothing comes of nothing.
    let at_once = parts.len() < wanted.len() || parts.is_empty();
    let fetch = Fetch {
        wait_ms_max: if at_once {
            0
        } else {
            unsigned(request.max_wait_ms)
        },
        min_bytes: unsigned(request.min_bytes),
        bytes_max: unsigned(request.max_bytes),
        parts,
    };
    let (mut replies, refused) = match cx.broker().fetch(fetch).await {
        Ok(replies) => (replies.into_iter(), None),
        Err(failure) => (Vec::new().into_iter(), Some(failure)),
    };
    let reply_to = |(one, key): (&Wanted, Result<PartitionKey, Fault>)| {
        key?;
        let missing = || refused.clone().unwrap_or(ErrorCode::Internal.into());
        let reply = replies.next().ok_or_else(|| Fault::Node(missing()))?;
        // The leader may have changed during a long poll.
        let epoch = reply.outcome.is_ok().then_some(reply.leader_epoch);
        check_epoch(one, epoch).map_err(Fault::Here)?;
        Ok(reply)
    };
    wanted.iter().zip(keys).map(reply_to).collect()
}

fn answered(reply: FetchPartReply, hints: &mut LeaderHints<'_>) -> FetchPartitionResponse {
    let batches = match reply.outcome {
        Ok(batches) => batches,
        Err(failure) => {
            let mut response = failed(&Fault::Node(failure), hints);
            // What is out of range is told apart by it.
            response.log_start_offset = reply.log_start_offset.0;
            return response;
        }
    };
    match records_of(batches) {
        Ok(records) => FetchPartitionResponse {
            high_watermark: reply.high_watermark.0,
            last_stable_offset: reply.high_watermark.0,
            log_start_offset: reply.log_start_offset.0,
            records: Some(records),
            ..FetchPartitionResponse::default()
        },
        Err(error) => failed(&Fault::Here(error), hints),
    }
}

/// The batches as they are stored, whatever the client's version knows of their compression.
fn records_of(batches: Vec<WireBatch>) -> Result<RecordSlices, KafkaError> {
    let mut records = RecordSlices::default();
    for batch in batches {
        let batch = batch.into_batch().map_err(|error| {
            tracing::error!(%error, "a stored batch cannot be read");
            KafkaError::CORRUPT_MESSAGE
        })?;
        records.push(&batch);
    }
    Ok(records)
}

fn failed(fault: &Fault, hints: &mut LeaderHints<'_>) -> FetchPartitionResponse {
    let response = FetchPartitionResponse {
        high_watermark: -1,
        records: Some(RecordSlices::default()),
        ..FetchPartitionResponse::default()
    };
    match fault {
        Fault::Here(error_code) => FetchPartitionResponse {
            error_code: *error_code,
            ..response
        },
        Fault::Node(failure) => FetchPartitionResponse {
            error_code: kafka_error(failure.code, Asked::Read),
            current_leader: hints.of(failure),
            ..response
        },
        Fault::Parted { end, log } => FetchPartitionResponse {
            diverging_epoch: FetchDivergingEpoch {
                epoch: end.epoch.0,
                end_offset: end.end_offset.0,
            },
            high_watermark: log.high_watermark.0,
            last_stable_offset: log.high_watermark.0,
            log_start_offset: log.log_start_offset.0,
            ..response
        },
    }
}

fn outcome_of(one: &Wanted, response: &FetchPartitionResponse) -> Outcome {
    let told = Told {
        high_watermark: response.high_watermark,
        log_start_offset: response.log_start_offset,
    };
    let is_read = response.error_code == KafkaError::NONE && response.diverging_epoch.epoch < 0;
    Outcome {
        partition: one.partition.clone(),
        told: is_read.then_some(told),
        had_records: response.records.as_ref().is_some_and(|r| !r.is_empty()),
    }
}

/// Partitions by topic, in the order in which topics first come.
#[derive(Default)]
struct TopicResponses {
    topics: Vec<FetchTopicResponse>,
    places: BTreeMap<FetchedTopic, usize>,
}

impl TopicResponses {
    fn push(&mut self, topic: FetchedTopic, partition: FetchPartitionResponse) {
        let place = match self.places.get(&topic) {
            Some(&place) => place,
            None => {
                self.topics.push(match &topic {
                    FetchedTopic::Named(name) => FetchTopicResponse {
                        topic: name.to_string(),
                        ..FetchTopicResponse::default()
                    },
                    FetchedTopic::Identified(topic_id) => FetchTopicResponse {
                        topic_id: *topic_id,
                        ..FetchTopicResponse::default()
                    },
                });
                self.places.insert(topic, self.topics.len() - 1);
                self.topics.len() - 1
            }
        };
        self.topics[place].partitions.push(partition);
    }
}
