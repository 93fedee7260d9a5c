//! DescribeLogDirs: what this node's data directory holds.

use std::collections::{BTreeMap, BTreeSet};

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::context::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let data_dir = &cx.broker().config().data_dir;
    let available = cx.env().vfs.available_bytes(data_dir);
    let usable_bytes = available.ok().and_then(|bytes| i64::try_from(bytes).ok());
    let dir = DescribeLogDirsResult {
        error_code: KafkaError::NONE,
        log_dir: data_dir.display().to_string(),
        topics: topics(cx, request.topics.as_deref()),
        // The size of the disk is not looked up; -1 is Kafka's word for that.
        total_bytes: -1,
        usable_bytes: usable_bytes.unwrap_or(-1),
    };
    DescribeLogDirsResponse {
        results: vec![dir],
        ..DescribeLogDirsResponse::default()
    }
}

fn topics(
    cx: &RequestContext,
    wanted: Option<&[DescribableLogDirTopic]>,
) -> Vec<DescribeLogDirsTopic> {
    let wanted: Option<BTreeSet<(&str, i32)>> = wanted.map(|topics| {
        let named = topics.iter().flat_map(|topic| {
            let name = topic.topic.as_str();
            topic.partitions.iter().map(move |&index| (name, index))
        });
        named.collect()
    });
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in cx.broker().hosted_replicas() {
        let partition_index = i32::try_from(replica.partition.0).unwrap_or(i32::MAX);
        let key = (replica.topic.as_str(), partition_index);
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&key)) {
            continue;
        }
        let partition = DescribeLogDirsPartition {
            partition_index,
            partition_size: i64::try_from(replica.size_bytes).unwrap_or(i64::MAX),
            // How far a replica is behind, only its leader knows.
            offset_lag: 0,
            is_future_key: false,
        };
        topics
            .entry(replica.topic.to_string())
            .or_default()
            .push(partition);
    }
    let topics = topics.into_iter();
    topics
        .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions })
        .collect()
}
