//! Frames byte by byte, written down from the protocol's rules. They must never change.

use bytes::Bytes;
use floe_model::TopicId;

use crate::messages::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FetchPartitionResponse, FetchRequest,
    FetchResponse, FetchTopicResponse, JoinGroupRequest, JoinGroupRequestProtocol,
    LeaderIdAndEpoch, MetadataRequest, NodeEndpoint, ProduceRequest, ProduceResponse,
};
use crate::tests::from_hex;
use crate::writer::SIZE_PREFIX_BYTES;
use crate::{KafkaError, Message, Request, RequestHeader};

/// The frame encodes to `hex`, size included, and its body decodes to the request again.
fn check_request<R: Request + PartialEq + std::fmt::Debug>(request: &R, version: i16, hex: &str) {
    let frame = request
        .to_frame(version, 1, Some("rdkafka"))
        .unwrap()
        .to_bytes();
    assert_eq!(frame, from_hex(hex), "{frame:02x}");
    let (header, body) = RequestHeader::decode(&frame.slice(SIZE_PREFIX_BYTES..)).unwrap();
    assert_eq!(header.client_id.as_deref(), Some("rdkafka"));
    assert_eq!(R::decode(&body, header.api_version).as_ref(), Ok(request));
}

fn check_response<R: Request>(response: &R::Response, version: i16, hex: &str)
where
    R::Response: PartialEq + std::fmt::Debug,
{
    let frame = R::response_frame(response, version, 1).unwrap().to_bytes();
    assert_eq!(frame, from_hex(hex), "{frame:02x}");
    let frame = frame.slice(SIZE_PREFIX_BYTES..);
    let (header, decoded) = R::decode_response(&frame, version).unwrap();
    assert_eq!((header.correlation_id, &decoded), (1, response));
}

#[test]
fn first_request_of_librdkafka() {
    let request = ApiVersionsRequest {
        client_software_name: "librdkafka".into(),
        client_software_version: "2.0.2".into(),
    };
    let hex = "00000024 0012 0003 00000001 0007 72646b61666b61 00
        0b 6c696272646b61666b61 06 322e302e32 00";
    check_request(&request, 3, hex);
}

#[test]
fn reply_to_an_unknown_version_of_api_versions_has_a_32_bit_count() {
    let response = ApiVersionsResponse {
        error_code: KafkaError::UNSUPPORTED_VERSION,
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        }],
        ..Default::default()
    };
    let hex = "00000010 00000001 0023 00000001 0012 0000 0004";
    check_response::<ApiVersionsRequest>(&response, 0, hex);
}

#[test]
fn api_versions_response_has_no_tags_in_its_header() {
    let response = ApiVersionsResponse {
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        }],
        finalized_features_epoch: 5,
        ..Default::default()
    };
    let hex = "0000001d 00000001 0000 02 0012 0000 0004 00 00000000
        01 01 08 0000000000000005";
    check_response::<ApiVersionsRequest>(&response, 3, hex);
}

#[test]
fn metadata_of_all_topics() {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    check_request(
        &request,
        1,
        "00000015 0003 0001 00000001 0007 72646b61666b61 ffffffff",
    );
    let hex = "00000016 0003 000c 00000001 0007 72646b61666b61 00 00 01 00 00";
    check_request(&request, 12, hex);
}

#[test]
fn produce_request_of_version_3() {
    let hex = "0000002f 0000 0003 00000001 0007 72646b61666b61
        ffff ffff 00007530 00000001 0001 74 00000001 00000002 00000003 616263";
    let body = from_hex(hex).slice(4 + 17..);
    let request = ProduceRequest::decode(&body, 3).unwrap();
    assert_eq!(
        (request.transactional_id.as_deref(), request.acks),
        (None, -1)
    );
    assert_eq!(
        (request.timeout_ms, request.topic_data[0].name.as_str()),
        (30_000, "t")
    );
    let partition = &request.topic_data[0].partition_data[0];
    assert_eq!(
        (partition.index, partition.records.as_deref()),
        (2, Some(&b"abc"[..]))
    );
    check_request(&request, 3, hex);
}

#[test]
fn leader_hint_in_a_fetch_response() {
    let partition = FetchPartitionResponse {
        partition_index: 1,
        error_code: KafkaError::NOT_LEADER_OR_FOLLOWER,
        high_watermark: -1,
        current_leader: LeaderIdAndEpoch {
            leader_id: 2,
            leader_epoch: 9,
        },
        records: Some(Bytes::new().into()),
        ..Default::default()
    };
    let response = FetchResponse {
        responses: vec![FetchTopicResponse {
            topic_id: TopicId([0xab; 16]),
            partitions: vec![partition],
            ..Default::default()
        }],
        node_endpoints: vec![NodeEndpoint {
            node_id: 2,
            host: "h".into(),
            port: 9092,
            rack: None,
        }],
        ..Default::default()
    };
    let hex = "00000062 00000001 00
        00000000 0000 00000000
        02 abababababababababababababababab
        02 00000001 0006 ffffffffffffffff ffffffffffffffff ffffffffffffffff 00 ffffffff 01
        01 01 09 00000002 00000009 00
        00
        01 00 0d 02 00000002 02 68 00002384 00 00";
    check_response::<FetchRequest>(&response, 16, hex);
}

#[test]
fn produce_response_of_version_10_without_topics() {
    let response = ProduceResponse {
        throttle_time_ms: 7,
        ..Default::default()
    };
    check_response::<ProduceRequest>(&response, 10, "0000000b 00000001 00 01 00000007 00");
}

#[test]
fn join_group_of_version_5() {
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 300_000,
        group_instance_id: Some("i".into()),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"\x00\x01"),
        }],
        ..Default::default()
    };
    let hex = "0000003c 000b 0005 00000001 0007 72646b61666b61
        0001 67 00002710 000493e0 0000 0001 69 0008 636f6e73756d6572
        00000001 0005 72616e6765 00000002 0001";
    check_request(&request, 5, hex);
}
