//! A record on its way to a reader.

use std::sync::Arc;

use bytes::Bytes;
use floe_model::{LeaderEpoch, Offset, PartitionIndex, TopicName, TopicPartition};
use floe_record::Header;

/// A committed record and where it stands. Its bytes are slices of the answer they came in: copy
/// out what is to be kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: Arc<TopicName>,
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset.
    pub offset: Offset,
    /// Epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<Header>,
}

impl Message {
    /// The partition with its topic.
    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: TopicName::clone(&self.topic),
            partition: self.partition,
        }
    }
}
