//! SyncGroup: the leader brings the assignments of a classic group, every member gets its own.
//!
//! Waits for the leader. Assignments pass through as they are.

use floe_broker::api::classic::{Claim, Sync, Synced};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{SyncGroupRequest, SyncGroupResponse};
use floe_model::{Generation, MemberId};

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, member_id};

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    match sync(cx, request).await {
        Ok(synced) => SyncGroupResponse {
            protocol_type: Some(synced.protocol_type),
            protocol_name: Some(synced.protocol),
            assignment: synced.assignment.into(),
            ..SyncGroupResponse::default()
        },
        Err(error_code) => SyncGroupResponse {
            error_code,
            ..SyncGroupResponse::default()
        },
    }
}

async fn sync(cx: &RequestContext, request: SyncGroupRequest) -> Result<Synced, KafkaError> {
    let group = group_name(&request.group_id)?;
    let claim = Claim {
        member_id: member_id(&request.member_id)?,
        instance_id: request.group_instance_id,
        generation: Generation(request.generation_id),
    };
    let assignments = request.assignments.into_iter().filter_map(|one| {
        let member_id = MemberId::new(one.member_id).ok()?;
        Some((member_id, one.assignment.to_vec()))
    });
    let sync = Sync {
        claim,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments.collect(),
    };
    let synced = cx.broker().sync_classic_group(group, sync).await;
    synced.map_err(|failure| group_error(&failure))
}
