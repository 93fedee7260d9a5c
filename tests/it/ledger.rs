//! What was sent, what was acknowledged, and whether the log agrees.
//!
//! Producers count upwards per key; the value is `key:count`. At the end a fresh read from the
//! start must show every acknowledged record at the offset it was acknowledged with, no record
//! twice, each key in order; and whatever a reader saw on the way must still be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use floe_client::{Client, Record, Start};
use tokio::task::JoinHandle;

/// (partition, offset) -> value.
type Log = BTreeMap<(u32, i64), String>;

/// Producers and a reader at work.
pub(crate) struct Workload {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    producers: Vec<JoinHandle<Log>>,
    reader: JoinHandle<Log>,
    client: Client,
    topic: String,
}

impl Workload {
    /// Starts `producers` producers and one reader on `topic`, which exists.
    pub(crate) async fn start(servers: &str, topic: &str, producers: u32) -> Self {
        let client = connect(servers).await;
        let (stop, acked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut tasks = Vec::new();
        for id in 0..producers {
            let work = produce(
                client.clone(),
                topic.to_owned(),
                id,
                stop.clone(),
                acked.clone(),
            );
            tasks.push(tokio::spawn(work));
        }
        let reader = tokio::spawn(read_along(client.clone(), topic.to_owned(), stop.clone()));
        Self {
            stop,
            acked,
            producers: tasks,
            reader,
            client,
            topic: topic.to_owned(),
        }
    }

    /// Records acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until `more` further records are acknowledged: the cluster serves.
    pub(crate) async fn progress(&self, more: u64) {
        let wanted = self.acked() + more;
        let reached = async {
            while self.acked() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("no progress: {} of {wanted}", self.acked()));
    }

    /// Stops, reads everything afresh and compares. Returns how many records were acknowledged.
    pub(crate) async fn verify(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut acked = Log::new();
        for producer in self.producers {
            acked.extend(producer.await.unwrap());
        }
        let seen = self.reader.await.unwrap();
        let log = read_all(&self.client, &self.topic).await;

        let lost: Vec<_> = acked
            .iter()
            .filter(|(at, value)| log.get(at) != Some(value))
            .collect();
        assert!(
            lost.is_empty(),
            "{} acknowledged records lost, as {:?}",
            lost.len(),
            lost[0]
        );
        let phantom: Vec<_> = seen
            .iter()
            .filter(|(at, value)| log.get(at) != Some(value))
            .collect();
        assert!(
            phantom.is_empty(),
            "{} records seen and gone, as {:?}",
            phantom.len(),
            phantom[0]
        );
        assert_once_and_in_order(&log);
        acked.len() as u64
    }
}

/// Connects, trying again until the cluster answers.
pub(crate) async fn connect(servers: &str) -> Client {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match Client::connect(servers).await {
            Ok(client) => return client,
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Every record up to the end offsets seen at the start, by place.
pub(crate) async fn read_all(client: &Client, topic: &str) -> Log {
    let mut reader = client
        .reader()
        .topic(topic, Start::Start)
        .build()
        .await
        .unwrap();
    let mut left = reader.end_offsets().await.unwrap();
    left.retain(|_, end| end.0 > 0);
    let mut log = Log::new();
    while !left.is_empty() {
        let next = tokio::time::timeout(Duration::from_secs(60), reader.next()).await;
        let message = next
            .expect("reading goes on")
            .expect("readers do not end")
            .unwrap();
        let partition = message.topic_partition();
        if left
            .get(&partition)
            .is_some_and(|end| message.offset.0 + 1 >= end.0)
        {
            left.remove(&partition);
        }
        let value = String::from_utf8(message.value.unwrap().to_vec()).unwrap();
        let place = (message.partition.0, message.offset.0);
        assert_eq!(
            log.insert(place, value),
            None,
            "offset {place:?} read twice"
        );
    }
    log
}

async fn produce(
    client: Client,
    topic: String,
    id: u32,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
) -> Log {
    let producer = client
        .producer(topic)
        .linger(Duration::from_millis(1))
        .build()
        .await
        .unwrap();
    let mut log = Log::new();
    let mut waiting = Vec::new();
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..16 {
            let key = format!("{id}-{}", count % 8);
            let value = format!("{key}:{count}");
            let record = Record::new(value.clone()).key(key);
            waiting.push((value, producer.enqueue(record).await.unwrap()));
            count += 1;
        }
        for (value, delivery) in waiting.drain(..) {
            let ack = delivery
                .await
                .unwrap_or_else(|error| panic!("{value}: {error}"));
            log.insert((ack.partition.0, ack.offset.0), value);
            acked.fetch_add(1, Ordering::Relaxed);
        }
    }
    producer.close().await.unwrap();
    log
}

async fn read_along(client: Client, topic: String, stop: Arc<AtomicBool>) -> Log {
    let mut reader = client
        .reader()
        .topic(topic, Start::Start)
        .build()
        .await
        .unwrap();
    let mut log = Log::new();
    while !stop.load(Ordering::Relaxed) {
        let next = tokio::time::timeout(Duration::from_millis(100), reader.next()).await;
        if let Ok(Some(message)) = next {
            let message = message.unwrap();
            let value = String::from_utf8(message.value.unwrap().to_vec()).unwrap();
            log.insert((message.partition.0, message.offset.0), value);
        }
    }
    log
}

fn assert_once_and_in_order(log: &Log) {
    let mut values = BTreeSet::new();
    let mut counts: BTreeMap<(u32, &str), u64> = BTreeMap::new();
    let mut next_offset: BTreeMap<u32, i64> = BTreeMap::new();
    for (&(partition, offset), value) in log {
        assert!(values.insert(value), "{value} is in the log twice");
        let (key, count) = value.split_once(':').unwrap();
        let count: u64 = count.parse().unwrap();
        let last = counts.insert((partition, key), count);
        assert!(
            last.is_none_or(|last| last < count),
            "{value} stands behind {last:?}"
        );
        let expected = next_offset.insert(partition, offset + 1).unwrap_or(offset);
        assert_eq!(offset, expected, "a gap in partition {partition}");
    }
}
