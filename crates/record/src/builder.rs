//! Builds v2 batches from records.
use bytes::Bytes;
use floe_model::{ProducerEpoch, ProducerId, Sequence};

use crate::{Compression, Record};

/// Collects records and makes one batch of them.
#[derive(Debug)]
pub struct BatchBuilder {}

impl BatchBuilder {
    /// An empty batch, not idempotent.
    #[must_use]
    pub fn new(_compression: Compression) -> Self {
        Self {}
    }

    /// Makes it a batch of an idempotent producer.
    pub fn producer(
        &mut self,
        _id: ProducerId,
        _epoch: ProducerEpoch,
        _base_sequence: Sequence,
    ) -> &mut Self {
        self
    }

    /// Appends a record.
    pub fn push(&mut self, _record: &Record) {
        unimplemented!()
    }

    /// Bytes of the batch if nothing compresses.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        unimplemented!()
    }

    /// The whole batch, with base offset 0 and leader epoch -1.
    #[must_use]
    pub fn build(self) -> Bytes {
        unimplemented!()
    }
}
