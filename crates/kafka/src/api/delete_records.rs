//! DeleteRecords: moves the log start of partitions forward. Only a partition's leader serves it.

use std::time::Duration;

use floe_broker::api::PartitionKey;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopic, DeleteRecordsTopicResult,
};
use floe_model::{Offset, TopicId};
use futures::stream::{self, StreamExt as _};

use crate::admin_error::{AdminError, partition_error, partition_index, topic_name};
use crate::context::RequestContext;

/// Partitions trimmed at once.
const CONCURRENT: usize = 32;
/// Shortest and longest time for all partitions of a request.
const LIMIT_MIN: Duration = Duration::from_secs(1);
const LIMIT_MAX: Duration = Duration::from_secs(120);
/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// Stands for a log start that is not known.
const NO_OFFSET: i64 = -1;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let timeout_ms = u64::try_from(request.timeout_ms).unwrap_or(0);
    let limit = Duration::from_millis(timeout_ms).clamp(LIMIT_MIN, LIMIT_MAX);
    let end = cx.env().clock.now() + limit;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        topics.push(delete_in(cx, topic, end).await);
    }
    DeleteRecordsResponse {
        topics,
        ..DeleteRecordsResponse::default()
    }
}

async fn delete_in(
    cx: &RequestContext,
    topic: DeleteRecordsTopic,
    end: Duration,
) -> DeleteRecordsTopicResult {
    let topic_id = prepare(cx, &topic.name).await;
    let (topic_id, name) = (&topic_id, topic.name.as_str());
    let deleting = topic.partitions.iter().map(|partition| async move {
        let outcome = match topic_id {
            Ok(topic_id) => {
                let left = end.saturating_sub(cx.env().clock.now());
                tokio::time::timeout(left, delete(cx, *topic_id, partition))
                    .await
                    .unwrap_or_else(|_| Err(timed_out()))
            }
            Err(error) => Err(error.clone()),
        };
        let (low_watermark, error_code) = match outcome {
            Ok(log_start) => (log_start.0, KafkaError::NONE),
            Err(error) => {
                let partition = partition.partition_index;
                tracing::info!(topic = name, partition, error = %error.message, "records not deleted");
                (NO_OFFSET, error.code)
            }
        };
        DeleteRecordsPartitionResult {
            partition_index: partition.partition_index,
            low_watermark,
            error_code,
        }
    });
    let deleting: Vec<_> = deleting.collect();
    DeleteRecordsTopicResult {
        name: name.to_owned(),
        partitions: stream::iter(deleting).buffered(CONCURRENT).collect().await,
    }
}

fn timed_out() -> AdminError {
    let text = "time is up; the records may be deleted yet";
    AdminError::new(KafkaError::REQUEST_TIMED_OUT, text)
}

/// The topic, if records of it may be deleted.
async fn prepare(cx: &RequestContext, name: &str) -> Result<TopicId, AdminError> {
    let name = topic_name(name)?;
    let topic_id = cx.broker().known_topic(&name).await?;
    let compacts_only = cx
        .broker()
        .topic_config(&name)
        .is_some_and(|config| config.value("cleanup.policy") == Some("compact"));
    if compacts_only {
        return Err(AdminError::new(
            KafkaError::POLICY_VIOLATION,
            "a topic with cleanup.policy=compact keeps its records",
        ));
    }
    Ok(topic_id)
}

async fn delete(
    cx: &RequestContext,
    topic_id: TopicId,
    wanted: &DeleteRecordsPartition,
) -> Result<Offset, AdminError> {
    let key = PartitionKey {
        topic_id,
        partition: partition_index(wanted.partition_index)?,
    };
    let before = (wanted.offset != HIGH_WATERMARK).then_some(Offset(wanted.offset));
    let deleted = cx.broker().delete_records(key, before).await;
    deleted.map_err(|failure| partition_error(&failure))
}
