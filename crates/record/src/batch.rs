//! A record batch as the broker carries it: a small prefix by value and a shared body.
//!
//! The leader writes base offset and leader epoch into the 21-byte prefix, which lies before the
//! checksummed bytes; the body, shared with the socket buffer it came in, is never touched.
//! Invariant: a `StampedBatch` has magic 2, the length it states, and counts that agree with
//! each other. Its CRC and its records are unchecked until `validate`.
//!
//! A shared body keeps the whole buffer it lies in alive. Who slices a body out of a larger
//! buffer says so (`held_in`), so that bounds on memory can count what is really held.

use bytes::Bytes;
use floe_model::{LeaderEpoch, Offset};

use crate::header::{BATCH_HEADER_BYTES, LOG_APPEND_TIME};
use crate::{BatchError, BatchHeader};

/// Bytes before the checksummed part: base offset, length, leader epoch, magic, crc.
pub const BATCH_PREFIX_BYTES: usize = 21;

/// Bytes of the base offset and length fields, which the length does not count.
const LENGTH_END: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const MAGIC: i8 = 2;
/// In the body.
const MAX_TIMESTAMP_AT: usize = 14;

/// A body shorter than its buffer divided by this is copied out of it.
const SHARE_MIN: usize = 4;

/// A v2 batch with its prefix by value. Clones share the body.
#[derive(Clone)]
pub struct StampedBatch {
    prefix: [u8; BATCH_PREFIX_BYTES],
    body: Bytes,
    /// Bytes of the allocation that the body keeps alive, as far as it is known.
    held_bytes: usize,
}

impl PartialEq for StampedBatch {
    /// The same bytes, wherever they lie.
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.body == other.body
    }
}

impl Eq for StampedBatch {}

impl StampedBatch {
    /// Takes one whole batch apart, without copying its body.
    ///
    /// # Errors
    /// What `from_parts` refuses, and bytes shorter than a header.
    pub fn split(mut batch: Bytes) -> Result<Self, BatchError> {
        let prefix = *batch.first_chunk().ok_or(BatchError::Truncated {
            actual_bytes: batch.len(),
            needed_bytes: BATCH_HEADER_BYTES,
        })?;
        Self::from_parts(prefix, batch.split_off(BATCH_PREFIX_BYTES))
    }

    /// Joins a prefix and a body. The CRC is not checked.
    ///
    /// # Errors
    /// A body shorter than its share of the header, a length field that disagrees with it,
    /// another magic than 2, or counts that no batch can have. Fewer records than offsets are
    /// legal: compaction leaves such batches.
    pub fn from_parts(prefix: [u8; BATCH_PREFIX_BYTES], body: Bytes) -> Result<Self, BatchError> {
        let size_bytes = BATCH_PREFIX_BYTES + body.len();
        let held_bytes = body.len();
        let batch = Self {
            prefix,
            body,
            held_bytes,
        };
        if batch.magic() != MAGIC {
            return Err(BatchError::Magic {
                magic: batch.magic(),
            });
        }
        if size_bytes < BATCH_HEADER_BYTES {
            return Err(BatchError::Truncated {
                actual_bytes: size_bytes,
                needed_bytes: BATCH_HEADER_BYTES,
            });
        }
        let stated = batch.length_field();
        if usize::try_from(stated) != Ok(size_bytes - LENGTH_END) {
            return Err(BatchError::Length {
                stated,
                actual_bytes: size_bytes - LENGTH_END,
            });
        }
        let header = batch.header();
        let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
        if last_offset_delta < 0
            || record_count < 0
            || i64::from(record_count) > i64::from(last_offset_delta) + 1
        {
            return Err(BatchError::Counts {
                record_count,
                last_offset_delta,
            });
        }
        Ok(batch)
    }

    /// The body is a slice of a buffer of `buffer_bytes`. A small one is copied out of it, so that
    /// a few bytes kept for long do not hold megabytes; another one answers for the whole buffer.
    #[must_use]
    pub fn held_in(mut self, buffer_bytes: usize) -> Self {
        if self.body.len() < buffer_bytes / SHARE_MIN {
            self.body = Bytes::copy_from_slice(&self.body);
            self.held_bytes = self.body.len();
        } else {
            self.held_bytes = buffer_bytes.max(self.body.len());
        }
        self
    }

    /// Bytes of memory that the body keeps from being freed.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Writes base offset and leader epoch. The CRC covers neither.
    pub fn stamp(&mut self, base_offset: Offset, epoch: LeaderEpoch) {
        self.prefix[..8].copy_from_slice(&base_offset.0.to_be_bytes());
        self.prefix[LENGTH_END..MAGIC_AT].copy_from_slice(&epoch.0.to_be_bytes());
    }

    /// The same batch with the broker's time for all its records, and a checksum that says so.
    /// Copies the body.
    #[must_use]
    pub fn with_append_time(&self, at_ms: i64) -> Self {
        let mut body = self.body.to_vec();
        let attributes = i16::from_be_bytes(field(&body, 0)) | LOG_APPEND_TIME;
        body[..2].copy_from_slice(&attributes.to_be_bytes());
        body[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&at_ms.to_be_bytes());
        let mut stamped = Self {
            prefix: self.prefix,
            held_bytes: body.len(),
            body: body.into(),
        };
        let crc = stamped.computed_crc();
        stamped.prefix[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        stamped
    }

    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(field(&self.prefix, 0)))
    }

    /// The offset that follows the batch.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(
            self.base_offset()
                .0
                .saturating_add(i64::from(self.offset_count())),
        )
    }

    /// Offsets the batch takes, at least 1, whatever number of records is left in it.
    #[must_use]
    pub fn offset_count(&self) -> u32 {
        let last_offset_delta = i32::from_be_bytes(field(&self.body, 2));
        last_offset_delta.unsigned_abs() + 1
    }

    /// Epoch of the leader that stamped the batch.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::from_be_bytes(field(&self.prefix, LENGTH_END)))
    }

    /// Bytes of the whole batch.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        BATCH_PREFIX_BYTES + self.body.len()
    }

    /// All header fields.
    #[must_use]
    pub fn header(&self) -> BatchHeader {
        BatchHeader::from_parts(&self.prefix, &self.body)
    }

    /// The bytes before the checksummed part.
    #[must_use]
    pub fn prefix(&self) -> &[u8; BATCH_PREFIX_BYTES] {
        &self.prefix
    }

    /// The checksummed part: attributes to the last record.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The records as stored, perhaps compressed.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.body.slice(BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES..)
    }

    /// The whole batch in one piece. Copies the body; hot paths write the parts instead.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.size_bytes());
        bytes.extend_from_slice(&self.prefix);
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    /// Whether the body is the one the producer checksummed.
    #[must_use]
    pub fn crc_is_valid(&self) -> bool {
        self.stated_crc() == self.computed_crc()
    }

    pub(crate) fn stated_crc(&self) -> u32 {
        u32::from_be_bytes(field(&self.prefix, CRC_AT))
    }

    pub(crate) fn computed_crc(&self) -> u32 {
        crc32c::crc32c(&self.body)
    }

    fn magic(&self) -> i8 {
        i8::from_be_bytes([self.prefix[MAGIC_AT]])
    }

    fn length_field(&self) -> i32 {
        i32::from_be_bytes(field(&self.prefix, 8))
    }

    /// Bytes of the batch whose prefix this is, as it states them.
    pub(crate) fn stated_size(prefix: &[u8; BATCH_PREFIX_BYTES]) -> Option<usize> {
        let length = i32::from_be_bytes(field(prefix, 8));
        usize::try_from(length)
            .ok()
            .map(|length| length + LENGTH_END)
    }
}

impl std::fmt::Debug for StampedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StampedBatch({}..{}, epoch {}, {} bytes)",
            self.base_offset(),
            self.next_offset(),
            self.leader_epoch(),
            self.size_bytes()
        )
    }
}

/// The `N` bytes of `bytes` at `at`, which the caller knows to be there.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}
