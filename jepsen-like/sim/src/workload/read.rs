//! A reader of all partitions by assignment, from the start again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{Client, Consumer, Error, ErrorKind, Offset, OutOfRange, Start};
use floe_env::Rng;
use floe_jepsen::{Action, Key, Stage, Value};

use super::{RETRY, Topic, Workload, value_of};
use crate::book::Book;

/// Waits this long for the first message of a poll.
const FIRST: Duration = Duration::from_millis(500);
/// And this long for each further one.
const FURTHER: Duration = Duration::from_millis(3);
/// Messages of one poll.
const POLL_MESSAGES_MAX: usize = 100;

/// What one poll found.
pub type Polled = BTreeMap<Key, Vec<(Offset, Value)>>;

/// Reads until the run is over.
pub async fn run(workload: &Workload, client: &Client, rng: &Rng) {
    let topic = &workload.topic;
    while !workload.is_over() {
        let Some((mut reader, process)) = begin(workload, topic, client).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let mut polls = 5 + rng.below(200);
        while !workload.is_over() && polls > 0 {
            polls -= 1;
            let open = workload.book.begin(process, Action::Poll(Polled::new()));
            let (polled, error) = poll(&mut reader, topic, &workload.book).await;
            let stage = if error.is_some() && polled.is_empty() {
                Stage::Fail
            } else {
                Stage::Ok
            };
            let broke = error.is_some();
            let error = error.map(|error| error.to_string());
            workload.book.end(open, stage, Action::Poll(polled), error);
            if broke {
                tokio::time::sleep(RETRY).await;
                break;
            }
            tokio::time::sleep(rng.jitter(Duration::ZERO, Duration::from_millis(30))).await;
        }
    }
}

/// A reader from the start of every partition, as a process of its own.
pub async fn begin(workload: &Workload, topic: &Topic, client: &Client) -> Option<(Consumer, u64)> {
    let reader = client
        .reader()
        .topic(topic.name, Start::Start)
        .out_of_range(OutOfRange::Fail);
    match reader.fetch_wait(Duration::from_millis(200)).build().await {
        Ok(reader) => {
            let process = workload.book.new_process();
            let assign = || Action::Assign(topic.keys());
            let open = workload.book.begin(process, assign());
            workload.book.end(open, Stage::Ok, assign(), None);
            Some((reader, process))
        }
        Err(error) => {
            tracing::debug!(%error, "no reader");
            None
        }
    }
}

/// What comes within a moment, and the error that ended it.
pub async fn poll(reader: &mut Consumer, topic: &Topic, book: &Book) -> (Polled, Option<Error>) {
    let mut polled = Polled::new();
    let mut patience = FIRST;
    for _ in 0..POLL_MESSAGES_MAX {
        match tokio::time::timeout(patience, reader.next()).await {
            Ok(Some(Ok(message))) => match value_of(&message) {
                Some(value) => {
                    let values = polled.entry(topic.key(message.partition.0)).or_default();
                    values.push((message.offset, value));
                }
                None => book.trouble(format!(
                    "a record that nobody sent at {}@{}",
                    topic.key(message.partition.0),
                    message.offset
                )),
            },
            Ok(Some(Err(error))) => {
                // Nothing in a run removes records.
                if matches!(error.kind(), ErrorKind::OutOfRange | ErrorKind::Corrupt) {
                    book.trouble(format!("reader: {error}"));
                }
                return (polled, Some(error));
            }
            Ok(None) | Err(_) => break,
        }
        patience = FURTHER;
    }
    (polled, None)
}
