//! Headers, against the crate kafka-protocol and by their rules.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::messages::{ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest};
use crate::writer::SIZE_PREFIX_BYTES;
use crate::{APIS, ApiKey, DecodeError, EncodeError, Request, RequestHeader, ResponseHeader};

fn their_request_header(api: ApiKey, version: i16, client_id: Option<&str>) -> Bytes {
    let key = theirs::ApiKey::try_from(api.number()).unwrap();
    let header = theirs::RequestHeader::default()
        .with_request_api_key(api.number())
        .with_request_api_version(version)
        .with_correlation_id(-7)
        .with_client_id(client_id.map(|id| id.to_owned().into()));
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, key.request_header_version(version))
        .unwrap();
    bytes.extend_from_slice(b"body");
    bytes.freeze()
}

#[test]
fn request_headers_of_every_api_and_version_split_from_their_bodies() {
    for served in APIS {
        for version in served.min..=served.max {
            for client_id in [None, Some(""), Some("kcat")] {
                let frame = their_request_header(served.key, version, client_id);
                let (header, body) = RequestHeader::decode(&frame).unwrap();
                let expected = RequestHeader {
                    api_key: served.key.number(),
                    api_version: version,
                    correlation_id: -7,
                    client_id: client_id.map(str::to_owned),
                };
                assert_eq!((header, &body[..]), (expected, &b"body"[..]));
            }
        }
    }
}

#[test]
fn response_headers_of_every_api_and_version_split_from_their_bodies() {
    for served in APIS {
        let key = theirs::ApiKey::try_from(served.key.number()).unwrap();
        for version in served.min..=served.max {
            let mut bytes = BytesMut::new();
            let header = theirs::ResponseHeader::default().with_correlation_id(9);
            header
                .encode(&mut bytes, key.response_header_version(version))
                .unwrap();
            bytes.extend_from_slice(b"body");
            let (header, body) =
                ResponseHeader::decode(&bytes.freeze(), served.key, version).unwrap();
            assert_eq!((header.correlation_id, &body[..]), (9, &b"body"[..]));
        }
    }
}

#[test]
fn frames_carry_their_size_and_are_read_by_an_independent_implementation() {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        ..Default::default()
    };
    for version in 0..=4 {
        let mut bytes = request.to_frame(version, 5, Some("me")).unwrap().to_bytes();
        assert_eq!(bytes.get_i32() as usize, bytes.len());
        let header_version = theirs::ApiKey::Heartbeat.request_header_version(version);
        let header = theirs::RequestHeader::decode(&mut bytes, header_version).unwrap();
        assert_eq!(
            (header.correlation_id, header.request_api_version),
            (5, version)
        );
        assert_eq!(header.client_id.as_deref(), Some("me"));
        let body = theirs::HeartbeatRequest::decode(&mut bytes, version).unwrap();
        assert_eq!((&**body.group_id, bytes.remaining()), ("g", 0));
    }
}

#[test]
fn responses_come_back_through_the_client_side() {
    let response = ApiVersionsResponse {
        throttle_time_ms: 3,
        ..Default::default()
    };
    for version in 1..=4 {
        let frame = ApiVersionsRequest::response_frame(&response, version, 77)
            .unwrap()
            .to_bytes();
        let frame = frame.slice(SIZE_PREFIX_BYTES..);
        let (header, decoded) = ApiVersionsRequest::decode_response(&frame, version).unwrap();
        assert_eq!((header.correlation_id, &decoded), (77, &response));
    }
}

#[test]
fn header_of_an_unknown_api_or_version_still_splits() {
    let frame = Bytes::from_static(b"\x03\xe7\x00\x09\x00\x00\x00\x01\x00\x01xrest");
    let (header, rest) = RequestHeader::decode(&frame).unwrap();
    assert_eq!(
        (header.api(), header.client_id.as_deref()),
        (None, Some("x"))
    );
    assert_eq!(&rest[..], b"rest");
    // ApiVersions 9 is flexible whatever it is.
    let frame = Bytes::from_static(b"\x00\x12\x00\x09\x00\x00\x00\x01\xff\xff\x00");
    let (header, rest) = RequestHeader::decode(&frame).unwrap();
    assert_eq!(
        (header.api(), header.api_version),
        (Some(ApiKey::ApiVersions), 9)
    );
    assert!(rest.is_empty());
}

#[test]
fn versions_outside_the_served_range_are_refused_in_both_directions() {
    let api = ApiKey::Heartbeat;
    let request = HeartbeatRequest::default();
    for version in [-1, 5, i16::MAX] {
        assert_eq!(
            request.to_frame(version, 0, None).unwrap_err(),
            EncodeError::UnsupportedVersion { api, version }
        );
        assert_eq!(
            <HeartbeatRequest as crate::Message>::decode(&Bytes::new(), version),
            Err(DecodeError::UnsupportedVersion { api, version })
        );
    }
}

#[test]
fn served_ranges_overlap_what_clients_look_for() {
    let covers = |api: ApiKey, version: i16| {
        let served = api.versions();
        (served.advertised_min..=served.max).contains(&version)
    };
    // The feature map of librdkafka 2.0.2.
    for (api, version) in [
        (ApiKey::Produce, 0),
        (ApiKey::Produce, 7),
        (ApiKey::Fetch, 4),
        (ApiKey::Fetch, 10),
        (ApiKey::ListOffsets, 1),
        (ApiKey::InitProducerId, 0),
        (ApiKey::FindCoordinator, 0),
        (ApiKey::OffsetCommit, 2),
        (ApiKey::OffsetFetch, 1),
        (ApiKey::JoinGroup, 0),
        (ApiKey::SyncGroup, 0),
        (ApiKey::Heartbeat, 0),
        (ApiKey::LeaveGroup, 0),
    ] {
        assert!(covers(api, version), "{api:?} {version}");
    }
}
