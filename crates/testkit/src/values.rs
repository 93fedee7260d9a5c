//! Values that are a pure function of a number, so that a test can tell what it should read.

use bytes::Bytes;
use floe_model::{LogIndex, Offset, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};

/// Milliseconds since the epoch of record 0; record `n` is `n` later.
const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// `size_bytes` bytes that depend on `number` at every place and hardly compress.
#[must_use]
pub fn value(number: u64, size_bytes: usize) -> Bytes {
    // SplitMix64: each step is a bijection, so that different numbers differ in the first word.
    let mut state = number;
    let mut bytes = Vec::with_capacity(size_bytes + 8);
    while bytes.len() < size_bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size_bytes);
    bytes.into()
}

/// Record `number`: key `key-<number>`, a value of `size_bytes`, no headers.
#[must_use]
pub fn record(number: u64, size_bytes: usize) -> Record {
    Record {
        timestamp_ms: FIRST_TIMESTAMP_MS.saturating_add_unsigned(number),
        key: Some(format!("key-{number}").into()),
        value: Some(value(number, size_bytes)),
        headers: Vec::new(),
    }
}

/// An uncompressed batch of the records `first..first + count`, not stamped.
#[must_use]
pub fn batch(first: u64, count: u32, value_bytes: usize) -> StampedBatch {
    let records: Vec<_> = (first..first + u64::from(count))
        .map(|number| record(number, value_bytes))
        .collect();
    batch_of(Compression::None, &records)
}

/// A batch of these records, not stamped.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn batch_of(compression: Compression, records: &[Record]) -> StampedBatch {
    let mut builder = BatchBuilder::new(compression);
    records.iter().for_each(|record| builder.push(record));
    StampedBatch::split(builder.build()).expect("a batch has records")
}

/// A Data entry of these batches, stamped from `base_offset` on. Its log time is its index.
#[must_use]
pub fn data_entry(
    term: Term,
    index: LogIndex,
    base_offset: Offset,
    batches: Vec<StampedBatch>,
) -> Entry {
    let appended_at_ms = i64::try_from(index.0).unwrap_or(i64::MAX);
    let body = EntryBody::Data(batches);
    let mut entry = Entry {
        term,
        index,
        base_offset,
        appended_at_ms,
        body,
    };
    entry.stamp_offsets(base_offset);
    entry
}
