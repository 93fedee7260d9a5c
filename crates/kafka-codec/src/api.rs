//! The APIs served: one row each, and the only place that knows keys and version ranges.
//!
//! Every version between `min` and `max` is served. The gateway advertises exactly this table,
//! with `advertised_min` in place of `min`.

use crate::message::{Message, Request};
use crate::messages::{
    AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, ApiVersionsRequest, ApiVersionsResponse,
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest, DeleteGroupsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ElectLeadersRequest,
    ElectLeadersResponse, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, InitProducerIdRequest, InitProducerIdResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListConfigResourcesRequest, ListConfigResourcesResponse, ListGroupsRequest, ListGroupsResponse,
    ListOffsetsRequest, ListOffsetsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest,
    ProduceResponse, SyncGroupRequest, SyncGroupResponse,
};

/// What is served of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedApi {
    /// The API.
    pub key: ApiKey,
    /// The first version served.
    pub min: i16,
    /// The last version served.
    pub max: i16,
    /// The first version with compact lengths and tagged fields, if there is one.
    pub flexible_from: Option<i16>,
    /// The first version to advertise: `min`, or lower where clients look for an older one.
    pub advertised_min: i16,
}

impl ServedApi {
    /// Whether `version` can be decoded and encoded.
    #[must_use]
    pub fn serves(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Whether `version` has compact lengths and tagged fields; also for versions not served.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from.is_some_and(|from| version >= from)
    }
}

/// Calls `$callback!` with a row per API: key, name, request, response, versions served, first
/// flexible version, and the first advertised version where it is not the first served.
macro_rules! for_each_api {
    ($callback:ident) => {
        $callback! {
            // librdkafka switches compression off unless Produce 0 is advertised.
            0 Produce ProduceRequest ProduceResponse 3..=12 flexible 9 advertised 0;
            1 Fetch FetchRequest FetchResponse 4..=17 flexible 12;
            2 ListOffsets ListOffsetsRequest ListOffsetsResponse 1..=10 flexible 6;
            3 Metadata MetadataRequest MetadataResponse 0..=12 flexible 9;
            8 OffsetCommit OffsetCommitRequest OffsetCommitResponse 2..=9 flexible 8;
            9 OffsetFetch OffsetFetchRequest OffsetFetchResponse 1..=9 flexible 6;
            10 FindCoordinator FindCoordinatorRequest FindCoordinatorResponse 0..=6 flexible 3;
            11 JoinGroup JoinGroupRequest JoinGroupResponse 0..=9 flexible 6;
            12 Heartbeat HeartbeatRequest HeartbeatResponse 0..=4 flexible 4;
            13 LeaveGroup LeaveGroupRequest LeaveGroupResponse 0..=5 flexible 4;
            14 SyncGroup SyncGroupRequest SyncGroupResponse 0..=5 flexible 4;
            15 DescribeGroups DescribeGroupsRequest DescribeGroupsResponse 0..=6 flexible 5;
            16 ListGroups ListGroupsRequest ListGroupsResponse 0..=5 flexible 3;
            18 ApiVersions ApiVersionsRequest ApiVersionsResponse 0..=4 flexible 3;
            19 CreateTopics CreateTopicsRequest CreateTopicsResponse 2..=7 flexible 5;
            20 DeleteTopics DeleteTopicsRequest DeleteTopicsResponse 1..=6 flexible 4;
            21 DeleteRecords DeleteRecordsRequest DeleteRecordsResponse 0..=2 flexible 2;
            22 InitProducerId InitProducerIdRequest InitProducerIdResponse 0..=5 flexible 2;
            23 OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
                2..=4 flexible 4;
            32 DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse 1..=4 flexible 4;
            33 AlterConfigs AlterConfigsRequest AlterConfigsResponse 0..=2 flexible 2;
            35 DescribeLogDirs DescribeLogDirsRequest DescribeLogDirsResponse 1..=4 flexible 2;
            37 CreatePartitions CreatePartitionsRequest CreatePartitionsResponse 0..=3 flexible 2;
            42 DeleteGroups DeleteGroupsRequest DeleteGroupsResponse 0..=2 flexible 2;
            43 ElectLeaders ElectLeadersRequest ElectLeadersResponse 0..=2 flexible 2;
            44 IncrementalAlterConfigs IncrementalAlterConfigsRequest
                IncrementalAlterConfigsResponse 0..=1 flexible 1;
            45 AlterPartitionReassignments AlterPartitionReassignmentsRequest
                AlterPartitionReassignmentsResponse 0..=0 flexible 0;
            46 ListPartitionReassignments ListPartitionReassignmentsRequest
                ListPartitionReassignmentsResponse 0..=0 flexible 0;
            47 OffsetDelete OffsetDeleteRequest OffsetDeleteResponse 0..=0;
            60 DescribeCluster DescribeClusterRequest DescribeClusterResponse 0..=1 flexible 0;
            61 DescribeProducers DescribeProducersRequest DescribeProducersResponse
                0..=0 flexible 0;
            68 ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse
                0..=1 flexible 0;
            69 ConsumerGroupDescribe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse
                0..=1 flexible 0;
            74 ListConfigResources ListConfigResourcesRequest ListConfigResourcesResponse
                0..=1 flexible 0;
            75 DescribeTopicPartitions DescribeTopicPartitionsRequest
                DescribeTopicPartitionsResponse 0..=0 flexible 0;
        }
    };
}

macro_rules! define_apis {
    ($(
        $key:literal $name:ident $request:ident $response:ident $min:literal..=$max:literal
        $(flexible $flexible:literal)? $(advertised $advertised:literal)?;
    )*) => {
        /// The APIs served, by Kafka's names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ApiKey {
            $(
                #[doc = concat!("Key ", $key, ".")]
                $name = $key,
            )*
        }

        impl ApiKey {
            /// The API with that number on the wire, if it is served.
            #[must_use]
            pub fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What is served of it.
            #[must_use]
            pub const fn versions(self) -> ServedApi {
                match self {
                    $(Self::$name => ServedApi {
                        key: self,
                        min: $min,
                        max: $max,
                        flexible_from: first([$(Some($flexible),)? None]),
                        advertised_min: first([$($advertised,)? $min]),
                    },)*
                }
            }
        }

        /// What is served, by ascending key.
        pub const APIS: &[ServedApi] = &[$(ApiKey::$name.versions(),)*];

        $(
            impl Message for $request {
                const API: ApiKey = ApiKey::$name;
            }

            impl Message for $response {
                const API: ApiKey = ApiKey::$name;
            }

            impl Request for $request {
                type Response = $response;
            }
        )*
    };
}

/// The row's own value if it states one, else the fallback behind it.
const fn first<T: Copy, const N: usize>(stated_and_fallback: [T; N]) -> T {
    stated_and_fallback[0]
}

for_each_api!(define_apis);

#[cfg(test)]
pub(crate) use for_each_api;

impl ApiKey {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> i16 {
        self as i16
    }
}
