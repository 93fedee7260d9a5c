//! Topics, identities and leaders as clients see them.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{MetadataRequest, MetadataRequestTopic};
use floe_model::TopicId;

use crate::server::Server;

fn named(name: &str, auto_create: bool) -> MetadataRequest {
    MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: auto_create,
        ..MetadataRequest::default()
    }
}

#[tokio::test]
async fn all_none_and_named_topics_in_every_version() {
    let server = Server::start().await;
    let topic_id = server.topic("t", 2, &[]).await;
    let mut client = server.connect().await;
    for version in 0..=12 {
        let everything = MetadataRequest {
            topics: (version == 0).then(Vec::new),
            ..MetadataRequest::default()
        };
        let all = client.call(version, &everything).await;
        let topic = &all.topics[0];
        assert_eq!(
            (topic.name.as_deref(), topic.partitions.len()),
            (Some("t"), 2)
        );
        assert_eq!(
            topic.topic_id,
            if version >= 10 {
                topic_id
            } else {
                TopicId::default()
            }
        );
        assert!(topic.partitions.iter().all(|one| one.leader_id == 1));
        let one = client.call(version, &named("t", false)).await;
        assert_eq!(one.topics[0].error_code, KafkaError::NONE);
        if version > 0 {
            let nothing = MetadataRequest {
                topics: Some(Vec::new()),
                ..MetadataRequest::default()
            };
            assert!(client.call(version, &nothing).await.topics.is_empty());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_missing_topic_is_made_only_where_the_client_wants_it() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let unwanted = client.call(9, &named("new", false)).await;
    assert_eq!(
        unwanted.topics[0].error_code,
        KafkaError::UNKNOWN_TOPIC_OR_PARTITION
    );
    let wanted = client.call(9, &named("new", true)).await;
    assert_eq!(wanted.topics[0].error_code, KafkaError::NONE);
    assert_eq!(wanted.topics[0].partitions[0].leader_id, 1);
    let bad = client.call(9, &named("no spaces", true)).await;
    assert_eq!(
        bad.topics[0].error_code,
        KafkaError::INVALID_TOPIC_EXCEPTION
    );
    server.stop().await;
}

#[tokio::test]
async fn a_topic_made_again_has_another_id_and_the_old_one_is_unknown() {
    let server = Server::start().await;
    let old = server.topic("t", 1, &[]).await;
    let name = floe_model::TopicName::new("t").unwrap();
    server.broker().delete_topic(name).await.unwrap();
    let new = server.topic("t", 1, &[]).await;
    assert_ne!(old, new);
    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id,
            name: None,
        }]),
        ..MetadataRequest::default()
    };
    let mut client = server.connect().await;
    let gone = client.call(12, &by_id(old)).await;
    assert_eq!(gone.topics[0].error_code, KafkaError::UNKNOWN_TOPIC_ID);
    let there = client.call(12, &by_id(new)).await;
    assert_eq!(there.topics[0].name.as_deref(), Some("t"));
    server.stop().await;
}
