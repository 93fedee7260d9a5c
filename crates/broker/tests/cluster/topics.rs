//! Topics on whole nodes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use floe_model::{ErrorCode, NodeId, Offset, PartitionIndex};
use floe_rpc::{
    AlterTopic, CreateTopic, ElectLeaders, FailureDetail, OffsetAt, TopicsRequest, Trim,
};
use floe_rpc::{ListOffsets, ListOffsetsPart};

use crate::harness::{
    Cluster, batch, code, create_topic, eventually, fetch, key_of, produce, topic_name,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_heard_nothing_lately_deletes_the_topic_that_has_the_name_now() {
    let cluster = Cluster::start(3).await;
    create_topic(&cluster.broker(1), "orders", 1).await;
    // The controller would hear of everything from itself.
    let controller = cluster.broker(1).controller().unwrap();
    let deaf = NodeId(controller.0 % 3 + 1);
    cluster.deafen(deaf);
    let (at_controller, at_deaf) = (cluster.broker(controller.0), cluster.broker(deaf.0));
    at_controller
        .delete_topic(topic_name("orders"))
        .await
        .unwrap();
    let again = CreateTopic {
        name: topic_name("orders"),
        partitions: 1,
        replication: None,
        configs: BTreeMap::new(),
        if_not_exists: false,
        timeout_ms: 500,
    };
    // Whether it has a leader in time does not matter here.
    let _made = at_controller.create_topic(again).await;
    let now = at_controller.topic_named(&topic_name("orders")).unwrap();
    if let Ok(deleted) = at_deaf.delete_topic(topic_name("orders")).await {
        assert_eq!(deleted, now.topic_id, "of the two lives of the name");
    }
    cluster.heal();
    eventually("the deletion", || async {
        match at_deaf.delete_topic(topic_name("orders")).await {
            Ok(deleted) => assert_eq!(deleted, now.topic_id, "of the two lives of the name"),
            Err(failure) => return failure.code == ErrorCode::UnknownTopicOrPartition,
        }
        true
    })
    .await;
    eventually("a free name", || async {
        at_controller.topic_named(&topic_name("orders")).is_none()
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_made_once_and_only_as_it_can_be() {
    let cluster = Cluster::start(3).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 3).await;
    assert!(
        topic
            .partitions
            .iter()
            .all(|one| one.replicas.len() == 3 && one.leader.is_some())
    );
    let again = CreateTopic {
        name: topic_name("orders"),
        partitions: 3,
        replication: None,
        configs: BTreeMap::new(),
        if_not_exists: false,
        timeout_ms: 10_000,
    };
    assert_eq!(
        code(cluster.broker(2).create_topic(again.clone()).await),
        ErrorCode::TopicExists
    );
    let same = CreateTopic {
        if_not_exists: true,
        ..again.clone()
    };
    assert_eq!(
        cluster.broker(2).create_topic(same).await.unwrap().topic_id,
        topic.topic_id
    );
    let too_many = CreateTopic {
        name: topic_name("big"),
        replication: Some(4),
        ..again.clone()
    };
    let failure = broker.create_topic(too_many).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::InvalidReplication);
    let facts = FailureDetail::Replication { given: 4, max: 3 };
    assert_eq!(failure.detail.as_deref(), Some(&facts));
    let odd = BTreeMap::from([("retention.ms".to_owned(), "soon".to_owned())]);
    let odd = CreateTopic {
        name: topic_name("odd"),
        configs: odd,
        ..again
    };
    let failure = broker.create_topic(odd).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::InvalidConfig);
    assert!(failure.to_string().contains("'retention.ms'"), "{failure}");
    assert!(failure.to_string().contains("'soon'"), "{failure}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_altered_deleted_and_made_again() {
    let cluster = Cluster::start(3).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 3).await;
    let configs = BTreeMap::from([("max.message.bytes".to_owned(), Some("2000".to_owned()))]);
    let more = AlterTopic {
        name: topic_name("orders"),
        configs,
        partitions: Some(5),
    };
    let altered = cluster.broker(3).alter_topic(more).await.unwrap();
    assert_eq!(altered.partitions.len(), 5);
    let key = key_of(&altered, 4);
    cluster.produce(key, &batch(&["x"], None)).await;
    let (_, leader) = cluster.leader(key).await;
    let large = batch(&["y".repeat(3000).as_str()], None);
    assert_eq!(
        code(produce(&leader, key, large).await),
        ErrorCode::BatchTooLarge
    );

    assert_eq!(
        cluster
            .broker(2)
            .delete_topic(topic_name("orders"))
            .await
            .unwrap(),
        topic.topic_id
    );
    for broker in cluster.brokers() {
        let gone = produce(&broker, key, batch(&["x"], None));
        assert_eq!(code(gone.await), ErrorCode::UnknownTopicOrPartition);
        let listed = broker.topics(TopicsRequest::default()).await.unwrap();
        eventually("forgotten", || async {
            broker.status().partitions.is_empty()
        })
        .await;
        drop(listed);
    }
    let anew = create_topic(&broker, "orders", 1).await;
    assert_ne!(anew.topic_id, topic.topic_id);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_move_where_they_are_told() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 3).await;
    let all_to = |to| ElectLeaders {
        topic: Some(topic_name("orders")),
        partition: None,
        to,
    };
    // A follower that is slow to take over lets a move fail; the answer counts those that did not.
    for partition in 0..3 {
        let key = key_of(&topic, partition);
        eventually("node 2 leads", || async {
            let to_second = all_to(Some(NodeId(2)));
            cluster.broker(2).elect_leaders(to_second).await.unwrap();
            cluster.leader(key).await.0 == NodeId(2)
        })
        .await;
    }
    for one in &topic.partitions {
        let key = key_of(&topic, one.partition.0);
        let preferred = one.replicas[0];
        eventually("the preferred one leads", || async {
            cluster.broker(3).elect_leaders(all_to(None)).await.unwrap();
            cluster.leader(key).await.0 == preferred
        })
        .await;
    }
    let one = ElectLeaders {
        topic: Some(topic_name("orders")),
        partition: Some(PartitionIndex(0)),
        to: Some(NodeId(9)),
    };
    assert_eq!(cluster.broker(1).elect_leaders(one).await.unwrap(), 0);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trim_moves_the_log_start_for_every_reader() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    for value in ["a", "b", "c"] {
        cluster.produce(key, &batch(&[value], None)).await;
    }
    let (_, leader) = cluster.leader(key).await;
    leader
        .trim(Trim {
            parts: vec![(key, Offset(2))],
        })
        .await
        .unwrap();
    let below = fetch(&leader, key, Offset(1), 0).await;
    assert_eq!(code(below), ErrorCode::OffsetOutOfRange);
    assert_eq!(fetch(&leader, key, Offset(2), 0).await.unwrap().len(), 1);
    let parts = [
        OffsetAt::Start,
        OffsetAt::End,
        OffsetAt::Timestamp(0),
        OffsetAt::Timestamp(9_999),
    ]
    .map(|at| ListOffsetsPart { key, at });
    let listed = leader
        .list_offsets(ListOffsets {
            parts: parts.into(),
        })
        .await
        .unwrap();
    let listed: Vec<_> = listed.into_iter().map(|one| one.outcome.unwrap()).collect();
    assert_eq!(
        listed,
        [Some(Offset(2)), Some(Offset(3)), Some(Offset(2)), None]
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_partitions_get_leaders_soon_and_evenly() {
    let cluster = Cluster::start(3).await;
    let begun = Instant::now();
    let topic = create_topic(&cluster.broker(1), "orders", 300).await;
    eprintln!("300 partitions x 3 in {:?}", begun.elapsed());
    for id in cluster.ids() {
        let led = topic
            .partitions
            .iter()
            .filter(|one| one.leader == Some(id))
            .count();
        assert!((90..=110).contains(&led), "node {id} leads {led} of 300");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_setting_rules_the_next_batch_of_a_partition_in_use() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    let large = batch(&["y".repeat(3000).as_str()], None);
    cluster.produce(key, &large).await;
    let (_, leader) = cluster.leader(key).await;
    let limit = |bytes: Option<&str>| AlterTopic {
        name: topic_name("orders"),
        configs: BTreeMap::from([("max.message.bytes".to_owned(), bytes.map(str::to_owned))]),
        partitions: None,
    };
    leader.alter_topic(limit(Some("2000"))).await.unwrap();
    eventually("the large batch to be refused", || async {
        let refused = produce(&leader, key, large.clone()).await;
        refused.is_err_and(|failure| failure.code == ErrorCode::BatchTooLarge)
    })
    .await;
    leader.alter_topic(limit(None)).await.unwrap();
    eventually("the large batch to be taken", || async {
        produce(&leader, key, large.clone()).await.is_ok()
    })
    .await;
    cluster.stop().await;
}
