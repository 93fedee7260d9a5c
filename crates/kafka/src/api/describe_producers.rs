//! DescribeProducers: who has written to partitions with idempotence. Only a partition's leader
//! serves it.

use floe_broker::api::{ActiveProducer as Known, PartitionKey};
use floe_kafka_codec::messages::{
    ActiveProducer, DescribeProducersPartitionResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeProducersTopicResponse,
};
use floe_model::TopicId;

use crate::admin_error::{AdminError, code_and_text, partition_error, partition_index, topic_name};
use crate::context::RequestContext;

/// Stands for "no transaction is open" and for "no coordinator has written".
const NONE: i32 = -1;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let topic_id = find(cx, &topic.name).await;
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let outcome = match &topic_id {
                Ok(topic_id) => producers(cx, *topic_id, partition_index).await,
                Err(error) => Err(error.clone()),
            };
            let (error_code, error_message) = code_and_text(&outcome);
            partitions.push(DescribeProducersPartitionResponse {
                partition_index,
                error_code,
                error_message,
                active_producers: outcome.unwrap_or_default(),
            });
        }
        topics.push(DescribeProducersTopicResponse {
            name: topic.name,
            partitions,
        });
    }
    DescribeProducersResponse {
        topics,
        ..DescribeProducersResponse::default()
    }
}

async fn find(cx: &RequestContext, name: &str) -> Result<TopicId, AdminError> {
    Ok(cx.broker().known_topic(&topic_name(name)?).await?)
}

async fn producers(
    cx: &RequestContext,
    topic_id: TopicId,
    index: i32,
) -> Result<Vec<ActiveProducer>, AdminError> {
    let key = PartitionKey {
        topic_id,
        partition: partition_index(index)?,
    };
    let found = cx.broker().producers(key).await;
    let found = found.map_err(|failure| partition_error(&failure))?;
    Ok(found.into_iter().map(producer).collect())
}

fn producer(known: Known) -> ActiveProducer {
    ActiveProducer {
        producer_id: known.producer_id.0,
        producer_epoch: known.producer_epoch.0.into(),
        last_sequence: known.last_sequence.0,
        last_timestamp: known.last_seen_ms,
        coordinator_epoch: NONE,
        current_txn_start_offset: NONE.into(),
    }
}
