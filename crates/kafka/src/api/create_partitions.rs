//! CreatePartitions: adds partitions to topics. They are never taken away.

use std::collections::BTreeMap;

use floe_broker::api::Intent;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use super::create_topics::node_ids;
use crate::admin_error::{AdminError, code_and_text, intent, topic_name};
use crate::context::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let intent = intent(request.validate_only, request.timeout_ms);
    let mut named = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let mut results = Vec::with_capacity(named.len());
    for topic in &request.topics {
        let outcome = match named.remove(topic.name.as_str()) {
            Some(1) => add(cx, topic, intent).await,
            Some(_) => Err(AdminError::duplicate("the topic")),
            // Answered with the first of its name.
            None => continue,
        };
        let (error_code, error_message) = code_and_text(&outcome);
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code,
            error_message,
        });
    }
    CreatePartitionsResponse {
        results,
        ..CreatePartitionsResponse::default()
    }
}

async fn add(
    cx: &RequestContext,
    topic: &CreatePartitionsTopic,
    intent: Intent,
) -> Result<(), AdminError> {
    let name = topic_name(&topic.name)?;
    let count = u32::try_from(topic.count).map_err(|_| {
        let text = format!("{} partitions; there is at least one", topic.count);
        AdminError::new(KafkaError::INVALID_PARTITIONS, text)
    })?;
    let nodes = match &topic.assignments {
        None => None,
        Some(assignments) => {
            let nodes = assignments.iter().map(|one| node_ids(&one.broker_ids));
            Some(nodes.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let placed = nodes.is_some();
    let added = cx
        .broker()
        .add_partitions(&name, count, nodes, intent)
        .await;
    added.map_err(|failure| {
        let mut error = AdminError::from(failure);
        if placed && error.code == KafkaError::INVALID_REPLICATION_FACTOR {
            error.code = KafkaError::INVALID_REPLICA_ASSIGNMENT;
        }
        error
    })
}
