//! OffsetDelete while a group has members: only what they read is kept.

use bytes::Bytes;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ConsumerGroupHeartbeatRequest, JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse, OffsetFetchRequest, SyncGroupRequest,
};

use crate::cluster::{Client, Cluster};

const GROUP: &str = "billing";

/// Asks again while the coordinator takes office.
fn is_early(error: KafkaError) -> bool {
    matches!(
        error,
        KafkaError::COORDINATOR_LOAD_IN_PROGRESS | KafkaError::NOT_COORDINATOR
    )
}

/// A classic member that reads `orders`, if its group is one of consumers, has its assignment.
async fn classic_member(client: &mut Client, protocol_type: &str) -> JoinGroupResponse {
    let join = JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: protocol_type.to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff"),
        }],
        ..JoinGroupRequest::default()
    };
    let joined = loop {
        let response = client.call(3, &join).await;
        if !is_early(response.error_code) {
            break response;
        }
    };
    let sync = SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..SyncGroupRequest::default()
    };
    assert_eq!(client.call(3, &sync).await.error_code, KafkaError::NONE);
    joined
}

/// Commits for both topics.
async fn commit(client: &mut Client, member_id: &str, epoch: i32) {
    let topic = |name: &str| OffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions: vec![OffsetCommitRequestPartition {
            committed_offset: 42,
            ..OffsetCommitRequestPartition::default()
        }],
    };
    let request = OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: epoch,
        member_id: member_id.to_owned(),
        topics: vec![topic("orders"), topic("refunds")],
        ..OffsetCommitRequest::default()
    };
    for topic in client.call(9, &request).await.topics {
        assert_eq!(topic.partitions[0].error_code, KafkaError::NONE);
    }
}

/// Deletes the offsets of both topics.
async fn delete(client: &mut Client) -> OffsetDeleteResponse {
    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![topic("orders"), topic("refunds")],
    };
    client.call(0, &request).await
}

async fn topics_with_offsets(client: &mut Client) -> Vec<String> {
    let request = OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics: None,
        ..OffsetFetchRequest::default()
    };
    let topics = client.call(7, &request).await.topics.into_iter();
    topics.map(|topic| topic.name).collect()
}

async fn only_the_unread_goes(client: &mut Client) {
    let deleted = delete(client).await;
    assert_eq!(deleted.error_code, KafkaError::NONE);
    let errors = deleted.topics.iter().map(|topic| {
        let error = topic.partitions[0].error_code;
        (topic.name.as_str(), error)
    });
    assert_eq!(
        errors.collect::<Vec<_>>(),
        [
            ("orders", KafkaError::GROUP_SUBSCRIBED_TO_TOPIC),
            ("refunds", KafkaError::NONE)
        ]
    );
    assert_eq!(topics_with_offsets(client).await, ["orders"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_no_classic_member_reads_can_be_deleted() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 1).await;
    cluster.make("refunds", 1).await;
    let mut client = cluster.connect(1).await;
    let member = classic_member(&mut client, "consumer").await;
    commit(&mut client, &member.member_id, member.generation_id).await;
    only_the_unread_goes(&mut client).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_no_member_of_a_consumer_group_reads_can_be_deleted() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 1).await;
    cluster.make("refunds", 1).await;
    let mut client = cluster.connect(1).await;
    let join = ConsumerGroupHeartbeatRequest {
        group_id: GROUP.to_owned(),
        member_id: "a".to_owned(),
        member_epoch: 0,
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec!["orders".to_owned()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let joined = loop {
        let response = client.call(1, &join).await;
        if !is_early(response.error_code) {
            break response;
        }
    };
    commit(&mut client, "a", joined.member_epoch).await;
    only_the_unread_goes(&mut client).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_members_that_are_no_consumers_no_offset_is_deleted() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 1).await;
    cluster.make("refunds", 1).await;
    let mut client = cluster.connect(1).await;
    let member = classic_member(&mut client, "connect").await;
    commit(&mut client, &member.member_id, member.generation_id).await;
    let refused = delete(&mut client).await;
    assert_eq!(refused.error_code, KafkaError::NON_EMPTY_GROUP);
    assert!(refused.topics.is_empty());
    assert_eq!(topics_with_offsets(&mut client).await.len(), 2);
    cluster.stop().await;
}
