//! DescribeCluster, DescribeTopicPartitions, DescribeLogDirs, reassignments.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    AlterPartitionReassignmentsRequest, DescribableLogDirTopic, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeTopicPartitionsRequest, DescribeTopicPartitionsTopic,
    ListPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};

use crate::cluster::Cluster;

#[tokio::test]
async fn the_cluster_is_described_to_clients_and_not_to_controllers() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.connect(2).await;
    for version in 0..=1 {
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: version == 1,
            endpoint_type: 1,
        };
        let found = client.call(version, &request).await;
        let ids: Vec<_> = found.brokers.iter().map(|one| one.broker_id).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert!((1..=3).contains(&found.controller_id));
        assert!(!found.cluster_id.is_empty());
        assert_eq!(
            found.cluster_authorized_operations == i32::MIN,
            version == 0
        );
    }
    for (endpoint_type, code) in [
        (2, KafkaError::MISMATCHED_ENDPOINT_TYPE),
        (9, KafkaError::UNSUPPORTED_ENDPOINT_TYPE),
    ] {
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: false,
            endpoint_type,
        };
        assert_eq!(client.call(1, &request).await.error_code, code);
    }
    cluster.stop().await;
}

#[tokio::test]
async fn topics_are_described_page_by_page_with_nothing_left_out_or_repeated() {
    let cluster = Cluster::start(1).await;
    for (name, partitions) in [("b", 3), ("a", 2), ("c", 2)] {
        cluster.make(name, partitions).await;
    }
    let mut client = cluster.connect(1).await;
    for limit in 1..=8 {
        let mut request = DescribeTopicPartitionsRequest {
            response_partition_limit: limit,
            ..DescribeTopicPartitionsRequest::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = client.call(0, &request).await;
            let before = seen.len();
            for topic in page.topics {
                let name = topic.name.unwrap();
                let indexes = topic.partitions.iter().map(|one| one.partition_index);
                seen.extend(indexes.map(|index| (name.clone(), index)));
            }
            assert!(seen.len() - before <= usize::try_from(limit).unwrap());
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        let named: Vec<_> = seen
            .iter()
            .map(|(name, index)| (name.as_str(), *index))
            .collect();
        let all = [
            ("a", 0),
            ("a", 1),
            ("b", 0),
            ("b", 1),
            ("b", 2),
            ("c", 0),
            ("c", 1),
        ];
        assert_eq!(named, all, "{limit}");
    }
    let request = DescribeTopicPartitionsRequest {
        topics: ["none", "b"]
            .map(|name| DescribeTopicPartitionsTopic {
                name: name.to_owned(),
            })
            .into(),
        ..DescribeTopicPartitionsRequest::default()
    };
    let topics = client.call(0, &request).await.topics;
    let codes: Vec<_> = topics.iter().map(|one| one.error_code).collect();
    assert_eq!(
        codes,
        [KafkaError::NONE, KafkaError::UNKNOWN_TOPIC_OR_PARTITION]
    );
    let partition = &topics[0].partitions[0];
    assert_eq!(partition.leader_id, 1);
    // The Java client fails on a null.
    assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()));
    assert_eq!(partition.last_known_elr, Some(Vec::new()));
    cluster.stop().await;
}

#[tokio::test]
async fn the_data_directory_shows_each_partition_and_its_size() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 2).await;
    cluster.produce("topic", 1, 0, 10).await;
    let mut client = cluster.connect(1).await;
    let wanted = |partitions: Vec<i32>| DescribeLogDirsRequest {
        topics: Some(vec![DescribableLogDirTopic {
            topic: "topic".to_owned(),
            partitions,
        }]),
    };
    for version in 1..=4 {
        let request = DescribeLogDirsRequest { topics: None };
        let dir = client.call(version, &request).await.results.remove(0);
        assert_eq!(dir.error_code, KafkaError::NONE);
        assert!(!dir.log_dir.is_empty());
        assert_eq!(dir.usable_bytes > 0, version >= 4);
        assert_eq!(dir.topics[0].partitions.len(), 2);
    }
    // What is in the journal only has no size yet.
    let client = tokio::sync::Mutex::new(client);
    crate::cluster::eventually("a size", async || {
        let mut client = client.lock().await;
        let dir = client.call(4, &wanted(vec![1, 7])).await.results.remove(0);
        let partitions = &dir.topics[0].partitions;
        assert_eq!(partitions.len(), 1);
        assert_eq!(partitions[0].partition_index, 1);
        partitions[0].partition_size > 0
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_move_of_replicas_is_refused_and_never_pretended() {
    let cluster = Cluster::start(3).await;
    cluster.make("topic", 1).await;
    let mut client = cluster.connect(1).await;
    let name = floe_model::TopicName::new("topic").unwrap();
    let info = cluster.broker(1).topic_named(&name).unwrap();
    let here: Vec<i32> = info.partitions[0]
        .replicas
        .iter()
        .map(|node| node.0 as i32)
        .collect();
    let fewer = here[..2].to_vec();
    let refused = KafkaError::INVALID_REPLICA_ASSIGNMENT;
    for (partition_index, replicas, code) in [
        (0, Some(here), KafkaError::NONE),
        (0, Some(fewer), refused),
        (0, Some(vec![9]), refused),
        (0, None, KafkaError::NO_REASSIGNMENT_IN_PROGRESS),
        (5, Some(vec![1]), KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let request = AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: "topic".to_owned(),
                partitions: vec![ReassignablePartition {
                    partition_index,
                    replicas,
                }],
            }],
            ..AlterPartitionReassignmentsRequest::default()
        };
        let answer = client.call(0, &request).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, code);
        assert_eq!(partition.error_message.is_none(), code == KafkaError::NONE);
    }
    let request = ListPartitionReassignmentsRequest::default();
    assert!(client.call(0, &request).await.topics.is_empty());
    cluster.stop().await;
}
