//! AlterPartitionReassignments: moves replicas between nodes, which is not possible yet. A request
//! for what is there already succeeds; everything else is refused with the reason, so that no tool
//! waits for a move that never begins.

use floe_broker::api::TopicInfo;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::create_topics::node_ids;
use crate::admin_error::{AdminError, code_and_text, partition_index, topic_name};
use crate::context::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let info = describe(cx, &topic.name).await;
        let partitions = topic.partitions.iter().map(|partition| {
            let outcome = match &info {
                Ok(info) => reassign(cx, info, partition),
                Err(error) => Err(error.clone()),
            };
            let (error_code, error_message) = code_and_text(&outcome);
            ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code,
                error_message,
            }
        });
        responses.push(ReassignableTopicResponse {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        });
    }
    AlterPartitionReassignmentsResponse {
        responses,
        ..AlterPartitionReassignmentsResponse::default()
    }
}

async fn describe(cx: &RequestContext, name: &str) -> Result<TopicInfo, AdminError> {
    let name = topic_name(name)?;
    cx.broker().known_topic(&name).await?;
    cx.broker()
        .topic_named(&name)
        .ok_or_else(|| unknown("topic"))
}

fn unknown(what: &str) -> AdminError {
    let text = format!("there is no such {what}");
    AdminError::new(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, text)
}

fn reassign(
    cx: &RequestContext,
    info: &TopicInfo,
    wanted: &ReassignablePartition,
) -> Result<(), AdminError> {
    let index = partition_index(wanted.partition_index)?;
    let mut partitions = info.partitions.iter();
    let partition = partitions
        .find(|one| one.partition == index)
        .ok_or_else(|| unknown("partition"))?;
    let Some(broker_ids) = &wanted.replicas else {
        return Err(AdminError::new(
            KafkaError::NO_REASSIGNMENT_IN_PROGRESS,
            "no replica of the partition is on the move",
        ));
    };
    let nodes = node_ids(broker_ids)?;
    let known = cx.broker().nodes();
    let stranger = nodes
        .iter()
        .find(|&&node| known.iter().all(|other| other.node_id != node));
    let invalid = |text| {
        Err(AdminError::new(
            KafkaError::INVALID_REPLICA_ASSIGNMENT,
            text,
        ))
    };
    if let Some(stranger) = stranger {
        return invalid(format!("there is no node {stranger}"));
    }
    if nodes == partition.replicas {
        return Ok(());
    }
    invalid("replicas cannot be moved between nodes or reordered yet".to_owned())
}
