//! Reading as a group: commits, rebalances, fencing, farewell.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_client::{
    Client, Consumer, ErrorKind, Offset, PartitionIndex, PartitionKey, RebalanceEvent, Start,
    TopicId, TopicName,
};

use crate::consumer::{next, place, text};
use crate::fake::{Cluster, at, eventually, holds_for};

async fn member(client: &Client, topic: &TopicName) -> Consumer {
    let builder = client.consumer("billing").topics([topic.as_str()]);
    builder
        .auto_commit(Duration::from_millis(20))
        .build()
        .await
        .unwrap()
}

fn committed(cluster: &Cluster, partition: u32) -> Option<Offset> {
    let key = PartitionKey {
        topic_id: TopicId([1; 16]),
        partition: PartitionIndex(partition),
    };
    cluster
        .shared
        .state
        .lock()
        .groups
        .offsets
        .get(&key)
        .copied()
}

fn fill(cluster: &Cluster, topic: &TopicName, partition: u32, values: std::ops::Range<u32>) {
    for value in values {
        let value = value.to_string();
        cluster.partition(topic, partition, |log| log.fill(&[&value]));
    }
}

#[tokio::test]
async fn a_member_gets_everything_and_the_next_one_goes_on_from_its_commit() {
    let cluster = Cluster::start(2).await;
    let orders = cluster.topic("orders", 2);
    for partition in 0..2 {
        fill(&cluster, &orders, partition, 0..5);
    }
    let client = cluster.client().await;
    let mut consumer = member(&client, &orders).await;
    let mut read = BTreeSet::new();
    for _ in 0..6 {
        let message = next(&mut consumer).await;
        read.insert((message.partition, message.offset));
    }
    consumer.close().await.unwrap();
    assert!(cluster.shared.state.lock().groups.members.is_empty());
    let mut consumer = member(&client, &orders).await;
    for _ in 0..4 {
        let message = next(&mut consumer).await;
        assert!(
            read.insert((message.partition, message.offset)),
            "read twice: {message:?}"
        );
    }
    assert_eq!(read.len(), 10);
}

#[tokio::test]
async fn only_what_was_processed_is_committed_by_itself() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    fill(&cluster, &orders, 0, 0..5);
    let client = cluster.client().await;
    let mut consumer = member(&client, &orders).await;
    for _ in 0..3 {
        next(&mut consumer).await;
    }
    eventually("two are committed", || {
        committed(&cluster, 0) == Some(at(2))
    })
    .await;
    // The third is in our hand, for as long as we like.
    let commits = Duration::from_millis(100);
    holds_for("only two are committed", commits, || {
        committed(&cluster, 0) == Some(at(2))
    })
    .await;
    next(&mut consumer).await;
    eventually("the third too", || committed(&cluster, 0) == Some(at(3))).await;
}

#[tokio::test]
async fn a_commit_by_hand_counts_all_that_was_returned() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    fill(&cluster, &orders, 0, 0..5);
    let client = cluster.client().await;
    let builder = client
        .consumer("billing")
        .topics(["orders"])
        .manual_commit();
    let mut consumer = builder.build().await.unwrap();
    for _ in 0..3 {
        next(&mut consumer).await;
    }
    assert_eq!(committed(&cluster, 0), None);
    consumer.commit().await.unwrap();
    assert_eq!(committed(&cluster, 0), Some(at(3)));
    consumer
        .commit_offsets(&[(place(&orders, 0), at(1))])
        .await
        .unwrap();
    assert_eq!(
        consumer.committed().await.unwrap()[&place(&orders, 0)],
        at(1)
    );
    let elsewhere = [(place(&orders, 7), at(1))];
    let error = consumer.commit_offsets(&elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    consumer.close().await.unwrap();
    assert_eq!(committed(&cluster, 0), Some(at(1)));
}

#[tokio::test]
async fn a_start_holds_only_where_nothing_is_committed() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 2);
    for partition in 0..2 {
        fill(&cluster, &orders, partition, 0..4);
    }
    let client = cluster.client().await;
    client
        .admin()
        .seek_group("billing", &[(place(&orders, 0), at(3))])
        .await
        .unwrap();
    let builder = client
        .consumer("billing")
        .topics(["orders"])
        .start(Start::Offset(at(1)));
    let mut consumer = builder.build().await.unwrap();
    let mut read = Vec::new();
    for _ in 0..4 {
        let message = next(&mut consumer).await;
        read.push((message.partition.0, message.offset.0));
    }
    read.sort_unstable();
    assert_eq!(read, [(0, 3), (1, 1), (1, 2), (1, 3)]);
}

#[tokio::test]
async fn a_second_member_takes_over_without_gap_or_repeat() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 2);
    for partition in 0..2 {
        fill(&cluster, &orders, partition, 0..10);
    }
    let client = cluster.client().await;
    let mut first = member(&client, &orders).await;
    let mut events = first.rebalance_events();
    let mut read = BTreeSet::new();
    for _ in 0..6 {
        let message = next(&mut first).await;
        assert!(read.insert((message.partition, message.offset)));
    }
    let mut second = member(&client, &orders).await;
    // The first must ask for more before it is done with what it has in hand.
    let message = next(&mut first).await;
    assert!(read.insert((message.partition, message.offset)));
    let patience = Duration::from_millis(20);
    while read.len() < 20 {
        for consumer in [&mut first, &mut second] {
            if let Ok(message) = tokio::time::timeout(patience, consumer.next()).await {
                let message = message.unwrap().unwrap();
                let news = read.insert((message.partition, message.offset));
                assert!(news, "read twice: {message:?}");
            }
        }
    }
    assert_eq!(first.assignment().len(), 1);
    assert_eq!(second.assignment().len(), 1);
    loop {
        match events.next().await.unwrap() {
            RebalanceEvent::Assigned(_) => {}
            RebalanceEvent::Revoked(gone) => break assert_eq!(gone, second.assignment()),
            RebalanceEvent::Lost(lost) => panic!("lost {lost:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_in_hand_is_committed_before_its_partition_is_given_up() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    fill(&cluster, &orders, 0, 0..3);
    let client = cluster.client().await;
    let mut first = member(&client, &orders).await;
    assert_eq!(text(&next(&mut first).await), "0");
    cluster.shared.state.lock().groups.favours_newest = true;
    let mut second = member(&client, &orders).await;
    eventually("the first hears of it", || first.assignment().is_empty()).await;
    let nothing = tokio::time::timeout(Duration::from_millis(100), second.next()).await;
    assert!(nothing.is_err(), "the first still works on its message");
    let nothing = tokio::time::timeout(Duration::from_millis(100), first.next()).await;
    assert!(nothing.is_err(), "its partition is revoked");
    assert_eq!(text(&next(&mut second).await), "1");
    assert_eq!(committed(&cluster, 0), Some(at(1)));
}

#[tokio::test]
async fn a_member_that_was_put_out_reads_and_commits_nothing_and_comes_back() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    fill(&cluster, &orders, 0, 0..5);
    let client = cluster.client().await;
    let builder = client
        .consumer("billing")
        .topics(["orders"])
        .manual_commit();
    let mut consumer = builder.build().await.unwrap();
    let mut events = consumer.rebalance_events();
    next(&mut consumer).await;
    next(&mut consumer).await;
    {
        let mut state = cluster.shared.state.lock();
        state.groups.refuses_members = true;
        state.groups.expel_all();
    }
    let lost = RebalanceEvent::Lost(vec![place(&orders, 0)]);
    while events.next().await.unwrap() != lost {}
    assert!(consumer.assignment().is_empty());
    let error = consumer.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert_eq!(committed(&cluster, 0), None);
    let nothing = tokio::time::timeout(Duration::from_millis(100), consumer.next()).await;
    assert!(nothing.is_err());
    cluster.shared.state.lock().groups.refuses_members = false;
    assert_eq!(text(&next(&mut consumer).await), "0");
}

#[tokio::test]
async fn a_member_cut_off_past_its_session_returns_nothing() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    fill(&cluster, &orders, 0, 0..5);
    let client = cluster.client().await;
    let builder = client.consumer("billing").topics(["orders"]);
    let builder = builder.session_timeout(Duration::from_millis(300));
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(text(&next(&mut consumer).await), "0");
    cluster.pause(1, true);
    eventually("it gave everything up", || consumer.assignment().is_empty()).await;
    let nothing = tokio::time::timeout(Duration::from_millis(100), consumer.next()).await;
    assert!(nothing.is_err(), "the session is over: {nothing:?}");
    cluster.shared.state.lock().groups.expel_all();
    cluster.pause(1, false);
    // Nothing was committed; so it begins anew.
    assert_eq!(text(&next(&mut consumer).await), "0");
}

#[tokio::test]
async fn a_dropped_consumer_leaves() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let consumer = member(&client, &orders).await;
    let members = || cluster.shared.state.lock().groups.members.len();
    assert_eq!(members(), 1);
    drop(consumer);
    eventually("it has left", || members() == 0).await;
}

#[tokio::test]
async fn a_consumer_without_topics_is_refused() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client().await;
    let error = client.consumer("billing").build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
