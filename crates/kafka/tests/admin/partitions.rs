//! DeleteRecords, OffsetForLeaderEpoch, DescribeProducers, ElectLeaders.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, DescribeProducersRequest,
    DescribeProducersTopic, ElectLeadersRequest, ElectLeadersTopic, EpochEndOffset,
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use crate::cluster::{Client, Cluster, creatable};
use floe_kafka_codec::messages::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};

async fn delete(
    client: &mut Client,
    topic: &str,
    partition_index: i32,
    offset: i64,
) -> (KafkaError, i64) {
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: topic.to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index,
                offset,
            }],
        }],
        timeout_ms: 10_000,
    };
    let answer = client.call(2, &request).await.topics.remove(0);
    let partition = &answer.partitions[0];
    assert_eq!(partition.partition_index, partition_index);
    (partition.error_code, partition.low_watermark)
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset_or_to_the_high_watermark() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    cluster.produce("topic", 0, 0, 5).await;
    let mut client = cluster.connect(1).await;
    assert_eq!(
        delete(&mut client, "topic", 0, 2).await,
        (KafkaError::NONE, 2)
    );
    // The log start never goes back.
    assert_eq!(
        delete(&mut client, "topic", 0, 1).await,
        (KafkaError::NONE, 2)
    );
    let out_of_range = (KafkaError::OFFSET_OUT_OF_RANGE, -1);
    assert_eq!(delete(&mut client, "topic", 0, 6).await, out_of_range);
    assert_eq!(delete(&mut client, "topic", 0, -2).await, out_of_range);
    assert_eq!(
        delete(&mut client, "topic", 0, -1).await,
        (KafkaError::NONE, 5)
    );
    let unknown = (KafkaError::UNKNOWN_TOPIC_OR_PARTITION, -1);
    assert_eq!(delete(&mut client, "topic", 1, -1).await, unknown);
    assert_eq!(delete(&mut client, "topic", -1, -1).await, unknown);
    assert_eq!(delete(&mut client, "none", 0, -1).await, unknown);
    cluster.stop().await;
}

#[tokio::test]
async fn records_of_a_topic_that_only_compacts_are_not_deleted() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            configs: vec![CreatableTopicConfig {
                name: "cleanup.policy".to_owned(),
                value: Some("compact".to_owned()),
            }],
            ..creatable("table", 1)
        }],
        ..CreateTopicsRequest::default()
    };
    client.call(7, &request).await;
    cluster.produce("table", 0, 0, 1).await;
    let refused = (KafkaError::POLICY_VIOLATION, -1);
    assert_eq!(delete(&mut client, "table", 0, -1).await, refused);
    cluster.stop().await;
}

async fn ask_epoch(
    client: &mut Client,
    current_leader_epoch: i32,
    leader_epoch: i32,
) -> EpochEndOffset {
    let request = OffsetForLeaderEpochRequest {
        topics: vec![OffsetForLeaderTopic {
            topic: "topic".to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch,
                leader_epoch,
            }],
        }],
        ..OffsetForLeaderEpochRequest::default()
    };
    let end = client.call(4, &request).await.topics[0].partitions[0].clone();
    assert_eq!(end.partition, 0);
    end
}

#[tokio::test]
async fn a_leader_epoch_ends_where_the_next_leader_began() {
    let cluster = Cluster::start(3).await;
    cluster.make("topic", 1).await;
    cluster.produce("topic", 0, 0, 3).await;
    let (_, first) = cluster.leader("topic", 0).await;
    let mut client = cluster.connect(first).await;
    // The epoch is not known beforehand: no client knows one above i32::MAX.
    let newer = ask_epoch(&mut client, -1, i32::MAX).await;
    assert_eq!(
        (newer.error_code, newer.leader_epoch, newer.end_offset),
        (KafkaError::NONE, -1, -1)
    );
    let epoch = cluster.broker(first).all_topics()[0].partitions[0]
        .leader_epoch
        .0;
    let end = ask_epoch(&mut client, epoch, epoch).await;
    assert_eq!(
        (end.error_code, end.leader_epoch, end.end_offset),
        (KafkaError::NONE, epoch, 3)
    );
    assert_eq!(
        ask_epoch(&mut client, epoch - 1, epoch).await.error_code,
        KafkaError::FENCED_LEADER_EPOCH
    );
    assert_eq!(
        ask_epoch(&mut client, epoch + 1, epoch).await.error_code,
        KafkaError::UNKNOWN_LEADER_EPOCH
    );

    let next = first % 3 + 1;
    cluster.move_leader("topic", 0, next).await;
    cluster.produce("topic", 0, 3, 2).await;
    let end = ask_epoch(&mut client, -1, epoch).await;
    assert_eq!(end.error_code, KafkaError::NOT_LEADER_OR_FOLLOWER);
    let mut client = cluster.connect(next).await;
    let end = ask_epoch(&mut client, -1, epoch).await;
    assert_eq!(
        (end.error_code, end.leader_epoch, end.end_offset),
        (KafkaError::NONE, epoch, 3)
    );
    let newest = cluster.broker(next).all_topics()[0].partitions[0]
        .leader_epoch
        .0;
    assert_eq!(ask_epoch(&mut client, newest, newest).await.end_offset, 5);
    cluster.stop().await;
}

#[tokio::test]
async fn idempotent_producers_of_a_partition_are_described() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    cluster.produce("topic", 0, 0, 3).await;
    let mut client = cluster.connect(1).await;
    let request = DescribeProducersRequest {
        topics: vec![DescribeProducersTopic {
            name: "topic".to_owned(),
            partition_indexes: vec![0, 4],
        }],
    };
    let answer = client.call(0, &request).await.topics.remove(0);
    let [known, unknown] = answer.partitions.as_slice() else {
        panic!("two partitions")
    };
    let producer = &known.active_producers[0];
    assert_eq!((producer.producer_id, producer.last_sequence), (7, 2));
    assert_eq!(producer.current_txn_start_offset, -1);
    assert!(producer.last_timestamp > 0);
    assert_eq!(unknown.error_code, KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    cluster.stop().await;
}

async fn elect(
    client: &mut Client,
    election_type: i8,
    partitions: Option<Vec<i32>>,
) -> Vec<(i32, KafkaError)> {
    let topic = |partitions| {
        vec![ElectLeadersTopic {
            topic: "topic".to_owned(),
            partitions,
        }]
    };
    let request = ElectLeadersRequest {
        election_type,
        topic_partitions: partitions.map(topic),
        timeout_ms: 10_000,
    };
    let answer = client.call(2, &request).await;
    assert_eq!(answer.error_code, KafkaError::NONE);
    let results = answer.replica_election_results.into_iter();
    let partitions = results.flat_map(|topic| topic.partition_result);
    partitions
        .map(|one| (one.partition_id, one.error_code))
        .collect()
}

#[tokio::test]
async fn leadership_returns_to_the_preferred_replica_on_request() {
    let cluster = Cluster::start(3).await;
    cluster.make("topic", 2).await;
    let name = floe_model::TopicName::new("topic").unwrap();
    let index = floe_model::PartitionIndex(0);
    let (preferred, _) = cluster.broker(1).preferred_leader(&name, index).unwrap();
    let mut client = cluster.connect(1).await;
    cluster.move_leader("topic", 0, preferred.0 % 3 + 1).await;
    let unclean = elect(&mut client, 1, Some(vec![0])).await;
    assert_eq!(unclean, [(0, KafkaError::ELECTION_NOT_NEEDED)]);
    let moved = elect(&mut client, 0, Some(vec![0, 9])).await;
    let expected = [
        (0, KafkaError::NONE),
        (9, KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    assert_eq!(moved, expected);
    crate::cluster::eventually("the preferred leader", async || {
        cluster.leader("topic", 0).await.1 == preferred.0
    })
    .await;
    let again = elect(&mut client, 0, Some(vec![0])).await;
    assert_eq!(again, [(0, KafkaError::ELECTION_NOT_NEEDED)]);
    // Who asks for all hears only of those that had to move.
    assert_eq!(elect(&mut client, 0, None).await, []);
    cluster.stop().await;
}
