//! Records accepted and not yet sent: per partition a queue of batches, the last one still open.
//!
//! Callers add records under a short lock, the sender takes whole batches. Records of a partition
//! leave in the order in which they came. Memory is accounted for outside, before a record gets
//! here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use floe_env::Rng;
use floe_model::PartitionIndex;
use floe_record::{BatchBuilder, Compression};

use super::delivery::{BatchSlot, Delivery};
use super::undelivered::FailedBatches;
use crate::error::Cause;
use crate::partitioner::partition_for_key;
use crate::{Error, Record};

/// A batch that gathers records.
pub(super) struct Gathered {
    pub(super) builder: BatchBuilder,
    pub(super) slot: Arc<BatchSlot>,
    /// Grows with every batch of the producer.
    pub(super) number: u64,
    /// When its first record came.
    pub(super) opened_at: Duration,
    /// Bytes to give back to the buffer when it is settled.
    pub(super) charged_bytes: usize,
    is_full: bool,
}

/// What one partition has to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) partition: PartitionIndex,
    /// When the oldest batch was opened.
    pub(super) opened_at: Duration,
    /// Whether the oldest batch can take no more.
    pub(super) is_full: bool,
}

/// All that waits, and what the producer's handles share about it.
pub(super) struct Buffers {
    batch_bytes: usize,
    compression: Compression,
    queues: Vec<VecDeque<Gathered>>,
    /// Partitions whose queue is not empty.
    waiting: BTreeSet<u32>,
    /// Where records without a key go until their batch is full or taken.
    sticky: u32,
    rng: Rng,
    next_number: u64,
    /// Numbers of the batches neither acknowledged nor failed.
    unsettled: BTreeSet<u64>,
    pub(super) pending_records: u64,
    /// Callers that want everything out without lingering.
    pub(super) flushes: u32,
    /// Why no more records are accepted.
    pub(super) refusal: Option<Error>,
    /// The first failure since the last flush.
    pub(super) failure: Option<Error>,
    pub(super) failed: FailedBatches,
}

impl Buffers {
    pub(super) fn new(
        partition_count: u32,
        batch_bytes: usize,
        compression: Compression,
        rng: Rng,
    ) -> Self {
        let mut buffers = Self {
            batch_bytes,
            compression,
            queues: Vec::new(),
            waiting: BTreeSet::new(),
            sticky: 0,
            rng,
            next_number: 0,
            unsettled: BTreeSet::new(),
            pending_records: 0,
            flushes: 0,
            refusal: None,
            failure: None,
            failed: FailedBatches::default(),
        };
        buffers.grow(partition_count);
        buffers.stick_elsewhere();
        buffers
    }

    pub(super) fn partition_count(&self) -> u32 {
        u32::try_from(self.queues.len()).unwrap_or(u32::MAX)
    }

    /// Makes room for more partitions. They never become fewer.
    pub(super) fn grow(&mut self, partition_count: u32) {
        let length = usize::try_from(partition_count).unwrap_or(usize::MAX);
        if length > self.queues.len() {
            self.queues.resize_with(length, VecDeque::new);
        }
    }

    pub(super) fn limit_batches(&mut self, batch_bytes_max: usize) {
        self.batch_bytes = self.batch_bytes.min(batch_bytes_max.max(1));
    }

    /// Adds a record. Whether the sender has something new to look at comes with its delivery.
    pub(super) fn push(
        &mut self,
        record: &Record,
        timestamp_ms: i64,
        charged_bytes: usize,
        now: impl FnOnce() -> Duration,
    ) -> Result<(Delivery, bool), Error> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let partition = self.partition_of(record)?;
        let encoded = floe_record::Record {
            timestamp_ms: record.timestamp_ms.unwrap_or(timestamp_ms),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        };
        let size_bytes = encoded.size_bytes_max();
        let place = usize::try_from(partition).unwrap_or(usize::MAX);
        let fits = |batch: &&mut Gathered| {
            !batch.is_full && batch.builder.size_bytes() + size_bytes <= self.batch_bytes
        };
        let is_open = self.queues[place].back_mut().as_ref().is_some_and(fits);
        if !is_open {
            self.open(partition, now());
        }
        let batch = self.queues[place].back_mut().expect("a batch was opened");
        let index = batch.builder.record_count();
        batch.builder.push(&encoded);
        batch.charged_bytes += charged_bytes;
        batch.is_full = batch.builder.size_bytes() >= self.batch_bytes;
        let (delivery, is_full) = (batch.slot.delivery(index), batch.is_full);
        self.pending_records += 1;
        if is_full && partition == self.sticky {
            self.stick_elsewhere();
        }
        Ok((delivery, !is_open || is_full))
    }

    /// Every partition that has something to send, ascending.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Waiting> {
        self.waiting.iter().filter_map(|&partition| {
            let place = usize::try_from(partition).unwrap_or(usize::MAX);
            let oldest = self.queues.get(place)?.front()?;
            Some(Waiting {
                partition: PartitionIndex(partition),
                opened_at: oldest.opened_at,
                is_full: oldest.is_full,
            })
        })
    }

    /// Takes the oldest batch of a partition, open or not.
    pub(super) fn take(&mut self, partition: PartitionIndex) -> Option<Gathered> {
        let place = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let queue = self.queues.get_mut(place)?;
        let batch = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&partition.0);
            if partition.0 == self.sticky {
                self.stick_elsewhere();
            }
        }
        batch
    }

    /// Notes that a batch is acknowledged or has failed.
    pub(super) fn settled(&mut self, number: u64, records: u32) {
        if self.unsettled.remove(&number) {
            self.pending_records = self.pending_records.saturating_sub(u64::from(records));
        }
    }

    /// The number that the next batch will have. Open batches are closed, so that every record
    /// accepted so far is in a batch of a lower number.
    pub(super) fn close_batches(&mut self) -> u64 {
        for &partition in &self.waiting {
            let place = usize::try_from(partition).unwrap_or(usize::MAX);
            if let Some(batch) = self.queues.get_mut(place).and_then(VecDeque::back_mut) {
                batch.is_full = true;
            }
        }
        self.next_number
    }

    /// Whether every batch with a lower number is settled.
    pub(super) fn is_settled_below(&self, number: u64) -> bool {
        self.unsettled.first().is_none_or(|&first| first >= number)
    }

    fn partition_of(&self, record: &Record) -> Result<u32, Error> {
        let partition_count = self.partition_count();
        match (record.partition, &record.key) {
            (Some(partition), _) if partition.0 >= partition_count => {
                Err(Cause::NoSuchPartition { partition_count }.into())
            }
            (Some(partition), _) => Ok(partition.0),
            (None, Some(key)) => Ok(partition_for_key(key, partition_count)),
            (None, None) => Ok(self.sticky),
        }
    }

    fn open(&mut self, partition: u32, now: Duration) {
        let place = usize::try_from(partition).unwrap_or(usize::MAX);
        let queue = &mut self.queues[place];
        if let Some(previous) = queue.back_mut() {
            previous.is_full = true;
        }
        queue.push_back(Gathered {
            builder: BatchBuilder::new(self.compression),
            slot: BatchSlot::new(PartitionIndex(partition)),
            number: self.next_number,
            opened_at: now,
            charged_bytes: 0,
            is_full: false,
        });
        self.unsettled.insert(self.next_number);
        self.next_number += 1;
        self.waiting.insert(partition);
    }

    /// Moves records without a key to another partition, drawn at random.
    fn stick_elsewhere(&mut self) {
        let count = self.partition_count();
        if count > 1 {
            let step = 1 + self.rng.below(u64::from(count) - 1);
            let next = (u64::from(self.sticky) + step) % u64::from(count);
            self.sticky = u32::try_from(next).unwrap_or(0);
        }
    }
}
