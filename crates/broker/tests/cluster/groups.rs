//! Consumer groups on whole nodes: members share partitions, a coordinator fails over, and a
//! member that lost its partitions can neither commit nor read.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_broker::Broker;
use floe_model::{ErrorCode, GroupName, NodeId, Offset};
use floe_rpc::{
    AssignedPartition, Assignor, CommitOffsets, Failure, FetchOffsets, GroupHeartbeat,
    GroupHeartbeatReply, GroupPhase, JoinGroup, LeaveGroup, OffsetToCommit, Ownership,
    PartitionKey, TopicInfo,
};

use crate::harness::{
    Cluster, PATIENCE, batch, code, create_topic, eventually, fetch_request, key_of, no_epoch,
    topic_name,
};

/// Long enough that no member of a test dies of a slow machine.
const SESSION_MS: u32 = 10_000;

struct Member {
    group: GroupName,
    id: String,
    session_timeout_ms: u32,
    last: Option<GroupHeartbeatReply>,
}

impl Member {
    fn new(id: &str, session_timeout_ms: u32) -> Self {
        let group = GroupName::new("billing").unwrap();
        Self {
            group,
            id: id.to_owned(),
            session_timeout_ms,
            last: None,
        }
    }

    async fn join(&mut self, cluster: &Cluster) {
        let request = JoinGroup {
            group: self.group.clone(),
            member_id: self.id.clone(),
            instance_id: None,
            topics: vec![topic_name("orders")],
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: 5_000,
            assignor: Assignor::default(),
        };
        let join = |broker: Broker| {
            let request = request.clone();
            async move { broker.join_group(request).await }
        };
        somewhere(cluster, join).await.unwrap();
    }

    /// One heartbeat: holds exactly what the last answer named.
    async fn beat(&mut self, cluster: &Cluster) -> Result<(), Failure> {
        let held = self.assigned().iter().map(|one| one.key).collect();
        let generation = self
            .last
            .as_ref()
            .map_or_else(Default::default, |last| last.generation);
        let request = GroupHeartbeat {
            group: self.group.clone(),
            member_id: self.id.clone(),
            generation,
            held,
        };
        let beat = |broker: Broker| {
            let request = request.clone();
            async move { broker.group_heartbeat(request).await }
        };
        self.last = Some(somewhere(cluster, beat).await?);
        Ok(())
    }

    fn assigned(&self) -> &[AssignedPartition] {
        self.last.as_ref().map_or(&[], |last| &last.assigned)
    }

    fn commit(&self, offset: i64) -> CommitOffsets {
        let commit = |one: &AssignedPartition| OffsetToCommit {
            key: one.key,
            offset: Offset(offset),
            leader_epoch: no_epoch(),
            token: Some(one.token),
        };
        CommitOffsets {
            group: self.group.clone(),
            member_id: self.id.clone(),
            generation: self.last.as_ref().unwrap().generation,
            offsets: self.assigned().iter().map(commit).collect(),
        }
    }

    fn owner(&self, key: PartitionKey) -> Ownership {
        let one = self.assigned().iter().find(|one| one.key == key).unwrap();
        let generation = self.last.as_ref().unwrap().generation;
        Ownership {
            group: self.group.clone(),
            generation,
            token: one.token,
        }
    }
}

/// Asks the nodes in turn until one gives an answer that is not "later" or "elsewhere".
pub(crate) async fn somewhere<T, F>(
    cluster: &Cluster,
    ask: impl Fn(Broker) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let patience = async {
        loop {
            for broker in cluster.brokers() {
                match ask(broker).await {
                    Err(failure) if failure.code.is_retriable() => {}
                    answer => return answer,
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, patience).await.unwrap()
}

async fn commit(cluster: &Cluster, request: CommitOffsets) -> Result<(), Failure> {
    let ask = |broker: Broker| {
        let request = request.clone();
        async move { broker.commit_offsets(request).await }
    };
    somewhere(cluster, ask).await
}

async fn committed(cluster: &Cluster, key: PartitionKey) -> Option<Offset> {
    let request = FetchOffsets {
        group: GroupName::new("billing").unwrap(),
        partitions: Some(vec![key]),
    };
    let ask = |broker: Broker| {
        let request = request.clone();
        async move { broker.fetch_offsets(request).await }
    };
    let found = somewhere(cluster, ask).await.unwrap();
    found.first().map(|one| one.offset)
}

/// Heartbeats until together the members own every partition once and nobody is to move.
async fn settle(cluster: &Cluster, members: &mut [&mut Member], topic: &TopicInfo) {
    let settled = async {
        loop {
            let mut owned = Vec::new();
            let mut moving = false;
            for member in members.iter_mut() {
                member.beat(cluster).await.unwrap();
                owned.extend(member.assigned().iter().map(|one| one.key));
                moving |= member.last.as_ref().unwrap().rebalancing;
            }
            let distinct: BTreeSet<_> = owned.iter().copied().collect();
            assert_eq!(distinct.len(), owned.len(), "two members own one partition");
            if !moving && owned.len() == topic.partitions.len() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_partitions_and_commit_what_they_own() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 4).await;
    let mut a = Member::new("a", SESSION_MS);
    a.join(&cluster).await;
    settle(&cluster, &mut [&mut a], &topic).await;
    assert_eq!(a.assigned().len(), 4);
    let mut b = Member::new("b", SESSION_MS);
    b.join(&cluster).await;
    settle(&cluster, &mut [&mut a, &mut b], &topic).await;
    assert_eq!((a.assigned().len(), b.assigned().len()), (2, 2));
    commit(&cluster, a.commit(5)).await.unwrap();
    commit(&cluster, b.commit(6)).await.unwrap();
    assert_eq!(
        committed(&cluster, a.assigned()[0].key).await,
        Some(Offset(5))
    );
    assert_eq!(
        committed(&cluster, b.assigned()[0].key).await,
        Some(Offset(6))
    );

    let outsider = CommitOffsets {
        member_id: String::new(),
        generation: floe_model::Generation(-1),
        ..a.commit(9)
    };
    assert_eq!(
        code(commit(&cluster, outsider.clone()).await),
        ErrorCode::GroupNotEmpty
    );
    for member in [&a, &b] {
        let leave = LeaveGroup {
            group: member.group.clone(),
            member_id: member.id.clone(),
        };
        let ask = |broker: Broker| {
            let leave = leave.clone();
            async move { broker.leave_group(leave).await }
        };
        somewhere(&cluster, ask).await.unwrap();
    }
    commit(&cluster, outsider).await.unwrap();
    assert_eq!(
        committed(&cluster, a.assigned()[0].key).await,
        Some(Offset(9))
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_paused_past_its_session_can_neither_commit_nor_read() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["a"], None)).await;
    let mut zombie = Member::new("zombie", 300);
    zombie.join(&cluster).await;
    settle(&cluster, &mut [&mut zombie], &topic).await;
    let (_, leader) = cluster.leader(key).await;
    let mut read = fetch_request(key, Offset(0), 0);
    read.parts[0].owner = Some(zombie.owner(key));
    let replies = leader.fetch(read.clone()).await.unwrap();
    assert_eq!(
        replies[0].outcome.as_ref().unwrap().len(),
        1,
        "an owner reads"
    );

    let mut heir = Member::new("heir", SESSION_MS);
    heir.join(&cluster).await;
    settle(&cluster, &mut [&mut heir], &topic).await;
    assert_eq!(
        heir.assigned().len(),
        2,
        "the zombie said nothing meanwhile"
    );
    assert_eq!(
        code(commit(&cluster, zombie.commit(1)).await),
        ErrorCode::FencedToken
    );
    assert_eq!(code(zombie.beat(&cluster).await), ErrorCode::UnknownMember);
    let (_, leader) = cluster.leader(key).await;
    let replies = leader.fetch(read.clone()).await.unwrap();
    assert_eq!(code(replies[0].outcome.clone()), ErrorCode::FencedToken);
    read.parts[0].owner = Some(heir.owner(key));
    let replies = leader.fetch(read).await.unwrap();
    assert_eq!(replies[0].outcome.as_ref().unwrap().len(), 1);
    assert_eq!(committed(&cluster, key).await, None);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_keep_their_partitions_and_offsets_when_the_coordinator_goes() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 4).await;
    let mut a = Member::new("a", SESSION_MS);
    let mut b = Member::new("b", SESSION_MS);
    a.join(&cluster).await;
    b.join(&cluster).await;
    settle(&cluster, &mut [&mut a, &mut b], &topic).await;
    commit(&cluster, a.commit(5)).await.unwrap();
    let before: Vec<_> = a
        .assigned()
        .iter()
        .map(|one| (one.key, one.token))
        .collect();
    let generation = a.last.as_ref().unwrap().generation;
    let group = a.group.clone();
    let coordinator: NodeId = cluster
        .broker(1)
        .find_coordinator(group.clone())
        .await
        .unwrap()
        .node;
    cluster.stop_node(coordinator).await;
    settle(&cluster, &mut [&mut a, &mut b], &topic).await;
    let after: Vec<_> = a
        .assigned()
        .iter()
        .map(|one| (one.key, one.token))
        .collect();
    assert_eq!(after, before);
    assert_eq!(a.last.as_ref().unwrap().generation, generation);
    assert_eq!(
        committed(&cluster, a.assigned()[0].key).await,
        Some(Offset(5))
    );
    commit(&cluster, a.commit(7)).await.unwrap();
    let describe = |broker: Broker| {
        let group = group.clone();
        async move { broker.describe_group(group).await }
    };
    let described = somewhere(&cluster, describe).await.unwrap();
    assert_eq!(described.phase, GroupPhase::Stable);
    assert_eq!(described.members.len(), 2);
    assert_eq!(described.offsets.len(), 2);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_can_be_deleted_and_a_full_one_cannot() {
    let cluster = Cluster::start(1).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let broker = cluster.broker(1);
    let mut a = Member::new("a", SESSION_MS);
    assert_eq!(
        code(broker.delete_group(a.group.clone()).await),
        ErrorCode::UnknownGroup
    );
    a.join(&cluster).await;
    settle(&cluster, &mut [&mut a], &topic).await;
    commit(&cluster, a.commit(5)).await.unwrap();
    assert_eq!(
        code(broker.delete_group(a.group.clone()).await),
        ErrorCode::GroupNotEmpty
    );
    let leave = LeaveGroup {
        group: a.group.clone(),
        member_id: a.id.clone(),
    };
    broker.leave_group(leave).await.unwrap();
    broker.delete_group(a.group.clone()).await.unwrap();
    assert_eq!(committed(&cluster, key_of(&topic, 0)).await, None);
    eventually("no group is listed", || async {
        broker.list_groups().await.unwrap().is_empty()
    })
    .await;
    let generation = a.last.as_ref().unwrap().generation;
    a.join(&cluster).await;
    a.last = None;
    settle(&cluster, &mut [&mut a], &topic).await;
    assert!(
        a.last.as_ref().unwrap().generation > generation,
        "generations never start again"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_go_with_their_topic() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let key = key_of(&topic, 0);
    let outsider = CommitOffsets {
        group: GroupName::new("billing").unwrap(),
        member_id: String::new(),
        generation: floe_model::Generation(-1),
        offsets: vec![OffsetToCommit {
            key,
            offset: Offset(3),
            leader_epoch: no_epoch(),
            token: None,
        }],
    };
    commit(&cluster, outsider).await.unwrap();
    assert_eq!(committed(&cluster, key).await, Some(Offset(3)));
    broker.delete_topic(topic_name("orders")).await.unwrap();
    eventually("the offset is gone", || async {
        committed(&cluster, key).await.is_none()
    })
    .await;
    cluster.stop().await;
}
