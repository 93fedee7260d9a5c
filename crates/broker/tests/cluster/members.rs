//! Groups as their members see them, for tests of every kind of group.

use std::time::Duration;

use floe_broker::Broker;
use floe_broker::api::classic::{Claim, Join, Joined, Leaving, Protocol, Refused, Sync};
use floe_broker::api::consumer::Refused as ConsumerRefused;
use floe_broker::api::{Claimant, GroupFailure, JoinOutcome, StoredOffset};
use floe_model::{Generation, GroupName, LeaderEpoch, MemberId, Offset, TopicIdPartition};
use floe_rpc::TopicInfo;

use crate::harness::{Cluster, PATIENCE};

pub(crate) fn group() -> GroupName {
    GroupName::new("billing").unwrap()
}

pub(crate) fn member(id: &str) -> MemberId {
    MemberId::new(id).unwrap()
}

/// A classic member that reads `orders`; without an id of its own it gets `new_id`.
pub(crate) fn join(id: Option<&str>, new_id: &str, instance_id: Option<&str>) -> Join {
    Join {
        member_id: id.map(member),
        new_member_id: member(new_id),
        instance_id: instance_id.map(str::to_owned),
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol {
            name: "range".to_owned(),
            metadata: b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff".to_vec(),
        }],
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        is_id_required: false,
        may_skip_assignment: true,
    }
}

pub(crate) fn claim(id: &str, generation: Generation) -> Claim {
    Claim {
        member_id: member(id),
        instance_id: None,
        generation,
    }
}

/// Asks the nodes in turn until one answers for good.
pub(crate) async fn somewhere<T, F>(
    cluster: &Cluster,
    ask: impl Fn(Broker) -> F,
) -> Result<T, GroupFailure>
where
    F: Future<Output = Result<T, GroupFailure>>,
{
    let patience = async {
        loop {
            for broker in cluster.brokers() {
                match ask(broker).await {
                    Err(GroupFailure::Failed(failure)) if failure.code.is_retriable() => {}
                    Err(
                        GroupFailure::Refused(Refused::Loading | Refused::NotCoordinator)
                        | GroupFailure::Consumer(
                            ConsumerRefused::Loading | ConsumerRefused::NotCoordinator,
                        ),
                    ) => {}
                    answer => return answer,
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, patience).await.unwrap()
}

pub(crate) async fn joined(cluster: &Cluster, join: &Join) -> Joined {
    let ask = |broker: Broker| async move {
        match broker.join_classic_group(group(), join.clone()).await? {
            JoinOutcome::Joined(joined) => Ok(joined),
            JoinOutcome::MemberIdRequired(_) => panic!("no id was to be required"),
        }
    };
    somewhere(cluster, ask).await.unwrap()
}

pub(crate) async fn synced(
    cluster: &Cluster,
    claim: Claim,
    bytes: &[(&str, u8)],
) -> Result<Vec<u8>, GroupFailure> {
    let sync = Sync {
        claim,
        protocol_type: Some("consumer".to_owned()),
        protocol: Some("range".to_owned()),
        assignments: bytes
            .iter()
            .map(|&(id, byte)| (member(id), vec![byte]))
            .collect(),
    };
    let ask = |broker: Broker| {
        let sync = sync.clone();
        async move { Ok(broker.sync_classic_group(group(), sync).await?.assignment) }
    };
    somewhere(cluster, ask).await
}

/// Commits for a partition of the topic, to a group of any name.
pub(crate) async fn commit_to(
    cluster: &Cluster,
    group: &GroupName,
    (topic, partition): (&TopicInfo, usize),
    claimant: Claimant,
    offset: i64,
) -> Result<(), GroupFailure> {
    let stored = StoredOffset {
        partition: TopicIdPartition {
            topic_id: topic.topic_id,
            partition: topic.partitions[partition].partition,
        },
        offset: Offset(offset),
        leader_epoch: Some(LeaderEpoch(3)),
        metadata: "note".to_owned(),
    };
    let ask = |broker: Broker| {
        let (claimant, stored) = (claimant.clone(), stored.clone());
        async move {
            broker
                .store_offsets(group.clone(), claimant, vec![stored])
                .await
        }
    };
    somewhere(cluster, ask).await
}

/// Commits for the first partition of the topic.
pub(crate) async fn commit(
    cluster: &Cluster,
    topic: &TopicInfo,
    claimant: Claimant,
    offset: i64,
) -> Result<(), GroupFailure> {
    commit_to(cluster, &group(), (topic, 0), claimant, offset).await
}

pub(crate) async fn stored_by(cluster: &Cluster, group: &GroupName) -> Vec<StoredOffset> {
    let ask = |broker: Broker| async move { Ok(broker.stored_offsets(group, None).await?) };
    somewhere(cluster, ask).await.unwrap()
}

pub(crate) async fn stored(cluster: &Cluster) -> Vec<StoredOffset> {
    stored_by(cluster, &group()).await
}

/// A classic member leaves.
pub(crate) async fn leave(cluster: &Cluster, id: &str) {
    let leaving = Leaving {
        member_id: Some(member(id)),
        instance_id: None,
    };
    let ask = |broker: Broker| {
        let leaving = leaving.clone();
        async move { broker.leave_classic_group(group(), vec![leaving]).await }
    };
    assert_eq!(somewhere(cluster, ask).await.unwrap(), [Ok(())]);
}
