//! `floe bench latency`: the time to the acknowledgement at a fixed rate.
//!
//! Each record's time runs from the moment it was due, not from the moment it was sent: a stall
//! counts for every record that had to wait behind it.

use std::sync::Arc;
use std::time::Duration;

use floe_client::{Producer, Record};
use floe_env::{Clock, Env};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::LatencyArgs;
use super::produce::as_usize;
use super::report::{Report, costs, read_counters};
use super::tally::Tally;
use super::topic::{BenchTopic, Values};
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::progress;
use crate::serve::real_env;

/// How often records that are due are sent.
const TICK: Duration = Duration::from_millis(1);

/// Runs `floe bench latency`.
pub(super) async fn run(args: LatencyArgs) -> Result<(), CommandError> {
    if args.rate == 0 {
        return Err(CommandError::usage("--rate must be at least 1"));
    }
    let env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let topic = BenchTopic::prepare(&connection, &args.topic, &env).await?;
    let built = connection
        .client
        .producer(topic.name.as_str())
        .linger(Duration::ZERO)
        .build()
        .await;
    let producer = built.map_err(|error| connection.explain(&error))?;
    let before = read_counters(&connection).await;
    let began = env.clock.now();
    let tally = send_paced(&env, &producer, &topic, &args).await;
    let took = env.clock.now().saturating_sub(began);
    let after = read_counters(&connection).await;
    topic.clean_up(&connection).await;
    Report::new(&tally, took, costs(&before, &after)).finish(args.output.output)
}

async fn send_paced(
    env: &Env,
    producer: &Producer,
    topic: &BenchTopic,
    args: &LatencyArgs,
) -> Tally {
    let mut values = Values::new(&env.rng, as_usize(args.record_size));
    let due_at = |number: u64| Duration::from_secs_f64(number as f64 / args.rate as f64);
    let total = (args.duration.as_secs_f64() * args.rate as f64) as u64;
    let bar = progress::bar("acknowledged", Some(total));
    let began = env.clock.now();
    let mut in_flight: FuturesUnordered<BoxFuture<'static, Option<(u64, Duration)>>> =
        FuturesUnordered::new();
    let mut tally = Tally::new();
    let mut sent = 0;
    let mut ticks = tokio::time::interval(TICK);
    while sent < total || !in_flight.is_empty() {
        tokio::select! {
            _ = ticks.tick(), if sent < total => {
                while sent < total && began + due_at(sent) <= env.clock.now() {
                    let partition = u32::try_from(sent % u64::from(topic.partitions)).unwrap_or(0);
                    let record = Record::new(values.take()).partition(partition);
                    let due = began + due_at(sent);
                    in_flight.push(acknowledged(producer.clone(), record, due, &env.clock));
                    sent += 1;
                }
            }
            Some(done) = in_flight.next() => match done {
                Some((size_bytes, took)) => {
                    tally.add(size_bytes, took);
                    bar.inc(1);
                }
                None => tally.errors += 1,
            },
        }
    }
    bar.finish_and_clear();
    tally
}

fn acknowledged(
    producer: Producer,
    record: Record,
    due: Duration,
    clock: &Arc<dyn Clock>,
) -> BoxFuture<'static, Option<(u64, Duration)>> {
    let clock = clock.clone();
    let size_bytes = record.value.as_ref().map_or(0, |value| value.len() as u64);
    Box::pin(async move {
        producer.send(record).await.ok()?;
        Some((size_bytes, clock.now().saturating_sub(due)))
    })
}
