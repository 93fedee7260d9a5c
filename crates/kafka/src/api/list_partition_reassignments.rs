//! ListPartitionReassignments: the moves of replicas under way. There are none: replicas cannot be
//! moved yet, and a replica that succeeds one on a lost disk stays on its node.

use floe_kafka_codec::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::context::RequestContext;

pub(crate) async fn handle(
    _cx: &RequestContext,
    _version: i16,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
