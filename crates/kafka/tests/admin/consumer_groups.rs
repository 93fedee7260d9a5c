//! Groups of the new protocol as their clients ask for them, and what older requests say of them.

use bytes::Bytes;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, JoinGroupRequest,
    JoinGroupRequestProtocol, ListGroupsRequest, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetDeleteRequest, OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    TopicIdPartitions,
};

use crate::cluster::{Client, Cluster};

const GROUP: &str = "billing";

fn beat(member_id: &str, member_epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        member_epoch,
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

fn join(member_id: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec!["orders".to_owned()]),
        topic_partitions: Some(Vec::new()),
        ..beat(member_id, 0)
    }
}

/// Asks again while the coordinator takes office.
async fn said(
    client: &mut Client,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    loop {
        let response = client.call(1, request).await;
        match response.error_code {
            KafkaError::COORDINATOR_LOAD_IN_PROGRESS | KafkaError::NOT_COORDINATOR => {}
            _ => return response,
        }
    }
}

fn held(response: &ConsumerGroupHeartbeatResponse) -> Vec<i32> {
    let assignment = response.assignment.as_ref().expect("an assignment");
    let topics = assignment.topic_partitions.iter();
    topics.flat_map(|topic| topic.partitions.clone()).collect()
}

fn commit(member_id: &str, epoch: i32) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: epoch,
        member_id: member_id.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "orders".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 42,
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn committed(client: &mut Client, version: i16, request: &OffsetCommitRequest) -> KafkaError {
    let response = client.call(version, request).await;
    response.topics[0].partitions[0].error_code
}

async fn fetched(client: &mut Client, member_id: Option<&str>, epoch: i32) -> (KafkaError, i64) {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: GROUP.to_owned(),
            member_id: member_id.map(str::to_owned),
            member_epoch: epoch,
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "orders".to_owned(),
                partition_indexes: vec![0],
            }]),
        }],
        ..OffsetFetchRequest::default()
    };
    let group = client.call(9, &request).await.groups.remove(0);
    let offset = group
        .topics
        .first()
        .map(|one| one.partitions[0].committed_offset);
    (group.error_code, offset.unwrap_or(-7))
}

async fn coordinator(cluster: &Cluster) -> Client {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![GROUP.to_owned()],
        ..FindCoordinatorRequest::default()
    };
    let mut client = cluster.connect(1).await;
    loop {
        let found = client.call(4, &request).await.coordinators.remove(0);
        match found.error_code {
            KafkaError::NONE => {
                return cluster.connect(u32::try_from(found.node_id).unwrap()).await;
            }
            KafkaError::COORDINATOR_NOT_AVAILABLE => {}
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_share_commit_in_their_epoch_and_leave() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 2).await;
    let mut client = coordinator(&cluster).await;

    let a = said(&mut client, &join("a")).await;
    assert_eq!(a.error_code, KafkaError::NONE);
    assert_eq!(
        (a.member_id.as_deref(), a.heartbeat_interval_ms),
        (Some("a"), 5_000)
    );
    assert_eq!((a.member_epoch, held(&a)), (1, vec![0, 1]));
    let topic_id = a.assignment.as_ref().unwrap().topic_partitions[0].topic_id;
    let b = said(&mut client, &join("b")).await;
    assert_eq!((b.member_epoch, held(&b)), (2, vec![]));
    // `a` hears what to give up, says that it did, and is in the epoch of `b`.
    let told = said(&mut client, &beat("a", 1)).await;
    let kept = held(&told);
    assert_eq!((told.member_epoch, kept.len()), (1, 1));
    let freed = ConsumerGroupHeartbeatRequest {
        topic_partitions: Some(vec![TopicIdPartitions {
            topic_id,
            partitions: kept.clone(),
        }]),
        ..beat("a", 1)
    };
    let moved = said(&mut client, &freed).await;
    assert_eq!((moved.member_epoch, moved.assignment), (2, None));
    let gained = said(&mut client, &beat("b", 2)).await;
    assert_eq!((gained.member_epoch, held(&gained)), (2, vec![1 - kept[0]]));

    for (asked, version, expected) in [
        (commit("a", 2), 9, KafkaError::NONE),
        (commit("a", 1), 9, KafkaError::STALE_MEMBER_EPOCH),
        (commit("a", 3), 9, KafkaError::STALE_MEMBER_EPOCH),
        (commit("a", 1), 8, KafkaError::UNSUPPORTED_VERSION),
        (commit("z", 2), 9, KafkaError::UNKNOWN_MEMBER_ID),
        (commit("", -1), 9, KafkaError::UNKNOWN_MEMBER_ID),
    ] {
        let outcome = committed(&mut client, version, &asked).await;
        assert_eq!(outcome, expected, "{asked:?}");
    }
    assert_eq!(
        fetched(&mut client, Some("a"), 2).await,
        (KafkaError::NONE, 42)
    );
    assert_eq!(fetched(&mut client, None, -1).await, (KafkaError::NONE, 42));
    let stale = fetched(&mut client, Some("a"), 1).await;
    assert_eq!(stale.0, KafkaError::STALE_MEMBER_EPOCH);
    let stranger = fetched(&mut client, Some("z"), 2).await;
    assert_eq!(stranger.0, KafkaError::UNKNOWN_MEMBER_ID);

    let left = said(&mut client, &beat("b", -1)).await;
    assert_eq!((left.error_code, left.member_epoch), (KafkaError::NONE, -1));
    let all = said(&mut client, &beat("a", 2)).await;
    assert_eq!(held(&all), [0, 1]);
    let zombie = committed(&mut client, 9, &commit("a", 2)).await;
    assert_eq!(zombie, KafkaError::STALE_MEMBER_EPOCH);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_members_may_not_ask_for_has_a_code_of_its_own() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 2).await;
    let mut client = coordinator(&cluster).await;
    let stranger = said(&mut client, &beat("a", 1)).await;
    assert_eq!(stranger.error_code, KafkaError::GROUP_ID_NOT_FOUND);
    let fixed = |member_id: &str| ConsumerGroupHeartbeatRequest {
        instance_id: Some("i".to_owned()),
        ..join(member_id)
    };
    let first = said(&mut client, &fixed("a")).await;
    assert_eq!(first.member_epoch, 1);
    let with = |change: fn(&mut ConsumerGroupHeartbeatRequest)| {
        let mut request = join("b");
        change(&mut request);
        request
    };
    for (asked, expected) in [
        (beat("a", 9), KafkaError::FENCED_MEMBER_EPOCH),
        (beat("b", 1), KafkaError::UNKNOWN_MEMBER_ID),
        (fixed("b"), KafkaError::UNRELEASED_INSTANCE_ID),
        (
            with(|one| one.member_epoch = -3),
            KafkaError::INVALID_REQUEST,
        ),
        (
            with(|one| one.topic_partitions = None),
            KafkaError::INVALID_REQUEST,
        ),
        (
            with(|one| one.server_assignor = Some("sticky".to_owned())),
            KafkaError::UNSUPPORTED_ASSIGNOR,
        ),
        (
            with(|one| one.subscribed_topic_regex = Some("(".to_owned())),
            KafkaError::INVALID_REGULAR_EXPRESSION,
        ),
        (
            with(|one| one.group_id.clear()),
            KafkaError::INVALID_REQUEST,
        ),
    ] {
        let answer = said(&mut client, &asked).await;
        assert_eq!(answer.error_code, expected, "{asked:?}");
        assert_eq!(answer.assignment, None);
    }
    let away = ConsumerGroupHeartbeatRequest {
        member_epoch: -2,
        ..fixed("a")
    };
    assert_eq!(said(&mut client, &away).await.member_epoch, -2);
    let back = said(&mut client, &fixed("b")).await;
    assert_eq!(
        (back.error_code, held(&back)),
        (KafkaError::NONE, vec![0, 1])
    );
    let former = ConsumerGroupHeartbeatRequest {
        member_epoch: 1,
        ..fixed("a")
    };
    let fenced = said(&mut client, &former).await;
    assert_eq!(fenced.error_code, KafkaError::FENCED_INSTANCE_ID);
    // Before version 1 the broker makes the id.
    let nameless = client.call(0, &join("")).await;
    assert_eq!(nameless.error_code, KafkaError::NONE);
    assert_eq!(nameless.member_id.unwrap().len(), 32);
    let nameless = client.call(1, &join("")).await;
    assert_eq!(nameless.error_code, KafkaError::INVALID_REQUEST);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_is_a_subscription() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders-1", 1).await;
    cluster.make("other", 1).await;
    let mut client = coordinator(&cluster).await;
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some("orders-.*".to_owned()),
        ..join("a")
    };
    let a = said(&mut client, &request).await;
    assert_eq!(held(&a), [0]);
    cluster.make("orders-2", 2).await;
    loop {
        let more = said(&mut client, &beat("a", a.member_epoch)).await;
        if more.assignment.is_some() {
            assert_eq!(held(&more).len(), 3);
            break;
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn groups_of_both_protocols_are_told_apart() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 2).await;
    let mut client = coordinator(&cluster).await;
    said(&mut client, &join("a")).await;
    assert_eq!(
        committed(&mut client, 9, &commit("a", 1)).await,
        KafkaError::NONE
    );

    let list = |kind: &str| ListGroupsRequest {
        types_filter: vec![kind.to_owned()],
        ..ListGroupsRequest::default()
    };
    let listed = client.call(5, &list("consumer")).await.groups;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (
            listed[0].group_type.as_str(),
            listed[0].group_state.as_str()
        ),
        ("Consumer", "Stable")
    );
    assert_eq!(listed[0].protocol_type, "consumer");
    assert!(client.call(5, &list("classic")).await.groups.is_empty());

    let classic = DescribeGroupsRequest {
        groups: vec![GROUP.to_owned()],
        ..DescribeGroupsRequest::default()
    };
    let undescribed = client.call(6, &classic).await.groups.remove(0);
    assert_eq!(undescribed.error_code, KafkaError::GROUP_ID_NOT_FOUND);
    let dead = client.call(5, &classic).await.groups.remove(0);
    assert_eq!(
        (dead.error_code, dead.group_state.as_str()),
        (KafkaError::NONE, "Dead")
    );

    let describe = ConsumerGroupDescribeRequest {
        group_ids: vec![GROUP.to_owned(), "none".to_owned()],
        include_authorized_operations: true,
    };
    let groups = client.call(1, &describe).await.groups;
    let group = &groups[0];
    assert_eq!((group.group_epoch, group.assignment_epoch), (1, 1));
    assert_eq!(
        (group.group_state.as_str(), group.assignor_name.as_str()),
        ("Stable", "uniform")
    );
    let member = &group.members[0];
    assert_eq!((member.member_epoch, member.member_type), (1, 1));
    assert_eq!(
        (member.client_id.as_str(), member.client_host.as_str()),
        ("test", "/127.0.0.1")
    );
    assert_eq!(member.subscribed_topic_names, ["orders"]);
    let assigned = &member.assignment.topic_partitions[0];
    assert_eq!(
        (assigned.topic_name.as_str(), &assigned.partitions),
        ("orders", &vec![0, 1])
    );
    assert_eq!(member.assignment, member.target_assignment);
    assert_eq!(groups[1].error_code, KafkaError::GROUP_ID_NOT_FOUND);

    let classic = JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::new(),
        }],
        ..JoinGroupRequest::default()
    };
    let clash = client.call(3, &classic).await;
    assert_eq!(clash.error_code, KafkaError::INCONSISTENT_GROUP_PROTOCOL);
    let forget = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "orders".to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let forgotten = client.call(0, &forget).await.topics.remove(0);
    assert_eq!(
        forgotten.partitions[0].error_code,
        KafkaError::GROUP_SUBSCRIBED_TO_TOPIC
    );
    let delete = DeleteGroupsRequest {
        groups_names: vec![GROUP.to_owned()],
    };
    let outcome = client.call(2, &delete).await.results.remove(0);
    assert_eq!(outcome.error_code, KafkaError::NON_EMPTY_GROUP);
    said(&mut client, &beat("a", -1)).await;
    let outcome = client.call(2, &delete).await.results.remove(0);
    assert_eq!(outcome.error_code, KafkaError::NONE);
    assert_eq!(fetched(&mut client, None, -1).await, (KafkaError::NONE, -1));
    cluster.stop().await;
}
