//! Records accepted and not yet sent: per partition a queue of batches, the last one still open.
//!
//! Callers add records under a short lock, the sender takes whole batches. Records of a partition
//! leave in the order in which they came. While the sender works on a partition its queue is held
//! and not offered. Memory is accounted for outside, before a record gets here.

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
    /// Whether it takes no more.
    pub(super) is_full: bool,
}

/// A partition with something to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    pub(super) partition: PartitionIndex,
    /// Whether its oldest batch is full or has lingered long enough.
    pub(super) is_ripe: bool,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Gathered>,
    /// The sender has batches of this partition.
    is_held: bool,
}

/// All that waits, and what the producer's handles share about it.
pub(super) struct Buffers {
    batch_bytes: usize,
    compression: Compression,
    queues: Vec<Queue>,
    /// The oldest batch of each queue that is not held: its number, which orders by age, and the
    /// partition.
    by_age: BTreeSet<(u64, u32)>,
    /// Partitions in `by_age` whose oldest batch can take no more.
    full: BTreeSet<u32>,
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
            by_age: BTreeSet::new(),
            full: BTreeSet::new(),
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
            self.queues.resize_with(length, Queue::default);
        }
    }

    /// Adds a record. With its delivery comes whether the sender has something new to look at.
    pub(super) fn push(
        &mut self,
        record: Record,
        charged_bytes: usize,
        wall_ms: impl FnOnce() -> i64,
        now: impl FnOnce() -> Duration,
    ) -> Result<(Delivery, bool), Error> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let partition = self.partition_of(&record)?;
        let record = floe_record::Record {
            timestamp_ms: record.timestamp_ms.unwrap_or_else(wall_ms),
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let size_bytes = record.size_bytes_max();
        let place = place_of(partition);
        let opens = self.queues[place].batches.back().is_none_or(|batch| {
            batch.is_full || batch.builder.size_bytes() + size_bytes > self.batch_bytes
        });
        if opens {
            self.open(partition, now());
        }
        let queue = &mut self.queues[place];
        let batch = queue.batches.back_mut().expect("a batch is open");
        let index = batch.builder.record_count();
        batch.builder.push(&record);
        batch.charged_bytes += charged_bytes;
        batch.is_full = batch.builder.size_bytes() >= self.batch_bytes;
        let delivery = batch.slot.delivery(index);
        let (is_full, is_held) = (batch.is_full, queue.is_held);
        if is_full && queue.batches.len() == 1 && !is_held {
            self.full.insert(partition);
        }
        if is_full && partition == self.sticky {
            self.stick_elsewhere();
        }
        self.pending_records += 1;
        Ok((delivery, !is_held && (opens || is_full)))
    }

    /// Partitions with something to send, oldest first. Ripe is what was opened by `opened_by` or
    /// is full; the rest comes along only `with_unripe`.
    pub(super) fn offered(&self, opened_by: Duration, with_unripe: bool) -> Vec<Offered> {
        let is_ripe = |p: u32| self.opened_at(p) <= opened_by || self.full.contains(&p);
        let by_age = self.by_age.iter().map(|&(_, partition)| partition);
        let partitions: Vec<u32> = if with_unripe {
            by_age.collect()
        } else {
            let lingered = by_age.take_while(|&p| self.opened_at(p) <= opened_by);
            let full = self.full.iter().copied();
            let full = full.filter(|&partition| self.opened_at(partition) > opened_by);
            lingered.chain(full).collect()
        };
        let offered = partitions.into_iter().map(|partition| Offered {
            partition: PartitionIndex(partition),
            is_ripe: is_ripe(partition),
        });
        offered.collect()
    }

    /// When the oldest batch younger than `opened_by` was opened.
    pub(super) fn oldest_after(&self, opened_by: Duration) -> Option<Duration> {
        let mut opened = self
            .by_age
            .iter()
            .map(|&(_, partition)| self.opened_at(partition));
        opened.find(|&opened_at| opened_at > opened_by)
    }

    /// Takes batches of a partition, open or not: up to `count_max`, until `bytes_max` are reached.
    /// The queue is held from then on.
    pub(super) fn take(
        &mut self,
        partition: PartitionIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Vec<Gathered> {
        self.unlist(partition.0);
        let Some(queue) = self.queues.get_mut(place_of(partition.0)) else {
            return Vec::new();
        };
        queue.is_held = true;
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < count_max && bytes < bytes_max {
            let Some(batch) = queue.batches.pop_front() else {
                break;
            };
            bytes += batch.builder.size_bytes();
            taken.push(batch);
        }
        let is_empty = queue.batches.is_empty();
        if is_empty && partition.0 == self.sticky {
            self.stick_elsewhere();
        }
        taken
    }

    /// Offers the partition's queue again.
    pub(super) fn release(&mut self, partition: PartitionIndex) {
        if let Some(queue) = self.queues.get_mut(place_of(partition.0)) {
            queue.is_held = false;
            self.list(partition.0);
        }
    }

    /// Takes every batch that was opened at `opened_by` or earlier, held or not.
    pub(super) fn take_opened_by(&mut self, opened_by: Duration) -> Vec<Gathered> {
        let mut taken = Vec::new();
        for partition in 0..self.partition_count() {
            self.unlist(partition);
            let queue = &mut self.queues[place_of(partition)].batches;
            while queue
                .front()
                .is_some_and(|batch| batch.opened_at <= opened_by)
            {
                taken.extend(queue.pop_front());
            }
            self.list(partition);
        }
        taken
    }

    /// When the oldest batch in any queue was opened.
    pub(super) fn oldest_opened_at(&self) -> Option<Duration> {
        let oldest = self.queues.iter().filter_map(|queue| queue.batches.front());
        oldest.map(|batch| batch.opened_at).min()
    }

    /// Notes that a batch is acknowledged or has failed.
    pub(super) fn settled(&mut self, number: u64, record_count: u32) {
        if self.unsettled.remove(&number) {
            let left = self.pending_records.saturating_sub(u64::from(record_count));
            self.pending_records = left;
        }
    }

    /// The number that the next batch will have. Open batches are closed, so that every record
    /// accepted so far is in a batch of a lower number.
    pub(super) fn close_batches(&mut self) -> u64 {
        for partition in 0..self.partition_count() {
            let queue = &mut self.queues[place_of(partition)];
            if let Some(batch) = queue.batches.back_mut() {
                batch.is_full = true;
                if !queue.is_held {
                    self.full.insert(partition);
                }
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
        let queue = &mut self.queues[place_of(partition)];
        if let Some(previous) = queue.batches.back_mut() {
            previous.is_full = true;
        }
        queue.batches.push_back(Gathered {
            builder: BatchBuilder::new(self.compression),
            slot: BatchSlot::new(PartitionIndex(partition)),
            number: self.next_number,
            opened_at: now,
            charged_bytes: 0,
            is_full: false,
        });
        self.unsettled.insert(self.next_number);
        self.next_number += 1;
        self.list(partition);
    }

    /// Offers a queue, unless it is held or empty.
    fn list(&mut self, partition: u32) {
        let queue = &self.queues[place_of(partition)];
        if let (Some(oldest), false) = (queue.batches.front(), queue.is_held) {
            self.by_age.insert((oldest.number, partition));
            if oldest.is_full {
                self.full.insert(partition);
            }
        }
    }

    fn unlist(&mut self, partition: u32) {
        let oldest = self
            .queues
            .get(place_of(partition))
            .and_then(|queue| queue.batches.front());
        if let Some(oldest) = oldest {
            self.by_age.remove(&(oldest.number, partition));
        }
        self.full.remove(&partition);
    }

    fn opened_at(&self, partition: u32) -> Duration {
        let oldest = self.queues[place_of(partition)].batches.front();
        oldest.map_or(Duration::MAX, |batch| batch.opened_at)
    }

    /// Moves records without a key to another partition, drawn at random.
    fn stick_elsewhere(&mut self) {
        let count = u64::from(self.partition_count());
        if count > 1 {
            let step = 1 + self.rng.below(count - 1);
            let next = (u64::from(self.sticky) + step) % count;
            self.sticky = u32::try_from(next).unwrap_or(0);
        }
    }
}

fn place_of(partition: u32) -> usize {
    usize::try_from(partition).unwrap_or(usize::MAX)
}
