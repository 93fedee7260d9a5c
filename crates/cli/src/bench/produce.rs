//! `floe bench produce`: as many records as the cluster takes.

use std::sync::Arc;
use std::time::Duration;

use floe_client::{Ack, Error, Producer, Record};
use floe_env::{Clock, Env};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use indicatif::ProgressBar;

use super::ProduceArgs;
use super::report::{Report, costs, read_counters};
use super::tally::Tally;
use super::topic::{BenchTopic, Values};
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::progress;
use crate::serve::real_env;

/// Runs `floe bench produce`.
pub(super) async fn run(args: ProduceArgs) -> Result<(), CommandError> {
    let env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let topic = BenchTopic::prepare(&connection, &args.topic, &env).await?;
    let mut producers = Vec::new();
    for _ in 0..args.producers.max(1) {
        let builder = connection
            .client
            .producer(topic.name.as_str())
            .acks(args.acks.into())
            .compression(args.compression)
            .linger(args.linger)
            .batch_bytes(as_usize(args.batch_size))
            .buffer_bytes(as_usize(args.in_flight));
        let built = builder.build().await;
        producers.push(built.map_err(|error| connection.explain(&error))?);
    }
    let before = read_counters(&connection).await;
    let began = env.clock.now();
    let bar = progress::bar("acknowledged", Some(args.records));
    let size_bytes = as_usize(args.record_size);
    let outcome = fill(&env, producers, &topic, args.records, size_bytes, &bar).await;
    let took = env.clock.now().saturating_sub(began);
    bar.finish_and_clear();
    let after = read_counters(&connection).await;
    topic.clean_up(&connection).await;
    let tally = outcome?;
    Report::new(&tally, took, costs(&before, &after)).finish(args.output.output)
}

/// A size that fits memory.
pub(super) fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Sends `records` records, shared out over the producers and over all partitions.
pub(super) async fn fill(
    env: &Env,
    producers: Vec<Producer>,
    topic: &BenchTopic,
    records: u64,
    size_bytes: usize,
    bar: &ProgressBar,
) -> Result<Tally, CommandError> {
    let share = producers.len() as u64;
    let mut lanes = Vec::new();
    for (place, producer) in (0..share).zip(producers) {
        let lane = Lane {
            producer,
            values: Values::new(&env.rng.fork(), size_bytes),
            clock: env.clock.clone(),
            bar: bar.clone(),
            partitions: topic.partitions,
            next_partition: u32::try_from(place).unwrap_or(0) % topic.partitions,
        };
        let count = records / share + u64::from(place < records % share);
        lanes.push(env.spawn.task(lane.send(count)));
    }
    let mut all = Tally::new();
    for lane in lanes {
        let tally = lane
            .await
            .map_err(|error| CommandError::failed(error.to_string()))?;
        all.merge(&tally);
    }
    Ok(all)
}

/// One producer at full speed.
struct Lane {
    producer: Producer,
    values: Values,
    clock: Arc<dyn Clock>,
    bar: ProgressBar,
    partitions: u32,
    next_partition: u32,
}

type InFlight = FuturesUnordered<BoxFuture<'static, (u64, Duration, Result<Ack, Error>)>>;

impl Lane {
    async fn send(mut self, count: u64) -> Tally {
        let mut tally = Tally::new();
        let mut in_flight = InFlight::new();
        for _ in 0..count {
            let value = self.values.take();
            let size_bytes = value.len() as u64;
            let record = Record::new(value).partition(self.next_partition);
            self.next_partition = (self.next_partition + 1) % self.partitions;
            let began = self.clock.now();
            match self.accept(record, &mut in_flight, &mut tally).await {
                Ok(delivery) => {
                    let clock = self.clock.clone();
                    in_flight.push(Box::pin(async move {
                        let outcome = delivery.await;
                        (size_bytes, clock.now().saturating_sub(began), outcome)
                    }));
                }
                Err(_) => tally.errors += 1,
            }
            while let Some(Some(done)) = in_flight.next().now_or_never() {
                self.settle(done, &mut tally);
            }
        }
        while let Some(done) = in_flight.next().await {
            self.settle(done, &mut tally);
        }
        tally
    }

    /// Hands a record over; while the buffer is full, acknowledgements are counted.
    async fn accept(
        &self,
        record: Record,
        in_flight: &mut InFlight,
        tally: &mut Tally,
    ) -> Result<floe_client::Delivery, Error> {
        let accepting = self.producer.enqueue(record);
        tokio::pin!(accepting);
        loop {
            tokio::select! {
                biased;
                delivery = &mut accepting => return delivery,
                Some(done) = in_flight.next() => self.settle(done, tally),
            }
        }
    }

    fn settle(&self, done: (u64, Duration, Result<Ack, Error>), tally: &mut Tally) {
        let (size_bytes, took, outcome) = done;
        match outcome {
            Ok(_) => {
                tally.add(size_bytes, took);
                self.bar.inc(1);
            }
            Err(error) => {
                tally.errors += 1;
                tracing::debug!(%error, "a record failed");
            }
        }
    }
}
