//! Builds v2 batches from records.
//!
//! Records are encoded as they come; compression and checksum are left to `build`, so that a
//! producer may set its sequence last. The result passes `validate` if there is a record in it.

use bytes::{BufMut, Bytes};
use floe_model::{ProducerEpoch, ProducerId, Sequence};

use crate::batch::BATCH_PREFIX_BYTES;
use crate::header::BATCH_HEADER_BYTES;
use crate::{Compression, Record, varint};

/// Collects records and makes one batch of them. Keep it below `limits::BATCH_BYTES_MAX`.
#[derive(Debug)]
pub struct BatchBuilder {
    compression: Compression,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    base_sequence: Sequence,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    record_count: u32,
    records: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch, not idempotent.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: Sequence(-1),
            base_timestamp_ms: 0,
            max_timestamp_ms: i64::MIN,
            record_count: 0,
            records: Vec::new(),
        }
    }

    /// Makes it a batch of an idempotent producer.
    pub fn producer(
        &mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: Sequence,
    ) -> &mut Self {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Appends a record.
    ///
    /// # Panics
    /// If a key, value or header is larger than `i32::MAX`, which no limit of Floe allows.
    pub fn push(&mut self, record: &Record) {
        if self.record_count == 0 {
            self.base_timestamp_ms = record.timestamp_ms;
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(record.timestamp_ms);
        // Wrapping, as the reader adds: any two timestamps have a delta.
        let timestamp_delta_ms = record.timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(self.record_count);

        let headers = record.headers.iter();
        let headers = headers.map(|h| bytes_len(Some(&h.key)) + bytes_len(h.value.as_ref()));
        let length = 1
            + varint::len(timestamp_delta_ms)
            + varint::len(offset_delta)
            + bytes_len(record.key.as_ref())
            + bytes_len(record.value.as_ref())
            + varint::len(as_i64(record.headers.len()))
            + headers.sum::<usize>();

        let out = &mut self.records;
        varint::put(out, as_i64(length));
        out.push(0);
        varint::put(out, timestamp_delta_ms);
        varint::put(out, offset_delta);
        put_bytes(out, record.key.as_ref());
        put_bytes(out, record.value.as_ref());
        varint::put(out, as_i64(record.headers.len()));
        for header in &record.headers {
            put_bytes(out, Some(&header.key));
            put_bytes(out, header.value.as_ref());
        }
        self.record_count += 1;
    }

    /// Bytes of the batch as it would be without compression.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The whole batch, with base offset 0 and leader epoch -1. One without records is not a
    /// batch that `StampedBatch` accepts.
    ///
    /// # Panics
    /// If the batch is larger than `i32::MAX`.
    #[must_use]
    pub fn build(self) -> Bytes {
        let record_count = i32::try_from(self.record_count).expect(SMALL);
        let payload = self.compression.compress(self.records);
        let size_bytes = BATCH_HEADER_BYTES + payload.len();

        let mut batch = Vec::with_capacity(size_bytes);
        batch.put_i64(0);
        batch.put_i32(i32::try_from(size_bytes - 12).expect(SMALL));
        batch.put_i32(-1);
        batch.put_i8(2);
        batch.put_u32(0);
        batch.put_i16(self.compression as i16);
        batch.put_i32(record_count - 1);
        batch.put_i64(self.base_timestamp_ms);
        batch.put_i64(self.max_timestamp_ms);
        batch.put_i64(self.producer_id.0);
        batch.put_i16(self.producer_epoch.0);
        batch.put_i32(self.base_sequence.0);
        batch.put_i32(record_count);
        batch.extend_from_slice(&payload);

        let crc = crc32c::crc32c(&batch[BATCH_PREFIX_BYTES..]);
        batch[BATCH_PREFIX_BYTES - 4..BATCH_PREFIX_BYTES].copy_from_slice(&crc.to_be_bytes());
        batch.into()
    }
}

const SMALL: &str = "callers keep batches far below i32::MAX";

fn as_i64(length: usize) -> i64 {
    i32::try_from(length).expect(SMALL).into()
}

fn bytes_len(bytes: Option<&Bytes>) -> usize {
    bytes.map_or(varint::len(-1), |bytes| {
        varint::len(as_i64(bytes.len())) + bytes.len()
    })
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&Bytes>) {
    match bytes {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, as_i64(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}
