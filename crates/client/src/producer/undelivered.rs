//! Records that could not be delivered, kept for whoever closes the producer.

use std::collections::VecDeque;

use bytes::Bytes;
use floe_model::limits;
use floe_record::{Limits, StampedBatch, records};

use super::lane::Sealed;
use crate::{Error, Record};

/// Records that could not be delivered and whose senders were not told.
#[derive(Debug, thiserror::Error)]
#[error("{} records were not delivered{}", .records.len(), First(.records))]
pub struct Undelivered {
    /// By time of failure; the records of one partition are in the order of their enqueue.
    pub records: Vec<UndeliveredRecord>,
}

/// One record that could not be delivered.
#[derive(Clone, Debug)]
pub struct UndeliveredRecord {
    /// The record, with its partition and time filled in.
    pub record: Record,
    /// Why. See [`Error::is_outcome_unknown`]: it may have been committed all the same.
    pub error: Error,
}

struct First<'a>(&'a [UndeliveredRecord]);

impl std::fmt::Display for First<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.first() {
            Some(first) => write!(f, ": {}", first.error),
            None => Ok(()),
        }
    }
}

/// Batches that failed, up to a number of bytes; beyond it the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct FailedBatches {
    batches: VecDeque<FailedBatch>,
    bytes: usize,
}

#[derive(Debug)]
struct FailedBatch {
    sealed: Sealed,
    error: Error,
}

impl FailedBatches {
    /// Keeps a batch. The number of batches forgotten in return.
    pub(super) fn keep(&mut self, sealed: Sealed, error: Error, bytes_max: usize) -> usize {
        self.bytes += sealed.batch.len();
        self.batches.push_back(FailedBatch { sealed, error });
        let mut forgotten = 0;
        while self.bytes > bytes_max && self.batches.len() > 1 {
            let oldest = self.batches.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.sealed.batch.len());
            forgotten += 1;
        }
        forgotten
    }

    /// Every kept record whose sender was not told.
    pub(super) fn into_records(self) -> Vec<UndeliveredRecord> {
        let mut undelivered = Vec::new();
        for FailedBatch { sealed, error } in self.batches {
            for (index, mut record) in (0..).zip(decode(&sealed.batch)) {
                if !sealed.slot.was_reported(index) {
                    record.partition = Some(sealed.partition);
                    undelivered.push(UndeliveredRecord {
                        record,
                        error: error.clone(),
                    });
                }
            }
        }
        undelivered
    }
}

/// The records of a batch that this producer built.
pub(super) fn decode(batch: &Bytes) -> Vec<Record> {
    let limits = Limits {
        batch_bytes_max: usize::MAX,
        decompressed_bytes_max: 2 * limits::BATCH_BYTES_MAX,
    };
    let decoded = StampedBatch::split(batch.clone()).and_then(|batch| records(&batch, &limits));
    let decoded = decoded.expect("a batch that the builder made is valid");
    let records = decoded.into_iter().map(|(_, record)| Record {
        key: record.key,
        value: record.value,
        headers: record.headers,
        timestamp_ms: Some(record.timestamp_ms),
        partition: None,
    });
    records.collect()
}
