//! Consumer groups over real processes: independence, failover of the coordinator, zombies.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{Client, Consumer, ErrorKind, Record};

use crate::cluster::Cluster;
use crate::ledger::connect;

const TOPIC: &str = "work";
const PARTITIONS: u32 = 6;

async fn fill(client: &Client, records: u32) {
    let producer = client.producer(TOPIC).build().await.unwrap();
    for number in 0..records {
        let record = Record::new(number.to_string()).key(number.to_string());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.close().await.unwrap();
}

/// Reads until `count` different values have arrived.
async fn read(consumer: &mut Consumer, count: usize) -> BTreeMap<String, u32> {
    let mut values = BTreeMap::new();
    let reading = async {
        while values.len() < count {
            let message = consumer.next().await.unwrap().unwrap();
            let value = String::from_utf8(message.value.unwrap().to_vec()).unwrap();
            *values.entry(value).or_default() += 1;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), reading)
        .await
        .is_ok();
    assert!(in_time, "{} of {count} values arrived", values.len());
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_read_independently_and_survive_the_death_of_any_coordinator() {
    let cluster = Cluster::up(3);
    let client = connect(&cluster.servers()).await;
    client
        .admin()
        .create_topic(TOPIC)
        .partitions(PARTITIONS)
        .send()
        .await
        .unwrap();
    fill(&client, 600).await;
    let mut groups = Vec::new();
    for name in ["one", "two", "three"] {
        let mut consumer = client.consumer(name).topics([TOPIC]).build().await.unwrap();
        assert_eq!(read(&mut consumer, 600).await.len(), 600);
        consumer.commit().await.unwrap();
        groups.push(consumer);
    }
    for node in cluster.nodes() {
        cluster.kill(node);
        let before = 600 + (node - 1) * 60;
        let producer = client.producer(TOPIC).build().await.unwrap();
        for number in before..before + 60 {
            let record = Record::new(number.to_string()).key(number.to_string());
            drop(producer.enqueue(record).await.unwrap());
        }
        producer.close().await.unwrap();
        for consumer in &mut groups {
            let values = read(consumer, 60).await;
            assert!(
                values
                    .keys()
                    .all(|value| value.parse::<u32>().unwrap() >= before)
            );
            consumer.commit().await.unwrap();
        }
        cluster.start(node);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_partitions_and_take_over_those_of_one_that_leaves() {
    let cluster = Cluster::up(3);
    let client = connect(&cluster.servers()).await;
    client
        .admin()
        .create_topic(TOPIC)
        .partitions(PARTITIONS)
        .send()
        .await
        .unwrap();
    let mut first = client
        .consumer("shared")
        .topics([TOPIC])
        .build()
        .await
        .unwrap();
    let mut second = client
        .consumer("shared")
        .topics([TOPIC])
        .build()
        .await
        .unwrap();
    until_assigned(&mut first, &mut second, 3, 3).await;
    first.close().await.unwrap();
    let mut third = client
        .consumer("shared")
        .topics([TOPIC])
        .build()
        .await
        .unwrap();
    until_assigned(&mut second, &mut third, 3, 3).await;
}

/// Drives both members until they own this many partitions.
async fn until_assigned(a: &mut Consumer, b: &mut Consumer, of_a: usize, of_b: usize) {
    let settled = async {
        loop {
            if (a.assignment().len(), b.assignment().len()) == (of_a, of_b) {
                break;
            }
            let pause = Duration::from_millis(20);
            drop(tokio::time::timeout(pause, a.next()).await);
            drop(tokio::time::timeout(pause, b.next()).await);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), settled)
        .await
        .is_ok();
    assert!(in_time, "{:?} and {:?}", a.assignment(), b.assignment());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_from_outside_is_refused_while_the_group_has_members() {
    let cluster = Cluster::up(1);
    let client = connect(&cluster.servers()).await;
    client
        .admin()
        .create_topic(TOPIC)
        .partitions(PARTITIONS)
        .send()
        .await
        .unwrap();
    fill(&client, 30).await;
    let mut consumer = client
        .consumer("busy")
        .topics([TOPIC])
        .build()
        .await
        .unwrap();
    read(&mut consumer, 30).await;
    let seek = cluster.floe(&["group", "seek", "busy", "--topic", TOPIC, "--to", "start"]);
    assert_ne!(seek.status.code(), Some(0), "{seek:?}");
    let deleted = client.admin().delete_group("busy").await.unwrap_err();
    assert_eq!(deleted.kind(), ErrorKind::GroupNotEmpty);
    consumer.close().await.unwrap();
    client.admin().delete_group("busy").await.unwrap();
}
