#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_model::ErrorCode;

use super::*;
use crate::Failure;
use crate::wire::{decode, encode};

/// One of each, in the order of the enum.
fn details() -> Vec<FailureDetail> {
    let text = Excerpt::new;
    vec![
        FailureDetail::BatchSize {
            size_bytes: 300,
            limit_bytes: 200,
        },
        FailureDetail::Batch {
            batch: 1,
            fault: text("crc"),
        },
        FailureDetail::OffsetRange {
            offset: Offset(9),
            log_start_offset: Offset(0),
            log_end_offset: Offset(5),
        },
        FailureDetail::UnknownSetting { key: text("k") },
        FailureDetail::SettingNotANumber {
            key: text("k"),
            value: text("v"),
        },
        FailureDetail::SettingOutOfRange {
            key: text("k"),
            value: -1,
            min: 0,
            max: 9,
        },
        FailureDetail::SettingNotAChoice {
            key: text("k"),
            value: text("v"),
            choices: text("a, b"),
        },
        FailureDetail::Replication { given: 5, max: 3 },
        FailureDetail::Partitions {
            given: 2,
            min: 3,
            max: 10_000,
        },
        FailureDetail::Token {
            given: FencingToken(1),
            owner: Some(FencingToken(2)),
        },
        FailureDetail::Generation {
            current: Generation(3),
            given: Generation(2),
        },
        FailureDetail::Member {
            member_id: text("m"),
        },
        FailureDetail::Members { members: 2 },
        FailureDetail::ProduceInProgress {
            in_use_bytes: 9,
            limit_bytes: 10,
        },
        FailureDetail::Waited {
            what: Awaited::Majority,
            waited_ms: 100,
        },
        FailureDetail::Reason(text("r")),
    ]
}

#[test]
fn the_bytes_of_every_detail_are_pinned() {
    let written: Vec<String> = details()
        .iter()
        .map(|detail| {
            let bytes = encode(detail).unwrap();
            assert_eq!(decode::<FailureDetail>(&bytes).unwrap(), *detail);
            bytes[1..]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        })
        .collect();
    let pinned = [
        "00fb2c01c8",
        "010103637263",
        "0212000a",
        "03016b",
        "04016b0176",
        "05016b010012",
        "06016b017604612c2062",
        "070503",
        "080203fb1027",
        "09010102",
        "0a0604",
        "0b016d",
        "0c02",
        "0d090a",
        "0e0264",
        "0f0172",
    ];
    assert_eq!(written, pinned);
}

#[test]
fn a_failure_says_what_and_how_much() {
    let failure = Failure::new(
        ErrorCode::BatchTooLarge,
        FailureDetail::BatchSize {
            size_bytes: 2000,
            limit_bytes: 1000,
        },
    );
    let text = "record batch too large: batch of 2000 bytes exceeds max.message.bytes, which is \
                1000";
    assert_eq!(failure.to_string(), text);
    assert_eq!(
        Failure::from(ErrorCode::Busy).to_string(),
        "busy, nothing was written"
    );
}

#[test]
fn text_is_cut_at_a_character_and_longer_text_is_not_read() {
    let long = Excerpt::new("ä".repeat(Excerpt::BYTES_MAX));
    assert_eq!(long.as_str().len(), Excerpt::BYTES_MAX);
    let odd = Excerpt::new(format!("x{}", "ä".repeat(Excerpt::BYTES_MAX)));
    assert_eq!(odd.as_str().len(), Excerpt::BYTES_MAX - 1);
    let bytes: Bytes = encode(&"x".repeat(Excerpt::BYTES_MAX + 1)).unwrap();
    assert!(decode::<Excerpt>(&bytes).is_err());
    assert!(decode::<Excerpt>(&encode(long.as_str()).unwrap()).is_ok());
}
