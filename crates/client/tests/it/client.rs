//! Finding a cluster, administration, and what errors say.

use std::time::Duration;

use floe_client::{Client, ErrorKind, NodeId, Start};

use crate::fake::{Cluster, Fault, at, eventually};

#[tokio::test]
async fn one_reachable_seed_is_enough() {
    let cluster = Cluster::start(3).await;
    let seeds = format!("127.0.0.1:1,{}", cluster.seeds());
    let client = Client::connect_in(cluster.env.clone(), &seeds)
        .await
        .unwrap();
    assert_eq!(client.admin().cluster().await.unwrap().nodes.len(), 3);
}

#[tokio::test]
async fn without_a_cluster_every_address_tried_is_named_at_once() {
    let started = tokio::time::Instant::now();
    let error = Client::connect("127.0.0.1:1,127.0.0.1:2")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1") && text.contains("127.0.0.1:2"),
        "{text}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn administration_goes_on_when_a_node_is_gone() {
    let cluster = Cluster::start(3).await;
    let client = cluster.client().await;
    cluster.kill(1);
    let admin = client.admin().timeout(Duration::from_secs(5));
    let made = admin
        .create_topic("orders")
        .partitions(4)
        .send()
        .await
        .unwrap();
    assert_eq!(made.partitions.len(), 4);
    assert_eq!(admin.node_stats(NodeId(2)).await.unwrap().node, NodeId(2));
    let error = admin.node_stats(NodeId(7)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_topic_made_by_an_attempt_of_unknown_outcome_is_not_reported_as_existing() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client().await;
    cluster.fault(1, Fault::AppendThenTimeout);
    let made = client
        .admin()
        .create_topic("orders")
        .partitions(2)
        .send()
        .await
        .unwrap();
    assert_eq!(made.partitions.len(), 2);
    let again = client
        .admin()
        .create_topic("orders")
        .send()
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(again.topic().unwrap().as_str(), "orders");
}

#[tokio::test]
async fn a_missing_topic_is_not_found_by_everybody() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client().await;
    let admin = client.admin();
    let kinds = [
        admin.describe_topic("none").await.map(drop).unwrap_err(),
        admin.delete_topic("none").await.map(drop).unwrap_err(),
        client.producer("none").build().await.map(drop).unwrap_err(),
        client
            .consumer("g")
            .topics(["none"])
            .build()
            .await
            .map(drop)
            .unwrap_err(),
        client
            .reader()
            .topic("none", Start::Start)
            .build()
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for error in kinds {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("'none'"), "{error}");
    }
}

#[tokio::test]
async fn names_are_checked_before_anything_is_asked() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client().await;
    let error = client.admin().create_topic("a b").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = client.producer("").build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn offsets_and_trims_follow_the_leader() {
    let cluster = Cluster::start(2).await;
    let orders = cluster.topic("orders", 2);
    cluster.partition(&orders, 0, |log| log.fill(&["a", "b", "c"]));
    let client = cluster.client().await;
    let admin = client.admin();
    let ends = admin.offsets("orders", Start::End).await.unwrap();
    assert_eq!(
        ends.values().copied().collect::<Vec<_>>(),
        [Some(at(3)), Some(at(0))]
    );
    cluster.move_leader(&orders, 0, 2);
    admin
        .trim("orders", floe_client::PartitionIndex(0), at(2))
        .await
        .unwrap();
    let starts = admin.offsets("orders", Start::Start).await.unwrap();
    assert_eq!(
        starts.values().copied().collect::<Vec<_>>(),
        [Some(at(2)), Some(at(0))]
    );
    eventually("the move was counted", || client.stats().leader_moves > 0).await;
}

#[tokio::test]
async fn no_time_at_all_is_a_timeout_not_a_hang() {
    let cluster = Cluster::start(2).await;
    cluster.topic("orders", 1);
    let client = cluster.client().await;
    cluster.pause(1, true);
    cluster.pause(2, true);
    for timeout in [
        Duration::ZERO,
        Duration::from_micros(1),
        Duration::from_millis(50),
    ] {
        let admin = client.admin().timeout(timeout);
        let error = admin.offsets("orders", Start::End).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
}
