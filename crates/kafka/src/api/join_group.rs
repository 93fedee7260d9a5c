//! JoinGroup: a membership in the next generation of a classic group.
//!
//! Waits for the generation. What members say to each other passes through as it is.

use floe_broker::api::classic::{Join, Protocol};
use floe_broker::api::{GroupFailure, JoinOutcome};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use floe_model::MemberId;

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, member_id};

/// From here on a new member gets its id first and joins with it.
const ID_FIRST_FROM: i16 = 4;
/// From here on a static leader may be told to keep its assignment.
const SKIPS_FROM: i16 = 9;
/// Of the client's own name in the id of a new member, bytes.
const PREFIX_BYTES_MAX: usize = 128;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let asked_as = request.member_id.clone();
    let outcome = match group_name(&request.group_id) {
        Ok(group) => match join(cx, version, request) {
            Ok(join) => {
                let joined = cx.broker().join_classic_group(group, join).await;
                joined.map_err(|failure: GroupFailure| group_error(&failure))
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match outcome {
        Ok(JoinOutcome::Joined(joined)) => JoinGroupResponse {
            generation_id: joined.generation.0,
            protocol_type: Some(joined.protocol_type),
            protocol_name: Some(joined.protocol),
            leader: joined.leader.into(),
            skip_assignment: joined.skips_assignment,
            member_id: joined.member_id.into(),
            members: joined
                .members
                .into_iter()
                .map(|member| JoinGroupResponseMember {
                    member_id: member.member_id.into(),
                    group_instance_id: member.instance_id,
                    metadata: member.metadata.into(),
                })
                .collect(),
            ..JoinGroupResponse::default()
        },
        Ok(JoinOutcome::MemberIdRequired(member_id)) => {
            refused(KafkaError::MEMBER_ID_REQUIRED, member_id.into())
        }
        Err(error) => refused(error, asked_as),
    }
}

fn refused(error_code: KafkaError, member_id: String) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code,
        member_id,
        ..JoinGroupResponse::default()
    }
}

fn join(cx: &RequestContext, version: i16, request: JoinGroupRequest) -> Result<Join, KafkaError> {
    let known = match request.member_id.as_str() {
        "" => None,
        id => Some(member_id(id)?),
    };
    let protocol = |one: JoinGroupRequestProtocol| Protocol {
        name: one.name,
        metadata: one.metadata.to_vec(),
    };
    let session_timeout_ms = u32::try_from(request.session_timeout_ms).unwrap_or_default();
    // Version 0 has no timeout of its own for rebalances.
    let rebalance_timeout_ms = u32::try_from(request.rebalance_timeout_ms);
    let client_id = cx.client_id.as_deref().unwrap_or_default();
    let prefix = request.group_instance_id.as_deref().unwrap_or(client_id);
    Ok(Join {
        member_id: known,
        new_member_id: new_member_id(cx, prefix)?,
        client_id: client_id.to_owned(),
        client_host: format!("/{}", cx.peer_addr.ip()),
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(protocol).collect(),
        session_timeout_ms,
        rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
        is_id_required: version >= ID_FIRST_FROM,
        may_skip_assignment: version >= SKIPS_FROM,
        instance_id: request.group_instance_id,
    })
}

/// An id that nobody had before, with the client's own name in front for people.
fn new_member_id(cx: &RequestContext, prefix: &str) -> Result<MemberId, KafkaError> {
    let printable = prefix.chars().filter(|one| !one.is_control());
    let mut id = String::new();
    for one in printable {
        if id.len() + one.len_utf8() > PREFIX_BYTES_MAX {
            break;
        }
        id.push(one);
    }
    let (high, low) = (cx.env().rng.next_u64(), cx.env().rng.next_u64());
    member_id(&format!("{id}-{high:016x}{low:016x}"))
}
