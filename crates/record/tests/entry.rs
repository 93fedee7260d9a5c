//! The bytes of entries: golden layouts, round trips, and what damage does to them.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_model::{LeaderEpoch, LogIndex, Offset, Term, limits};
use floe_record::{ENTRY_HEADER_BYTES, Entry, EntryBody, EntryError, StampedBatch};
use floe_testkit::{any_entry, batch, data_entry};
use proptest::prelude::*;

/// A batch of three records by producer 7, made by an independent encoder; see `batch.rs`.
const BATCH: &str = "0000000000000000 00000056 ffffffff 02 8628660f \
    0000 00000002 0000018bcfe56800 0000018bcfe5692c 0000000000000007 0001 00000063 00000003 \
    2a000000066334320a6c61743d3104026802310268010c0005020101000e00d80404000000";

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn encoded(entry: &Entry) -> Bytes {
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes);
    assert_eq!(bytes.len(), entry.encoded_len());
    bytes.into()
}

fn other(term: u64, index: u64, base: i64, appended_at_ms: i64, body: EntryBody) -> Entry {
    let (term, index, base_offset) = (Term(term), LogIndex(index), Offset(base));
    Entry {
        term,
        index,
        base_offset,
        appended_at_ms,
        body,
    }
}

#[track_caller]
fn check_golden(entry: &Entry, text: &str) {
    let golden = unhex(text);
    assert_eq!(encoded(entry), golden);
    assert_eq!(
        Entry::decode(&golden).unwrap(),
        (entry.clone(), golden.len())
    );
}

#[test]
fn a_blank_entry_has_these_bytes() {
    check_golden(
        &other(5, 16, 1000, -1, EntryBody::Blank),
        "01 00 0000 38000000 0500000000000000 1000000000000000 e803000000000000 \
         0000000000000000 ffffffffffffffff 00000000 8d9281c0",
    );
}

#[test]
fn a_membership_entry_has_these_bytes() {
    check_golden(
        &other(
            5,
            18,
            1006,
            0,
            EntryBody::Membership(Bytes::from_static(b"voters")),
        ),
        "01 01 0000 3e000000 0500000000000000 1200000000000000 ee03000000000000 \
         0000000000000000 0000000000000000 d189e83d 97785701 766f74657273",
    );
}

#[test]
fn a_control_entry_has_these_bytes() {
    let body = EntryBody::Control(Bytes::from_static(b"trim"));
    check_golden(
        &other(1 << 40, 1 << 33, 1 << 35, 1, body),
        "01 03 0000 3c000000 0000000000010000 0000000002000000 0000000008000000 \
         0000000000000000 0100000000000000 57758a6f bf3d8ebb 7472696d",
    );
}

#[test]
fn a_data_entry_is_its_header_and_its_batches_as_kafka_has_them() {
    let one = StampedBatch::split(unhex(BATCH)).unwrap();
    let body = EntryBody::Data(vec![one.clone(), one]);
    let mut entry = other(5, 17, 0, 1_700_000_000_999, body);
    entry.stamp_offsets(Offset(1000));
    let stamped = |base: &str| {
        BATCH
            .replacen("0000000000000000", base, 1)
            .replacen("ffffffff", "00000005", 1)
    };
    let header = "01 02 0200 fc000000 0500000000000000 1100000000000000 e803000000000000 \
         0600000000000000 e76be5cf8b010000 00000000 99cd4168";
    let text = [
        header,
        &stamped("00000000000003e8"),
        &stamped("00000000000003eb"),
    ]
    .concat();
    check_golden(&entry, &text);
    assert!(entry.verify_bodies());
    assert_eq!(entry.next_offset(), Offset(1006));
}

#[test]
fn zeroes_and_other_versions_are_not_incomplete() {
    assert_eq!(
        Entry::decode(&Bytes::new()),
        Err(EntryError::Incomplete { needed: 56 })
    );
    for version in [0, 2, 255] {
        let bytes = Bytes::copy_from_slice(&[version]);
        assert_eq!(Entry::decode(&bytes), Err(EntryError::Version { version }));
    }
}

#[test]
fn sizes_and_counts_are_bounded_before_anything_is_reserved() {
    let valid = encoded(&data_entry(
        Term(1),
        LogIndex(1),
        Offset(0),
        vec![batch(0, 1, 5)],
    ));
    let damaged = |at: usize, bytes: &[u8]| {
        let mut damaged = valid.to_vec();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        Entry::decode(&damaged.into()).unwrap_err()
    };
    let size_bytes = limits::ENTRY_BYTES_MAX + 1;
    let too_large = u32::try_from(size_bytes).unwrap().to_le_bytes();
    assert_eq!(damaged(4, &too_large), EntryError::Size { size_bytes });
    assert_eq!(
        damaged(4, &[55, 0, 0, 0]),
        EntryError::Size { size_bytes: 55 }
    );
    assert_eq!(damaged(2, &[0, 0]), EntryError::BatchCount { count: 0 });
    assert_eq!(damaged(2, &[1, 1]), EntryError::BatchCount { count: 257 });
    assert_eq!(damaged(1, &[4]), EntryError::Kind { kind: 4 });
    assert_eq!(damaged(1, &[0]), EntryError::BatchCount { count: 1 });
    assert!(matches!(
        damaged(2, &[2, 0]),
        EntryError::Batch { place: 1, .. }
    ));
    for length in [-1_i32, i32::MIN, i32::MAX, 48, 1000] {
        let error = damaged(ENTRY_HEADER_BYTES + 8, &length.to_be_bytes());
        assert!(
            matches!(error, EntryError::Batch { place: 0, .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn what_decode_refuses_is_refused_before_it_is_proposed() {
    let entry = |batches| data_entry(Term(1), LogIndex(1), Offset(0), batches);
    assert_eq!(
        entry(vec![]).check_limits(),
        Err(EntryError::BatchCount { count: 0 })
    );
    assert_eq!(entry(vec![batch(0, 1, 9); 256]).check_limits(), Ok(()));
    let many = entry(vec![batch(0, 1, 9); 257]);
    assert_eq!(
        many.check_limits(),
        Err(EntryError::BatchCount { count: 257 })
    );
    assert_eq!(
        Entry::decode(&encoded(&many)),
        Err(EntryError::BatchCount { count: 257 })
    );
    let large = entry(vec![batch(0, 1, limits::ENTRY_BYTES_MAX)]);
    let size_bytes = large.encoded_len();
    assert_eq!(large.check_limits(), Err(EntryError::Size { size_bytes }));
    assert_eq!(
        Entry::decode(&encoded(&large)),
        Err(EntryError::Size { size_bytes })
    );
    let largest = entry(vec![batch(0, 1, limits::BATCH_BYTES_MAX - 100)]);
    assert_eq!(largest.check_limits(), Ok(()));
}

#[test]
fn stamps_that_do_not_follow_from_the_log_are_refused() {
    let entry = data_entry(
        Term(3),
        LogIndex(9),
        Offset(50),
        vec![batch(0, 4, 9), batch(4, 1, 9)],
    );
    assert_eq!(entry.verify_offsets(Offset(50)), Ok(()));
    let refused = EntryError::BaseOffset {
        expected: Offset(51),
        found: Offset(50),
    };
    assert_eq!(entry.verify_offsets(Offset(51)), Err(refused));

    let mut gap = entry.clone();
    let EntryBody::Data(batches) = &mut gap.body else {
        panic!("a data entry")
    };
    batches[1].stamp(Offset(55), LeaderEpoch(3));
    let refused = EntryError::BaseOffset {
        expected: Offset(54),
        found: Offset(55),
    };
    assert_eq!(gap.verify_offsets(Offset(50)), Err(refused));

    let mut epoch = entry;
    epoch.term = Term(4);
    let refused = EntryError::Epoch {
        expected: Some(LeaderEpoch(4)),
        found: LeaderEpoch(3),
    };
    assert_eq!(epoch.verify_offsets(Offset(50)), Err(refused));

    let mut beyond = data_entry(Term(1 << 31), LogIndex(9), Offset(0), vec![batch(0, 1, 9)]);
    beyond.stamp_offsets(Offset(0));
    let refused = EntryError::Epoch {
        expected: None,
        found: LeaderEpoch(-1),
    };
    assert_eq!(beyond.verify_offsets(Offset(0)), Err(refused));
}

fn wire_parts(entry: &Entry) -> Vec<(Option<[u8; 21]>, Bytes)> {
    match &entry.body {
        EntryBody::Blank => Vec::new(),
        EntryBody::Membership(body) | EntryBody::Control(body) => vec![(None, body.clone())],
        EntryBody::Data(batches) => batches
            .iter()
            .map(|batch| (Some(*batch.prefix()), batch.body().clone()))
            .collect(),
    }
}

fn flip(bytes: &Bytes, bit: usize) -> Bytes {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped.into()
}

/// Whether `bytes` pass every check as the entry of `base`.
fn passes(bytes: &Bytes, base: Offset) -> bool {
    Entry::decode(bytes)
        .is_ok_and(|(entry, _)| entry.verify_bodies() && entry.verify_offsets(base).is_ok())
}

#[test]
fn every_single_bit_flip_is_detected() {
    let bodies = [
        EntryBody::Blank,
        EntryBody::Membership(Bytes::from_static(b"voters 1 2 3")),
        EntryBody::Control(Bytes::from_static(b"trim before 77")),
        EntryBody::Data(vec![batch(0, 3, 20), batch(3, 1, 20)]),
    ];
    for body in bodies {
        let mut entry = other(7, 12, 0, 1_700_000_000_000, body);
        entry.stamp_offsets(Offset(77));
        let bytes = encoded(&entry);
        assert!(passes(&bytes, Offset(77)));
        // Bytes of the entry behind, so that a larger size does not run into the end.
        let followed: Bytes = [&bytes[..], &bytes[..], &[0xaa; 9000]].concat().into();
        for bit in 0..bytes.len() * 8 {
            assert!(
                !passes(&flip(&bytes, bit), Offset(77)),
                "bit {bit} of {entry:?}"
            );
            assert!(
                !passes(&flip(&followed, bit), Offset(77)),
                "bit {bit} of {entry:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn entries_round_trip_and_leave_what_follows(entry in any_entry(), tail: [u8; 8]) {
        prop_assert_eq!(entry.check_limits(), Ok(()));
        let mut bytes = b"before".to_vec();
        entry.encode_into(&mut bytes);
        bytes.extend_from_slice(&tail);
        let bytes = Bytes::from(bytes).slice(6..);
        let (decoded, consumed) = Entry::decode(&bytes).unwrap();
        prop_assert_eq!(consumed, entry.encoded_len());
        prop_assert_eq!(decoded.verify_offsets(entry.base_offset), Ok(()));
        prop_assert!(decoded.verify_bodies());
        for (decoded, batch) in decoded.batches().iter().zip(entry.batches()) {
            prop_assert_eq!(decoded, batch);
            let range = bytes.as_ptr_range();
            prop_assert!(range.contains(&decoded.body().as_ptr()), "the body was copied");
        }
        prop_assert_eq!(decoded, entry);
    }

    #[test]
    fn the_wire_form_round_trips(entry in any_entry()) {
        let joined = Entry::from_wire(&entry.header_bytes(), wire_parts(&entry));
        prop_assert_eq!(joined, Ok(entry));
    }

    #[test]
    fn parts_of_another_entry_are_refused(one in any_entry(), two in any_entry()) {
        prop_assume!(one.body != two.body);
        prop_assert!(Entry::from_wire(&one.header_bytes(), wire_parts(&two)).is_err());
    }

    #[test]
    fn every_proper_prefix_is_incomplete(entry in any_entry(), cut: prop::sample::Index) {
        let bytes = encoded(&entry);
        let cut = cut.index(bytes.len());
        match Entry::decode(&bytes.slice(..cut)) {
            Err(EntryError::Incomplete { needed }) => {
                prop_assert!(needed > cut && needed <= bytes.len());
            }
            other => prop_assert!(false, "{cut} of {}: {other:?}", bytes.len()),
        }
    }

    #[test]
    fn a_bit_flip_anywhere_is_detected(entry in any_entry(), bit: prop::sample::Index) {
        let bytes = encoded(&entry);
        let flipped = flip(&bytes, bit.index(bytes.len() * 8));
        prop_assert!(!passes(&flipped, entry.base_offset));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(mut noise in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Entry::decode(&noise.clone().into()).is_err());
        // With a plausible start the decoder gets further.
        let start = [1, 2, 1, 0, 0, 1, 0, 0];
        let shared = noise.len().min(start.len());
        noise[..shared].copy_from_slice(&start[..shared]);
        prop_assert!(Entry::decode(&noise.into()).is_err());
    }
}
