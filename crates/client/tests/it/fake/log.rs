//! One partition of the fake cluster.

use std::collections::{BTreeMap, VecDeque};

use floe_client::{ErrorCode, LeaderEpoch, NodeId, Offset};
use floe_record::{BatchBuilder, Compression, Limits, Record, StampedBatch, records, validate};

pub(crate) const LIMITS: Limits = Limits {
    batch_bytes_max: 8 << 20,
    decompressed_bytes_max: 64 << 20,
};

/// Records, and what a broker remembers of their producers.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) leader: Option<NodeId>,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) start: Offset,
    pub(crate) next: Offset,
    pub(crate) batches: Vec<StampedBatch>,
    /// Of each producer the last five batches: base sequence, count, base offset.
    pub(super) producers: BTreeMap<i64, VecDeque<(i32, i32, Offset)>>,
}

impl Log {
    pub(crate) fn append(&mut self, bytes: bytes::Bytes) -> Result<Offset, ErrorCode> {
        let mut batch = StampedBatch::split(bytes).map_err(|_| ErrorCode::CorruptBatch)?;
        let header = validate(&batch, &LIMITS).map_err(|_| ErrorCode::CorruptBatch)?;
        if batch.size_bytes() > 1 << 20 {
            return Err(ErrorCode::BatchTooLarge);
        }
        let (sequence, count) = (header.base_sequence.0, header.record_count);
        if header.has_producer() {
            let known = self.producers.entry(header.producer_id.0).or_default();
            if let Some((_, _, offset)) = known.iter().find(|(base, ..)| *base == sequence) {
                return Ok(*offset);
            }
            match known.back() {
                None if sequence != 0 => return Err(ErrorCode::UnknownProducer),
                Some((base, count, _)) if base + count != sequence => {
                    return Err(ErrorCode::OutOfOrderSequence);
                }
                _ => {}
            }
            known.push_back((sequence, count, self.next));
            if known.len() > 5 {
                known.pop_front();
            }
        }
        batch.stamp(self.next, self.epoch);
        let offset = self.next;
        self.next = batch.next_offset();
        self.batches.push(batch);
        Ok(offset)
    }

    pub(crate) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// Appends records as some other producer would, one batch for all.
    pub(crate) fn fill(&mut self, values: &[&str]) {
        let mut builder = BatchBuilder::new(Compression::None);
        for value in values {
            builder.push(&Record {
                value: Some(bytes::Bytes::copy_from_slice(value.as_bytes())),
                ..Record::default()
            });
        }
        self.append(builder.build()).unwrap();
    }

    pub(crate) fn values(&self) -> Vec<String> {
        let batches = self
            .batches
            .iter()
            .flat_map(|batch| records(batch, &LIMITS).unwrap());
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        batches
            .map(|(_, record)| record.value.map(text).unwrap_or_default())
            .collect()
    }

    /// Whole batches from the one that holds `from` on.
    pub(crate) fn read(&self, from: Offset) -> Result<Vec<StampedBatch>, ErrorCode> {
        if from < self.start || from > self.next {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let batches = self
            .batches
            .iter()
            .filter(|batch| batch.next_offset() > from);
        Ok(batches.take(16).cloned().collect())
    }
}
