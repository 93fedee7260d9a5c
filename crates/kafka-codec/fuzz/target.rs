//! What must hold of a request decoder for any bytes whatsoever.
//!
//! Shared by the libFuzzer targets of this folder, the example `fuzz` and the test `fuzz`. The input is
//! a frame behind its size; the target fixes the API and brings the version into the served range, so
//! that each input reaches the decoder that it is meant for.
//!
//! Invariant checked: decoding gives a request or an error. A request encodes, the frame decodes to the
//! same request, and encoding that gives the same bytes: nothing is read that cannot be written.

use bytes::Bytes;
use floe_kafka_codec::{ApiKey, Request, RequestHeader, messages};

/// Size prefix of an encoded frame, bytes.
const SIZE_BYTES: usize = 4;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not even a header.
    NoHeader,
    /// The body is refused.
    Refused,
    /// The body is a request.
    Decoded,
}

/// A request decoder.
pub(crate) struct Target {
    pub(crate) api: ApiKey,
    decode: fn(&RequestHeader, &Bytes) -> Outcome,
}

impl Target {
    /// Gives `frame` to the decoder, as a request of this target's API. Panics on a violation.
    pub(crate) fn run(&self, frame: &[u8]) -> Outcome {
        let served = self.api.versions();
        let mut frame = frame.to_vec();
        if frame.len() < 4 {
            return Outcome::NoHeader;
        }
        frame[..2].copy_from_slice(&self.api.number().to_be_bytes());
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let versions = i32::from(served.max - served.min) + 1;
        let offset = (i32::from(version) - i32::from(served.min)).rem_euclid(versions);
        let wrapped = served.min + offset as i16;
        frame[2..4].copy_from_slice(&wrapped.to_be_bytes());
        match RequestHeader::decode(&frame.into()) {
            Ok((header, body)) => (self.decode)(&header, &body),
            Err(_) => Outcome::NoHeader,
        }
    }
}

fn decode<R: Request + PartialEq>(header: &RequestHeader, body: &Bytes) -> Outcome {
    let Ok(request) = R::decode(body, header.api_version) else {
        return Outcome::Refused;
    };
    let frame = encoded(&request, header);
    let (again, body) = RequestHeader::decode(&frame).expect("an encoded header decodes");
    assert_eq!(&again, header, "{:?}: another header", R::API);
    let same = R::decode(&body, header.api_version).expect("an encoded request decodes");
    assert!(
        same == request,
        "{:?} {}: another request",
        R::API,
        header.api_version
    );
    assert_eq!(encoded(&same, header), frame, "{:?}: other bytes", R::API);
    Outcome::Decoded
}

/// A frame without its size.
fn encoded<R: Request>(request: &R, header: &RequestHeader) -> Bytes {
    let client_id = header.client_id.as_deref();
    request
        .to_frame(header.api_version, header.correlation_id, client_id)
        .expect("what was decoded can be encoded")
        .to_bytes()
        .slice(SIZE_BYTES..)
}

macro_rules! targets {
    ($($name:ident $request:ident,)*) => {
        /// One for each API.
        pub(crate) const TARGETS: &[Target] = &[$(
            Target { api: ApiKey::$name, decode: decode::<messages::$request> },
        )*];
    };
}

targets! {
    Produce ProduceRequest,
    Fetch FetchRequest,
    ListOffsets ListOffsetsRequest,
    Metadata MetadataRequest,
    OffsetCommit OffsetCommitRequest,
    OffsetFetch OffsetFetchRequest,
    FindCoordinator FindCoordinatorRequest,
    JoinGroup JoinGroupRequest,
    Heartbeat HeartbeatRequest,
    LeaveGroup LeaveGroupRequest,
    SyncGroup SyncGroupRequest,
    DescribeGroups DescribeGroupsRequest,
    ListGroups ListGroupsRequest,
    ApiVersions ApiVersionsRequest,
    CreateTopics CreateTopicsRequest,
    DeleteTopics DeleteTopicsRequest,
    DeleteRecords DeleteRecordsRequest,
    InitProducerId InitProducerIdRequest,
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest,
    DescribeConfigs DescribeConfigsRequest,
    AlterConfigs AlterConfigsRequest,
    DescribeLogDirs DescribeLogDirsRequest,
    CreatePartitions CreatePartitionsRequest,
    DeleteGroups DeleteGroupsRequest,
    ElectLeaders ElectLeadersRequest,
    IncrementalAlterConfigs IncrementalAlterConfigsRequest,
    AlterPartitionReassignments AlterPartitionReassignmentsRequest,
    ListPartitionReassignments ListPartitionReassignmentsRequest,
    OffsetDelete OffsetDeleteRequest,
    DescribeCluster DescribeClusterRequest,
    DescribeProducers DescribeProducersRequest,
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest,
    ConsumerGroupDescribe ConsumerGroupDescribeRequest,
    ListConfigResources ListConfigResourcesRequest,
    DescribeTopicPartitions DescribeTopicPartitionsRequest,
}
