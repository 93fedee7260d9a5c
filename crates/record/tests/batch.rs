//! The bytes of batches: golden layout, round trips, strictness, and hostile bytes.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};
use floe_record::{
    BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, BatchBuilder, BatchError, BatchHeader, Compression,
    Header, Limits, Record, RecordFault, StampedBatch, TimestampType, records, validate,
};
use floe_testkit::{any_batch, any_record, batch_of, record};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    batch_bytes_max: 1 << 20,
    decompressed_bytes_max: 1 << 20,
};

/// Made by an independent encoder, written from the table in Kafka's protocol guide and checked
/// against batches that other clients publish as test vectors.
const GOLDEN: &str = "0000000000000000 00000056 ffffffff 02 8628660f \
    0000 00000002 0000018bcfe56800 0000018bcfe5692c 0000000000000007 0001 00000063 00000003 \
    2a 00 00 00 06 633432 0a 6c61743d31 04 02 68 02 31 02 68 01 \
    0c 00 05 02 01 01 00 \
    0e 00 d804 04 00 00 00";

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn golden_records() -> Vec<Record> {
    let bytes = Bytes::from_static;
    let header = |value| Header {
        key: bytes(b"h"),
        value,
    };
    let base = 1_700_000_000_000;
    vec![
        Record {
            timestamp_ms: base,
            key: Some(bytes(b"c42")),
            value: Some(bytes(b"lat=1")),
            headers: vec![header(Some(bytes(b"1"))), header(None)],
        },
        Record {
            timestamp_ms: base - 3,
            ..Record::default()
        },
        Record {
            timestamp_ms: base + 300,
            key: Some(Bytes::new()),
            value: Some(Bytes::new()),
            headers: vec![],
        },
    ]
}

#[test]
fn a_batch_has_these_bytes() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.producer(ProducerId(7), ProducerEpoch(1), Sequence(99));
    golden_records()
        .iter()
        .for_each(|record| builder.push(record));
    assert_eq!(builder.record_count(), 3);
    let golden = unhex(GOLDEN);
    assert_eq!(builder.size_bytes(), golden.len());
    assert_eq!(builder.build(), golden);
}

#[test]
fn a_batch_reads_as_what_its_bytes_say() {
    let batch = StampedBatch::split(unhex(GOLDEN)).unwrap();
    let header = validate(&batch, &LIMITS).unwrap();
    let expected = BatchHeader {
        base_offset: Offset(0),
        batch_length: 0x56,
        leader_epoch: LeaderEpoch(-1),
        magic: 2,
        crc: 0x8628_660f,
        attributes: 0,
        last_offset_delta: 2,
        base_timestamp_ms: 1_700_000_000_000,
        max_timestamp_ms: 1_700_000_000_300,
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(1),
        base_sequence: Sequence(99),
        record_count: 3,
    };
    assert_eq!(header, expected);
    assert_eq!(BatchHeader::read(&unhex(GOLDEN)), Ok(expected));
    assert_eq!(header.last_sequence(), Sequence(101));
    let offsets = [Offset(0), Offset(1), Offset(2)];
    let expected: Vec<_> = offsets.into_iter().zip(golden_records()).collect();
    assert_eq!(records(&batch, &LIMITS).unwrap(), expected);
}

#[test]
fn stamping_changes_only_the_prefix_and_not_the_crc() {
    let mut batch = StampedBatch::split(unhex(GOLDEN)).unwrap();
    let body = batch.body().clone();
    batch.stamp(Offset(1 << 40), LeaderEpoch(9));
    assert_eq!(batch.base_offset(), Offset(1 << 40));
    assert_eq!(batch.next_offset(), Offset((1 << 40) + 3));
    assert_eq!(batch.leader_epoch(), LeaderEpoch(9));
    assert!(batch.crc_is_valid());
    assert_eq!(batch.body().as_ptr(), body.as_ptr());
    let bytes = batch.to_bytes();
    assert_eq!(bytes.len(), batch.size_bytes());
    assert_eq!(bytes[..16], *unhex("0000010000000000 00000056 00000009"));
    assert_eq!(bytes[16..], unhex(GOLDEN)[16..]);
    assert_eq!(StampedBatch::split(bytes).unwrap(), batch);
}

#[test]
fn attributes_name_what_they_stand_for() {
    let header = |attributes| {
        let golden = unhex(GOLDEN);
        BatchHeader {
            attributes,
            ..BatchHeader::read(&golden).unwrap()
        }
    };
    for (code, compression) in (0..).zip(Compression::ALL) {
        assert_eq!(header(code).compression(), Ok(compression));
    }
    for code in 5..8 {
        let refused = BatchError::UnknownCompression { code };
        assert_eq!(header(i16::from(code)).compression(), Err(refused));
    }
    assert_eq!(header(0b111).timestamp_type(), TimestampType::CreateTime);
    assert_eq!(
        header(0b1000).timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert!(header(1 << 4).is_transactional() && !header(!(1 << 4)).is_transactional());
    assert!(header(1 << 5).is_control() && !header(!(1 << 5)).is_control());
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    let header = BatchHeader::read(&unhex(GOLDEN)).unwrap();
    let last = |base, last_offset_delta| {
        BatchHeader {
            base_sequence: Sequence(base),
            last_offset_delta,
            ..header
        }
        .last_sequence()
        .0
    };
    assert_eq!(last(i32::MAX - 2, 2), i32::MAX);
    assert_eq!(last(i32::MAX - 1, 2), 0);
    assert_eq!(last(i32::MAX, 2), 1);
    assert_eq!(last(i32::MAX, i32::MAX), i32::MAX - 1);
}

/// The golden batch with `bytes` at `at` and its CRC made right again.
fn patched(at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = unhex(GOLDEN).to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(batch)
}

fn sealed(mut batch: Vec<u8>) -> Bytes {
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[BATCH_PREFIX_BYTES..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// A batch with this payload that claims this many records.
fn with_payload(attributes: i16, record_count: i32, payload: &[u8]) -> Bytes {
    let mut batch = unhex(GOLDEN)[..BATCH_HEADER_BYTES].to_vec();
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[23..27].copy_from_slice(&(record_count - 1).to_be_bytes());
    batch[57..61].copy_from_slice(&record_count.to_be_bytes());
    batch.extend_from_slice(payload);
    sealed(batch)
}

#[track_caller]
fn check_invalid(batch: Bytes, expected: &BatchError) {
    let found = StampedBatch::split(batch).and_then(|batch| validate(&batch, &LIMITS));
    assert_eq!(found.as_ref(), Err(expected));
}

#[track_caller]
fn check_fault(record_count: i32, payload: &str, index: u32, fault: RecordFault) {
    let batch = with_payload(0, record_count, &unhex(payload));
    check_invalid(batch, &BatchError::Record { index, fault });
}

#[test]
fn headers_that_disagree_with_their_bytes_are_refused() {
    let golden = unhex(GOLDEN);
    let (actual_bytes, needed_bytes) = (60, 61);
    check_invalid(
        golden.slice(..60),
        &BatchError::Truncated {
            actual_bytes,
            needed_bytes,
        },
    );
    let (actual_bytes, needed_bytes) = (5, 61);
    check_invalid(
        golden.slice(..5),
        &BatchError::Truncated {
            actual_bytes,
            needed_bytes,
        },
    );
    let (stated, actual_bytes) = (0x56, 0x55);
    check_invalid(
        golden.slice(..97),
        &BatchError::Length {
            stated,
            actual_bytes,
        },
    );
    for magic in [0_i8, 1, 3, -1] {
        check_invalid(
            patched(16, &magic.to_be_bytes()),
            &BatchError::Magic { magic },
        );
    }
    for stated in [-1, i32::MIN, 0, i32::MAX] {
        let mut batch = golden.to_vec();
        batch[8..12].copy_from_slice(&stated.to_be_bytes());
        check_invalid(
            batch.into(),
            &BatchError::Length {
                stated,
                actual_bytes: 0x56,
            },
        );
    }
}

#[test]
fn counts_that_disagree_are_refused() {
    for (last_offset_delta, record_count) in [
        (2, 2),
        (2, 4),
        (3, 3),
        (-1, 0),
        (2, -1),
        (i32::MAX, i32::MIN),
        (i32::MAX, i32::MAX),
        (2, 0),
    ] {
        let mut batch = patched(23, &i32::to_be_bytes(last_offset_delta)).to_vec();
        batch[57..61].copy_from_slice(&i32::to_be_bytes(record_count));
        let expected = BatchError::Counts {
            record_count,
            last_offset_delta,
        };
        check_invalid(sealed(batch), &expected);
    }
}

#[test]
fn a_claim_of_two_billion_records_costs_nothing() {
    let batch = StampedBatch::split(with_payload(0, i32::MAX, &[])).unwrap();
    let expected = BatchError::Record {
        index: 0,
        fault: RecordFault::Truncated,
    };
    assert_eq!(validate(&batch, &LIMITS), Err(expected.clone()));
    assert_eq!(records(&batch, &LIMITS), Err(expected));
}

#[test]
fn a_producer_without_epoch_or_sequence_is_refused() {
    let expected = |producer_epoch, base_sequence| BatchError::Producer {
        producer_id: 7,
        producer_epoch,
        base_sequence,
    };
    check_invalid(patched(53, &(-1_i32).to_be_bytes()), &expected(1, -1));
    check_invalid(patched(51, &(-1_i16).to_be_bytes()), &expected(-1, 99));
}

#[test]
fn a_wrong_crc_and_a_size_over_the_limit_are_refused() {
    let mut batch = unhex(GOLDEN).to_vec();
    batch[70] ^= 1;
    let split = StampedBatch::split(batch.into()).unwrap();
    assert!(!split.crc_is_valid());
    for error in [
        validate(&split, &LIMITS).unwrap_err(),
        records(&split, &LIMITS).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                BatchError::Crc {
                    stated: 0x8628_660f,
                    ..
                }
            ),
            "{error}"
        );
    }
    let batch = StampedBatch::split(unhex(GOLDEN)).unwrap();
    let limits = Limits {
        batch_bytes_max: 97,
        ..LIMITS
    };
    let expected = BatchError::TooLarge {
        size_bytes: 98,
        limit_bytes: 97,
    };
    assert_eq!(validate(&batch, &limits), Err(expected));
    let limits = Limits {
        decompressed_bytes_max: 36,
        ..LIMITS
    };
    let expected = BatchError::DecompressedTooLarge { limit_bytes: 36 };
    assert_eq!(validate(&batch, &limits), Err(expected));
}

#[test]
fn malformed_records_are_refused() {
    use RecordFault::{Length, OffsetDelta, TrailingBytes, Truncated, Varint};
    check_fault(1, "0e 00 00 00 01 01", 0, Truncated); // reaches beyond the batch
    check_fault(1, "01", 0, Length { length: -1 });
    check_fault(1, "00", 0, Truncated); // no attributes
    check_fault(1, "0c 00 00 02 01 01 00", 0, OffsetDelta { found: 1 });
    check_fault(
        2,
        "0c 00 00 00 01 01 00 0c 00 00 00 01 01 00",
        1,
        OffsetDelta { found: 0 },
    );
    check_fault(1, "0c 00 00 00 03 01 00", 0, Length { length: -2 }); // key
    check_fault(1, "0c 00 00 00 01 08 00", 0, Truncated); // value beyond its record
    check_fault(1, "0c 00 00 00 01 01 01", 0, Length { length: -1 }); // header count
    check_fault(1, "14 00 00 00 01 01 feffffff0f", 0, Truncated); // 2^31 - 1 headers
    check_fault(1, "10 00 00 00 01 01 02 01 01", 0, Length { length: -1 }); // null header key
    check_fault(1, "0e 00 00 00 01 01 00 00", 0, TrailingBytes { count: 1 });
    check_fault(1, "ffffffffff01", 0, Varint);
    let trailing = with_payload(0, 1, &unhex("0c 00 00 00 01 01 00 00"));
    check_invalid(trailing, &BatchError::TrailingBytes { count: 1 });
    let missing = with_payload(0, 2, &unhex("0c 00 00 00 01 01 00"));
    check_invalid(
        missing,
        &BatchError::Record {
            index: 1,
            fault: Truncated,
        },
    );
}

#[test]
fn log_append_time_overrides_the_records_own() {
    let batch = StampedBatch::split(patched(21, &[0, 1 << 3])).unwrap();
    for (_, record) in records(&batch, &LIMITS).unwrap() {
        assert_eq!(record.timestamp_ms, 1_700_000_000_300);
    }
}

#[test]
fn what_compaction_leaves_is_readable_but_not_from_a_producer() {
    // Offsets 4 and 7 of 0..9 are left.
    let payload = unhex("0c 00 00 08 01 01 00 0c 00 00 0e 01 01 00");
    let mut batch = with_payload(0, 2, &payload).to_vec();
    batch[23..27].copy_from_slice(&8_i32.to_be_bytes());
    let mut batch = StampedBatch::split(sealed(batch)).unwrap();
    batch.stamp(Offset(100), LeaderEpoch(1));
    assert_eq!(batch.next_offset(), Offset(109));
    let offsets: Vec<_> = records(&batch, &LIMITS)
        .unwrap()
        .into_iter()
        .map(|(o, _)| o)
        .collect();
    assert_eq!(offsets, [Offset(104), Offset(107)]);
    let refused = BatchError::Counts {
        record_count: 2,
        last_offset_delta: 8,
    };
    assert_eq!(validate(&batch, &LIMITS), Err(refused));

    let mut empty = with_payload(0, 1, &[]).to_vec();
    empty[57..61].copy_from_slice(&[0; 4]);
    let empty = StampedBatch::split(sealed(empty)).unwrap();
    assert_eq!(empty.offset_count(), 1);
    assert_eq!(records(&empty, &LIMITS), Ok(vec![]));
}

#[test]
fn an_offset_delta_beyond_the_batch_is_refused() {
    let payload = unhex("0c 00 00 08 01 01 00");
    let batch = StampedBatch::split(with_payload(0, 1, &payload)).unwrap();
    let fault = RecordFault::OffsetDelta { found: 4 };
    assert_eq!(
        records(&batch, &LIMITS),
        Err(BatchError::Record { index: 0, fault })
    );
}

#[test]
fn bombs_are_refused_whatever_they_claim() {
    let large = Record {
        value: Some(vec![0; 32 << 20].into()),
        ..Record::default()
    };
    for compression in Compression::ALL {
        let batch = batch_of(compression, std::slice::from_ref(&large));
        let limits = Limits {
            batch_bytes_max: 64 << 20,
            ..LIMITS
        };
        let expected = BatchError::DecompressedTooLarge {
            limit_bytes: 1 << 20,
        };
        assert_eq!(
            validate(&batch, &limits),
            Err(expected.clone()),
            "{compression}"
        );
        assert_eq!(records(&batch, &limits), Err(expected), "{compression}");
    }
}

#[test]
fn compression_makes_batches_smaller_and_loses_nothing() {
    let expected: Vec<_> = (0..500).map(|number| record(number, 4)).collect();
    let plain = batch_of(Compression::None, &expected).size_bytes();
    for compression in &Compression::ALL[1..] {
        let batch = batch_of(*compression, &expected);
        assert!(batch.size_bytes() < plain, "{compression}");
        let found: Vec<_> = records(&batch, &LIMITS)
            .unwrap()
            .into_iter()
            .map(|(_, record)| record)
            .collect();
        assert_eq!(found, expected, "{compression}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_round_trip((batch, expected) in any_batch(), base in 0..i64::MAX / 2) {
        let mut batch = batch;
        batch.stamp(Offset(base), LeaderEpoch(4));
        let header = validate(&batch, &LIMITS).unwrap();
        prop_assert_eq!(header.record_count as usize, expected.len());
        let newest = expected.iter().map(|record| record.timestamp_ms).max();
        prop_assert_eq!(Some(header.max_timestamp_ms), newest);
        let found = records(&batch, &LIMITS).unwrap();
        for (place, (offset, record)) in found.iter().enumerate() {
            prop_assert_eq!(*offset, Offset(base + place as i64));
            prop_assert_eq!(record, &expected[place]);
        }
        prop_assert_eq!(found.len(), expected.len());
        prop_assert_eq!(StampedBatch::split(batch.to_bytes()), Ok(batch));
    }

    #[test]
    fn a_record_never_exceeds_its_bound(record in any_record()) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(&record);
        prop_assert!(builder.size_bytes() - BATCH_HEADER_BYTES <= record.size_bytes_max());
    }

    #[test]
    fn uncompressed_records_are_slices_of_the_batch(expected in any_record()) {
        let batch = batch_of(Compression::None, &[expected]);
        let range = batch.body().as_ptr_range();
        let (_, record) = records(&batch, &LIMITS).unwrap().remove(0);
        let headers = record.headers.iter();
        let parts = headers.map(|h| &h.key).chain(record.key.iter()).chain(record.value.iter());
        for part in parts.filter(|part| !part.is_empty()) {
            prop_assert!(range.contains(&part.as_ptr()));
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(StampedBatch::split(noise.clone().into()).is_err());
        // Behind a sound header and under a right CRC, noise reaches every parser.
        for attributes in 0..8 {
            let batch = StampedBatch::split(with_payload(attributes, 3, &noise)).unwrap();
            prop_assert!(validate(&batch, &LIMITS).is_err());
            prop_assert!(records(&batch, &LIMITS).is_err());
        }
    }

    #[test]
    fn damage_under_a_right_crc_never_panics(
        (batch, _) in any_batch(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = batch.to_bytes().to_vec();
        for (place, byte) in damage {
            let place = 21 + place.index(bytes.len() - 21);
            bytes[place] = byte;
        }
        if let Ok(batch) = StampedBatch::split(sealed(bytes))
            && let Ok(header) = validate(&batch, &LIMITS)
        {
            let found = records(&batch, &LIMITS).unwrap();
            prop_assert_eq!(found.len(), header.record_count as usize);
        }
    }

    #[test]
    fn a_bit_flip_in_the_body_breaks_the_crc((batch, _) in any_batch(), bit: prop::sample::Index) {
        let mut body = batch.body().to_vec();
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let flipped = StampedBatch::from_parts(*batch.prefix(), body.into());
        prop_assert!(!flipped.is_ok_and(|batch| batch.crc_is_valid()));
    }
}

#[test]
fn a_body_answers_for_its_buffer_and_a_small_one_leaves_it() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: 0,
        key: None,
        value: Some(Bytes::from(vec![1; 100])),
        headers: Vec::new(),
    });
    let alone = StampedBatch::split(builder.build()).unwrap();
    let body_bytes = alone.body().len();
    assert_eq!(alone.held_bytes(), body_bytes);
    let frame = Bytes::from([alone.to_bytes().as_ref(), &[0; 1 << 20]].concat());
    let slice = || StampedBatch::split(frame.slice(..alone.size_bytes())).unwrap();

    let small = slice().held_in(frame.len());
    assert_eq!((&small, small.held_bytes()), (&alone, body_bytes));
    assert!(!frame.as_ptr_range().contains(&small.body().as_ptr()));

    let quarter = slice().held_in(4 * body_bytes);
    assert_eq!((&quarter, quarter.held_bytes()), (&alone, 4 * body_bytes));
    assert!(frame.as_ptr_range().contains(&quarter.body().as_ptr()));
}
