//! Full checks of a batch a producer sent, and the records of a batch a consumer got.
//!
//! `validate` is what stands between a producer and every later consumer of the partition: a
//! batch that it passes can be read to its last record by any Kafka client. It allocates at most
//! the decompressed payload.

use bytes::Bytes;
use floe_model::Offset;

use crate::decode::{RECORD_BYTES_MIN, read_record};
use crate::{BatchError, BatchHeader, Header, Record, RecordFault, StampedBatch, TimestampType};

/// What a batch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest batch as stored, bytes.
    pub batch_bytes_max: usize,
    /// Largest total of its records when decompressed, bytes.
    pub decompressed_bytes_max: usize,
}

/// Checks all that a consumer will rely on: size, CRC, counts, producer fields, that the records
/// decompress within the limit, parse, fill the payload exactly and have offset deltas 0, 1, 2...
///
/// Whether the batch may be a control batch, carry log append time, or use this compression is
/// for the caller, who knows where it comes from: see `BatchHeader`.
///
/// # Errors
/// The first rule the batch breaks.
pub fn validate(batch: &StampedBatch, limits: &Limits) -> Result<BatchHeader, BatchError> {
    let header = batch.header();
    let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if record_count.checked_sub(1) != Some(last_offset_delta) {
        return Err(BatchError::Counts {
            record_count,
            last_offset_delta,
        });
    }
    if header.has_producer() && (header.producer_epoch.0 < 0 || header.base_sequence.0 < 0) {
        return Err(BatchError::Producer {
            producer_id: header.producer_id.0,
            producer_epoch: header.producer_epoch.0,
            base_sequence: header.base_sequence.0,
        });
    }
    let payload = open(batch, &header, limits)?;
    let mut rest = &payload[..];
    for index in 0..header.record_count {
        let fault = |fault| BatchError::Record {
            index: index.unsigned_abs(),
            fault,
        };
        let record = read_record(&mut rest, |_, _| ()).map_err(fault)?;
        if record.offset_delta != index {
            return Err(fault(RecordFault::OffsetDelta {
                found: record.offset_delta,
            }));
        }
    }
    check_end(rest)?;
    Ok(header)
}

/// The records of a batch with their offsets. Keys, values and headers are slices of the batch,
/// or of its decompressed payload. Checks size and CRC; accepts what compaction leaves, where
/// offset deltas have gaps. A control batch yields its control record.
///
/// Allocates at most 96 bytes for each byte of payload, which a record of empty headers reaches
/// while its list of headers grows; ordinary records take little more than their payload.
///
/// # Errors
/// The first rule the batch breaks.
pub fn records(batch: &StampedBatch, limits: &Limits) -> Result<Vec<(Offset, Record)>, BatchError> {
    let header = batch.header();
    let payload = open(batch, &header, limits)?;
    let mut rest = &payload[..];
    let possible = rest.len() / RECORD_BYTES_MIN;
    let claimed = usize::try_from(header.record_count).unwrap_or(0);
    let mut records = Vec::with_capacity(claimed.min(possible));
    let mut lowest_delta = 0;
    for index in 0..header.record_count {
        let fault = |fault| BatchError::Record {
            index: index.unsigned_abs(),
            fault,
        };
        let mut headers = Vec::new();
        let slices = read_record(&mut rest, |key, value| {
            let value = value.map(|value| payload.slice_ref(value));
            headers.push(Header {
                key: payload.slice_ref(key),
                value,
            });
        })
        .map_err(fault)?;
        let found = slices.offset_delta;
        if !(lowest_delta..=header.last_offset_delta).contains(&found) {
            return Err(fault(RecordFault::OffsetDelta { found }));
        }
        lowest_delta = found.saturating_add(1);
        let timestamp_ms = match header.timestamp_type() {
            TimestampType::CreateTime => header
                .base_timestamp_ms
                .wrapping_add(slices.timestamp_delta_ms),
            TimestampType::LogAppendTime => header.max_timestamp_ms,
        };
        let offset = Offset(header.base_offset.0.saturating_add(i64::from(found)));
        let key = slices.key.map(|key| payload.slice_ref(key));
        let value = slices.value.map(|value| payload.slice_ref(value));
        records.push((
            offset,
            Record {
                timestamp_ms,
                key,
                value,
                headers,
            },
        ));
    }
    check_end(rest)?;
    Ok(records)
}

/// The uncompressed records of a batch whose size and CRC hold.
fn open(batch: &StampedBatch, header: &BatchHeader, limits: &Limits) -> Result<Bytes, BatchError> {
    let (size_bytes, limit_bytes) = (batch.size_bytes(), limits.batch_bytes_max);
    if size_bytes > limit_bytes {
        return Err(BatchError::TooLarge {
            size_bytes,
            limit_bytes,
        });
    }
    let (stated, computed) = (batch.stated_crc(), batch.computed_crc());
    if stated != computed {
        return Err(BatchError::Crc { stated, computed });
    }
    header
        .compression()?
        .decompress(batch.payload(), limits.decompressed_bytes_max)
}

fn check_end(rest: &[u8]) -> Result<(), BatchError> {
    match rest.len() {
        0 => Ok(()),
        count => Err(BatchError::TrailingBytes { count }),
    }
}
