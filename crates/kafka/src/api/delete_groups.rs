//! DeleteGroups: forgets empty groups of every kind with their offsets.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::group_error::group_name;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let outcome = delete(cx, &group_id).await;
        results.push(DeletableGroupResult {
            group_id,
            error_code: outcome.err().unwrap_or(KafkaError::NONE),
        });
    }
    DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    }
}

async fn delete(cx: &RequestContext, group_id: &str) -> Result<(), KafkaError> {
    let deleted = cx.broker().delete_group(group_name(group_id)?).await;
    deleted.map_err(|failure| kafka_error(failure.code, Asked::Group))
}
