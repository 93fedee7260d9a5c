//! The one table of what is served, and the way from a request's bytes to its answer's.
//!
//! An API that stands in [`SERVED`] is advertised in all versions that the codec has. One that
//! does not is unknown here, whatever the codec can decode.

use bytes::Bytes;
use floe_kafka_codec::messages::{
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, ApiVersionsRequest,
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest, FetchRequest,
    FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest,
    ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, SyncGroupRequest,
};
use floe_kafka_codec::{ApiKey, Frame, Request, RequestHeader};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::api;
use crate::api::produce::Outcome;
use crate::context::RequestContext;

/// A request before its body is decoded.
pub(crate) struct Received {
    pub(crate) header: RequestHeader,
    pub(crate) body: Bytes,
}

/// What follows from a request.
pub(crate) enum Answer {
    /// A response.
    Frame(Frame),
    /// No response, as to a produce that wants none.
    Nothing,
    /// The connection ends: there is no answer that the peer could understand.
    Close,
}

macro_rules! served {
    ($($key:ident $request:ident $module:ident;)*) => {
        /// The APIs that are served and advertised, by ascending key. Produce does not begin like
        /// the others: see [`begin`].
        pub(crate) const SERVED: &[ApiKey] = &[ApiKey::Produce, $(ApiKey::$key,)*];

        fn name_of(api: ApiKey) -> &'static str {
            match api {
                ApiKey::Produce => "Produce",
                $(ApiKey::$key => stringify!($key),)*
            }
        }

        async fn answer(api: ApiKey, cx: RequestContext, received: Received) -> Answer {
            match api {
                $(ApiKey::$key => {
                    let request = match decode::<$request>(&cx, &received) {
                        Some(request) => request,
                        None => return Answer::Close,
                    };
                    let version = received.header.api_version;
                    // Boxed: one request's state must not make every answer as large as it.
                    let response = Box::pin(api::$module::handle(&cx, version, request)).await;
                    encode::<$request>(&response, &received.header)
                })*
                _ => Answer::Close,
            }
        }
    };
}

served! {
    Fetch FetchRequest fetch;
    ListOffsets ListOffsetsRequest list_offsets;
    Metadata MetadataRequest metadata;
    OffsetCommit OffsetCommitRequest offset_commit;
    OffsetFetch OffsetFetchRequest offset_fetch;
    FindCoordinator FindCoordinatorRequest find_coordinator;
    JoinGroup JoinGroupRequest join_group;
    Heartbeat HeartbeatRequest heartbeat;
    LeaveGroup LeaveGroupRequest leave_group;
    SyncGroup SyncGroupRequest sync_group;
    DescribeGroups DescribeGroupsRequest describe_groups;
    ListGroups ListGroupsRequest list_groups;
    ApiVersions ApiVersionsRequest api_versions;
    CreateTopics CreateTopicsRequest create_topics;
    DeleteTopics DeleteTopicsRequest delete_topics;
    DeleteRecords DeleteRecordsRequest delete_records;
    InitProducerId InitProducerIdRequest init_producer_id;
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest offset_for_leader_epoch;
    DescribeConfigs DescribeConfigsRequest describe_configs;
    AlterConfigs AlterConfigsRequest alter_configs;
    DescribeLogDirs DescribeLogDirsRequest describe_log_dirs;
    CreatePartitions CreatePartitionsRequest create_partitions;
    DeleteGroups DeleteGroupsRequest delete_groups;
    ElectLeaders ElectLeadersRequest elect_leaders;
    IncrementalAlterConfigs IncrementalAlterConfigsRequest incremental_alter_configs;
    AlterPartitionReassignments AlterPartitionReassignmentsRequest alter_partition_reassignments;
    ListPartitionReassignments ListPartitionReassignmentsRequest list_partition_reassignments;
    OffsetDelete OffsetDeleteRequest offset_delete;
    DescribeCluster DescribeClusterRequest describe_cluster;
    DescribeProducers DescribeProducersRequest describe_producers;
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest consumer_group_heartbeat;
    ConsumerGroupDescribe ConsumerGroupDescribeRequest consumer_group_describe;
    ListConfigResources ListConfigResourcesRequest list_config_resources;
    DescribeTopicPartitions DescribeTopicPartitionsRequest describe_topic_partitions;
}

/// Begins with a request. What must happen in the order of arrival happens in this call; the rest
/// when the future is polled.
pub(crate) fn begin(cx: RequestContext, received: Received) -> BoxFuture<'static, Answer> {
    let (number, version) = (received.header.api_key, received.header.api_version);
    let served = received.header.api().filter(|api| SERVED.contains(api));
    let Some(api) = served else {
        refuse(&cx, number, version);
        return std::future::ready(Answer::Close).boxed();
    };
    let metrics = cx.broker().gateway_metrics();
    metrics.request(name_of(api), received.body.len());
    if !api.versions().serves(version) {
        let answer = if api == ApiKey::ApiVersions {
            downgrade(&received.header)
        } else {
            refuse(&cx, number, version);
            Answer::Close
        };
        return std::future::ready(answer).boxed();
    }
    if api == ApiKey::Produce {
        return begin_produce(cx, received);
    }
    answer(api, cx, received).boxed()
}

/// Offers the batches in this call, so that they are appended in the order of their requests.
fn begin_produce(cx: RequestContext, received: Received) -> BoxFuture<'static, Answer> {
    let Some(request) = decode::<ProduceRequest>(&cx, &received) else {
        return std::future::ready(Answer::Close).boxed();
    };
    let produced = api::produce::begin(cx, received.header.api_version, request);
    let header = received.header;
    async move {
        match produced.await {
            Outcome::Respond(response) => encode::<ProduceRequest>(&response, &header),
            Outcome::Silent => Answer::Nothing,
            Outcome::Close => Answer::Close,
        }
    }
    .boxed()
}

/// There is no typed answer to a request of an unknown version.
fn refuse(cx: &RequestContext, api_key: i16, version: i16) {
    let (peer_addr, client_id) = (cx.peer_addr, cx.client_id.as_deref().unwrap_or(""));
    tracing::warn!(
        %peer_addr, client_id, api_key, version,
        "request of an API or version that is not served; connection closed"
    );
}

/// Tells a client that asked for versions in too new a version which one to ask in.
fn downgrade(header: &RequestHeader) -> Answer {
    let response = api::api_versions::downgrade();
    frame::<ApiVersionsRequest>(&response, 0, header.correlation_id)
}

fn decode<R: Request>(cx: &RequestContext, received: &Received) -> Option<R> {
    let version = received.header.api_version;
    match R::decode(&received.body, version) {
        Ok(request) => Some(request),
        Err(error) => {
            let (peer_addr, client_id) = (cx.peer_addr, cx.client_id.as_deref().unwrap_or(""));
            tracing::warn!(
                %peer_addr, client_id, api = ?R::API, version, %error,
                "malformed request; connection closed"
            );
            None
        }
    }
}

fn encode<R: Request>(response: &R::Response, header: &RequestHeader) -> Answer {
    frame::<R>(response, header.api_version, header.correlation_id)
}

fn frame<R: Request>(response: &R::Response, version: i16, correlation_id: i32) -> Answer {
    match R::response_frame(response, version, correlation_id) {
        Ok(frame) => Answer::Frame(frame),
        Err(error) => {
            tracing::error!(api = ?R::API, version, %error, "answer not encoded");
            Answer::Close
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends_and_so_has_no_api_twice() {
        assert!(SERVED.is_sorted_by(|a, b| a < b));
    }
}
