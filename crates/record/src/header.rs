//! The fixed header of a v2 record batch, read from borrowed bytes.
//!
//! All fields are big-endian, as Kafka writes them. Reading checks only that a header is there:
//! whether the fields agree with the bytes behind them is for `StampedBatch` and `validate`.
//!
//! | byte | field | byte | field | byte | field |
//! |---|---|---|---|---|---|
//! | 0 | base_offset i64 | 17 | crc u32, of byte 21 on | 43 | producer_id i64 |
//! | 8 | batch_length i32, bytes behind it | 21 | attributes i16 | 51 | producer_epoch i16 |
//! | 12 | leader_epoch i32 | 23 | last_offset_delta i32 | 53 | base_sequence i32 |
//! | 16 | magic i8 = 2 | 27, 35 | base, max timestamp i64 | 57 | record_count i32 |

use bytes::Buf;
use floe_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::{BatchError, Compression};

/// Bytes before the first record.
pub const BATCH_HEADER_BYTES: usize = 61;

const COMPRESSION_MASK: i16 = 0b111;
pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer, record by record.
    CreateTime,
    /// The broker: every record has the batch's max timestamp.
    LogAppendTime,
}

/// The header fields of one batch, by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes behind this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; -1 before that.
    pub leader_epoch: LeaderEpoch,
    /// Format: 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
    pub attributes: i16,
    /// Offset of the last record minus the base offset. Kept when compaction removes records.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from, milliseconds since the epoch.
    pub base_timestamp_ms: i64,
    /// Largest timestamp in the batch.
    pub max_timestamp_ms: i64,
    /// The idempotent producer, or -1.
    pub producer_id: ProducerId,
    /// The life of that producer, or -1.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or -1.
    pub base_sequence: Sequence,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// `Truncated` if `bytes` are fewer than a header.
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        match (bytes.first_chunk(), bytes.get(21..)) {
            (Some(prefix), Some(body)) if body.len() >= BATCH_HEADER_BYTES - 21 => {
                Ok(Self::from_parts(prefix, body))
            }
            _ => Err(BatchError::Truncated {
                actual_bytes: bytes.len(),
                needed_bytes: BATCH_HEADER_BYTES,
            }),
        }
    }

    /// Reads a header in two parts; `body` must hold at least the 40 bytes of its share.
    pub(crate) fn from_parts(prefix: &[u8; 21], mut body: &[u8]) -> Self {
        let mut prefix = prefix.as_slice();
        Self {
            base_offset: Offset(prefix.get_i64()),
            batch_length: prefix.get_i32(),
            leader_epoch: LeaderEpoch(prefix.get_i32()),
            magic: prefix.get_i8(),
            crc: prefix.get_u32(),
            attributes: body.get_i16(),
            last_offset_delta: body.get_i32(),
            base_timestamp_ms: body.get_i64(),
            max_timestamp_ms: body.get_i64(),
            producer_id: ProducerId(body.get_i64()),
            producer_epoch: ProducerEpoch(body.get_i16()),
            base_sequence: Sequence(body.get_i32()),
            record_count: body.get_i32(),
        }
    }

    /// The compression of the records.
    ///
    /// # Errors
    /// `UnknownCompression` for the codes 5 to 7.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let code = (self.attributes & COMPRESSION_MASK) as u8;
        Compression::from_code(code).ok_or(BatchError::UnknownCompression { code })
    }

    /// Who set the timestamps. Producers may only send `CreateTime`.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch is a control batch, which only a broker may write.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether an idempotent producer wrote the batch.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// Sequence of the last record: counts on from `base_sequence`, wrapping from `i32::MAX` to 0.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        let sum = i64::from(self.base_sequence.0) + i64::from(self.last_offset_delta);
        let wrapped = if sum > i64::from(i32::MAX) {
            sum - (1 << 31)
        } else {
            sum
        };
        Sequence(i32::try_from(wrapped).unwrap_or(i32::MAX))
    }
}
