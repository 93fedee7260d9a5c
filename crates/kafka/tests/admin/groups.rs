//! Classic groups and their offsets as clients of every age ask for them.

use bytes::Bytes;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest,
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, LeaveGroupMember,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetDeleteRequest, OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    SyncGroupRequest, SyncGroupRequestAssignment,
};

use crate::cluster::{Client, Cluster};

const GROUP: &str = "billing";

fn join(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff"),
        }],
        ..JoinGroupRequest::default()
    }
}

fn commit(
    generation: i32,
    member_id: &str,
    partition_index: i32,
    text: &str,
) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: generation,
        member_id: member_id.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "orders".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index,
                committed_offset: 42,
                committed_leader_epoch: 3,
                committed_metadata: Some(text.to_owned()),
            }],
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn committed(client: &mut Client, version: i16, request: &OffsetCommitRequest) -> KafkaError {
    let response = client.call(version, request).await;
    response.topics[0].partitions[0].error_code
}

fn fetched(partition_indexes: Vec<i32>) -> Vec<OffsetFetchRequestTopic> {
    vec![OffsetFetchRequestTopic {
        name: "orders".to_owned(),
        partition_indexes,
    }]
}

fn fetch(topics: Option<Vec<OffsetFetchRequestTopic>>) -> OffsetFetchRequest {
    OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics,
        ..OffsetFetchRequest::default()
    }
}

async fn coordinator(cluster: &Cluster) -> u32 {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![GROUP.to_owned()],
        ..FindCoordinatorRequest::default()
    };
    let mut client = cluster.connect(1).await;
    loop {
        let response = client.call(4, &request).await;
        let found = &response.coordinators[0];
        match found.error_code {
            KafkaError::NONE => return u32::try_from(found.node_id).unwrap(),
            KafkaError::COORDINATOR_NOT_AVAILABLE => {}
            other => panic!("{other}"),
        }
    }
}

/// Asks again while the coordinator takes office.
async fn joined(
    client: &mut Client,
    version: i16,
    request: &JoinGroupRequest,
) -> JoinGroupResponse {
    loop {
        let response = client.call(version, request).await;
        match response.error_code {
            KafkaError::COORDINATOR_LOAD_IN_PROGRESS | KafkaError::NOT_COORDINATOR => {}
            _ => return response,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn members_of_every_age_join_sync_beat_commit_and_leave() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 2).await;
    let mut client = cluster.connect(coordinator(&cluster).await).await;

    // From version 4 on the id comes first.
    let first = joined(&mut client, 4, &join("")).await;
    assert_eq!(first.error_code, KafkaError::MEMBER_ID_REQUIRED);
    assert!(first.member_id.starts_with("test-"));
    let second = joined(&mut client, 4, &join(&first.member_id)).await;
    assert_eq!(second.error_code, KafkaError::NONE);
    assert_eq!(
        (second.member_id.as_str(), second.generation_id),
        (first.member_id.as_str(), 1)
    );
    let leave = LeaveGroupRequest {
        group_id: GROUP.to_owned(),
        member_id: second.member_id.clone(),
        ..LeaveGroupRequest::default()
    };
    assert_eq!(client.call(2, &leave).await.error_code, KafkaError::NONE);
    assert_eq!(
        client.call(2, &leave).await.error_code,
        KafkaError::UNKNOWN_MEMBER_ID
    );

    // Before, a member joins at once.
    let mut generation = 0;
    let mut member_id = String::new();
    for version in [0, 1, 3, 9] {
        let asked = match version {
            9 => join(&member_id),
            _ => join(""),
        };
        let response = joined(&mut client, version, &asked).await;
        assert_eq!(response.error_code, KafkaError::NONE, "version {version}");
        assert!(response.generation_id > generation, "version {version}");
        (generation, member_id) = (response.generation_id, response.member_id);
        let sync = SyncGroupRequest {
            group_id: GROUP.to_owned(),
            generation_id: generation,
            member_id: member_id.clone(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: member_id.clone(),
                assignment: Bytes::from_static(b"yours"),
            }],
            ..SyncGroupRequest::default()
        };
        let synced = client.call(0, &sync).await;
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (KafkaError::NONE, &b"yours"[..])
        );
        if version == 9 {
            break;
        }
        let leave = LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            members: vec![LeaveGroupMember {
                member_id: member_id.clone(),
                ..LeaveGroupMember::default()
            }],
            ..LeaveGroupRequest::default()
        };
        if version < 3 {
            let left = client.call(3, &leave).await;
            assert_eq!(left.members[0].error_code, KafkaError::NONE);
        }
    }
    let beat = |generation_id, member_id: &str| HeartbeatRequest {
        group_id: GROUP.to_owned(),
        generation_id,
        member_id: member_id.to_owned(),
        ..HeartbeatRequest::default()
    };
    for (asked, expected) in [
        (beat(generation, &member_id), KafkaError::NONE),
        (
            beat(generation - 1, &member_id),
            KafkaError::ILLEGAL_GENERATION,
        ),
        (beat(generation, "stranger"), KafkaError::UNKNOWN_MEMBER_ID),
    ] {
        assert_eq!(client.call(4, &asked).await.error_code, expected);
    }
    for (asked, expected) in [
        (commit(generation, &member_id, 0, "note"), KafkaError::NONE),
        (
            commit(generation - 1, &member_id, 0, ""),
            KafkaError::ILLEGAL_GENERATION,
        ),
        (
            commit(generation, "stranger", 0, ""),
            KafkaError::UNKNOWN_MEMBER_ID,
        ),
        (commit(-1, "", 0, ""), KafkaError::UNKNOWN_MEMBER_ID),
        (
            commit(generation, &member_id, 9, ""),
            KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            commit(generation, &member_id, 0, &"x".repeat(5_000)),
            KafkaError::OFFSET_METADATA_TOO_LARGE,
        ),
    ] {
        assert_eq!(committed(&mut client, 6, &asked).await, expected);
    }
    let hasty = JoinGroupRequest {
        session_timeout_ms: 1_000,
        ..join("")
    };
    assert_eq!(
        joined(&mut client, 5, &hasty).await.error_code,
        KafkaError::INVALID_SESSION_TIMEOUT
    );
    let connect = JoinGroupRequest {
        protocol_type: "connect".to_owned(),
        ..join("")
    };
    let clash = joined(&mut client, 5, &connect).await;
    assert_eq!(clash.error_code, KafkaError::INCONSISTENT_GROUP_PROTOCOL);
    let nameless = JoinGroupRequest {
        group_id: String::new(),
        ..join("")
    };
    assert_eq!(
        joined(&mut client, 5, &nameless).await.error_code,
        KafkaError::INVALID_GROUP_ID
    );

    let described = DescribeGroupsRequest {
        groups: vec![GROUP.to_owned()],
        ..DescribeGroupsRequest::default()
    };
    let group = client.call(5, &described).await.groups.remove(0);
    assert_eq!(
        (group.group_state.as_str(), group.protocol_data.as_str()),
        ("Stable", "range")
    );
    assert_eq!(&group.members[0].member_assignment[..], b"yours");
    assert_eq!(group.members[0].client_host, "/127.0.0.1");
    let delete = DeleteGroupsRequest {
        groups_names: vec![GROUP.to_owned(), "none".to_owned()],
    };
    let codes = client.call(2, &delete).await.results;
    let codes: Vec<_> = codes.into_iter().map(|one| one.error_code).collect();
    assert_eq!(
        codes,
        [KafkaError::NON_EMPTY_GROUP, KafkaError::GROUP_ID_NOT_FOUND]
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_outsiders_are_stored_found_listed_and_forgotten() {
    let cluster = Cluster::start(1).await;
    cluster.make("orders", 2).await;
    let mut client = cluster.connect(coordinator(&cluster).await).await;
    while committed(&mut client, 6, &commit(-1, "", 0, "note")).await != KafkaError::NONE {}

    let found = client.call(5, &fetch(Some(fetched(vec![0, 1])))).await;
    let [stored, missing] = &found.topics[0].partitions[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (stored.committed_offset, stored.committed_leader_epoch),
        (42, 3)
    );
    assert_eq!(stored.metadata.as_deref(), Some("note"));
    assert_eq!(
        (missing.committed_offset, missing.error_code),
        (-1, KafkaError::NONE)
    );
    let all = client.call(7, &fetch(None)).await;
    assert_eq!(all.topics[0].partitions.len(), 1);
    let several = OffsetFetchRequest {
        groups: ["billing", "nobody", ""]
            .map(|group| OffsetFetchRequestGroup {
                group_id: group.to_owned(),
                topics: Some(fetched(vec![0])),
                ..OffsetFetchRequestGroup::default()
            })
            .into(),
        ..OffsetFetchRequest::default()
    };
    let groups = client.call(9, &several).await.groups;
    assert_eq!(groups[0].topics[0].partitions[0].committed_offset, 42);
    assert_eq!(groups[1].topics[0].partitions[0].committed_offset, -1);
    assert_eq!(groups[2].error_code, KafkaError::INVALID_GROUP_ID);

    let listed = client.call(5, &ListGroupsRequest::default()).await.groups;
    assert_eq!(
        (listed[0].group_id.as_str(), listed[0].group_state.as_str()),
        (GROUP, "Empty")
    );
    let stable = ListGroupsRequest {
        states_filter: vec!["stable".to_owned()],
        ..ListGroupsRequest::default()
    };
    assert!(client.call(5, &stable).await.groups.is_empty());

    let forget = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "orders".to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let forgotten = client.call(0, &forget).await;
    assert_eq!(forgotten.error_code, KafkaError::NONE);
    assert_eq!(
        forgotten.topics[0].partitions[0].error_code,
        KafkaError::NONE
    );
    assert!(client.call(7, &fetch(None)).await.topics.is_empty());

    let described = DescribeGroupsRequest {
        groups: vec!["none".to_owned()],
        ..DescribeGroupsRequest::default()
    };
    let old = client.call(5, &described).await.groups.remove(0);
    assert_eq!(
        (old.error_code, old.group_state.as_str()),
        (KafkaError::NONE, "Dead")
    );
    let new = client.call(6, &described).await.groups.remove(0);
    assert_eq!(new.error_code, KafkaError::GROUP_ID_NOT_FOUND);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_coordinate_says_so_where_each_version_looks() {
    let cluster = Cluster::start(3).await;
    cluster.make("orders", 1).await;
    let coordinator = coordinator(&cluster).await;
    let mut client = cluster.connect(coordinator % 3 + 1).await;
    let elsewhere = KafkaError::NOT_COORDINATOR;
    let old = client.call(1, &fetch(Some(fetched(vec![0])))).await;
    assert_eq!(old.topics[0].partitions[0].error_code, elsewhere);
    let newer = client.call(5, &fetch(Some(fetched(vec![0])))).await;
    assert_eq!((newer.error_code, newer.topics.len()), (elsewhere, 0));
    assert_eq!(
        joined(&mut cluster.connect(coordinator).await, 3, &join(""))
            .await
            .generation_id,
        1
    );
    assert_eq!(client.call(3, &join("")).await.error_code, elsewhere);
    assert_eq!(
        committed(&mut client, 6, &commit(-1, "", 0, "")).await,
        elsewhere
    );

    let transactional = FindCoordinatorRequest {
        key: "tx".to_owned(),
        key_type: 1,
        ..FindCoordinatorRequest::default()
    };
    let refused = client.call(2, &transactional).await;
    assert_eq!(
        refused.error_code,
        KafkaError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    );
    let old = FindCoordinatorRequest {
        key: GROUP.to_owned(),
        ..FindCoordinatorRequest::default()
    };
    let found = client.call(0, &old).await;
    assert_eq!(u32::try_from(found.node_id), Ok(coordinator));
    cluster.stop().await;
}
