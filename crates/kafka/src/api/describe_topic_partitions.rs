//! DescribeTopicPartitions: topics with their partitions, page by page, by name.

use std::collections::BTreeSet;

use floe_broker::api::TopicInfo;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DescribeTopicPartitionsCursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    MetadataResponsePartition,
};
use floe_model::TopicName;

use crate::authorized_operations;
use crate::context::RequestContext;
use crate::endpoints::Endpoints;

/// Most partitions on one page, whatever is asked.
const PAGE_MAX: usize = 2000;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let endpoints = cx.endpoints();
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut page = Page {
        room: limit.clamp(1, PAGE_MAX),
        topics: Vec::new(),
        next: None,
    };
    let (from_topic, from_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.as_str(), cursor.partition_index),
        None => ("", 0),
    };
    let names: BTreeSet<String> = if request.topics.is_empty() {
        let all = cx.broker().all_topics();
        all.iter().map(|info| info.name.to_string()).collect()
    } else {
        request.topics.into_iter().map(|topic| topic.name).collect()
    };
    for name in names.range(from_topic.to_owned()..) {
        let skip = if name == from_topic {
            from_partition
        } else {
            0
        };
        let skip = usize::try_from(skip).unwrap_or(0);
        if !page.add(name, describe(cx, name).await, skip, &endpoints) {
            break;
        }
    }
    DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor: page.next,
        ..DescribeTopicPartitionsResponse::default()
    }
}

async fn describe(cx: &RequestContext, name: &str) -> Result<TopicInfo, KafkaError> {
    let name = TopicName::new(name).map_err(|_| KafkaError::INVALID_TOPIC_EXCEPTION)?;
    // Unless confirmed, a topic that is not known here may be new.
    if cx.broker().topic_id_named(&name).is_none() {
        let found = cx.broker().known_topic(&name).await;
        found.map_err(|failure| {
            crate::errors::kafka_error(failure.code, crate::errors::Asked::Admin)
        })?;
    }
    let found = cx.broker().topic_named(&name);
    found.ok_or(KafkaError::UNKNOWN_TOPIC_OR_PARTITION)
}

/// One answer under way.
struct Page {
    /// Partitions that still fit.
    room: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// Where the next page begins, once this one is full.
    next: Option<DescribeTopicPartitionsCursor>,
}

impl Page {
    /// Adds what fits of a topic behind its first `skip` partitions; tells whether all did.
    fn add(
        &mut self,
        name: &str,
        found: Result<TopicInfo, KafkaError>,
        skip: usize,
        endpoints: &Endpoints,
    ) -> bool {
        let info = match found {
            Ok(info) => info,
            Err(error_code) => {
                self.topics.push(DescribeTopicPartitionsResponseTopic {
                    error_code,
                    name: Some(name.to_owned()),
                    ..DescribeTopicPartitionsResponseTopic::default()
                });
                return true;
            }
        };
        let left = info.partitions.get(skip..).unwrap_or_default();
        if self.room == 0 && !left.is_empty() {
            self.end_before(name, skip);
            return false;
        }
        let here = &left[..left.len().min(self.room)];
        let partitions = here
            .iter()
            .map(|one| partition(super::metadata::partition(one, endpoints)));
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: KafkaError::NONE,
            name: Some(name.to_owned()),
            topic_id: info.topic_id,
            is_internal: false,
            partitions: partitions.collect(),
            topic_authorized_operations: authorized_operations::on_topic(true),
        });
        self.room -= here.len();
        let is_whole = here.len() == left.len();
        if !is_whole {
            self.end_before(name, skip + here.len());
        }
        is_whole
    }

    fn end_before(&mut self, name: &str, partition: usize) {
        self.next = Some(DescribeTopicPartitionsCursor {
            topic_name: name.to_owned(),
            partition_index: i32::try_from(partition).unwrap_or(i32::MAX),
        });
    }
}

fn partition(known: MetadataResponsePartition) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition {
        error_code: known.error_code,
        partition_index: known.partition_index,
        leader_id: known.leader_id,
        leader_epoch: known.leader_epoch,
        replica_nodes: known.replica_nodes,
        isr_nodes: known.isr_nodes,
        // Raft has no such sets: whoever has all acknowledged records may be elected. Empty and not
        // null, which the Java client does not expect though the schema allows it.
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: known.offline_replicas,
    }
}
