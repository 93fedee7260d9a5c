//! `floe bench consume`: reads a topic from its start to its end.

use floe_client::{Offset, Start};

use super::ConsumeArgs;
use super::produce::{as_usize, fill};
use super::report::{Report, costs, read_counters};
use super::tally::Tally;
use super::topic::BenchTopic;
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::group::find_offsets;
use crate::offset::Place;
use crate::progress;
use crate::serve::real_env;

/// Runs `floe bench consume`.
pub(super) async fn run(args: ConsumeArgs) -> Result<(), CommandError> {
    let env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let topic = BenchTopic::prepare(&connection, &args.topic, &env).await?;
    if topic.is_own {
        let bar = progress::bar("writing", Some(args.records));
        let producer = connection
            .client
            .producer(topic.name.as_str())
            .build()
            .await;
        let producer = producer.map_err(|error| connection.explain(&error))?;
        let size_bytes = as_usize(args.record_size);
        let written = fill(&env, vec![producer], &topic, args.records, size_bytes, &bar).await?;
        bar.finish_and_clear();
        if written.errors > 0 {
            return Err(CommandError::failed(format!(
                "{} records failed",
                written.errors
            )));
        }
    }
    let before = read_counters(&connection).await;
    let began = env.clock.now();
    let read = read_all(&connection, &topic, &*env.clock).await;
    let took = env.clock.now().saturating_sub(began);
    let after = read_counters(&connection).await;
    topic.clean_up(&connection).await;
    let tally = read.map_err(|error| connection.explain(&error))?;
    Report::new(&tally, took, costs(&before, &after)).finish(args.output.output)
}

/// Times are those between asking for a record and having it.
async fn read_all(
    connection: &Connection,
    topic: &BenchTopic,
    clock: &dyn floe_env::Clock,
) -> Result<Tally, floe_client::Error> {
    let starts = find_offsets(connection, &topic.name, Place::Start).await?;
    let mut ends = find_offsets(connection, &topic.name, Place::End).await?;
    ends.retain(|index, end| starts.get(index).copied().unwrap_or(Offset::ZERO) < *end);
    let total = ends.iter().map(|(index, &end)| {
        let start = starts.get(index).copied().unwrap_or(Offset::ZERO);
        u64::try_from(end - start).unwrap_or(0)
    });
    let bar = progress::bar("read", Some(total.sum()));
    let builder = connection
        .client
        .reader()
        .topic(topic.name.as_str(), Start::Start);
    let mut reader = builder.build().await?;
    let mut tally = Tally::new();
    let mut asked = clock.now();
    while !ends.is_empty() {
        let Some(message) = reader.next().await else {
            break;
        };
        let message = message?;
        let now = clock.now();
        let size_bytes = message.value.as_ref().map_or(0, |value| value.len() as u64);
        tally.add(size_bytes, now.saturating_sub(asked));
        asked = now;
        bar.inc(1);
        if ends
            .get(&message.partition)
            .is_some_and(|end| message.offset + 1 >= *end)
        {
            ends.remove(&message.partition);
        }
    }
    bar.finish_and_clear();
    Ok(tally)
}
