use std::fmt::Debug;

use floe_record::EntryBody;
use proptest::prelude::*;

use super::*;
use crate::samples;
use crate::{
    ClientApiRequest, ClientApiResponse, Failure, Payload, PeerApiRequest, PeerApiResponse,
    TopicInfo, WireEntry,
};

fn bytes_of<T: Serialize>(value: &T) -> Bytes {
    encode(value).unwrap()
}

fn round_trips<T: Serialize + DeserializeOwned + Debug>(values: &[T]) {
    for value in values {
        let bytes = bytes_of(value);
        let read: T = decode(&bytes).unwrap();
        assert_eq!(bytes_of(&read), bytes, "{value:?}");
        assert_eq!(format!("{read:?}"), format!("{value:?}"));
    }
}

#[test]
fn every_message_survives_the_wire() {
    round_trips(&samples::client_requests());
    round_trips(&samples::client_responses());
    round_trips(&samples::peer_requests());
    round_trips(&samples::peer_responses());
    let entries = samples::entries();
    let read: Vec<WireEntry> = decode(&bytes_of(&entries)).unwrap();
    assert_eq!(read, entries);
    assert!(read.iter().all(|entry| entry.0.verify_bodies()));
}

#[test]
fn the_size_of_an_append_is_an_upper_bound_and_close() {
    let append = samples::append(samples::entries());
    let actual = bytes_of(&append).len();
    assert!(actual <= append.size_bytes());
    assert!(append.size_bytes() <= actual + 300);
}

#[test]
fn a_value_has_a_version_byte_and_no_bytes_behind_it() {
    let bytes = bytes_of(&7u32);
    assert_eq!(&bytes[..], [VERSION, 7]);
    assert!(matches!(
        decode::<u32>(&Bytes::new()),
        Err(WireError::Empty)
    ));
    let other = Bytes::from_static(&[2, 7]);
    assert!(matches!(
        decode::<u32>(&other),
        Err(WireError::Version { found: 2 })
    ));
    let longer = Bytes::from_static(&[VERSION, 7, 0]);
    assert!(matches!(
        decode::<u32>(&longer),
        Err(WireError::TrailingBytes { count: 1 })
    ));
}

#[test]
fn a_payload_is_a_slice_of_the_frame() {
    let body = Bytes::from(vec![42; 100_000]);
    let bytes = bytes_of(&(1u8, Payload(body.clone()), Payload::from(vec![1, 2])));
    let (_, long, short): (u8, Payload, Payload) = decode(&bytes).unwrap();
    assert_eq!(long.0, body);
    let frame = bytes.as_ptr_range();
    assert!(frame.contains(&long.as_ptr()) && frame.contains(&short.as_ptr()));
}

#[test]
fn a_bounded_frame_gives_its_small_pieces_away_as_copies() {
    let value = (Payload::from(vec![1; 20]), Payload::from(vec![2; 60_000]));
    let mut frame = BytesMut::new();
    append(&value, &mut frame, BYTES_MAX).unwrap();
    let frame = frame.freeze();
    let (small, large): (Payload, Payload) =
        decode_frame(&frame, BYTES_MAX, Pinning::Bounded).unwrap();
    assert!(!frame.as_ptr_range().contains(&small.as_ptr()));
    assert!(frame.as_ptr_range().contains(&large.as_ptr()));
    assert_eq!(small[..], [1; 20]);
}

#[test]
fn the_body_of_an_entry_is_not_copied() {
    let entry = samples::entry(4, EntryBody::Data(vec![samples::batch(100_000)]));
    let bytes = bytes_of(&entry);
    let WireEntry(read) = decode(&bytes).unwrap();
    let body = read.batches()[0].body();
    assert!(bytes.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn the_body_of_an_entry_answers_for_the_frame_it_keeps() {
    let batches = vec![samples::batch(100_000), samples::batch(100)];
    let entry = samples::entry(4, EntryBody::Data(batches));
    let mut bytes = BytesMut::new();
    append(&entry, &mut bytes, BYTES_MAX).unwrap();
    let frame = bytes.freeze();
    let WireEntry(read) = decode_frame(&frame, BYTES_MAX, Pinning::Bounded).unwrap();
    assert_eq!(WireEntry(read.clone()), entry);
    let [large, small] = read.batches() else {
        panic!("{read:?}")
    };
    assert_eq!(large.held_bytes(), frame.len());
    assert_eq!(small.held_bytes(), small.body().len());
}

#[test]
fn a_payload_outside_of_a_frame_is_copied() {
    let bytes = bytes_of(&Payload::from(vec![3; 50]));
    let (payload, _): (Payload, usize) = decode_start(&bytes[1..]).unwrap();
    assert_eq!(payload[..], [3; 50]);
}

/// bincode's forms of 2^42 and of u64::MAX.
const FORGED: [[u8; 9]; 2] = [
    [253, 0, 0, 0, 0, 0, 4, 0, 0],
    [253, 255, 255, 255, 255, 255, 255, 255, 255],
];

#[test]
fn a_forged_length_is_an_error() {
    for forged in FORGED {
        let bytes = [&[VERSION][..], &forged, b"abc"].concat().into();
        assert!(decode::<Payload>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<Vec<String>>(&bytes).is_err());
        assert!(decode::<Vec<TopicInfo>>(&bytes).is_err());
        assert!(decode::<Vec<WireEntry>>(&bytes).is_err());
        assert!(decode::<Result<Vec<u64>, Failure>>(&bytes).is_err());
    }
}

#[test]
fn a_value_over_the_limit_is_refused_before_it_is_all_written() {
    let value = vec![Payload::from(vec![0; 5000]); 4];
    let mut out = BytesMut::new();
    let refused = append(&value, &mut out, 6000);
    assert!(matches!(
        refused,
        Err(WireError::TooLarge { limit_bytes: 6000 })
    ));
    assert!(out.len() <= 6000);
}

/// Decodes as everything that connections carry. Only a panic, a hang or an abort fails.
fn decode_all(bytes: &Bytes) {
    for limit in [CONTROL_FRAME_BYTES_MAX, FRAME_BYTES_MAX] {
        drop(decode_frame::<(u64, u32, ClientApiRequest)>(
            bytes,
            limit,
            Pinning::Bounded,
        ));
        drop(decode_frame::<(u64, u32, PeerApiRequest)>(
            bytes,
            limit,
            Pinning::Bounded,
        ));
        drop(decode_frame::<ClientApiResponse>(
            bytes,
            limit,
            Pinning::Free,
        ));
        drop(decode_frame::<PeerApiResponse>(bytes, limit, Pinning::Free));
    }
}

fn valid_frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut push = |value: &dyn Fn(&mut BytesMut) -> Result<(), WireError>| {
        let mut out = BytesMut::new();
        value(&mut out).unwrap();
        frames.push(out.to_vec());
    };
    for request in samples::client_requests() {
        push(&|out| append(&(1u64, 2u32, &request), out, BYTES_MAX));
    }
    for request in samples::peer_requests() {
        push(&|out| append(&(1u64, 2u32, &request), out, BYTES_MAX));
    }
    for response in samples::client_responses() {
        push(&|out| append(&response, out, BYTES_MAX));
    }
    frames
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes.clone().into());
        drop(decode::<WireEntry>(&bytes.into()));
    }

    #[test]
    fn any_damage_to_a_message_decodes_or_fails(
        place in any::<proptest::sample::Index>(),
        frame in 0..21usize,
        damage in proptest::collection::vec(any::<u8>(), 1..12),
        removed in 0..12usize,
    ) {
        let frames = valid_frames();
        let mut bytes = frames[frame % frames.len()].clone();
        let start = place.index(bytes.len());
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, damage);
        decode_all(&bytes.into());
    }
}
