//! OffsetDelete: forgets stored offsets of a group, of topics that none of its members reads.
//!
//! Who reads what may change on the way: the offsets log judges, not this node.

use std::collections::{BTreeMap, BTreeSet};

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteResponse,
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use floe_model::TopicIdPartition;

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::group_error::group_name;
use crate::topic_lookup;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    match delete(cx, request).await {
        Ok(topics) => OffsetDeleteResponse {
            topics,
            ..OffsetDeleteResponse::default()
        },
        Err(error_code) => OffsetDeleteResponse {
            error_code,
            ..OffsetDeleteResponse::default()
        },
    }
}

async fn delete(
    cx: &RequestContext,
    request: OffsetDeleteRequest,
) -> Result<Vec<OffsetDeleteResponseTopic>, KafkaError> {
    let group = group_name(&request.group_id)?;
    let code = |code| kafka_error(code, Asked::Group);
    let names: Vec<String> = request.topics.iter().map(|one| one.name.clone()).collect();
    let readership = cx.broker().readership(group.clone(), names).await;
    let readership = readership.map_err(|failure| code(failure.code))?;
    let mut deleted = BTreeSet::new();
    let mut refusals = BTreeMap::new();
    let topics = request.topics.iter().zip(&readership.is_read);
    for (place, (topic, is_read)) in topics.enumerate() {
        let topic_id = match is_read {
            true => Err(KafkaError::GROUP_SUBSCRIBED_TO_TOPIC),
            false => topic_lookup::by_name(cx, &topic.name).await,
        };
        match topic_id {
            Ok(topic_id) => {
                let partitions = topic.partitions.iter();
                let keys = partitions.filter_map(|one| {
                    topic_lookup::partition_key(topic_id, one.partition_index).ok()
                });
                deleted.extend(keys.map(|key| TopicIdPartition {
                    topic_id,
                    partition: key.partition,
                }));
            }
            Err(error) => {
                refusals.insert(place, error);
            }
        }
    }
    if !deleted.is_empty() {
        let outcome = cx
            .broker()
            .delete_offsets(group, &readership, deleted)
            .await;
        outcome.map_err(|failure| code(failure.code))?;
    }
    let answer = |(place, topic): (usize, _)| -> OffsetDeleteResponseTopic {
        let topic: floe_kafka_codec::messages::OffsetDeleteRequestTopic = topic;
        let error_code = refusals.get(&place).copied().unwrap_or(KafkaError::NONE);
        let partition = |one: OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
            partition_index: one.partition_index,
            error_code,
        };
        OffsetDeleteResponseTopic {
            name: topic.name,
            partitions: topic.partitions.into_iter().map(partition).collect(),
        }
    };
    Ok(request.topics.into_iter().enumerate().map(answer).collect())
}
