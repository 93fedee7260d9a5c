//! ElectLeaders: moves leadership to the preferred replicas. An unclean election, of a replica
//! that lacks acknowledged records, does not exist.

use std::time::Duration;

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse, ElectLeadersTopic,
    ElectLeadersTopicResult,
};
use floe_model::PartitionIndex;
use futures::stream::{self, StreamExt as _};

use crate::admin_error::{AdminError, code_and_text, partition_index, topic_name};
use crate::context::RequestContext;

/// Elections at once.
const CONCURRENT: usize = 64;
/// Election types; before version 1 all are preferred.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;
/// Shortest and longest time for all elections of a request.
const LIMIT_MIN: Duration = Duration::from_secs(1);
const LIMIT_MAX: Duration = Duration::from_secs(120);

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let kind = request.election_type;
    if !matches!(kind, PREFERRED | UNCLEAN) {
        return ElectLeadersResponse {
            error_code: KafkaError::INVALID_REQUEST,
            ..ElectLeadersResponse::default()
        };
    }
    let names_all = request.topic_partitions.is_none();
    let topics = request.topic_partitions.unwrap_or_else(|| all(cx));
    let timeout_ms = u64::try_from(request.timeout_ms).unwrap_or(0);
    let limit = Duration::from_millis(timeout_ms).clamp(LIMIT_MIN, LIMIT_MAX);
    let end = cx.env().clock.now() + limit;
    let mut results = Vec::with_capacity(topics.len());
    for topic in topics {
        let name = topic.topic.as_str();
        let elections = topic.partitions.iter().map(|&index| async move {
            let left = end.saturating_sub(cx.env().clock.now());
            let elected = tokio::time::timeout(left, elect(cx, name, index, kind)).await;
            let timed_out = |_| {
                let text = "time is up; the election may happen yet";
                Err(AdminError::new(KafkaError::REQUEST_TIMED_OUT, text))
            };
            (index, elected.unwrap_or_else(timed_out))
        });
        let elections: Vec<_> = elections.collect();
        let outcomes = stream::iter(elections).buffered(CONCURRENT);
        // Who asks for all wants to hear of those that had to move.
        let told = outcomes.filter(|(_, outcome)| {
            let needless =
                matches!(outcome, Err(error) if error.code == KafkaError::ELECTION_NOT_NEEDED);
            std::future::ready(!(names_all && needless))
        });
        let partition_result: Vec<_> = told.map(result).collect().await;
        if !partition_result.is_empty() {
            results.push(ElectLeadersTopicResult {
                topic: topic.topic,
                partition_result,
            });
        }
    }
    ElectLeadersResponse {
        replica_election_results: results,
        ..ElectLeadersResponse::default()
    }
}

fn all(cx: &RequestContext) -> Vec<ElectLeadersTopic> {
    let topics = cx.broker().all_topics();
    let topics = topics.iter().map(|topic| ElectLeadersTopic {
        topic: topic.name.to_string(),
        partitions: (0..).zip(&topic.partitions).map(|(at, _)| at).collect(),
    });
    topics.collect()
}

async fn elect(cx: &RequestContext, topic: &str, index: i32, kind: i8) -> Result<(), AdminError> {
    let topic = topic_name(topic)?;
    let partition = partition_index(index)?;
    cx.broker().known_topic(&topic).await?;
    let Some((preferred, is_alive)) = cx.broker().preferred_leader(&topic, partition) else {
        let text = format!("there is no partition {index}");
        return Err(AdminError::new(
            KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
            text,
        ));
    };
    if kind == UNCLEAN {
        return Err(refuse_unclean(cx, &topic, partition));
    }
    if !is_alive {
        let text = format!("node {preferred}, which is preferred, is not alive");
        return Err(AdminError::new(
            KafkaError::PREFERRED_LEADER_NOT_AVAILABLE,
            text,
        ));
    }
    match cx.broker().prefer_leader(&topic, partition).await? {
        None => Err(AdminError::new(
            KafkaError::ELECTION_NOT_NEEDED,
            format!("node {preferred} leads already"),
        )),
        Some(leader) if leader == preferred => Ok(()),
        Some(leader) => Err(AdminError::new(
            KafkaError::PREFERRED_LEADER_NOT_AVAILABLE,
            format!("node {leader} still leads; node {preferred} could not take over"),
        )),
    }
}

fn refuse_unclean(
    cx: &RequestContext,
    topic: &floe_model::TopicName,
    partition: PartitionIndex,
) -> AdminError {
    let info = cx.broker().topic_named(topic);
    let partitions = info.map(|info| info.partitions).unwrap_or_default();
    let leader = partitions
        .iter()
        .find(|one| one.partition == partition)
        .and_then(|one| one.leader);
    match leader {
        Some(leader) => AdminError::new(
            KafkaError::ELECTION_NOT_NEEDED,
            format!("node {leader} leads"),
        ),
        None => AdminError::new(
            KafkaError::ELIGIBLE_LEADERS_NOT_AVAILABLE,
            "a majority of the replicas is needed; a replica that may lack acknowledged records \
             is never elected",
        ),
    }
}

fn result((partition_id, outcome): (i32, Result<(), AdminError>)) -> ElectLeadersPartitionResult {
    let (error_code, error_message) = code_and_text(&outcome);
    ElectLeadersPartitionResult {
        partition_id,
        error_code,
        error_message,
    }
}
