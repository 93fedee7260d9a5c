//! A producer: some records at a time, to one or several partitions, each value once.

use std::time::Duration;

use crate::{Action, Sent, Stage};
use floe_client::{Error, PartitionIndex, Producer, Record};
use floe_env::Rng;

use super::{RETRY, Workload};

/// No two processes send the same value.
const VALUES_PER_PROCESS: u64 = 1 << 24;
const RECORDS_MAX: u64 = 12;
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// Between two sends, at most: this is a test beside other work, not a benchmark.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Sends until the run is over.
pub(super) async fn run(workload: &Workload, rng: &Rng) {
    while !workload.is_over() {
        let builder = workload.client.producer(workload.target.topic.as_str());
        let builder = builder.delivery_timeout(DELIVERY_TIMEOUT);
        let linger = Duration::from_millis(rng.below(6));
        match builder.linger(linger).build().await {
            Ok(producer) => life(workload, producer, rng).await,
            Err(error) => {
                tracing::debug!(%error, "no producer");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// One producer, up to an outcome that nobody knows: what failed may still happen, and nothing
/// is promised of its order with what follows.
async fn life(workload: &Workload, producer: Producer, rng: &Rng) {
    let process = workload.book.new_process();
    let first = process * VALUES_PER_PROCESS;
    let mut next = first;
    while !workload.is_over() && next < first + VALUES_PER_PROCESS - RECORDS_MAX {
        let count = 1 + rng.below(RECORDS_MAX);
        let sends = choose(workload, next..next + count, rng);
        next += count;
        if !send(workload, &producer, process, sends, rng).await {
            break;
        }
        tokio::time::sleep(rng.jitter(Duration::ZERO, PAUSE_MAX)).await;
    }
    // What it still holds was written down as unknown.
    drop(tokio::time::timeout(CLOSE_LIMIT, producer.close()).await);
}

/// Spreads values over the partitions: half of the time all go to one.
fn choose(
    workload: &Workload,
    values: std::ops::Range<u64>,
    rng: &Rng,
) -> Vec<(PartitionIndex, u64)> {
    let partitions = u64::from(workload.target.partitions());
    let any = || PartitionIndex(u32::try_from(rng.below(partitions)).unwrap_or(0));
    let one = rng.chance(0.5).then(any);
    values
        .map(|value| (one.unwrap_or_else(any), value))
        .collect()
}

/// Sends and writes down what came of it. `true` when all was acknowledged.
async fn send(
    workload: &Workload,
    producer: &Producer,
    process: u64,
    sends: Vec<(PartitionIndex, u64)>,
    rng: &Rng,
) -> bool {
    let mut sent: Vec<Sent> = sends
        .iter()
        .map(|&(partition, value)| Sent {
            key: workload.target.key(partition),
            value,
            offset: None,
        })
        .collect();
    let open = workload.book.begin(process, Action::Send(sent.clone()));
    let mut deliveries = Vec::new();
    for &(partition, value) in &sends {
        let record = Record::new(workload.bytes_of(value, rng))
            .key(format!("{}/{process}", workload.run))
            .partition(partition.0);
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
                let now = workload.book.elapsed();
                workload.pulse.acked(ack.partition.0, now);
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
    workload.pulse.operation_ended();
    stage == Stage::Ok
}
