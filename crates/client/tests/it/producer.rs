//! Producing: batching, order, retries under the same sequence, failover, bounds, closing.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{
    Acks, Client, Compression, ErrorCode, ErrorKind, PartitionIndex, Producer, Record, TopicName,
};

use crate::fake::{Cluster, Fault, at, eventually};

async fn produce(client: &Client, topic: &TopicName) -> Producer {
    let producer = client
        .producer(topic.as_str())
        .linger(Duration::from_millis(5));
    producer.build().await.unwrap()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn send_returns_where_the_record_is() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    for offset in 0..3 {
        let ack = producer
            .send(Record::new(offset.to_string()))
            .await
            .unwrap();
        assert_eq!((ack.partition, ack.offset), (PartitionIndex(0), at(offset)));
    }
    producer.close().await.unwrap();
    assert_eq!(cluster.values(&orders, 0), numbers(0..3));
}

#[tokio::test]
async fn records_gather_while_the_node_is_busy() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = client
        .producer("orders")
        .linger(Duration::from_secs(60))
        .build()
        .await
        .unwrap();
    cluster.hold_produce(true);
    let first = producer.enqueue(Record::new("0")).await.unwrap();
    eventually("an idle node gets the first at once", || {
        cluster.seen().len() == 1
    })
    .await;
    for n in 1..100 {
        drop(producer.enqueue(Record::new(n.to_string())).await.unwrap());
    }
    cluster.hold_produce(false);
    assert_eq!(first.await.unwrap().offset, at(0));
    producer.flush().await.unwrap();
    assert_eq!(cluster.values(&orders, 0), numbers(0..100));
    let seen = cluster.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[1].batches, [(PartitionIndex(0), 1, 99)]);
}

#[tokio::test]
async fn partitions_of_one_leader_share_a_request() {
    let cluster = Cluster::start(2).await;
    let orders = cluster.topic("orders", 100);
    let client = cluster.client().await;
    let producer = client
        .producer("orders")
        .linger(Duration::from_secs(60))
        .build()
        .await
        .unwrap();
    cluster.hold_produce(true);
    for partition in 0..100 {
        let record = Record::new("x").partition(partition);
        drop(producer.enqueue(record).await.unwrap());
    }
    eventually("both nodes have a request", || cluster.seen().len() >= 2).await;
    cluster.hold_produce(false);
    producer.close().await.unwrap();
    for partition in 0..100 {
        assert_eq!(cluster.values(&orders, partition), ["x"]);
    }
    assert!(cluster.seen().len() <= 6, "{}", cluster.seen().len());
}

#[tokio::test]
async fn keys_go_where_kafka_sends_them_and_stay_in_order() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 12);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    let mut expected: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for n in 0..1000 {
        let key = format!("courier-{}", n % 37);
        let partition = floe_client::partition_for_key(key.as_bytes(), 12);
        expected.entry(partition).or_default().push(n.to_string());
        drop(
            producer
                .enqueue(Record::new(n.to_string()).key(key))
                .await
                .unwrap(),
        );
    }
    producer.close().await.unwrap();
    for (partition, values) in expected {
        assert_eq!(cluster.values(&orders, partition), values);
    }
}

#[tokio::test]
async fn every_compression_arrives() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let all = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for (n, compression) in (0..).zip(all) {
        let producer = client
            .producer("orders")
            .compression(compression)
            .build()
            .await
            .unwrap();
        assert_eq!(
            producer
                .send(Record::new(n.to_string()))
                .await
                .unwrap()
                .offset,
            at(n)
        );
    }
    assert_eq!(cluster.values(&orders, 0), numbers(0..5));
}

#[tokio::test]
async fn an_unknown_outcome_is_retried_under_the_same_sequence() {
    let faults = [Fault::AppendThenTimeout, Fault::AppendThenCut, Fault::Cut];
    for fault in faults {
        let cluster = Cluster::start(1).await;
        let orders = cluster.topic("orders", 1);
        let client = cluster.client().await;
        let producer = produce(&client, &orders).await;
        producer.send(Record::new("0")).await.unwrap();
        cluster.fault(1, fault);
        assert_eq!(
            producer.send(Record::new("1")).await.unwrap().offset,
            at(1),
            "{fault:?}"
        );
        assert_eq!(producer.send(Record::new("2")).await.unwrap().offset, at(2));
        producer.close().await.unwrap();
        assert_eq!(cluster.values(&orders, 0), numbers(0..3), "{fault:?}");
        let sequences = cluster.seen().into_iter().map(|seen| seen.batches[0].1);
        assert_eq!(sequences.collect::<Vec<_>>(), [0, 1, 1, 2]);
        assert!(client.stats().retries > 0);
    }
}

#[tokio::test]
async fn a_refusal_that_may_pass_is_retried() {
    let codes = [
        ErrorCode::Busy,
        ErrorCode::DiskFull,
        ErrorCode::ShuttingDown,
    ];
    for code in codes {
        let cluster = Cluster::start(1).await;
        let orders = cluster.topic("orders", 1);
        let client = cluster.client().await;
        let producer = produce(&client, &orders).await;
        cluster.fault(1, Fault::Refuse(code));
        cluster.fault(1, Fault::Refuse(code));
        producer.send(Record::new("0")).await.unwrap();
        assert_eq!(cluster.values(&orders, 0), ["0"]);
    }
}

#[tokio::test]
async fn a_leader_move_is_followed_by_hint_and_without() {
    for gives_hints in [true, false] {
        let cluster = Cluster::start(3).await;
        let orders = cluster.topic("orders", 1);
        cluster.shared.state.lock().gives_hints = gives_hints;
        let client = cluster.client().await;
        let producer = produce(&client, &orders).await;
        for n in 0..6 {
            producer.send(Record::new(n.to_string())).await.unwrap();
            cluster.move_leader(&orders, 0, 1 + n % 3);
        }
        producer.close().await.unwrap();
        assert_eq!(cluster.values(&orders, 0), numbers(0..6));
        assert!(client.stats().leader_moves >= 4);
    }
}

#[tokio::test]
async fn a_killed_leader_costs_no_more_than_its_election() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    producer.send(Record::new("0")).await.unwrap();
    cluster.kill(1);
    let sent = producer.enqueue(Record::new("1")).await.unwrap();
    let tries = client.stats().retries;
    eventually("it tries again and again", || {
        client.stats().retries >= tries + 3
    })
    .await;
    let elected = tokio::time::Instant::now();
    cluster.move_leader(&orders, 0, 2);
    assert_eq!(sent.await.unwrap().offset, at(1));
    assert!(
        elected.elapsed() < Duration::from_millis(400),
        "{:?}",
        elected.elapsed()
    );
}

#[tokio::test]
async fn a_paused_leader_is_given_up_when_another_is_elected() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    producer.send(Record::new("0")).await.unwrap();
    cluster.pause(1, true);
    let paused = tokio::time::Instant::now();
    let sent = producer.enqueue(Record::new("1")).await.unwrap();
    cluster.move_leader(&orders, 0, 2);
    assert_eq!(sent.await.unwrap().offset, at(1));
    assert!(
        paused.elapsed() < Duration::from_millis(1500),
        "{:?}",
        paused.elapsed()
    );
    cluster.pause(1, false);
    assert_eq!(producer.send(Record::new("2")).await.unwrap().offset, at(2));
    assert_eq!(cluster.values(&orders, 0), numbers(0..3));
}

#[tokio::test]
async fn a_forgotten_producer_starts_anew_without_loss_or_duplicate() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    producer.send(Record::new("0")).await.unwrap();
    cluster.fault(1, Fault::ForgetProducers);
    producer.send(Record::new("1")).await.unwrap();
    producer.send(Record::new("2")).await.unwrap();
    assert_eq!(cluster.values(&orders, 0), numbers(0..3));
}

#[tokio::test]
async fn a_batch_refused_for_good_fails_alone() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = client
        .producer("orders")
        .batch_bytes(1000)
        .build()
        .await
        .unwrap();
    cluster.hold_produce(true);
    let mut deliveries = vec![producer.enqueue(Record::new("0")).await.unwrap()];
    eventually("the node is busy", || cluster.seen().len() == 1).await;
    for n in 1..4 {
        // The fake refuses batches above 1 MiB.
        let value = if n == 2 {
            "x".repeat(2 << 20)
        } else {
            n.to_string()
        };
        deliveries.push(producer.enqueue(Record::new(value)).await.unwrap());
    }
    cluster.hold_produce(false);
    let mut kinds = Vec::new();
    for delivery in deliveries {
        kinds.push(
            delivery
                .await
                .map(|ack| ack.offset)
                .map_err(|error| error.kind()),
        );
    }
    assert_eq!(
        kinds,
        [Ok(at(0)), Ok(at(1)), Err(ErrorKind::TooLarge), Ok(at(2))]
    );
    assert_eq!(cluster.values(&orders, 0), ["0", "1", "3"]);
    producer.close().await.unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_delivered_comes_back_at_close() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let builder = client
        .producer("orders")
        .delivery_timeout(Duration::from_millis(300));
    let producer = builder.build().await.unwrap();
    producer.send(Record::new("0")).await.unwrap();
    cluster.partition(&orders, 0, |log| log.leader = None);
    let told = producer
        .enqueue(Record::new("told").key("k"))
        .await
        .unwrap();
    let error = told.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!error.is_outcome_unknown());
    assert_eq!(error.partition(), Some(PartitionIndex(0)));
    let record = Record::new("untold")
        .key("k")
        .header("h", "v")
        .timestamp_ms(17);
    drop(producer.enqueue(record.clone()).await.unwrap());
    let started = tokio::time::Instant::now();
    let undelivered = producer.close().await.unwrap_err().records;
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(undelivered.len(), 1);
    assert_eq!(undelivered[0].record, record.partition(0));
}

#[tokio::test]
async fn after_a_failed_batch_the_next_ones_are_in_sequence() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let builder = client
        .producer("orders")
        .delivery_timeout(Duration::from_millis(300));
    let producer = builder.build().await.unwrap();
    producer.send(Record::new("0")).await.unwrap();
    cluster.hold_produce(true);
    let error = producer.send(Record::new("1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.is_outcome_unknown());
    cluster.hold_produce(false);
    eventually("the first attempt is through", || {
        cluster.values(&orders, 0).len() == 2
    })
    .await;
    producer.send(Record::new("2")).await.unwrap();
    assert_eq!(cluster.values(&orders, 0), numbers(0..3));
}

#[tokio::test]
async fn a_full_buffer_makes_the_caller_wait_not_fail() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let builder = client.producer("orders").buffer_bytes(10_000);
    let producer = builder.build().await.unwrap();
    cluster.hold_produce(true);
    let value = "x".repeat(900);
    let mut accepted = 0;
    let patience = Duration::from_millis(100);
    while let Ok(delivery) =
        tokio::time::timeout(patience, producer.enqueue(Record::new(value.clone()))).await
    {
        drop(delivery.unwrap());
        accepted += 1;
    }
    assert_eq!(accepted, 10);
    assert_eq!(producer.pending_records(), 10);
    cluster.hold_produce(false);
    producer.send(Record::new(value)).await.unwrap();
    producer.close().await.unwrap();
    assert_eq!(cluster.values(&orders, 0).len(), 11);
}

#[tokio::test]
async fn a_dropped_send_loses_nothing_once_accepted() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    cluster.hold_produce(true);
    let send = producer.send(Record::new("0"));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), send)
            .await
            .is_err()
    );
    cluster.hold_produce(false);
    producer.close().await.unwrap();
    assert_eq!(cluster.values(&orders, 0), ["0"]);
}

#[tokio::test]
async fn a_closed_producer_refuses_and_a_dropped_one_lets_go() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    let clone = producer.clone();
    producer.close().await.unwrap();
    let error = clone.send(Record::new("late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let producer = produce(&client, &orders).await;
    cluster.hold_produce(true);
    let delivery = producer.enqueue(Record::new("0")).await.unwrap();
    drop(producer);
    assert_eq!(delivery.await.unwrap_err().kind(), ErrorKind::Closed);
    cluster.hold_produce(false);
}

#[tokio::test]
async fn other_acks_carry_no_sequence() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    for acks in [Acks::Leader, Acks::None] {
        let producer = client.producer("orders").acks(acks).build().await.unwrap();
        producer.send(Record::new("x")).await.unwrap();
    }
    assert_eq!(cluster.values(&orders, 0).len(), 2);
    assert!(cluster.seen().iter().all(|seen| seen.batches[0].1 == -1));
}

#[tokio::test]
async fn bad_records_are_refused_by_themselves() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 2);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    let error = producer
        .send(Record::new(vec![0; 9 << 20]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = producer
        .send(Record::new("x").partition(2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    producer.close().await.unwrap();
}

#[tokio::test]
async fn a_deleted_topic_fails_its_records_and_one_made_again_takes_them() {
    let cluster = Cluster::start(1).await;
    let orders = cluster.topic("orders", 1);
    let client = cluster.client().await;
    let producer = produce(&client, &orders).await;
    producer.send(Record::new("0")).await.unwrap();
    {
        let mut state = cluster.shared.state.lock();
        state.topics.remove(&orders);
        state.create(&orders, 1);
    }
    producer.send(Record::new("1")).await.unwrap();
    assert_eq!(cluster.values(&orders, 0), ["1"]);
    client.admin().delete_topic("orders").await.unwrap();
    let error = producer.send(Record::new("2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_neither_loses_nor_doubles_nor_reorders() {
    let cluster = Cluster::start(3).await;
    let orders = cluster.topic("orders", 6);
    let client = cluster.client().await;
    let producer = client
        .producer("orders")
        .batch_bytes(2000)
        .build()
        .await
        .unwrap();
    let mut expected: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let rng = floe_env::Rng::from_seed(7);
    let requests = |cluster: &Cluster| cluster.shared.state.lock().seen.len();
    let mut seen = 0;
    for n in 0..3000_u32 {
        if n > 0 && n % 50 == 0 {
            // Faults and moves meet records on their way, not an idle producer.
            eventually("more requests arrive", || requests(&cluster) > seen).await;
            seen = requests(&cluster);
            let node = 1 + rng.below(3) as u32;
            match rng.below(5) {
                0 => cluster.fault(node, Fault::AppendThenTimeout),
                1 => cluster.fault(node, Fault::AppendThenCut),
                2 => cluster.fault(node, Fault::Cut),
                3 => cluster.fault(node, Fault::Refuse(ErrorCode::Busy)),
                _ => cluster.move_leader(&orders, rng.below(6) as u32, node),
            }
        }
        let record = Record::new(n.to_string()).partition(n % 6);
        expected.entry(n % 6).or_default().push(n.to_string());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.close().await.unwrap();
    for (partition, values) in expected {
        assert_eq!(
            cluster.values(&orders, partition),
            values,
            "partition {partition}"
        );
    }
}
