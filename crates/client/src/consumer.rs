//! Reads records: as a member of a group, or chosen partitions.

mod builder;

pub use builder::{ConsumerBuilder, OutOfRange, ReaderBuilder, Start};

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use floe_model::{Offset, TopicPartition};
use futures::Stream;

use crate::{Error, Message};

/// A change of what a group member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebalanceEvent {
    /// These partitions are read from now on.
    Assigned(Vec<TopicPartition>),
    /// These were given up in order; what was processed of them is committed.
    Revoked(Vec<TopicPartition>),
    /// These were taken away: the session ended first. Others may have read on from the last
    /// commit.
    Lost(Vec<TopicPartition>),
}

/// Rebalance events from the moment of asking on.
#[derive(Debug)]
pub struct RebalanceEvents {}

impl RebalanceEvents {
    /// The next event; none after the consumer is gone. Only the newest 64 are kept for a slow
    /// reader.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn next(&mut self) -> Option<RebalanceEvent> {
        unimplemented!()
    }
}

/// A stream of messages.
#[derive(Debug)]
pub struct Consumer {}

#[expect(clippy::unused_async, reason = "skeleton")]
impl Consumer {
    pub(crate) async fn join(_builder: ConsumerBuilder) -> Result<Self, Error> {
        unimplemented!()
    }

    pub(crate) async fn read(_builder: ReaderBuilder) -> Result<Self, Error> {
        unimplemented!()
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        unimplemented!()
    }

    /// Partitions read now, ascending.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        unimplemented!()
    }

    /// Offset of the next message of a partition; none while unknown or not assigned.
    #[must_use]
    pub fn position(&self, _partition: &TopicPartition) -> Option<Offset> {
        unimplemented!()
    }

    /// Records between the position and the high watermark last seen.
    #[must_use]
    pub fn lag(&self, _partition: &TopicPartition) -> Option<u64> {
        unimplemented!()
    }

    /// Reads on from `offset`.
    ///
    /// # Errors
    /// `InvalidInput` when the partition is not assigned.
    pub fn seek(&mut self, _partition: &TopicPartition, _offset: Offset) -> Result<(), Error> {
        unimplemented!()
    }

    /// Stops messages of these partitions until `resume`.
    pub fn pause(&mut self, _partitions: &[TopicPartition]) {
        unimplemented!()
    }

    /// Undoes `pause`.
    pub fn resume(&mut self, _partitions: &[TopicPartition]) {
        unimplemented!()
    }

    /// Commits the position of every partition: everything returned so far.
    ///
    /// # Errors
    /// `Fenced` when another member owns one of them by now, `InvalidInput` without a group.
    pub async fn commit(&mut self) -> Result<(), Error> {
        unimplemented!()
    }

    /// Commits these offsets: of each partition the next to be read.
    ///
    /// # Errors
    /// Those of [`Consumer::commit`], `InvalidInput` for a partition that is not assigned.
    pub async fn commit_offsets(
        &mut self,
        _offsets: &[(TopicPartition, Offset)],
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// The group's committed offsets of the assigned partitions.
    ///
    /// # Errors
    /// `InvalidInput` without a group, `Unavailable`.
    pub async fn committed(&self) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        unimplemented!()
    }

    /// The high watermarks of the assigned partitions, asked now.
    ///
    /// # Errors
    /// `Unavailable` when a leader cannot be reached in time.
    pub async fn end_offsets(&self) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        unimplemented!()
    }

    /// Rebalance events from now on.
    #[must_use]
    pub fn rebalance_events(&self) -> RebalanceEvents {
        unimplemented!()
    }

    /// Commits what was processed and leaves the group.
    ///
    /// # Errors
    /// Those of the last commit.
    pub async fn close(self) -> Result<(), Error> {
        unimplemented!()
    }
}

impl Stream for Consumer {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        unimplemented!()
    }
}
