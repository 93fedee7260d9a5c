//! CreateTopics: makes topics, or says whether it could.
//!
//! Any node serves it. A topic that was made is answered as made also when a partition of it has
//! no leader yet: a client that was told of a failure would make it again.

use std::collections::{BTreeMap, BTreeSet};

use floe_broker::api::{Intent, PlannedTopic, TopicPlan};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfigs, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use floe_model::{NodeId, TopicId};
use futures::stream::{self, StreamExt as _};

use crate::admin_error::{AdminError, code_and_text, intent, topic_name};
use crate::config_entries::topic_entries;
use crate::context::RequestContext;

/// Topics made at once: each waits for the metadata log, which they share.
const CONCURRENT: usize = 32;
/// Stands for "the broker's default".
const DEFAULT: i32 = -1;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let intent = intent(request.validate_only, request.timeout_ms);
    let mut named = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let mut answered = BTreeSet::new();
    let once = request
        .topics
        .iter()
        .filter(|topic| answered.insert(topic.name.as_str()));
    let results = once.map(|topic| {
        let is_duplicate = named
            .get(topic.name.as_str())
            .is_some_and(|&count| count > 1);
        async move {
            let outcome = if is_duplicate {
                Err(AdminError::duplicate("the topic"))
            } else {
                create(cx, topic, intent).await
            };
            result(cx, &topic.name, intent, &outcome)
        }
    });
    let results: Vec<_> = results.collect();
    CreateTopicsResponse {
        topics: stream::iter(results).buffered(CONCURRENT).collect().await,
        ..CreateTopicsResponse::default()
    }
}

async fn create(
    cx: &RequestContext,
    topic: &CreatableTopic,
    intent: Intent,
) -> Result<PlannedTopic, AdminError> {
    let plan = plan(topic)?;
    let placed = plan.nodes.is_some();
    let made = cx.broker().make_topic(plan, intent).await;
    made.map_err(|failure| {
        let mut error = AdminError::from(failure);
        if placed && error.code == KafkaError::INVALID_REPLICATION_FACTOR {
            error.code = KafkaError::INVALID_REPLICA_ASSIGNMENT;
        }
        error
    })
}

fn plan(topic: &CreatableTopic) -> Result<TopicPlan, AdminError> {
    let name = topic_name(&topic.name)?;
    let nodes = if topic.assignments.is_empty() {
        None
    } else {
        Some(assigned(topic)?)
    };
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let text = format!("topic setting '{}' has no value", config.name);
            return Err(AdminError::new(KafkaError::INVALID_CONFIG, text));
        };
        configs.insert(config.name.clone(), value.clone());
    }
    Ok(TopicPlan {
        name,
        partitions: count(
            topic.num_partitions,
            KafkaError::INVALID_PARTITIONS,
            "number of partitions",
        )?,
        replication: count(
            topic.replication_factor.into(),
            KafkaError::INVALID_REPLICATION_FACTOR,
            "replication factor",
        )?,
        nodes,
        configs,
    })
}

/// A count, where -1 leaves it to the broker.
fn count(given: i32, code: KafkaError, what: &str) -> Result<Option<u32>, AdminError> {
    match u32::try_from(given) {
        Ok(count) if count > 0 => Ok(Some(count)),
        Err(_) if given == DEFAULT => Ok(None),
        Ok(_) | Err(_) => {
            let text = format!("{what} is {given}; it is at least 1, or -1 for the default");
            Err(AdminError::new(code, text))
        }
    }
}

/// The nodes of each partition, by index.
fn assigned(topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, AdminError> {
    let counts = [topic.num_partitions, topic.replication_factor.into()];
    if counts.iter().any(|&count| count != DEFAULT) {
        return Err(AdminError::invalid(
            "replicas are assigned: the number of partitions and the replication factor must be -1",
        ));
    }
    let by_index: BTreeMap<i32, &CreatableReplicaAssignment> = topic
        .assignments
        .iter()
        .map(|assignment| (assignment.partition_index, assignment))
        .collect();
    let dense = (0..).zip(by_index.keys()).all(|(at, &index)| at == index);
    if !dense || by_index.len() != topic.assignments.len() {
        return Err(AdminError::new(
            KafkaError::INVALID_REPLICA_ASSIGNMENT,
            "the partitions with assigned replicas are not 0, 1, 2 and so on, each once",
        ));
    }
    by_index
        .values()
        .map(|assignment| node_ids(&assignment.broker_ids))
        .collect()
}

/// Broker ids as node ids.
pub(super) fn node_ids(broker_ids: &[i32]) -> Result<Vec<NodeId>, AdminError> {
    let ids = broker_ids.iter().map(|&id| {
        u32::try_from(id).map(NodeId).map_err(|_| {
            let text = format!("there is no node {id}");
            AdminError::new(KafkaError::INVALID_REPLICA_ASSIGNMENT, text)
        })
    });
    ids.collect()
}

fn result(
    cx: &RequestContext,
    name: &str,
    intent: Intent,
    outcome: &Result<PlannedTopic, AdminError>,
) -> CreatableTopicResult {
    let (error_code, error_message) = code_and_text(outcome);
    let base = CreatableTopicResult {
        name: name.to_owned(),
        error_code,
        error_message,
        ..CreatableTopicResult::default()
    };
    let Ok(topic) = outcome else { return base };
    let entries = topic_entries(cx, &topic.config);
    let configs = entries.into_iter().map(|entry| CreatableTopicConfigs {
        name: entry.name.to_owned(),
        value: entry.value,
        read_only: false,
        config_source: entry.source.code(),
        is_sensitive: false,
    });
    CreatableTopicResult {
        topic_id: match intent {
            Intent::CarryOut { .. } => topic.topic_id,
            Intent::Check => TopicId([0; 16]),
        },
        num_partitions: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(topic.replication).unwrap_or(i16::MAX),
        configs: Some(configs.collect()),
        ..base
    }
}
