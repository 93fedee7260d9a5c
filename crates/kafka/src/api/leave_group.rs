//! LeaveGroup: takes members out of a classic group; from version 3 on several, each with its
//! own outcome, and static ones by their instance id.

use floe_broker::api::GroupFailure;
use floe_broker::api::classic::{Leaving, Refused};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    LeaveGroupMember, LeaveGroupMemberResponse, LeaveGroupRequest, LeaveGroupResponse,
};
use floe_model::MemberId;

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, refused};

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let members = match version {
        ..=2 => vec![LeaveGroupMember {
            member_id: request.member_id,
            ..LeaveGroupMember::default()
        }],
        _ => request.members,
    };
    let outcomes = match leave(cx, &request.group_id, &members).await {
        Ok(outcomes) => outcomes,
        Err(error_code) => {
            return LeaveGroupResponse {
                error_code,
                ..LeaveGroupResponse::default()
            };
        }
    };
    if version <= 2 {
        return LeaveGroupResponse {
            error_code: outcomes.first().copied().unwrap_or(KafkaError::NONE),
            ..LeaveGroupResponse::default()
        };
    }
    let answer = |(member, error_code): (LeaveGroupMember, KafkaError)| LeaveGroupMemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code,
    };
    LeaveGroupResponse {
        members: members.into_iter().zip(outcomes).map(answer).collect(),
        ..LeaveGroupResponse::default()
    }
}

/// One outcome for each of `members`.
async fn leave(
    cx: &RequestContext,
    group_id: &str,
    members: &[LeaveGroupMember],
) -> Result<Vec<KafkaError>, KafkaError> {
    let group = group_name(group_id)?;
    let leaving = |member: &LeaveGroupMember| Leaving {
        member_id: MemberId::new(member.member_id.clone()).ok(),
        instance_id: member.group_instance_id.clone(),
    };
    let leaving = members.iter().map(leaving).collect();
    match cx.broker().leave_classic_group(group, leaving).await {
        Ok(outcomes) => Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.err().map_or(KafkaError::NONE, refused))
            .collect()),
        // No such group has none of them.
        Err(GroupFailure::Refused(Refused::UnknownMember)) => {
            Ok(vec![KafkaError::UNKNOWN_MEMBER_ID; members.len()])
        }
        Err(failure) => Err(group_error(&failure)),
    }
}
