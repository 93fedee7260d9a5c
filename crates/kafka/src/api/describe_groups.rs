//! DescribeGroups: classic groups in full, and native ones in the words of Kafka's consumers, so
//! that Kafka's tools show their members and their lag.

use std::collections::BTreeMap;

use bytes::Bytes;
use floe_broker::api::{GroupMember, GroupSnapshot, GroupState};
use floe_kafka_codec::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use floe_kafka_codec::{
    ConsumerProtocol, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
    ConsumerProtocolTopic, KafkaError,
};
use floe_model::{ErrorCode, GroupKind, GroupName};

use crate::authorized_operations;
use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::group_error::group_name;

/// From here on a group that does not exist is an error; before, it is dead.
const NOT_FOUND_FROM: i16 = 6;
/// The state of a group that does not exist.
const DEAD: &str = "Dead";
/// What native groups are to Kafka's tools.
pub(super) const CONSUMER: &str = "consumer";

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let operations = authorized_operations::on_group(request.include_authorized_operations);
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let described = match describe(cx, &group_id).await {
            Ok(group) => group,
            Err(error) => undescribed(version, error),
        };
        groups.push(DescribedGroup {
            group_id,
            authorized_operations: operations,
            ..described
        });
    }
    DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    }
}

fn undescribed(version: i16, error: KafkaError) -> DescribedGroup {
    let is_missing = error == KafkaError::GROUP_ID_NOT_FOUND;
    DescribedGroup {
        error_code: match is_missing && version < NOT_FOUND_FROM {
            true => KafkaError::NONE,
            false => error,
        },
        error_message: is_missing.then(|| "no such group".to_owned()),
        group_state: match is_missing {
            true => DEAD.to_owned(),
            false => String::new(),
        },
        ..DescribedGroup::default()
    }
}

async fn describe(cx: &RequestContext, group_id: &str) -> Result<DescribedGroup, KafkaError> {
    let group = group_name(group_id)?;
    let snapshot = cx.broker().group_snapshot(group.clone()).await;
    let snapshot = snapshot.map_err(|failure| code(failure.code))?;
    match snapshot.kind {
        GroupKind::Native => native(cx, group, snapshot).await,
        // Kafka's own answer for groups of the new protocol: ConsumerGroupDescribe has them.
        GroupKind::Consumer => Err(KafkaError::GROUP_ID_NOT_FOUND),
        GroupKind::Classic => Ok(classic(snapshot)),
    }
}

fn classic(snapshot: GroupSnapshot) -> DescribedGroup {
    let members = snapshot.members.into_iter();
    DescribedGroup {
        group_state: state_name(snapshot.state).to_owned(),
        protocol_type: snapshot.protocol_type,
        protocol_data: snapshot.protocol,
        members: members
            .map(|member| DescribedGroupMember {
                member_id: member.member_id.into(),
                group_instance_id: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                member_metadata: member.metadata.into(),
                member_assignment: member.assignment.into(),
            })
            .collect(),
        ..DescribedGroup::default()
    }
}

async fn native(
    cx: &RequestContext,
    group: GroupName,
    snapshot: GroupSnapshot,
) -> Result<DescribedGroup, KafkaError> {
    let described = cx.broker().describe_group(group).await;
    let described = described.map_err(|failure| code(failure.code))?;
    let members = described.members.into_iter();
    Ok(DescribedGroup {
        group_state: state_name(snapshot.state).to_owned(),
        protocol_type: CONSUMER.to_owned(),
        protocol_data: snapshot.protocol,
        members: members
            .map(|member| DescribedGroupMember {
                member_metadata: subscription(&member),
                member_assignment: assignment(cx, &member),
                client_id: member.member_id.clone(),
                client_host: String::new(),
                member_id: member.member_id,
                group_instance_id: member.instance_id,
            })
            .collect(),
        ..DescribedGroup::default()
    })
}

fn subscription(member: &GroupMember) -> Bytes {
    let topics = member.topics.iter().map(ToString::to_string);
    let subscription = ConsumerProtocolSubscription {
        topics: topics.collect(),
        ..ConsumerProtocolSubscription::default()
    };
    // Topic names always fit; tools show a member without topics rather than no member.
    subscription.encode().unwrap_or_default()
}

fn assignment(cx: &RequestContext, member: &GroupMember) -> Bytes {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for key in &member.partitions {
        if let Some(topic) = cx.broker().topic_with_id(&key.topic_id) {
            let index = i32::try_from(key.partition.0).unwrap_or(i32::MAX);
            topics.entry(topic.name.into()).or_default().push(index);
        }
    }
    let topic = |(topic, partitions)| ConsumerProtocolTopic { topic, partitions };
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics.into_iter().map(topic).collect(),
        ..ConsumerProtocolAssignment::default()
    };
    assignment.encode().unwrap_or_default()
}

/// Kafka's name of a state.
pub(super) fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::PreparingRebalance => "PreparingRebalance",
        GroupState::CompletingRebalance => "CompletingRebalance",
        GroupState::Reconciling => "Reconciling",
        GroupState::Stable => "Stable",
    }
}

fn code(code: ErrorCode) -> KafkaError {
    kafka_error(code, Asked::Group)
}
