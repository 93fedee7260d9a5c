//! Bytes nobody should send: every decoder answers with a message or an error, within its memory.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::api::for_each_api;
use crate::messages::{
    ApiVersionsRequest, DescribeTopicPartitionsRequest, FetchRequest, HeartbeatRequest,
    MetadataRequest, ProduceRequest,
};
use crate::tests::{body_of, sample_of, versions_of};
use crate::{
    DecodeError, EncodeError, Message, Request, RequestHeader, decoded_bytes_max, messages,
};

/// Decodes as every served version, and whatever decodes must survive another round.
fn decode_all<M: Message + PartialEq>(bytes: &Bytes) {
    for version in versions_of::<M>() {
        if let Ok(message) = M::decode(bytes, version) {
            let again = M::decode(&body_of(&message, version), version);
            assert!(again.as_ref() == Ok(&message), "{:?} {version}", M::API);
        }
    }
}

/// Damages valid messages: cuts them anywhere, and puts a huge count anywhere.
fn decode_damaged<M: Message>() {
    for version in versions_of::<M>() {
        for seed in 0..2 {
            let mut body = body_of(&sample_of::<M>(version, seed), version);
            body.truncate(600);
            let whole = M::decode(&body, version).is_ok();
            for at in 0..body.len() {
                let cut = M::decode(&body.slice(..at), version);
                assert!(!whole || cut.is_err(), "{:?} {version} cut at {at}", M::API);
                for huge in [
                    &b"\x7f\xff\xff\xff"[..],
                    b"\xff\xff\xff\xff\x0f",
                    b"\x80\0\0\0",
                ] {
                    let mut damaged = BytesMut::from(&body[..]);
                    let end = damaged.len().min(at + huge.len());
                    damaged[at..end].copy_from_slice(&huge[..end - at]);
                    drop(M::decode(&damaged.freeze(), version));
                }
            }
        }
    }
}

macro_rules! hostile {
    ($(
        $key:literal $name:ident $request:ident $response:ident $min:literal..=$max:literal
        $(flexible $flexible:literal)? $(advertised $advertised:literal)?;
    )*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]

            #[test]
            fn arbitrary_bytes_never_panic(bytes in interesting_bytes()) {
                let bytes = Bytes::from(bytes);
                drop(RequestHeader::decode(&bytes));
                $(
                    decode_all::<messages::$request>(&bytes);
                    decode_all::<messages::$response>(&bytes);
                )*
            }
        }

        #[test]
        fn cut_messages_are_refused_and_huge_counts_allocate_nothing() {
            $(
                decode_damaged::<messages::$request>();
                decode_damaged::<messages::$response>();
            )*
        }
    };
}

for_each_api!(hostile);

/// Mostly small numbers and zeroes, as counts and lengths are; random bytes alone die at once.
fn interesting_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0u8), 4 => 1..5u8, 1 => Just(0xff), 2 => any::<u8>()];
    prop::collection::vec(byte, 0..300)
}

fn produce_with_count(count: &[u8], version: i16) -> Result<ProduceRequest, DecodeError> {
    let transactional_id: &[u8] = if version < 9 { b"\xff\xff" } else { b"\x00" };
    let body = [transactional_id, b"\x00\x01\x00\x00\x00\x05", count].concat();
    ProduceRequest::decode(&body.into(), version)
}

#[test]
fn a_count_beyond_the_input_is_refused_before_anything_is_reserved() {
    let refused = |result| matches!(result, Err(DecodeError::CountBeyondInput { .. }));
    assert!(refused(produce_with_count(b"\x7f\xff\xff\xff", 3)));
    assert!(refused(produce_with_count(b"\xff\xff\xff\xff\x0f", 9)));
    assert!(produce_with_count(b"\x00\x00\x00\x00", 3).is_ok());
    assert!(produce_with_count(b"\x01\x00", 9).is_ok());
}

#[test]
fn lengths_below_null_and_nulls_out_of_place_are_refused() {
    assert_eq!(
        produce_with_count(b"\xff\xff\xff\xfe", 3),
        Err(DecodeError::BadLength { at: 8, length: -2 })
    );
    assert_eq!(
        produce_with_count(b"\xff\xff\xff\xff", 3),
        Err(DecodeError::UnexpectedNull { at: 8 })
    );
    // All topics are asked for with null from version 1 on only.
    let null = Bytes::from_static(b"\xff\xff\xff\xff");
    assert_eq!(
        MetadataRequest::decode(&null, 0),
        Err(DecodeError::UnexpectedNull { at: 0 })
    );
    assert_eq!(
        MetadataRequest::decode(&null, 1).map(|request| request.topics),
        Ok(None)
    );
}

#[test]
fn a_null_that_the_version_lacks_is_written_as_empty() {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    assert_eq!(body_of(&request, 0), &b"\0\0\0\0"[..]);
    assert_eq!(body_of(&request, 1), &b"\xff\xff\xff\xff"[..]);
}

#[test]
fn many_tiny_elements_stop_at_the_memory_limit() {
    let topics = 100_000usize;
    let mut body = BytesMut::from(&b"\xa1\x8d\x06"[..]);
    body.extend(std::iter::repeat_n(*b"\x01\x00", topics).flatten());
    body.extend_from_slice(b"\0\0\0\0");
    let body = body.freeze();
    let limit = decoded_bytes_max(body.len());
    assert!(matches!(
        MetadataRequest::decode(&body, 9),
        Err(DecodeError::MemoryLimit { limit: stated, .. }) if stated == limit
    ));
}

#[test]
fn vectors_hold_at_most_twice_what_they_are_charged() {
    for topics in [1, 2, 3, 5, 100, 2_000] {
        let topic = messages::MetadataRequestTopic {
            name: Some("t".into()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic.clone(); topics]),
            ..Default::default()
        };
        let body = body_of(&request, 9);
        let decoded = MetadataRequest::decode(&body, 9).unwrap().topics.unwrap();
        assert!(
            decoded.capacity() <= 2 * topics,
            "{topics}: {}",
            decoded.capacity()
        );
        assert!(decoded.capacity() * size_of_val(&topic) <= 2 * decoded_bytes_max(body.len()));
    }
}

#[test]
fn ordinary_messages_stay_far_below_the_memory_limit() {
    // One-letter topics of one partition, the densest names there are.
    for version in versions_of::<FetchRequest>() {
        let partition = messages::FetchPartition::default();
        let topic = messages::FetchTopic {
            topic: "t".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = FetchRequest {
            topics: vec![topic; 20_000],
            ..Default::default()
        };
        assert!(FetchRequest::decode(&body_of(&request, version), version).is_ok());
    }
}

#[test]
fn varints_of_more_than_32_bits_are_refused() {
    for bytes in [&b"\xff\xff\xff\xff\x10"[..], b"\x80\x80\x80\x80\x80\x00"] {
        assert_eq!(
            ApiVersionsRequest::decode(&Bytes::copy_from_slice(bytes), 3),
            Err(DecodeError::VarintTooLong { at: 0 })
        );
    }
}

#[test]
fn strings_must_be_utf8_and_at_most_32767_bytes() {
    let body = Bytes::from_static(b"\x03\xc3\x28\x02v\x00");
    assert_eq!(
        ApiVersionsRequest::decode(&body, 3),
        Err(DecodeError::NotUtf8 { at: 1 })
    );

    let long = |bytes: usize| HeartbeatRequest {
        group_id: "g".repeat(bytes),
        ..Default::default()
    };
    for version in [0, 4] {
        assert!(long(32_767).to_frame(version, 0, None).is_ok());
        assert_eq!(
            long(32_768).to_frame(version, 0, None).unwrap_err(),
            EncodeError::StringTooLong { bytes: 32_768 }
        );
    }
    let mut body = BytesMut::from(&b"\x81\x80\x02"[..]);
    body.extend_from_slice(&[b'g'; 32_768]);
    assert_eq!(
        HeartbeatRequest::decode(&body.freeze(), 4),
        Err(DecodeError::BadLength {
            at: 0,
            length: 32_768
        })
    );
}

#[test]
fn a_known_tagged_field_must_fill_its_size() {
    let valid = body_of(
        &FetchRequest {
            cluster_id: Some("c".into()),
            ..Default::default()
        },
        12,
    );
    let field = b"\x01\x00\x02\x02c";
    assert!(valid.ends_with(field));
    let head = &valid[..valid.len() - field.len()];
    let decode = |tail: &[u8]| FetchRequest::decode(&[head, tail].concat().into(), 12);
    assert_eq!(
        decode(field).map(|request| request.cluster_id),
        Ok(Some("c".into()))
    );
    // An unknown field before and behind it.
    let among_others = b"\x03\x00\x02\x02c\x07\x01x\x09\x00";
    assert_eq!(
        decode(among_others).map(|request| request.cluster_id),
        Ok(Some("c".into()))
    );
    assert!(matches!(
        decode(b"\x01\x00\x03\x02cx"),
        Err(DecodeError::TaggedFieldTooLong { tag: 0, .. })
    ));
    assert!(matches!(
        decode(b"\x01\x00\x01\x02c"),
        Err(DecodeError::Truncated { .. })
    ));
    assert!(matches!(
        decode(b"\x01\x00\xff\xff\xff\xff\x0f"),
        Err(DecodeError::Truncated { .. })
    ));
    assert!(matches!(
        decode(b"\xff\xff\xff\xff\x0f"),
        Err(DecodeError::Truncated { .. })
    ));
}

#[test]
fn a_nullable_structure_is_led_by_its_presence() {
    let body = |presence: &[u8]| [b"\x01\x00\x00\x00\x05", presence, b"\x00"].concat().into();
    let decode = |presence: &[u8]| DescribeTopicPartitionsRequest::decode(&body(presence), 0);
    assert_eq!(decode(b"\xff").map(|request| request.cursor), Ok(None));
    let cursor = messages::DescribeTopicPartitionsCursor {
        topic_name: "t".into(),
        partition_index: 1,
    };
    let present = b"\x01\x02t\x00\x00\x00\x01\x00";
    assert_eq!(
        decode(present).map(|request| request.cursor),
        Ok(Some(cursor))
    );
}

#[test]
fn bytes_behind_the_last_field_are_ignored() {
    let mut body = BytesMut::from(&body_of(&HeartbeatRequest::default(), 4)[..]);
    body.extend_from_slice(b"more");
    assert_eq!(
        HeartbeatRequest::decode(&body.freeze(), 4),
        Ok(HeartbeatRequest::default())
    );
}
