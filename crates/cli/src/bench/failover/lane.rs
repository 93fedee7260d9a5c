//! The records of each partition: on their way, acknowledged, failed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_client::{Ack, Error, Producer, Record};
use floe_env::Clock;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::failure::CommandError;

/// Bytes of a value; the first eight are the record's number.
const VALUE_BYTES: usize = 128;

/// A record that is no longer on its way.
pub(super) struct Done {
    partition: u32,
    number: u64,
    is_probe: bool,
    sent_at: Duration,
    acked_at: Duration,
    outcome: Result<Ack, Error>,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Lane {
    in_flight: u32,
    due_at: Duration,
    /// From the start of the command to the acknowledgement of the record sent at its end.
    pub(super) outage: Option<Duration>,
    /// Longest time to an acknowledgement, of records sent since the command began.
    pub(super) slowest: Duration,
    /// Offset and number of every acknowledged record.
    pub(super) acked: Vec<(i64, u64)>,
    pub(super) errors: u64,
}

/// All partitions of the topic.
pub(super) struct Lanes {
    producer: Producer,
    clock: Arc<dyn Clock>,
    pub(super) lanes: Vec<Lane>,
    pub(super) in_flight: FuturesUnordered<BoxFuture<'static, Done>>,
    next_number: u64,
    command_began: Option<Duration>,
}

impl Lanes {
    pub(super) fn new(producer: Producer, partitions: u32, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        // Spread over the first 100 ms, so that partitions do not beat together.
        let lane = |place: u32| Lane {
            due_at: now + Duration::from_millis(100) * place / partitions.max(1),
            ..Lane::default()
        };
        Self {
            lanes: (0..partitions).map(lane).collect(),
            producer,
            clock,
            in_flight: FuturesUnordered::new(),
            next_number: 0,
            command_began: None,
        }
    }

    /// From now on times count.
    pub(super) fn command_began(&mut self, now: Duration) {
        self.command_began = Some(now);
    }

    /// A partition without any acknowledgement so far.
    pub(super) fn first_unheard(&self) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.acked.is_empty())
    }

    /// Whether every partition has acknowledged its probe.
    pub(super) fn probes_are_acked(&self) -> bool {
        self.lanes.iter().all(|lane| lane.outage.is_some())
    }

    /// Sends to every partition whose time has come and whose last record is settled.
    pub(super) async fn send_due(&mut self, interval: Duration) -> Result<(), CommandError> {
        let now = self.clock.now();
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            if lane.in_flight == 0 && lane.due_at <= now {
                lane.due_at = now.max(lane.due_at + interval);
                self.send(index, false).await?;
            }
        }
        Ok(())
    }

    /// Sends one record to every partition, whatever is on its way.
    pub(super) async fn probe_all(&mut self) -> Result<(), CommandError> {
        for index in 0..self.lanes.len() {
            self.send(index, true).await?;
        }
        Ok(())
    }

    async fn send(&mut self, index: usize, is_probe: bool) -> Result<(), CommandError> {
        let partition = u32::try_from(index).expect("made from a u32");
        let number = self.next_number;
        self.next_number += 1;
        let mut value = vec![0; VALUE_BYTES];
        value[..8].copy_from_slice(&number.to_le_bytes());
        let record = Record::new(Bytes::from(value)).partition(partition);
        let sent_at = self.clock.now();
        let delivery = self.producer.enqueue(record).await;
        let delivery = delivery.map_err(|error| CommandError::failed(error.to_string()))?;
        let clock = self.clock.clone();
        self.lanes[index].in_flight += 1;
        self.in_flight.push(Box::pin(async move {
            let outcome = delivery.await;
            Done {
                partition,
                number,
                is_probe,
                sent_at,
                acked_at: clock.now(),
                outcome,
            }
        }));
        Ok(())
    }

    pub(super) fn settle(&mut self, done: Done) {
        let lane = &mut self.lanes[done.partition as usize];
        lane.in_flight -= 1;
        match done.outcome {
            Ok(ack) => lane.acked.push((ack.offset.0, done.number)),
            Err(error) => {
                lane.errors += 1;
                tracing::debug!(%error, "a record failed");
                return;
            }
        }
        let Some(command_began) = self.command_began else {
            return;
        };
        if done.sent_at >= command_began {
            lane.slowest = lane.slowest.max(done.acked_at.saturating_sub(done.sent_at));
        }
        if done.is_probe {
            lane.outage = Some(done.acked_at.saturating_sub(command_began));
        }
    }

    /// Takes what is still on its way, for at most `limit`.
    pub(super) async fn drain(&mut self, limit: Duration) {
        let deadline = self.clock.now() + limit;
        while !self.in_flight.is_empty() {
            let left = deadline.saturating_sub(self.clock.now());
            match tokio::time::timeout(left, self.in_flight.next()).await {
                Ok(Some(done)) => self.settle(done),
                Ok(None) | Err(_) => break,
            }
        }
    }
}
