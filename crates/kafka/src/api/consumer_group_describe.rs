//! ConsumerGroupDescribe: groups whose partitions the broker assigns, in full. Groups of other
//! kinds are not found here, so that clients ask DescribeGroups.

use std::collections::{BTreeMap, BTreeSet};

use floe_broker::api::consumer::{Described, DescribedMember, Phase};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedAssignment,
    DescribedConsumerGroup, DescribedConsumerGroupMember, DescribedTopicPartitions,
};
use floe_model::TopicIdPartition;

use super::consumer_group_heartbeat::assignor_name;
use super::describe_groups::state_name;
use crate::authorized_operations;
use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};
use crate::group_error::group_name;

/// Member type: speaks the protocol of consumer groups.
const CONSUMER_MEMBER: i8 = 1;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let operations = authorized_operations::on_group(request.include_authorized_operations);
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let described = match describe(cx, &group_id).await {
            Ok(group) => group_of(cx, group),
            Err(error_code) => DescribedConsumerGroup {
                error_code,
                error_message: (error_code == KafkaError::GROUP_ID_NOT_FOUND)
                    .then(|| format!("Group {group_id} is not a consumer group.")),
                ..DescribedConsumerGroup::default()
            },
        };
        groups.push(DescribedConsumerGroup {
            group_id,
            authorized_operations: operations,
            ..described
        });
    }
    ConsumerGroupDescribeResponse {
        groups,
        ..ConsumerGroupDescribeResponse::default()
    }
}

async fn describe(cx: &RequestContext, group_id: &str) -> Result<Described, KafkaError> {
    let described = cx.broker().describe_consumer_group(group_name(group_id)?);
    let described = described.await;
    described.map_err(|failure| kafka_error(failure.code, Asked::Group))
}

fn group_of(cx: &RequestContext, group: Described) -> DescribedConsumerGroup {
    DescribedConsumerGroup {
        group_state: state_name(Phase::into(group.phase)).to_owned(),
        group_epoch: group.epoch,
        // Targets are computed with the epoch.
        assignment_epoch: group.epoch,
        assignor_name: assignor_name(group.assignor).to_owned(),
        members: group
            .members
            .into_iter()
            .map(|member| member_of(cx, member))
            .collect(),
        ..DescribedConsumerGroup::default()
    }
}

fn member_of(cx: &RequestContext, member: DescribedMember) -> DescribedConsumerGroupMember {
    DescribedConsumerGroupMember {
        member_id: member.member_id.into(),
        instance_id: member.instance_id,
        rack_id: member.rack,
        member_epoch: member.epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.topics.into_iter().map(String::from).collect(),
        subscribed_topic_regex: member.pattern,
        assignment: assignment(cx, &member.assigned),
        target_assignment: assignment(cx, &member.target),
        member_type: CONSUMER_MEMBER,
    }
}

/// A topic that was deleted meanwhile is about to go from the group, too.
fn assignment(cx: &RequestContext, partitions: &BTreeSet<TopicIdPartition>) -> DescribedAssignment {
    let mut topics: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for id in partitions {
        let index = i32::try_from(id.partition.0).unwrap_or(i32::MAX);
        topics.entry(id.topic_id).or_default().push(index);
    }
    let topics = topics.into_iter().filter_map(|(topic_id, partitions)| {
        Some(DescribedTopicPartitions {
            topic_id,
            topic_name: cx.broker().topic_with_id(&topic_id)?.name.into(),
            partitions,
        })
    });
    DescribedAssignment {
        topic_partitions: topics.collect(),
    }
}
