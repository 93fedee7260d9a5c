//! Readers of all partitions by assignment, from the beginning of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Action, Key, Stage, Value};
use floe_client::{Consumer, Error, ErrorKind, Offset, OutOfRange, Start};
use floe_env::Rng;

use super::{RETRY, Workload};

/// Waits this long for the first message of a poll.
const FIRST: Duration = Duration::from_millis(500);
/// And this long for each further one.
const FURTHER: Duration = Duration::from_millis(3);
/// Messages of one poll; those of others count too.
const POLL_MESSAGES_MAX: usize = 500;
const FETCH_WAIT: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// A reader starts over while this many records are there; then it would only read.
const STARTS_OVER_BELOW: u64 = 100_000;

/// What one poll found.
pub(super) type Polled = BTreeMap<Key, Vec<(Offset, Value)>>;

/// Reads until the run is over.
pub(super) async fn run(workload: &Workload, rng: &Rng) {
    while !workload.is_over() {
        let Some((mut reader, process)) = begin(workload).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let mut polls = 20 + rng.below(200);
        while !workload.is_over() {
            let open = workload.book.begin(process, Action::Poll(Polled::new()));
            let (polled, error) = poll(workload, &mut reader).await;
            let stage = if error.is_some() && polled.is_empty() {
                Stage::Fail
            } else {
                Stage::Ok
            };
            let broke = error.is_some();
            let error = error.map(|error| error.to_string());
            workload.book.end(open, stage, Action::Poll(polled), error);
            workload.pulse.operation_ended();
            if broke {
                tokio::time::sleep(RETRY).await;
                break;
            }
            polls = polls.saturating_sub(1);
            let now = workload.book.elapsed();
            if polls == 0 && workload.pulse.glance(now).acked < STARTS_OVER_BELOW {
                break;
            }
            tokio::time::sleep(rng.jitter(Duration::ZERO, PAUSE_MAX)).await;
        }
    }
}

/// A reader of every partition from where the run began, as a process of its own.
pub(super) async fn begin(workload: &Workload) -> Option<(Consumer, u64)> {
    let target = &workload.target;
    let mut reader = workload.client.reader().out_of_range(OutOfRange::Fail);
    for (partition, begin) in &target.begin {
        reader = reader.assign(target.topic.as_str(), partition.0, Start::Offset(*begin));
    }
    match reader.fetch_wait(FETCH_WAIT).build().await {
        Ok(reader) => {
            let process = workload.book.new_process();
            let assign = || Action::Assign(target.keys());
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
pub(super) async fn poll(workload: &Workload, reader: &mut Consumer) -> (Polled, Option<Error>) {
    let mut polled = Polled::new();
    let mut patience = FIRST;
    for _ in 0..POLL_MESSAGES_MAX {
        match tokio::time::timeout(patience, reader.next()).await {
            Ok(Some(Ok(message))) => {
                if let Some(value) = workload.value_of(&message) {
                    let key = workload.target.key(message.partition);
                    polled.entry(key).or_default().push((message.offset, value));
                }
            }
            Ok(Some(Err(error))) => {
                if matches!(error.kind(), ErrorKind::OutOfRange | ErrorKind::Corrupt) {
                    workload.book.trouble(format!("reader: {error}"));
                }
                return (polled, Some(error));
            }
            Ok(None) | Err(_) => break,
        }
        patience = FURTHER;
    }
    (polled, None)
}
