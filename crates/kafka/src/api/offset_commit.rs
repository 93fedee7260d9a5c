//! OffsetCommit: stores offsets of a group, each partition with its own outcome.
//!
//! What does not exist, or is too long, is answered by itself; the rest is stored all or none,
//! by a member of the generation in force or while the group is empty.

use std::collections::BTreeMap;

use floe_broker::api::classic::Claim;
use floe_broker::api::{Claimant, StoredOffset};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use floe_model::limits::OFFSET_METADATA_BYTES_MAX;
use floe_model::{Generation, GroupName, LeaderEpoch, Offset, TopicId, TopicIdPartition};

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, member_id};
use crate::topic_lookup;

/// From here on the generation may be the epoch of a member of a consumer group.
const EPOCHS_FROM: i16 = 9;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let claimed = claimant(&request);
    let mut stored = Vec::new();
    let mut refusals = BTreeMap::new();
    for (topic_place, topic) in request.topics.iter().enumerate() {
        let topic_id = match topic_lookup::by_name(cx, &topic.name).await {
            Err(KafkaError::INVALID_TOPIC_EXCEPTION) => Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
            found => found,
        };
        for (place, partition) in topic.partitions.iter().enumerate() {
            match topic_id.and_then(|topic_id| offset(cx, topic_id, partition)) {
                Ok(one) => stored.push(one),
                Err(error) => {
                    refusals.insert((topic_place, place), error);
                }
            }
        }
    }
    let outcome = match claimed {
        Ok((group, claimant)) if !stored.is_empty() => {
            let stored = cx.broker().store_offsets(group, claimant, stored).await;
            stored.map_err(|failure| said_in(version, group_error(&failure)))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    let otherwise = outcome.err().unwrap_or(KafkaError::NONE);
    let topics = request.topics.into_iter().enumerate();
    let answer = |topic_place, (place, partition): (usize, OffsetCommitRequestPartition)| {
        let refused = refusals.get(&(topic_place, place));
        OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: refused.copied().unwrap_or(otherwise),
        }
    };
    let topics = topics.map(|(topic_place, topic)| OffsetCommitResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .enumerate()
            .map(|partition| answer(topic_place, partition))
            .collect(),
    });
    OffsetCommitResponse {
        topics: topics.collect(),
        ..OffsetCommitResponse::default()
    }
}

/// Members of consumer groups are to ask in a version that knows their epochs.
fn said_in(version: i16, error: KafkaError) -> KafkaError {
    match error == KafkaError::STALE_MEMBER_EPOCH && version < EPOCHS_FROM {
        true => KafkaError::UNSUPPORTED_VERSION,
        false => error,
    }
}

fn claimant(request: &OffsetCommitRequest) -> Result<(GroupName, Claimant), KafkaError> {
    let group = group_name(&request.group_id)?;
    let generation = request.generation_id_or_member_epoch;
    let is_nobody = request.member_id.is_empty() && request.group_instance_id.is_none();
    if generation < 0 && is_nobody {
        return Ok((group, Claimant::Standalone));
    }
    let claim = Claim {
        member_id: member_id(&request.member_id)?,
        instance_id: request.group_instance_id.clone(),
        generation: Generation(generation),
    };
    Ok((group, Claimant::Member(claim)))
}

fn offset(
    cx: &RequestContext,
    topic_id: TopicId,
    partition: &OffsetCommitRequestPartition,
) -> Result<StoredOffset, KafkaError> {
    let key = topic_lookup::partition_key(topic_id, partition.partition_index)?;
    let topic = cx.broker().topic_with_id(&topic_id);
    let exists = topic.is_some_and(|topic| {
        let mut partitions = topic.partitions.iter();
        partitions.any(|one| one.partition == key.partition)
    });
    if !exists {
        return Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let metadata = partition.committed_metadata.clone().unwrap_or_default();
    if metadata.len() > OFFSET_METADATA_BYTES_MAX {
        return Err(KafkaError::OFFSET_METADATA_TOO_LARGE);
    }
    if partition.committed_offset < 0 {
        return Err(KafkaError::OFFSET_OUT_OF_RANGE);
    }
    Ok(StoredOffset {
        partition: TopicIdPartition {
            topic_id,
            partition: key.partition,
        },
        offset: Offset(partition.committed_offset),
        leader_epoch: Some(LeaderEpoch(partition.committed_leader_epoch))
            .filter(|epoch| epoch.0 >= 0),
        metadata,
    })
}
