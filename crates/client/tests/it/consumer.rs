//! Reading chosen partitions: order, starts, seeks, pauses, failover, damaged and missing records.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{
    Consumer, ErrorKind, Message, OutOfRange, PartitionIndex, Start, TopicName, TopicPartition,
};
use floe_record::StampedBatch;

use crate::fake::{Cluster, at, eventually};

pub(crate) fn place(topic: &TopicName, partition: u32) -> TopicPartition {
    TopicPartition {
        topic: topic.clone(),
        partition: PartitionIndex(partition),
    }
}

/// The next message; fails the test when there is none within ten seconds.
pub(crate) async fn next(consumer: &mut Consumer) -> Message {
    let next = tokio::time::timeout(Duration::from_secs(10), consumer.next());
    next.await.expect("a message in time").unwrap().unwrap()
}

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8(message.value.clone().unwrap().to_vec()).unwrap()
}

async fn texts(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(text(&next(consumer).await));
    }
    texts
}

/// Whether nothing arrives for a while.
async fn is_silent(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(Duration::from_millis(100), consumer.next())
        .await
        .is_err()
}

#[tokio::test]
async fn all_partitions_are_read_each_in_order() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 6);
    for round in 0..50 {
        for partition in 0..6 {
            let value = format!("{partition}-{round}");
            cluster.partition(&orders, partition, |log| log.fill(&[&value]));
        }
    }
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    let mut found: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for _ in 0..300 {
        let message = next(&mut reader).await;
        let texts = found.entry(message.partition.0).or_default();
        assert_eq!(message.offset, at(texts.len() as i64));
        texts.push(text(&message));
    }
    for (partition, texts) in found {
        assert_eq!(texts, cluster.values(&orders, partition));
        assert_eq!(reader.position(&place(&orders, partition)), Some(at(50)));
        assert_eq!(reader.lag(&place(&orders, partition)), Some(0));
    }
    assert!(is_silent(&mut reader).await);
    cluster.partition(&orders, 4, |log| log.fill(&["late"]));
    assert_eq!(text(&next(&mut reader).await), "late");
}

#[tokio::test]
async fn starts_are_kept_to() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    cluster.partition(&orders, 0, |log| log.fill(&["0", "1", "2", "3"]));
    let client = cluster.client().await;
    let cases = [
        (Start::Start, "0"),
        (Start::Offset(at(2)), "2"),
        (Start::End, "4"),
        (Start::Timestamp(i64::MAX), "4"),
    ];
    let mut readers = Vec::new();
    for (start, first) in cases {
        let reader = client
            .reader()
            .assign("orders", 0, start)
            .build()
            .await
            .unwrap();
        eventually("the start is known", || {
            reader.position(&place(&orders, 0)).is_some()
        })
        .await;
        readers.push((reader, first));
    }
    cluster.partition(&orders, 0, |log| log.fill(&["4"]));
    for (mut reader, first) in readers {
        assert_eq!(text(&next(&mut reader).await), first);
    }
}

#[tokio::test]
async fn a_seek_goes_anywhere_at_once() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    cluster.partition(&orders, 0, |log| log.fill(&["0", "1", "2", "3", "4"]));
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    assert_eq!(texts(&mut reader, 3).await, ["0", "1", "2"]);
    reader.seek(&place(&orders, 0), at(1)).unwrap();
    assert_eq!(texts(&mut reader, 2).await, ["1", "2"]);
    reader.seek(&place(&orders, 0), at(4)).unwrap();
    assert_eq!(texts(&mut reader, 1).await, ["4"]);
    let error = reader.seek(&place(&orders, 1), at(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_paused_partition_is_silent_and_goes_on_where_it_was() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 2);
    for partition in 0..2 {
        cluster.partition(&orders, partition, |log| log.fill(&["0", "1", "2"]));
    }
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    let first = next(&mut reader).await;
    let paused = [first.topic_partition()];
    reader.pause(&paused);
    for message in [
        next(&mut reader).await,
        next(&mut reader).await,
        next(&mut reader).await,
    ] {
        assert_ne!(message.partition, first.partition);
    }
    assert!(is_silent(&mut reader).await);
    reader.resume(&paused);
    assert_eq!(texts(&mut reader, 2).await, ["1", "2"]);
}

#[tokio::test]
async fn a_leader_move_is_followed_without_gap_or_repeat() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    for n in 0..9 {
        cluster.partition(&orders, 0, |log| log.fill(&[&n.to_string()]));
        if n % 3 == 1 {
            cluster.move_leader(&orders, 0, 1 + n % 2);
        }
        assert_eq!(text(&next(&mut reader).await), n.to_string());
    }
}

#[tokio::test]
async fn a_killed_and_a_paused_leader_are_given_up() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 1);
    cluster.partition(&orders, 0, |log| log.fill(&["0"]));
    let client = cluster.client().await;
    let builder = client.reader().topic("orders", Start::Start);
    let mut reader = builder
        .fetch_wait(Duration::from_millis(200))
        .build()
        .await
        .unwrap();
    assert_eq!(text(&next(&mut reader).await), "0");
    cluster.kill(1);
    cluster.move_leader(&orders, 0, 2);
    cluster.partition(&orders, 0, |log| log.fill(&["1"]));
    assert_eq!(text(&next(&mut reader).await), "1");
    cluster.pause(2, true);
    cluster.move_leader(&orders, 0, 3);
    cluster.partition(&orders, 0, |log| log.fill(&["2"]));
    let paused = tokio::time::Instant::now();
    assert_eq!(text(&next(&mut reader).await), "2");
    assert!(
        paused.elapsed() < Duration::from_secs(2),
        "{:?}",
        paused.elapsed()
    );
}

#[tokio::test]
async fn removed_records_are_skipped_or_reported_as_asked() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    for n in 0..4 {
        cluster.partition(&orders, 0, |log| log.fill(&[&n.to_string()]));
    }
    cluster.partition(&orders, 0, |log| log.start = at(2));
    let client = cluster.client().await;
    let read = |policy| {
        let builder = client.reader().assign("orders", 0, Start::Offset(at(0)));
        builder.out_of_range(policy).build()
    };
    let mut reader = read(OutOfRange::Start).await.unwrap();
    assert_eq!(texts(&mut reader, 2).await, ["2", "3"]);
    let mut reader = read(OutOfRange::Fail).await.unwrap();
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ErrorKind::OutOfRange, Some(at(0)))
    );
    reader.seek(&place(&orders, 0), at(3)).unwrap();
    assert_eq!(texts(&mut reader, 1).await, ["3"]);
    let mut reader = read(OutOfRange::End).await.unwrap();
    eventually("it went to the end", || {
        reader.position(&place(&orders, 0)) == Some(at(4))
    })
    .await;
    cluster.partition(&orders, 0, |log| log.fill(&["4"]));
    assert_eq!(texts(&mut reader, 1).await, ["4"]);
}

#[tokio::test]
async fn an_offset_beyond_the_end_is_reported_whatever_the_policy() {
    let cluster = Cluster::start(1).await;
    cluster.topic("orders", 1);
    let client = cluster.client().await;
    let builder = client.reader().assign("orders", 0, Start::Offset(at(7)));
    let mut reader = builder.build().await.unwrap();
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ErrorKind::OutOfRange, Some(at(7)))
    );
}

#[tokio::test]
async fn a_corrupt_batch_is_reported_with_its_place_and_the_others_go_on() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 2);
    cluster.partition(&orders, 0, |log| log.fill(&["bad"]));
    cluster.partition(&orders, 0, |log| {
        let mut bytes = log.batches[0].to_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        log.batches[0] = StampedBatch::split(bytes.into()).unwrap();
    });
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ErrorKind::Corrupt, Some(at(0)))
    );
    assert_eq!(error.partition(), Some(PartitionIndex(0)));
    cluster.partition(&orders, 1, |log| log.fill(&["good"]));
    assert_eq!(text(&next(&mut reader).await), "good");
}

#[tokio::test]
async fn a_deleted_topic_is_reported() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    cluster.shared.state.lock().topics.remove(&orders);
    let error = tokio::time::timeout(Duration::from_secs(10), reader.next())
        .await
        .unwrap();
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn reading_ahead_stops_at_its_bound() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let value = "x".repeat(100_000);
    for _ in 0..200 {
        cluster.partition(&orders, 0, |log| log.fill(&[&value]));
    }
    let client = cluster.client().await;
    let builder = client
        .reader()
        .topic("orders", Start::Start)
        .prefetch_bytes(500_000);
    let mut reader = builder.build().await.unwrap();
    for _ in 0..200 {
        assert_eq!(next(&mut reader).await.value.unwrap().len(), 100_000);
    }
    assert_eq!(
        reader.end_offsets().await.unwrap()[&place(&orders, 0)],
        at(200)
    );
}

#[tokio::test]
async fn a_reader_has_nothing_to_commit_to() {
    let cluster = Cluster::start(1).await;
    cluster.topic("orders", 1);
    let client = cluster.client().await;
    let mut reader = client
        .reader()
        .topic("orders", Start::Start)
        .build()
        .await
        .unwrap();
    let error = reader.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    reader.close().await.unwrap();
}
