//! Whole nodes in this process: one and three of them, produce and fetch, stop and start.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod classic_groups;
mod consumer_groups;
mod damage;
mod groups;
mod harness;
mod limits;
mod members;
mod offset_expiry;
mod restarts;
mod retention;
mod topics;

use std::time::Duration;

use floe_model::{Acks, ErrorCode, Offset};
use harness::{
    Cluster, batch, code, create_topic, eventually, fetch, key_of, produce, produce_with, read_all,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_alone_forms_and_serves() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 2).await;
    assert_eq!(topic.partitions.len(), 2);
    let key = key_of(&topic, 1);
    assert_eq!(
        produce(&broker, key, batch(&["a", "b"], None))
            .await
            .unwrap(),
        Offset(0)
    );
    assert_eq!(
        produce(&broker, key, batch(&["c"], None)).await.unwrap(),
        Offset(2)
    );
    let found = fetch(&broker, key, Offset(1), 0).await.unwrap();
    assert_eq!(
        found,
        [(Offset(1), "b".to_owned()), (Offset(2), "c".to_owned())]
    );
    assert_eq!(fetch(&broker, key, Offset(3), 0).await.unwrap(), []);
    assert_eq!(
        code(fetch(&broker, key, Offset(4), 0).await),
        ErrorCode::OffsetOutOfRange
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_form_replicate_and_answer_with_the_leader() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(2), "orders", 3).await;
    for partition in 0..3 {
        let key = key_of(&topic, partition);
        let (leader, broker) = cluster.leader(key).await;
        assert_eq!(
            produce(&broker, key, batch(&["x"], None)).await.unwrap(),
            Offset(0)
        );
        for id in cluster.ids().into_iter().filter(|&id| id != leader) {
            let follower = cluster.broker(id.0);
            // The majority that took the record need not hold this one.
            eventually("the follower to name the leader", async || {
                let failure = produce(&follower, key, batch(&["y"], None)).await;
                let failure = failure.unwrap_err();
                assert_eq!(failure.code, ErrorCode::NotLeader);
                failure.leader.is_some_and(|hint| hint.node == leader)
            })
            .await;
        }
        assert_eq!(read_all(&cluster, key).await, [(Offset(0), "x".to_owned())]);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_ends_with_the_record_it_waits_for() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let key = key_of(&topic, 0);
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { fetch(&broker, key, Offset(0), 30_000).await.unwrap() }
    });
    produce(&broker, key, batch(&["late"], None)).await.unwrap();
    let found = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, [(Offset(0), "late".to_owned())]);
    cluster.stop().await;
}

/// From nothing on disk to the first acknowledged record; the figure is printed, and only a gross
/// delay fails, since other tests share the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_acknowledge_a_first_record_soon_after_their_start() {
    let begun = std::time::Instant::now();
    let cluster = Cluster::start(3).await;
    let ready = begun.elapsed();
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let created = begun.elapsed();
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["first"], None)).await;
    let acked = begun.elapsed();
    eprintln!("ready {ready:?}, created {created:?}, acked {acked:?}");
    assert!(acked < Duration::from_secs(5));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_goes_and_the_partition_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["a"], None)).await;
    let (leader, _) = cluster.leader(key).await;
    cluster.stop_node(leader).await;
    assert_eq!(cluster.produce(key, &batch(&["b"], None)).await, Offset(1));
    let all = [(Offset(0), "a".to_owned()), (Offset(1), "b".to_owned())];
    assert_eq!(read_all(&cluster, key).await, all);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_again_is_answered_with_its_first_offset_also_by_the_next_leader() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    let identity = cluster.broker(1).init_producer().await.unwrap();
    let first = batch(&["a", "b"], Some((identity, 0)));
    let second = batch(&["c"], Some((identity, 2)));
    assert_eq!(cluster.produce(key, &first).await, Offset(0));
    assert_eq!(cluster.produce(key, &second).await, Offset(2));
    assert_eq!(cluster.produce(key, &first).await, Offset(0));
    let (leader, _) = cluster.leader(key).await;
    cluster.stop_node(leader).await;
    assert_eq!(cluster.produce(key, &first).await, Offset(0));
    assert_eq!(cluster.produce(key, &second).await, Offset(2));
    assert_eq!(read_all(&cluster, key).await.len(), 3);
    let (_, broker) = cluster.leader(key).await;
    let gap = produce(&broker, key, batch(&["z"], Some((identity, 9)))).await;
    assert_eq!(code(gap), ErrorCode::OutOfOrderSequence);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_level_of_acks_answers_and_the_records_are_there() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    let (_, leader) = cluster.leader(key).await;
    for (place, acks) in [Acks::Leader, Acks::Leader, Acks::Quorum]
        .into_iter()
        .enumerate()
    {
        let offset = produce_with(&leader, key, batch(&["v"], None), acks)
            .await
            .unwrap();
        assert_eq!(offset, Offset(i64::try_from(place).unwrap()));
    }
    let unknown = produce_with(&leader, key, batch(&["v"], None), Acks::None)
        .await
        .unwrap();
    assert_eq!(unknown, Offset(-1));
    eventually("all four are committed", || async {
        read_all(&cluster, key).await.len() == 4
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_and_leaves_nothing() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let key = key_of(&topic, 0);
    let mut corrupt = batch(&["value"], None).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    assert_eq!(
        code(produce(&broker, key, corrupt.into()).await),
        ErrorCode::CorruptBatch
    );
    let short = batch(&["value"], None).slice(..30);
    assert_eq!(
        code(produce(&broker, key, short).await),
        ErrorCode::CorruptBatch
    );
    let nowhere = key_of(&topic, 7);
    let lost = produce(&broker, nowhere, batch(&["value"], None)).await;
    assert_eq!(code(lost), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(read_all(&cluster, key).await, []);
    cluster.stop().await;
}
