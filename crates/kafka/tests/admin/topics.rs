//! CreateTopics, DeleteTopics, CreatePartitions.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
    CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest, MetadataRequest,
    MetadataRequestTopic, MetadataResponseTopic,
};
use floe_model::TopicId;

use crate::cluster::{Client, Cluster, creatable};

const NO_TOPIC: TopicId = TopicId([0; 16]);

async fn create(
    client: &mut Client,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest {
        topics,
        timeout_ms: 10_000,
        validate_only,
    };
    client.call(7, &request).await.topics
}

async fn describe(client: &mut Client, name: &str) -> MetadataResponseTopic {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    client.call(12, &request).await.topics.remove(0)
}

fn with_setting(name: &str, key: &str, value: Option<&str>) -> CreatableTopic {
    CreatableTopic {
        configs: vec![CreatableTopicConfig {
            name: key.to_owned(),
            value: value.map(str::to_owned),
        }],
        ..creatable(name, 1)
    }
}

fn placed(name: &str, nodes: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |&(partition_index, ids): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: ids.to_vec(),
    };
    CreatableTopic {
        assignments: nodes.iter().map(assignment).collect(),
        ..creatable(name, -1)
    }
}

#[tokio::test]
async fn a_topic_is_made_in_every_version_and_its_layout_reported() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    for version in 2..=7 {
        let name = format!("topic-{version}");
        let request = CreateTopicsRequest {
            topics: vec![creatable(&name, 3)],
            ..CreateTopicsRequest::default()
        };
        let made = client.call(version, &request).await.topics.remove(0);
        assert_eq!(
            (made.error_code, made.name),
            (KafkaError::NONE, name.clone())
        );
        if version >= 5 {
            assert_eq!((made.num_partitions, made.replication_factor), (3, 1));
            let configs = made.configs.unwrap();
            let retention = configs
                .iter()
                .find(|one| one.name == "retention.ms")
                .unwrap();
            assert_eq!(retention.value.as_deref(), Some("604800000"));
            assert_eq!(retention.config_source, 5);
        }
        assert_eq!(made.topic_id == NO_TOPIC, version < 7);
        assert_eq!(describe(&mut client, &name).await.partitions.len(), 3);
    }
    // -1 is the default of the node.
    let made = create(&mut client, vec![creatable("default", -1)], false).await;
    assert_eq!(made[0].num_partitions, 2);
    cluster.stop().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn a_topic_that_cannot_be_made_is_refused_with_its_own_code_and_words() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    cluster.make("taken", 1).await;
    let replicated = |replication_factor| CreatableTopic {
        replication_factor,
        ..creatable("a", 1)
    };
    let refusals = [
        (
            creatable("taken", 1),
            KafkaError::TOPIC_ALREADY_EXISTS,
            "exists",
        ),
        (
            creatable("a/b", 1),
            KafkaError::INVALID_TOPIC_EXCEPTION,
            "'/'",
        ),
        (creatable("a", 0), KafkaError::INVALID_PARTITIONS, "0"),
        (creatable("a", -2), KafkaError::INVALID_PARTITIONS, "-2"),
        (
            creatable("a", 1_000_000),
            KafkaError::INVALID_PARTITIONS,
            "10000",
        ),
        (replicated(0), KafkaError::INVALID_REPLICATION_FACTOR, "0"),
        (
            replicated(2),
            KafkaError::INVALID_REPLICATION_FACTOR,
            "1 to 1",
        ),
        (
            with_setting("a", "retention.hours", Some("1")),
            KafkaError::INVALID_CONFIG,
            "retention.hours",
        ),
        (
            with_setting("a", "retention.ms", Some("soon")),
            KafkaError::INVALID_CONFIG,
            "'soon'",
        ),
        (
            with_setting("a", "remote.storage.enable", Some("true")),
            KafkaError::INVALID_CONFIG,
            "remote.storage.enable",
        ),
        (
            with_setting("a", "min.insync.replicas", Some("2")),
            KafkaError::INVALID_CONFIG,
            "majority",
        ),
        (
            with_setting("a", "retention.ms", None),
            KafkaError::INVALID_CONFIG,
            "no value",
        ),
        (
            placed("a", &[(0, &[1]), (2, &[1])]),
            KafkaError::INVALID_REPLICA_ASSIGNMENT,
            "0, 1, 2",
        ),
        (
            placed("a", &[(0, &[9])]),
            KafkaError::INVALID_REPLICA_ASSIGNMENT,
            "node 9",
        ),
        (
            placed("a", &[(0, &[-1])]),
            KafkaError::INVALID_REPLICA_ASSIGNMENT,
            "-1",
        ),
        (
            CreatableTopic {
                num_partitions: 1,
                ..placed("a", &[(0, &[1])])
            },
            KafkaError::INVALID_REQUEST,
            "must be -1",
        ),
    ];
    for (topic, code, words) in refusals {
        for validate_only in [true, false] {
            let refused = create(&mut client, vec![topic.clone()], validate_only).await;
            assert_eq!(refused[0].error_code, code, "{topic:?}");
            let text = refused[0].error_message.as_deref().unwrap();
            assert!(text.contains(words), "{text}");
        }
    }
    let twice = vec![
        creatable("twice", 1),
        creatable("twice", 2),
        creatable("once", 1),
    ];
    let results = create(&mut client, twice, false).await;
    let codes: Vec<_> = results
        .iter()
        .map(|one| (one.name.as_str(), one.error_code))
        .collect();
    let expected = [
        ("twice", KafkaError::INVALID_REQUEST),
        ("once", KafkaError::NONE),
    ];
    assert_eq!(codes, expected);
    cluster.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_only_validated_is_described_and_not_made() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    let topic = with_setting("plan", "cleanup.policy", Some("compact"));
    let planned = create(&mut client, vec![topic], true).await.remove(0);
    assert_eq!(planned.error_code, KafkaError::NONE);
    assert_eq!((planned.num_partitions, planned.topic_id), (1, NO_TOPIC));
    let missing = describe(&mut client, "plan").await;
    assert_eq!(missing.error_code, KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    cluster.stop().await;
}

#[tokio::test]
async fn replicas_stand_where_the_client_puts_them() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.connect(2).await;
    let topic = placed("placed", &[(1, &[2, 1]), (0, &[3, 2])]);
    let made = create(&mut client, vec![topic], false).await.remove(0);
    assert_eq!(made.error_message, None);
    assert_eq!((made.num_partitions, made.replication_factor), (2, 2));
    let mut grow = async |count, nodes: &[&[i32]], validate_only| {
        let assignment = |ids: &&[i32]| CreatePartitionsAssignment {
            broker_ids: ids.to_vec(),
        };
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: "placed".to_owned(),
                count,
                assignments: Some(nodes.iter().map(assignment).collect()),
            }],
            timeout_ms: 10_000,
            validate_only,
        };
        client.call(3, &request).await.results.remove(0).error_code
    };
    assert_eq!(grow(3, &[&[1, 3]], true).await, KafkaError::NONE);
    let refused = KafkaError::INVALID_REPLICA_ASSIGNMENT;
    assert_eq!(grow(3, &[&[1]], false).await, refused);
    assert_eq!(grow(4, &[&[1, 3]], false).await, refused);
    assert_eq!(grow(3, &[&[1, 3]], false).await, KafkaError::NONE);
    let found = describe(&mut client, "placed").await;
    let replicas: Vec<_> = found
        .partitions
        .iter()
        .map(|one| one.replica_nodes.clone())
        .collect();
    assert_eq!(replicas, [vec![3, 2], vec![2, 1], vec![1, 3]]);
    cluster.stop().await;
}

#[tokio::test]
async fn partitions_are_added_and_never_taken_away() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 2).await;
    let mut client = cluster.connect(1).await;
    let grow = |topics: &[(&str, i32)], validate_only| CreatePartitionsRequest {
        topics: topics
            .iter()
            .map(|&(name, count)| CreatePartitionsTopic {
                name: name.to_owned(),
                count,
                assignments: None,
            })
            .collect(),
        timeout_ms: 10_000,
        validate_only,
    };
    for (count, code) in [
        (1, KafkaError::INVALID_PARTITIONS),
        (2, KafkaError::INVALID_PARTITIONS),
        (-1, KafkaError::INVALID_PARTITIONS),
        (3, KafkaError::NONE),
    ] {
        let answer = client.call(3, &grow(&[("topic", count)], true)).await;
        assert_eq!(answer.results[0].error_code, code, "{count}");
    }
    assert_eq!(describe(&mut client, "topic").await.partitions.len(), 2);
    for (version, count) in (0..=3).zip(3..) {
        let answer = client
            .call(version, &grow(&[("topic", count)], false))
            .await;
        assert_eq!(answer.results[0].error_code, KafkaError::NONE);
    }
    assert_eq!(describe(&mut client, "topic").await.partitions.len(), 6);
    let answer = client
        .call(3, &grow(&[("none", 3), ("topic", 7), ("topic", 8)], false))
        .await;
    let codes: Vec<_> = answer.results.iter().map(|one| one.error_code).collect();
    let expected = [
        KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        KafkaError::INVALID_REQUEST,
    ];
    assert_eq!(codes, expected);
    cluster.stop().await;
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id_and_can_be_made_again() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    for version in 1..=5 {
        cluster.make("topic", 1).await;
        let request = DeleteTopicsRequest {
            topic_names: vec!["topic".to_owned(), "none".to_owned()],
            timeout_ms: 10_000,
            ..DeleteTopicsRequest::default()
        };
        let answer = client.call(version, &request).await;
        let codes: Vec<_> = answer.responses.iter().map(|one| one.error_code).collect();
        let expected = [KafkaError::NONE, KafkaError::UNKNOWN_TOPIC_OR_PARTITION];
        assert_eq!(codes, expected);
    }
    cluster.make("topic", 1).await;
    let topic_id = describe(&mut client, "topic").await.topic_id;
    let named = |name: Option<&str>, topic_id| DeleteTopicState {
        name: name.map(str::to_owned),
        topic_id,
    };
    let request = DeleteTopicsRequest {
        topics: vec![
            named(Some("topic"), topic_id),
            named(None, NO_TOPIC),
            named(None, TopicId([9; 16])),
            named(None, topic_id),
            named(None, topic_id),
        ],
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    };
    let answer = client.call(6, &request).await;
    let codes: Vec<_> = answer.responses.iter().map(|one| one.error_code).collect();
    let expected = [
        KafkaError::INVALID_REQUEST,
        KafkaError::INVALID_REQUEST,
        KafkaError::UNKNOWN_TOPIC_ID,
        KafkaError::NONE,
        KafkaError::INVALID_REQUEST,
    ];
    assert_eq!(codes, expected);
    assert_eq!(answer.responses[3].name.as_deref(), Some("topic"));
    let gone = describe(&mut client, "topic").await;
    assert_eq!(gone.error_code, KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    cluster.stop().await;
}
