//! ListOffsets: the ends of a log, and places in it by time.
//!
//! The last stable offset is the high watermark, so both isolation levels give the same.

use floe_broker::api::{FoundOffset, OffsetSought, PartitionKey};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use floe_model::{ErrorCode, LeaderEpoch};
use futures::future::join_all;

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::topic_lookup::{self, partition_key};

/// Offsets that stand for places.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let found = topic_lookup::by_name(cx, &topic.name).await;
        let partitions = topic.partitions.into_iter().map(|partition| {
            let key = found.and_then(|id| partition_key(id, partition.partition_index));
            async move {
                match key {
                    Ok(key) => find(cx, version, key, &partition).await,
                    Err(error) => failed(&partition, error),
                }
            }
        });
        topics.push(ListOffsetsTopicResponse {
            name: topic.name,
            partitions: join_all(partitions).await,
        });
    }
    ListOffsetsResponse {
        topics,
        ..ListOffsetsResponse::default()
    }
}

async fn find(
    cx: &RequestContext,
    version: i16,
    key: PartitionKey,
    partition: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let sought = match partition.timestamp {
        LATEST => OffsetSought::End,
        EARLIEST => OffsetSought::Start,
        MAX_TIMESTAMP if version >= 7 => OffsetSought::LargestTimestamp,
        // Nothing is stored elsewhere: what is local is all there is.
        EARLIEST_LOCAL if version >= 8 => OffsetSought::Start,
        LATEST_TIERED if version >= 9 => return place(partition, None),
        at_ms if at_ms >= 0 => OffsetSought::Timestamp(at_ms),
        _ => return failed(partition, KafkaError::UNSUPPORTED_VERSION),
    };
    let current = partition.current_leader_epoch;
    let current = (current >= 0).then_some(LeaderEpoch(current));
    match cx.broker().find_offset(key, current, sought).await {
        Ok(found) => place(partition, found),
        Err(failure) => failed(partition, error_of(failure.code, version)),
    }
}

fn error_of(code: ErrorCode, version: i16) -> KafkaError {
    match kafka_error(code, Asked::Read) {
        // Clients of older versions do not know it.
        KafkaError::OFFSET_NOT_AVAILABLE if version < 5 => KafkaError::LEADER_NOT_AVAILABLE,
        error => error,
    }
}

fn place(
    partition: &ListOffsetsPartition,
    found: Option<FoundOffset>,
) -> ListOffsetsPartitionResponse {
    let found = found.map(|found| ListOffsetsPartitionResponse {
        timestamp: found.timestamp_ms.unwrap_or(-1),
        offset: found.offset.0,
        leader_epoch: found.leader_epoch.map_or(-1, |epoch| epoch.0),
        ..ListOffsetsPartitionResponse::default()
    });
    ListOffsetsPartitionResponse {
        partition_index: partition.partition_index,
        ..found.unwrap_or_default()
    }
}

fn failed(
    partition: &ListOffsetsPartition,
    error_code: KafkaError,
) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: partition.partition_index,
        error_code,
        ..ListOffsetsPartitionResponse::default()
    }
}
