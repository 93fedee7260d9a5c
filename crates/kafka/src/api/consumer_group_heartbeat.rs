//! ConsumerGroupHeartbeat: a membership in a group whose partitions the broker assigns. Joins,
//! stays in and leaves it.
//!
//! In the request null means unchanged; in the answer no assignment means the same.

use std::collections::{BTreeMap, BTreeSet};

use floe_broker::api::consumer::{
    Assignor, Beaten, Heartbeat, JOIN_EPOCH, Refused, STATIC_LEAVE_EPOCH,
};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, MemberAssignment,
    TopicIdPartitions,
};
use floe_model::{PartitionIndex, TopicIdPartition, TopicName};

use crate::context::RequestContext;
use crate::group_error::{group_error, group_name, member_id};

/// From here on members make their own ids.
const OWN_IDS_FROM: i16 = 1;
/// Kafka's names of the ways to assign.
const ASSIGNORS: [(&str, Assignor); 2] = [
    (UNIFORM, Assignor::StickyCooperative),
    (RANGE, Assignor::Range),
];
/// Even over all topics, with as few moves as possible.
const UNIFORM: &str = "uniform";
/// Neighbouring partitions of each topic to one member.
const RANGE: &str = "range";

/// What is answered instead, and why in words.
type Refusal = (KafkaError, Option<&'static str>);

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    mut request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    if version < OWN_IDS_FROM && request.member_epoch == JOIN_EPOCH && request.member_id.is_empty()
    {
        let (high, low) = (cx.env().rng.next_u64(), cx.env().rng.next_u64());
        request.member_id = format!("{high:016x}{low:016x}");
    }
    let member_id = request.member_id.clone();
    match beat(cx, request).await {
        Ok(beaten) => ConsumerGroupHeartbeatResponse {
            member_id: Some(member_id),
            member_epoch: beaten.member_epoch,
            heartbeat_interval_ms: interval_ms(cx),
            assignment: beaten.assignment.map(|partitions| MemberAssignment {
                topic_partitions: by_topic(&partitions),
            }),
            ..ConsumerGroupHeartbeatResponse::default()
        },
        Err((error_code, why)) => ConsumerGroupHeartbeatResponse {
            error_code,
            error_message: why.map(str::to_owned),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

async fn beat(
    cx: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<Beaten, Refusal> {
    if let Some(why) = nonsense(&request) {
        return Err((KafkaError::INVALID_REQUEST, Some(why)));
    }
    let group = group_name(&request.group_id).map_err(|error| (error, None))?;
    let beat = heartbeat(cx, request)?;
    let beaten = cx.broker().consumer_heartbeat(group, beat).await;
    beaten.map_err(|failure| {
        let why = match failure {
            floe_broker::api::GroupFailure::Consumer(refused) => words(refused),
            _ => None,
        };
        (group_error(&failure), why)
    })
}

/// What is wrong with a request whatever the group, by Kafka's rules.
fn nonsense(request: &ConsumerGroupHeartbeatRequest) -> Option<&'static str> {
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    let epoch = request.member_epoch;
    let subscribes =
        request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    let owned = request.topic_partitions.as_deref();
    match () {
        () if request.group_id.is_empty() => Some("GroupId can't be empty."),
        () if request.member_id.is_empty() => Some("MemberId can't be empty."),
        () if is_empty(&request.instance_id) => Some("InstanceId can't be empty."),
        () if is_empty(&request.rack_id) => Some("RackId can't be empty."),
        () if epoch < STATIC_LEAVE_EPOCH => Some("MemberEpoch is invalid."),
        () if epoch == STATIC_LEAVE_EPOCH && request.instance_id.is_none() => {
            Some("InstanceId can't be null.")
        }
        () if epoch != JOIN_EPOCH => None,
        () if request.rebalance_timeout_ms < 0 => {
            Some("RebalanceTimeoutMs must be provided in first request.")
        }
        () if owned != Some(&[]) => Some("TopicPartitions must be empty when (re-)joining."),
        () if !subscribes => Some(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        () => None,
    }
}

fn heartbeat(
    cx: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<Heartbeat, Refusal> {
    let assignor = match request.server_assignor.as_deref() {
        None => None,
        Some(name) => {
            let known = ASSIGNORS.iter().find(|(known, _)| *known == name);
            let unsupported = Some("The server assignors are uniform and range.");
            Some(
                known
                    .ok_or((KafkaError::UNSUPPORTED_ASSIGNOR, unsupported))?
                    .1,
            )
        }
    };
    let owned = request.topic_partitions.map(identities).transpose()?;
    // A topic cannot have any other name, so that nobody waits for it in vain.
    let names = |names: Vec<String>| {
        names
            .into_iter()
            .filter_map(|name| TopicName::new(name).ok())
    };
    Ok(Heartbeat {
        member_id: member_id(&request.member_id).map_err(|error| (error, None))?,
        member_epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack: request.rack_id,
        client_id: cx.client_id.as_deref().unwrap_or_default().to_owned(),
        client_host: format!("/{}", cx.peer_addr.ip()),
        rebalance_timeout_ms: u32::try_from(request.rebalance_timeout_ms).ok(),
        topics: request
            .subscribed_topic_names
            .map(|one| names(one).collect()),
        pattern: request.subscribed_topic_regex,
        assignor,
        owned,
    })
}

fn identities(topics: Vec<TopicIdPartitions>) -> Result<BTreeSet<TopicIdPartition>, Refusal> {
    let mut identities = BTreeSet::new();
    for topic in topics {
        for index in topic.partitions {
            let index = u32::try_from(index).map_err(|_| (KafkaError::INVALID_REQUEST, None))?;
            identities.insert(TopicIdPartition {
                topic_id: topic.topic_id,
                partition: PartitionIndex(index),
            });
        }
    }
    Ok(identities)
}

fn by_topic(partitions: &BTreeSet<TopicIdPartition>) -> Vec<TopicIdPartitions> {
    let mut topics: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for id in partitions {
        let index = i32::try_from(id.partition.0).unwrap_or(i32::MAX);
        topics.entry(id.topic_id).or_default().push(index);
    }
    let topic = |(topic_id, partitions)| TopicIdPartitions {
        topic_id,
        partitions,
    };
    topics.into_iter().map(topic).collect()
}

fn interval_ms(cx: &RequestContext) -> i32 {
    let limits = cx.broker().config().consumer_groups;
    i32::try_from(limits.heartbeat_interval_ms).unwrap_or(i32::MAX)
}

/// What a person who reads the client's log is told.
fn words(refused: Refused) -> Option<&'static str> {
    match refused {
        Refused::UnknownGroup => Some("The group is not a consumer group."),
        Refused::UnknownMember => Some("The group has no such member."),
        Refused::FencedMemberEpoch => {
            Some("The member epoch is not the current one; the member must rejoin.")
        }
        Refused::UnreleasedInstance => Some("Another member has this instance id."),
        Refused::FencedInstance => Some("Another member took this instance id over."),
        Refused::InvalidPattern => {
            Some("SubscribedTopicRegex is not a valid regular expression, or too large.")
        }
        Refused::GroupFull => Some("The group has reached its maximum size."),
        Refused::StaleMemberEpoch
        | Refused::Invalid
        | Refused::Loading
        | Refused::NotCoordinator => None,
    }
}

/// Kafka's name of a way to assign.
pub(super) fn assignor_name(assignor: Assignor) -> &'static str {
    match assignor {
        Assignor::StickyCooperative => UNIFORM,
        Assignor::Range => RANGE,
    }
}

#[cfg(test)]
mod tests {
    use floe_broker::api::consumer::LEAVE_EPOCH;

    use super::*;

    fn join() -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: "g".to_owned(),
            member_id: "m".to_owned(),
            rebalance_timeout_ms: 1_000,
            subscribed_topic_names: Some(Vec::new()),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    #[test]
    fn a_join_says_everything_and_holds_nothing() {
        assert_eq!(nonsense(&join()), None);
        let holder = TopicIdPartitions {
            partitions: vec![1],
            ..TopicIdPartitions::default()
        };
        let wrong: [fn(&mut ConsumerGroupHeartbeatRequest); 7] = [
            |one| one.group_id.clear(),
            |one| one.member_id.clear(),
            |one| one.instance_id = Some(String::new()),
            |one| one.rack_id = Some(String::new()),
            |one| one.rebalance_timeout_ms = -1,
            |one| one.subscribed_topic_names = None,
            |one| one.topic_partitions = None,
        ];
        for (place, wrong) in wrong.into_iter().enumerate() {
            let mut request = join();
            wrong(&mut request);
            assert!(nonsense(&request).is_some(), "{place}");
        }
        let mut request = join();
        request.topic_partitions = Some(vec![holder]);
        assert!(nonsense(&request).is_some());
    }

    #[test]
    fn only_static_members_leave_to_come_back_and_no_epoch_is_lower() {
        let with = |member_epoch, instance_id: Option<&str>| ConsumerGroupHeartbeatRequest {
            member_epoch,
            instance_id: instance_id.map(str::to_owned),
            ..join()
        };
        assert_eq!(nonsense(&with(LEAVE_EPOCH, None)), None);
        assert_eq!(nonsense(&with(STATIC_LEAVE_EPOCH, Some("i"))), None);
        assert!(nonsense(&with(STATIC_LEAVE_EPOCH, None)).is_some());
        assert!(nonsense(&with(-3, Some("i"))).is_some());
    }
}
