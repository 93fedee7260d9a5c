//! Metadata: the nodes, and topics with their partitions and leaders. Makes missing topics where
//! the client and the node's configuration allow it.
//!
//! Never invents a leader or an epoch: a partition whose leader is unknown or dead is answered
//! LEADER_NOT_AVAILABLE with leader -1 and the last epoch known.

use floe_broker::api::{PartitionInfo, TopicInfo, TopicsRequest};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use floe_model::{NodeId, TopicId, TopicName};

use crate::authorized_operations;
use crate::context::RequestContext;
use crate::endpoints::{Endpoints, kafka_id};
use crate::errors::{Asked, kafka_error};

/// The id that stands for none.
const NO_TOPIC: TopicId = TopicId([0; 16]);

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let endpoints = cx.endpoints();
    let with_operations = request.include_topic_authorized_operations;
    let wants_all = match &request.topics {
        None => true,
        Some(topics) => version == 0 && topics.is_empty(),
    };
    let mut topics = if wants_all {
        let infos = cx.broker().all_topics();
        let found = infos.iter().map(|info| found(info, &endpoints));
        found.collect()
    } else {
        named(cx, version, &request, &endpoints).await
    };
    for topic in &mut topics {
        topic.topic_authorized_operations = authorized_operations::on_topic(with_operations);
    }
    let cluster_operations = request.include_cluster_authorized_operations;
    MetadataResponse {
        brokers: brokers(&endpoints),
        cluster_id: cx.broker().cluster_id().map(|id| id.to_string()),
        controller_id: controller(cx, &endpoints),
        topics,
        cluster_authorized_operations: authorized_operations::on_cluster(cluster_operations),
        ..MetadataResponse::default()
    }
}

fn brokers(endpoints: &Endpoints) -> Vec<MetadataResponseBroker> {
    let brokers = endpoints.all().iter();
    let broker = |node: &floe_kafka_codec::messages::NodeEndpoint| MetadataResponseBroker {
        node_id: node.node_id,
        host: node.host.clone(),
        port: node.port,
        rack: node.rack.clone(),
    };
    brokers.map(broker).collect()
}

/// The node that administrative requests go to. Any node takes them, so one that clients can
/// reach stands in for a controller that they cannot.
pub(super) fn controller(cx: &RequestContext, endpoints: &Endpoints) -> i32 {
    let controller = cx.broker().controller();
    let reachable = controller.and_then(|node| endpoints.get(node));
    reachable
        .or_else(|| endpoints.all().first())
        .map_or(-1, |endpoint| endpoint.node_id)
}

async fn named(
    cx: &RequestContext,
    version: i16,
    request: &MetadataRequest,
    endpoints: &Endpoints,
) -> Vec<MetadataResponseTopic> {
    // Older clients cannot say that they want no topic made.
    let auto_create = version < 4 || request.allow_auto_topic_creation;
    let mut topics = Vec::new();
    for wanted in request.topics.iter().flatten() {
        topics.push(match &wanted.name {
            Some(name) => by_name(cx, name, auto_create, endpoints).await,
            None => by_id(cx, wanted, endpoints),
        });
    }
    topics
}

async fn by_name(
    cx: &RequestContext,
    name: &str,
    auto_create: bool,
    endpoints: &Endpoints,
) -> MetadataResponseTopic {
    let failed = |error_code| MetadataResponseTopic {
        error_code,
        name: Some(name.to_owned()),
        ..MetadataResponseTopic::default()
    };
    let Ok(topic) = TopicName::new(name) else {
        return failed(KafkaError::INVALID_TOPIC_EXCEPTION);
    };
    if let Some(info) = cx.broker().topic_named(&topic) {
        return found(&info, endpoints);
    }
    let request = TopicsRequest {
        names: Some(vec![topic]),
        auto_create,
    };
    match cx.broker().topics(request).await {
        Ok(answer) => match answer.topics.first() {
            Some(info) => found(info, endpoints),
            None => failed(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
        },
        // Not known for certain yet: clients ask again.
        Err(failure) if failure.code.is_retriable() => failed(KafkaError::LEADER_NOT_AVAILABLE),
        Err(failure) => failed(kafka_error(failure.code, Asked::Admin)),
    }
}

fn by_id(
    cx: &RequestContext,
    wanted: &MetadataRequestTopic,
    endpoints: &Endpoints,
) -> MetadataResponseTopic {
    let failed = |error_code| MetadataResponseTopic {
        error_code,
        name: None,
        topic_id: wanted.topic_id,
        ..MetadataResponseTopic::default()
    };
    if wanted.topic_id == NO_TOPIC {
        return failed(KafkaError::INVALID_REQUEST);
    }
    match cx.broker().topic_with_id(&wanted.topic_id) {
        Some(info) => found(&info, endpoints),
        None => failed(KafkaError::UNKNOWN_TOPIC_ID),
    }
}

fn found(info: &TopicInfo, endpoints: &Endpoints) -> MetadataResponseTopic {
    let partitions = info.partitions.iter();
    MetadataResponseTopic {
        error_code: KafkaError::NONE,
        name: Some(info.name.as_str().to_owned()),
        topic_id: info.topic_id,
        partitions: partitions.map(|one| partition(one, endpoints)).collect(),
        ..MetadataResponseTopic::default()
    }
}

pub(super) fn partition(info: &PartitionInfo, endpoints: &Endpoints) -> MetadataResponsePartition {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|&node| kafka_id(node)).collect();
    let offline = info
        .replicas
        .iter()
        .filter(|node| !info.alive_replicas.contains(node));
    let leader = info
        .leader
        .filter(|leader| info.alive_replicas.contains(leader));
    let (error_code, leader_id) = match leader {
        None => (KafkaError::LEADER_NOT_AVAILABLE, -1),
        Some(leader) => match endpoints.get(leader) {
            Some(endpoint) => (KafkaError::NONE, endpoint.node_id),
            None => (KafkaError::LISTENER_NOT_FOUND, -1),
        },
    };
    MetadataResponsePartition {
        error_code,
        partition_index: i32::try_from(info.partition.0).unwrap_or(i32::MAX),
        leader_id,
        leader_epoch: info.leader_epoch.0,
        replica_nodes: ids(&info.replicas),
        isr_nodes: ids(&info.alive_replicas),
        offline_replicas: offline.map(|&node| kafka_id(node)).collect(),
    }
}
