//! Proptest strategies for records, batches and entries.
//!
//! Every value they make is legal: batches pass `validate`, entries decode to themselves.

use bytes::Bytes;
use floe_model::{LogIndex, Offset, ProducerEpoch, ProducerId, Sequence, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Header, Record, StampedBatch};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Any compression.
pub fn any_compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

/// A header; keys repeat often.
pub fn any_header() -> impl Strategy<Value = Header> {
    let key = prop_oneof![Just(Bytes::from_static(b"trace")), short_bytes(12)];
    (key, option::of(short_bytes(20))).prop_map(|(key, value)| Header { key, value })
}

/// A record: none, empty and filled keys and values, any timestamp, few headers.
pub fn any_record() -> impl Strategy<Value = Record> {
    let timestamp_ms =
        prop_oneof![4 => 1_600_000_000_000..1_800_000_000_000_i64, 1 => any::<i64>()];
    let key = option::of(short_bytes(40));
    let value = option::of(prop_oneof![9 => short_bytes(200), 1 => short_bytes(5000)]);
    (timestamp_ms, key, value, vec(any_header(), 0..4)).prop_map(
        |(timestamp_ms, key, value, headers)| Record {
            timestamp_ms,
            key,
            value,
            headers,
        },
    )
}

/// The records of one batch.
pub fn any_records() -> impl Strategy<Value = Vec<Record>> {
    vec(any_record(), 1..20)
}

/// A batch as a producer sends it, idempotent or not, and the records in it.
pub fn any_batch() -> impl Strategy<Value = (StampedBatch, Vec<Record>)> {
    let producer = option::of((0..i64::MAX, 0..=i16::MAX, 0..=i32::MAX));
    (any_compression(), producer, any_records()).prop_map(|(compression, producer, records)| {
        let mut builder = BatchBuilder::new(compression);
        if let Some((id, epoch, sequence)) = producer {
            builder.producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
        }
        records.iter().for_each(|record| builder.push(record));
        (
            StampedBatch::split(builder.build()).expect("built from records"),
            records,
        )
    })
}

/// The body of an entry of any kind; batches are not stamped.
pub fn any_entry_body() -> impl Strategy<Value = EntryBody> {
    let batches = vec(any_batch().prop_map(|(batch, _)| batch), 1..5);
    prop_oneof![
        1 => Just(EntryBody::Blank),
        1 => short_bytes(60).prop_map(EntryBody::Membership),
        1 => short_bytes(60).prop_map(EntryBody::Control),
        4 => batches.prop_map(EntryBody::Data),
    ]
}

/// An entry of any kind, stamped.
pub fn any_entry() -> impl Strategy<Value = Entry> {
    let term = 0..=u64::from(i32::MAX.unsigned_abs());
    (
        term,
        any::<u64>(),
        0..i64::MAX / 2,
        any::<i64>(),
        any_entry_body(),
    )
        .prop_map(|(term, index, base, appended_at_ms, body)| {
            let (term, index) = (Term(term), LogIndex(index));
            let mut entry = Entry {
                term,
                index,
                base_offset: Offset(base),
                appended_at_ms,
                body,
            };
            entry.stamp_offsets(Offset(base));
            entry
        })
}

fn short_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}
