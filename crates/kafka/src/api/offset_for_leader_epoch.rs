//! OffsetForLeaderEpoch: where leader epochs ended, so that consumers notice a truncation. Only a
//! partition's leader serves it.

use floe_broker::api::{EpochEnd, PartitionKey};
use floe_kafka_codec::messages::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use floe_model::{LeaderEpoch, TopicId};
use futures::stream::{self, StreamExt as _};

use crate::admin_error::{AdminError, partition_error, partition_index, topic_name};
use crate::context::RequestContext;

/// Partitions looked up at once: each asks a majority.
const CONCURRENT: usize = 64;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let topic_id = find(cx, &topic.topic).await;
        let topic_id = &topic_id;
        let ends = topic.partitions.iter().map(|wanted| async move {
            let end = match topic_id {
                Ok(topic_id) => look_up(cx, *topic_id, wanted).await,
                Err(error) => Err(error.clone()),
            };
            answer(wanted.partition, end)
        });
        let ends: Vec<_> = ends.collect();
        topics.push(OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions: stream::iter(ends).buffered(CONCURRENT).collect().await,
        });
    }
    OffsetForLeaderEpochResponse {
        topics,
        ..OffsetForLeaderEpochResponse::default()
    }
}

async fn find(cx: &RequestContext, name: &str) -> Result<TopicId, AdminError> {
    let name = topic_name(name)?;
    let found = cx.broker().known_topic(&name).await;
    found.map_err(|failure| partition_error(&failure))
}

async fn look_up(
    cx: &RequestContext,
    topic_id: TopicId,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, AdminError> {
    let key = PartitionKey {
        topic_id,
        partition: partition_index(wanted.partition)?,
    };
    let current = wanted.current_leader_epoch;
    let current = (current >= 0).then_some(LeaderEpoch(current));
    let asked = LeaderEpoch(wanted.leader_epoch);
    let found = cx.broker().epoch_end(key, current, asked).await;
    found.map_err(|failure| partition_error(&failure))
}

fn answer(partition: i32, end: Result<Option<EpochEnd>, AdminError>) -> EpochEndOffset {
    let unknown = EpochEndOffset {
        partition,
        ..EpochEndOffset::default()
    };
    match end {
        Ok(Some(end)) => EpochEndOffset {
            leader_epoch: end.epoch.0,
            end_offset: end.end_offset.0,
            ..unknown
        },
        // Nothing to compare with: clients leave their position as it is.
        Ok(None) => unknown,
        Err(error) => EpochEndOffset {
            error_code: error.code,
            ..unknown
        },
    }
}

#[cfg(test)]
mod tests {
    use floe_kafka_codec::KafkaError;

    use super::*;

    #[test]
    fn an_unknown_epoch_is_answered_by_no_epoch_and_no_offset() {
        let unknown = answer(3, Ok(None));
        assert_eq!(
            (unknown.error_code, unknown.leader_epoch, unknown.end_offset),
            (KafkaError::NONE, -1, -1)
        );
    }
}
