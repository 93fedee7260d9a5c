//! Sends records to one topic.

mod builder;

pub use builder::ProducerBuilder;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use floe_model::{Offset, PartitionIndex, TopicName};

use crate::{Error, Record};

/// Where a record was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset; -1 with `Acks::None`, where nobody says.
    pub offset: Offset,
}

/// Resolves when its record is acknowledged or has failed. Dropping it changes nothing.
#[derive(Debug)]
pub struct Delivery {}

impl Future for Delivery {
    type Output = Result<Ack, Error>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!()
    }
}

/// Records that could not be delivered, and why.
#[derive(Debug, thiserror::Error)]
#[error("{} records were not delivered", .records.len())]
pub struct Undelivered {
    /// By partition, in the order of their enqueue.
    pub records: Vec<UndeliveredRecord>,
}

/// One record that could not be delivered.
#[derive(Clone, Debug)]
pub struct UndeliveredRecord {
    /// The record, its partition filled in.
    pub record: Record,
    /// Why. With kind `TimedOut` the record may have been committed all the same.
    pub error: Error,
}

/// Sends records to one topic; clones share buffers and connections.
#[derive(Clone, Debug)]
pub struct Producer {}

impl Producer {
    pub(crate) async fn start(_builder: ProducerBuilder) -> Result<Self, Error> {
        unimplemented!()
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        unimplemented!()
    }

    /// Partitions of the topic as known now.
    #[must_use]
    pub fn partition_count(&self) -> u32 {
        unimplemented!()
    }

    /// Records accepted but neither acknowledged nor failed.
    #[must_use]
    pub fn pending_records(&self) -> u64 {
        unimplemented!()
    }

    /// Sends a record and waits until it is acknowledged.
    ///
    /// # Errors
    /// Those of [`Producer::enqueue`], and `TimedOut` after the delivery timeout.
    pub async fn send(&self, record: Record) -> Result<Ack, Error> {
        self.enqueue(record).await?.await
    }

    /// Accepts a record as soon as the buffer has room.
    ///
    /// # Errors
    /// `TooLarge`, `NotFound` for a partition that does not exist, `Closed`.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn enqueue(&self, _record: Record) -> Result<Delivery, Error> {
        unimplemented!()
    }

    /// Waits until every record accepted so far is acknowledged or has failed.
    ///
    /// # Errors
    /// The first failure since the last flush.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn flush(&self) -> Result<(), Error> {
        unimplemented!()
    }

    /// Flushes and ends this producer and its clones.
    ///
    /// # Errors
    /// The records that failed without anybody having been told.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn close(self) -> Result<(), Undelivered> {
        unimplemented!()
    }
}
