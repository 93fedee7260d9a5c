//! A log that is always trimmed: replicas that were away find their entries purged and take a
//! snapshot instead.
//!
//! It stays out of the history, whose checker wants to read everything; what it checks by
//! itself is that no acknowledged record above the log start changes or goes missing.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{Client, Consumer, Offset, OutOfRange, PartitionIndex, Producer, Record, Start};
use floe_env::{Env, Rng};
use floe_jepsen::Value;

use super::{RETRY, Workload, value_of};
use crate::signals::Phase;

const TOPIC: &str = "trimmed";
const PARTITION: PartitionIndex = PartitionIndex(0);
/// Records of one send; together about a tenth of a partition segment.
const RECORDS: u64 = 8;
const RECORD_BYTES: usize = 6_000;
/// Records that stay.
const KEPT: i64 = 60;
/// Waits this long for a message.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the log.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<Offset, Value>,
    /// Everything below may be gone.
    trimmed: Offset,
    next_value: Value,
}

/// Works until everything was healed, then reads once more.
pub async fn trim(workload: &Workload, env: &Env) {
    workload.signals.until(Phase::Faults).await;
    let Some(client) = workload.connect(env).await else {
        return;
    };
    if !make(workload, &client).await {
        return;
    }
    let mut known = Known::default();
    let mut producer: Option<Producer> = None;
    while !workload.is_over() {
        match &producer {
            None => {
                let builder = client
                    .producer(TOPIC)
                    .delivery_timeout(Duration::from_secs(4));
                producer = builder.build().await.ok();
            }
            Some(open) => {
                let was_sent = send(&mut known, open, &env.rng).await;
                if env.rng.chance(0.3) {
                    cut(&mut known, &client).await;
                }
                if env.rng.chance(0.2) {
                    read(workload, &mut known, &client).await;
                }
                if !was_sent && env.rng.chance(0.3) {
                    producer = None;
                }
            }
        }
        tokio::time::sleep(env.rng.jitter(Duration::ZERO, RETRY * 4)).await;
    }
    for _ in 0..3 {
        if read(workload, &mut known, &client).await {
            return;
        }
    }
}

async fn make(workload: &Workload, client: &Client) -> bool {
    while !workload.is_over() {
        let request = client.admin().create_topic(TOPIC).partitions(1);
        if request.replication(3).if_not_exists().send().await.is_ok() {
            return true;
        }
        tokio::time::sleep(RETRY).await;
    }
    false
}

async fn send(known: &mut Known, producer: &Producer, rng: &Rng) -> bool {
    let mut deliveries = Vec::new();
    for _ in 0..1 + rng.below(RECORDS) {
        known.next_value += 1;
        let mut bytes = known.next_value.to_be_bytes().to_vec();
        bytes.resize(RECORD_BYTES, 0);
        let delivery = producer.enqueue(Record::new(bytes).partition(PARTITION.0));
        if let Ok(delivery) = delivery.await {
            deliveries.push((known.next_value, delivery));
        }
    }
    let mut all = true;
    for (value, delivery) in deliveries {
        match delivery.await {
            Ok(ack) => {
                known.acknowledged.insert(ack.offset, value);
            }
            Err(_) => all = false,
        }
    }
    all
}

async fn cut(known: &mut Known, client: &Client) {
    let Some((&last, _)) = known.acknowledged.last_key_value() else {
        return;
    };
    let before = Offset((last.0 - KEPT).max(0));
    if before > known.trimmed {
        // Whether it was carried out or not: these records may be gone from now on.
        known.trimmed = before;
        let admin = client.admin();
        let asked = admin.trim(TOPIC, PARTITION, before);
        drop(tokio::time::timeout(Duration::from_secs(3), asked).await);
    }
    known.acknowledged = known.acknowledged.split_off(&known.trimmed);
}

/// Reads from the start to the last record that is known; `false` when that was not possible.
async fn read(workload: &Workload, known: &mut Known, client: &Client) -> bool {
    let reader = client
        .reader()
        .topic(TOPIC, Start::Start)
        .out_of_range(OutOfRange::Fail);
    let Ok(mut reader) = reader.fetch_wait(RETRY).build().await else {
        return false;
    };
    let Some((&end, _)) = known.acknowledged.last_key_value() else {
        return true;
    };
    let mut next: Option<Offset> = None;
    while next.is_none_or(|next| next <= end) {
        let Some((offset, value)) = message(&mut reader).await else {
            return false;
        };
        let expected = known.acknowledged.get(&offset).copied();
        if let Some(next) = next.filter(|next| *next != offset) {
            let what = format!("the trimmed log goes on at {offset} instead of {next}");
            workload.book.trouble(what);
        }
        if expected.is_some_and(|expected| Some(expected) != value) {
            workload.book.trouble(format!(
                "the trimmed log has {value:?} at {offset}, where {expected:?} was acknowledged"
            ));
        }
        if next.is_none() && offset > known.trimmed {
            let trimmed = known.trimmed;
            workload.book.trouble(format!(
                "the trimmed log begins at {offset}, though it was trimmed only below {trimmed}"
            ));
        }
        next = Some(offset + 1);
    }
    true
}

async fn message(reader: &mut Consumer) -> Option<(Offset, Option<Value>)> {
    match tokio::time::timeout(PATIENCE, reader.next()).await {
        Ok(Some(Ok(message))) => Some((message.offset, value_of(&message))),
        Ok(Some(Err(_)) | None) | Err(_) => None,
    }
}
