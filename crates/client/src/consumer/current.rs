//! The batch whose messages are being returned, decoded.

use std::sync::Arc;
use std::vec;

use floe_model::{LeaderEpoch, Offset, TopicName, limits};
use floe_record::{BatchError, Limits, Record, StampedBatch, records};
use floe_rpc::PartitionKey;

use super::holding::{Holding, Ready};
use crate::error::Cause;
use crate::{Error, Message};

/// A batch may not grow beyond this when decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 8 * limits::BATCH_BYTES_MAX;

/// What is left of one batch.
pub(super) struct Current {
    key: PartitionKey,
    version: u64,
    topic: Arc<TopicName>,
    leader_epoch: LeaderEpoch,
    next_offset: Offset,
    records: vec::IntoIter<(Offset, Record)>,
}

impl Current {
    pub(super) fn decode(ready: Ready) -> Result<Self, Error> {
        let batch = &ready.batch;
        let records = Self::records(batch).map_err(|source| {
            let error = Error::from(Cause::Corrupt {
                offset: batch.base_offset(),
                source,
            });
            error.in_partition(&ready.topic, ready.key.partition)
        })?;
        Ok(Self {
            key: ready.key,
            version: ready.version,
            leader_epoch: batch.leader_epoch(),
            next_offset: batch.next_offset(),
            topic: ready.topic,
            records: records.into_iter(),
        })
    }

    fn records(batch: &StampedBatch) -> Result<Vec<(Offset, Record)>, BatchError> {
        let limits = Limits {
            batch_bytes_max: limits::FRAME_BYTES_MAX,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        };
        if batch.header().is_control() {
            return Ok(Vec::new());
        }
        records(batch, &limits)
    }

    /// The next message, which goes into the caller's hand; none when the batch is used up or void.
    pub(super) fn next(&mut self, holding: &mut Holding) -> Option<Message> {
        let partition = holding.readable(self.key, self.version)?;
        let position = partition.position.unwrap_or(Offset::ZERO);
        // The first batch may begin below the wanted offset.
        let Some((offset, record)) = self.records.find(|(offset, _)| *offset >= position) else {
            if partition.position < Some(self.next_offset) {
                partition.position = Some(self.next_offset);
                partition.processed = partition.position;
            }
            return None;
        };
        partition.position = Some(offset + 1);
        partition.position_epoch = self.leader_epoch;
        holding.hand_over(self.key, self.version);
        Some(Message {
            topic: Arc::clone(&self.topic),
            partition: self.key.partition,
            offset,
            leader_epoch: self.leader_epoch,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
            headers: record.headers,
        })
    }
}
