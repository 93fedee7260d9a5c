//! OffsetFetch: stored offsets of a group, or from version 8 on of several.
//!
//! A member of a consumer group reads them in its epoch only; whoever names no member, always.
//! A partition without one has offset -1 and no error. Version 1 has no room for an error of the
//! whole answer, so that it stands on each partition.

use std::collections::BTreeMap;

use floe_broker::api::StoredOffset;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use floe_model::{PartitionIndex, TopicIdPartition, TopicName};

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::group_error::{group_error, group_name, member_id};

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if version >= 8 {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            let checked = check_member(cx, &group).await;
            let topics = match checked {
                Ok(()) => of_group(cx, &group.group_id, group.topics).await,
                Err(error) => Err(error),
            };
            let (topics, error_code) = match topics {
                Ok(topics) => (topics, KafkaError::NONE),
                Err(error) => (Vec::new(), error),
            };
            groups.push(OffsetFetchResponseGroup {
                group_id: group.group_id,
                topics,
                error_code,
            });
        }
        return OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        };
    }
    let asked = request.topics.clone().filter(|_| version == 1);
    match of_group(cx, &request.group_id, request.topics).await {
        Ok(topics) => OffsetFetchResponse {
            topics,
            ..OffsetFetchResponse::default()
        },
        Err(error_code) => OffsetFetchResponse {
            topics: none_of(asked.unwrap_or_default(), error_code),
            error_code,
            ..OffsetFetchResponse::default()
        },
    }
}

async fn check_member(
    cx: &RequestContext,
    group: &OffsetFetchRequestGroup,
) -> Result<(), KafkaError> {
    let member = group.member_id.as_deref().unwrap_or_default();
    if member.is_empty() && group.member_epoch < 0 {
        return Ok(());
    }
    let (name, member) = (group_name(&group.group_id)?, member_id(member)?);
    let checked = cx
        .broker()
        .check_offsets_reader(name, member, group.member_epoch);
    checked.await.map_err(|failure| group_error(&failure))
}

/// The offsets of one group, of these topics or of all.
async fn of_group(
    cx: &RequestContext,
    group_id: &str,
    topics: Option<Vec<OffsetFetchRequestTopic>>,
) -> Result<Vec<OffsetFetchResponseTopic>, KafkaError> {
    let group = group_name(group_id)?;
    let stored = cx.broker().stored_offsets(&group, None).await;
    let stored = stored.map_err(|failure| kafka_error(failure.code, Asked::Group))?;
    match topics {
        None => Ok(all(cx, stored)),
        Some(topics) => {
            let stored: BTreeMap<_, _> =
                stored.into_iter().map(|one| (one.partition, one)).collect();
            let answers = topics.into_iter().map(|topic| some(cx, topic, &stored));
            Ok(answers.collect())
        }
    }
}

fn all(cx: &RequestContext, stored: Vec<StoredOffset>) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartition>> = BTreeMap::new();
    for one in stored {
        // Offsets of a deleted topic are about to be forgotten.
        let Some(topic) = cx.broker().topic_with_id(&one.partition.topic_id) else {
            continue;
        };
        let index = i32::try_from(one.partition.partition.0).unwrap_or(i32::MAX);
        let partitions = topics.entry(topic.name.into()).or_default();
        partitions.push(found(index, Some(&one)));
    }
    let topic = |(name, partitions)| OffsetFetchResponseTopic { name, partitions };
    topics.into_iter().map(topic).collect()
}

fn some(
    cx: &RequestContext,
    topic: OffsetFetchRequestTopic,
    stored: &BTreeMap<TopicIdPartition, StoredOffset>,
) -> OffsetFetchResponseTopic {
    let name = TopicName::new(topic.name.clone()).ok();
    let topic_id = name.and_then(|name| cx.broker().topic_id_named(&name));
    let of = |index: i32| {
        let partition = PartitionIndex(u32::try_from(index).ok()?);
        let topic_id = topic_id?;
        stored.get(&TopicIdPartition {
            topic_id,
            partition,
        })
    };
    OffsetFetchResponseTopic {
        partitions: topic
            .partition_indexes
            .into_iter()
            .map(|index| found(index, of(index)))
            .collect(),
        name: topic.name,
    }
}

fn found(partition_index: i32, stored: Option<&StoredOffset>) -> OffsetFetchResponsePartition {
    let epoch = stored.and_then(|one| one.leader_epoch);
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: stored.map_or(-1, |one| one.offset.0),
        committed_leader_epoch: epoch.map_or(-1, |epoch| epoch.0),
        metadata: Some(stored.map(|one| one.metadata.clone()).unwrap_or_default()),
        error_code: KafkaError::NONE,
    }
}

fn none_of(
    topics: Vec<OffsetFetchRequestTopic>,
    error_code: KafkaError,
) -> Vec<OffsetFetchResponseTopic> {
    let failed = |index| OffsetFetchResponsePartition {
        error_code,
        ..found(index, None)
    };
    let topics = topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partition_indexes.into_iter().map(failed).collect(),
    });
    topics.collect()
}
