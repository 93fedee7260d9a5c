//! Why bytes are refused. Every variant is a fact about the bytes; edges map it to their codes.

use floe_model::{LeaderEpoch, Offset};

use crate::Compression;

/// Why a record batch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the fixed header of a batch.
    #[error("batch of {actual_bytes} bytes is shorter than its header of {needed_bytes}")]
    Truncated {
        /// Bytes given.
        actual_bytes: usize,
        /// Bytes of a header.
        needed_bytes: usize,
    },
    /// The length field disagrees with the bytes given.
    #[error("batch length field says {stated}, {actual_bytes} bytes follow it")]
    Length {
        /// The field's value.
        stated: i32,
        /// Bytes behind the field.
        actual_bytes: usize,
    },
    /// A format other than v2.
    #[error("batch has magic {magic}, only 2 is supported")]
    Magic {
        /// The magic byte.
        magic: i8,
    },
    /// A count is negative, zero where records are needed, or disagrees with the other.
    #[error("batch counts {record_count} records up to offset delta {last_offset_delta}")]
    Counts {
        /// Records the header claims.
        record_count: i32,
        /// Offset delta of the last record.
        last_offset_delta: i32,
    },
    /// An idempotent producer without epoch or sequence.
    #[error("batch of producer {producer_id} has epoch {producer_epoch}, sequence {base_sequence}")]
    Producer {
        /// The producer id, not negative.
        producer_id: i64,
        /// Its epoch.
        producer_epoch: i16,
        /// Sequence of the first record.
        base_sequence: i32,
    },
    /// Larger than the limit, as stored.
    #[error("batch of {size_bytes} bytes exceeds {limit_bytes}")]
    TooLarge {
        /// Bytes of the batch.
        size_bytes: usize,
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// The checksum over the body disagrees.
    #[error("batch crc is {stated:08x}, its bytes give {computed:08x}")]
    Crc {
        /// The field's value.
        stated: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Compression codes 5 to 7.
    #[error("unknown compression code {code}")]
    UnknownCompression {
        /// Bits 0 to 2 of the attributes.
        code: u8,
    },
    /// The compressed records are not valid in their format.
    #[error("records are not valid {compression}")]
    Decompression {
        /// The format the attributes name.
        compression: Compression,
    },
    /// The records exceed the limit when decompressed.
    #[error("records exceed {limit_bytes} bytes when decompressed")]
    DecompressedTooLarge {
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// One record breaks the format.
    #[error("record {index}: {fault}")]
    Record {
        /// Place in the batch, from 0.
        index: u32,
        /// What is wrong with it.
        #[source]
        fault: RecordFault,
    },
    /// Bytes follow the last record.
    #[error("{count} bytes follow the last record")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// What is wrong with one record inside a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A field reaches beyond its record, or the record beyond the batch.
    #[error("field reaches beyond the bytes that hold it")]
    Truncated,
    /// A variable-length number has too many bytes or bits.
    #[error("number does not fit its type")]
    Varint,
    /// A length or count below what its field allows.
    #[error("length {length} is not allowed")]
    Length {
        /// The value read.
        length: i32,
    },
    /// The record's own length covers more than its fields.
    #[error("{count} bytes follow the fields of the record")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The offset delta breaks the order.
    #[error("offset delta {found} is out of order")]
    OffsetDelta {
        /// The value read.
        found: i32,
    },
}

/// Why the bytes of a Raft entry are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes end before the entry does.
    #[error("entry needs {needed} bytes")]
    Incomplete {
        /// Bytes from the start of the entry that must be there before another try.
        needed: usize,
    },
    /// A layout this version does not know; 0 is a stretch of zeroes.
    #[error("unknown entry version {version}")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// A kind this version does not know.
    #[error("unknown entry kind {kind}")]
    Kind {
        /// The second byte.
        kind: u8,
    },
    /// Larger than `limits::ENTRY_BYTES_MAX`, or smaller than its parts.
    #[error("entry size of {size_bytes} bytes is not possible")]
    Size {
        /// The size stated or reached.
        size_bytes: usize,
    },
    /// No batches, more than `limits::ENTRY_BATCHES_MAX`, or batches where none belong.
    #[error("batch count {count} is not possible for this kind")]
    BatchCount {
        /// The count stated or found.
        count: usize,
    },
    /// The checksum over header and batch prefixes disagrees.
    #[error("entry header crc is {stated:08x}, its bytes give {computed:08x}")]
    HeaderCrc {
        /// The field's value.
        stated: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The checksum over the body of a Membership or Control entry disagrees.
    #[error("entry body crc is {stated:08x}, its bytes give {computed:08x}")]
    BodyCrc {
        /// The field's value.
        stated: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The header's offset count is not the sum over the batches.
    #[error("entry states {stated} offsets, its batches hold {found}")]
    OffsetCount {
        /// The header's value.
        stated: u64,
        /// The sum.
        found: u64,
    },
    /// A base offset is not the one the log prefix gives.
    #[error("base offset {found} where the log gives {expected}")]
    BaseOffset {
        /// What the log gives.
        expected: Offset,
        /// What the entry or batch says.
        found: Offset,
    },
    /// A batch carries another leader epoch than its entry's term.
    #[error("batch has leader epoch {found}, its entry {expected:?}")]
    Epoch {
        /// The epoch of the entry's term; none if the term exceeds what an epoch can hold.
        expected: Option<LeaderEpoch>,
        /// What the batch says.
        found: LeaderEpoch,
    },
    /// One of the batches is malformed.
    #[error("entry batch {place}: {source}")]
    Batch {
        /// Place in the entry, from 0.
        place: usize,
        /// What is wrong with it.
        source: BatchError,
    },
}
