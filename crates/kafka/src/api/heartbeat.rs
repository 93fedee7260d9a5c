//! Heartbeat: keeps a member in its classic group and tells it when to join again.

use floe_broker::api::classic::Claim;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{HeartbeatRequest, HeartbeatResponse};
use floe_model::Generation;

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, member_id};

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    HeartbeatResponse {
        error_code: beat(cx, request).await.err().unwrap_or(KafkaError::NONE),
        ..HeartbeatResponse::default()
    }
}

async fn beat(cx: &RequestContext, request: HeartbeatRequest) -> Result<(), KafkaError> {
    let group = group_name(&request.group_id)?;
    let claim = Claim {
        member_id: member_id(&request.member_id)?,
        instance_id: request.group_instance_id,
        generation: Generation(request.generation_id),
    };
    let beaten = cx.broker().classic_heartbeat(group, claim).await;
    beaten.map_err(|failure| group_error(&failure))
}
