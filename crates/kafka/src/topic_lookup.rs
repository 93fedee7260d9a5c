//! From the topics that requests name to identities.

use floe_broker::api::{PartitionKey, TopicsRequest};
use floe_kafka_codec::KafkaError;
use floe_model::{PartitionIndex, TopicId, TopicName};

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};

/// The topic with this name. That it does not exist is answered only when the controller confirms
/// it: this node may be behind.
pub(crate) async fn by_name(cx: &RequestContext, name: &str) -> Result<TopicId, KafkaError> {
    let name = TopicName::new(name).map_err(|_| KafkaError::INVALID_TOPIC_EXCEPTION)?;
    if let Some(topic_id) = cx.broker().topic_id_named(&name) {
        return Ok(topic_id);
    }
    let request = TopicsRequest {
        names: Some(vec![name]),
        auto_create: false,
    };
    match cx.broker().topics(request).await {
        Ok(found) => match found.topics.first() {
            Some(topic) => Ok(topic.topic_id),
            None => Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
        },
        Err(failure) => Err(kafka_error(failure.code, Asked::Read)),
    }
}

/// A partition by the index that a request has for it.
pub(crate) fn partition_key(topic_id: TopicId, index: i32) -> Result<PartitionKey, KafkaError> {
    match u32::try_from(index) {
        Ok(index) => Ok(PartitionKey {
            topic_id,
            partition: PartitionIndex(index),
        }),
        Err(_) => Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
    }
}
