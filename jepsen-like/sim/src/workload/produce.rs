//! A producer: some records at a time, to one or several partitions, each value once.

use std::time::Duration;

use floe_client::{Client, Compression, Error, Producer, Record};
use floe_env::Rng;
use floe_jepsen::{Action, Sent, Stage};

use super::{RETRY, Topic, Workload, bytes_of};

/// Values of one producer lie this far from another's.
const VALUES_PER_PROCESS: u64 = 1 << 32;

/// Sends until the run is over.
pub async fn run(workload: &Workload, client: &Client, rng: &Rng) {
    let topic = &workload.topic;
    let mut process = workload.book.new_process();
    let mut values = values_of(process);
    let mut producer: Option<Producer> = None;
    while !workload.is_over() {
        let Some(open) = producer.take() else {
            producer = build(client, topic, rng).await;
            continue;
        };
        let count = usize::try_from(1 + rng.below(8)).unwrap_or(1);
        let sends = choose(topic, values.by_ref().take(count), rng);
        if send(workload, topic, &open, process, sends, rng).await {
            producer = Some(open);
        } else {
            // What failed may still happen: nothing is promised of its order with what follows.
            process = workload.book.new_process();
            producer = rng.chance(0.7).then_some(open);
        }
        tokio::time::sleep(rng.jitter(Duration::ZERO, Duration::from_millis(60))).await;
    }
}

pub async fn build(client: &Client, topic: &Topic, rng: &Rng) -> Option<Producer> {
    let compression = match rng.below(3) {
        0 => Compression::Lz4,
        1 => Compression::Zstd,
        _ => Compression::None,
    };
    let builder = client.producer(topic.name).compression(compression);
    let builder =
        builder.delivery_timeout(rng.jitter(Duration::from_secs(2), Duration::from_secs(10)));
    match builder
        .linger(Duration::from_millis(rng.below(8)))
        .build()
        .await
    {
        Ok(producer) => Some(producer),
        Err(error) => {
            tracing::debug!(%error, "no producer");
            tokio::time::sleep(RETRY).await;
            None
        }
    }
}

/// Values that no other process sends.
pub fn values_of(process: u64) -> std::ops::Range<u64> {
    let first = process * VALUES_PER_PROCESS;
    first..first + VALUES_PER_PROCESS
}

/// Spreads values over the partitions: half of the time all go to one.
pub fn choose(topic: &Topic, values: impl Iterator<Item = u64>, rng: &Rng) -> Vec<(u32, u64)> {
    let any = || u32::try_from(rng.below(u64::from(topic.partitions))).unwrap_or(0);
    let one = rng.chance(0.5).then(any);
    values
        .map(|value| (one.unwrap_or_else(any), value))
        .collect()
}

/// Sends and writes down what came of it. `true` when all was acknowledged.
pub async fn send(
    workload: &Workload,
    topic: &Topic,
    producer: &Producer,
    process: u64,
    sends: Vec<(u32, u64)>,
    rng: &Rng,
) -> bool {
    let mut sent: Vec<Sent> = sends
        .iter()
        .map(|&(partition, value)| Sent {
            key: topic.key(partition),
            value,
            offset: None,
        })
        .collect();
    let open = workload.book.begin(process, Action::Send(sent.clone()));
    let mut deliveries = Vec::new();
    for &(partition, value) in &sends {
        let record = Record::new(bytes_of(value, rng)).partition(partition);
        deliveries.push(producer.enqueue(record).await);
    }
    let mut errors: Vec<Error> = Vec::new();
    for (sent, delivery) in sent.iter_mut().zip(deliveries) {
        let outcome = match delivery {
            Ok(delivery) => delivery.await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(ack) => {
                sent.offset = Some(ack.offset);
                if topic.label == workload.topic.label {
                    workload.signals.acknowledged(ack.partition.0, ack.offset);
                }
            }
            Err(error) => errors.push(error),
        }
    }
    let is_certain = errors.iter().all(|error| !error.is_outcome_unknown());
    let stage = match (errors.len(), is_certain) {
        (0, _) => Stage::Ok,
        (failed, true) if failed == sent.len() => Stage::Fail,
        _ => Stage::Info,
    };
    let error = errors.first().map(ToString::to_string);
    workload.book.end(open, stage, Action::Send(sent), error);
    stage == Stage::Ok
}
