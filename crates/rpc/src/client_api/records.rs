//! Messages that carry or locate records.

use floe_model::FencingToken;
use floe_model::{
    Acks, Generation, GroupName, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId,
    TopicId,
};
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::Payload;

/// A partition by identity, so that a topic made again under its name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionKey {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
}

/// A record batch (Kafka v2) as stored: prefix by value, body shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireBatch {
    /// The 21 bytes outside the CRC: base offset, length, epoch, magic, CRC.
    pub prefix: Payload,
    /// Everything the CRC covers.
    pub body: Payload,
}

/// Identity of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdentity {
    /// The id, never reused.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// Batches to append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Produce {
    /// When to answer.
    pub acks: Acks,
    /// How long to wait for that, milliseconds.
    pub timeout_ms: u32,
    /// By partition.
    pub parts: Vec<ProducePart>,
}

/// Batches for one partition, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducePart {
    /// Where to.
    pub key: PartitionKey,
    /// One batch each.
    pub batches: Vec<Payload>,
}

/// Outcome for one [`ProducePart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducePartReply {
    /// Where to.
    pub key: PartitionKey,
    /// What happened. A failure holds for the first batch that failed and all behind it.
    pub outcome: Result<Produced, Failure>,
}

/// Appended batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Produced {
    /// Base offset of each batch. A duplicate has its original one.
    pub base_offsets: Vec<Offset>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The time that the broker gave the records, where the topic has it do so.
    pub append_time_ms: Option<i64>,
}

/// A read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Longest wait for `min_bytes`, milliseconds.
    pub wait_ms_max: u32,
    /// Answer as soon as this many bytes are there.
    pub min_bytes: u32,
    /// Answer no more than about this many; one batch is always allowed.
    pub bytes_max: u32,
    /// By partition, in the order in which to fill the answer.
    pub parts: Vec<FetchPart>,
}

/// Where to read one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchPart {
    /// The partition.
    pub key: PartitionKey,
    /// First offset wanted.
    pub offset: Offset,
    /// At most about this many bytes of it.
    pub bytes_max: u32,
    /// Set by group members: read only while the group's owner.
    pub owner: Option<Ownership>,
}

/// A group member's claim to a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The group.
    pub group: GroupName,
    /// Its generation as the member knows it.
    pub generation: Generation,
    /// The token that came with the assignment.
    pub token: FencingToken,
}

/// What one partition gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchPartReply {
    /// The partition.
    pub key: PartitionKey,
    /// First readable offset.
    pub log_start_offset: Offset,
    /// First uncommitted offset.
    pub high_watermark: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Whole batches in order; the first may begin below the wanted offset.
    pub outcome: Result<Vec<WireBatch>, Failure>,
}

/// Offsets to look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListOffsets {
    /// By partition.
    pub parts: Vec<ListOffsetsPart>,
}

/// One lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListOffsetsPart {
    /// The partition.
    pub key: PartitionKey,
    /// What to find.
    pub at: OffsetAt,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OffsetAt {
    /// The log start.
    Start,
    /// The high watermark.
    End,
    /// The first record with this timestamp (ms since the epoch) or a later one.
    Timestamp(i64),
}

/// The answer to one lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedOffset {
    /// The partition.
    pub key: PartitionKey,
    /// The offset; `None` when no record is that late.
    pub outcome: Result<Option<Offset>, Failure>,
}

/// Log starts to move forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    /// The partition and its new log start.
    pub parts: Vec<(PartitionKey, Offset)>,
}
