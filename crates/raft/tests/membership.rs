//! Replicas that are added, promoted and removed, and messages for the wrong ones.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::collections::BTreeSet;

use cluster::{TestCluster, replica_of, until};
use floe_journal::GroupKind;
use floe_model::{NodeId, RaftGroupId, ReplicaId};
use floe_raft::{GroupSpec, OpenGroupError, Voter};

const GROUP: RaftGroupId = RaftGroupId(1000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_catches_up_and_becomes_a_voter_in_place_of_another() {
    let cluster = TestCluster::start(4).await;
    let founders: Vec<Voter> = cluster.founders(GROUP)[..3].to_vec();
    let late = NodeId(4);
    for node in (1..=3).map(NodeId) {
        let spec = GroupSpec {
            founders: founders.clone(),
            ..cluster.spec(GROUP, node, GroupKind::Data)
        };
        cluster.open_spec(node, spec).await;
    }
    for n in 0..10 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    let spec = GroupSpec {
        founders: Vec::new(),
        ..cluster.spec(GROUP, late, GroupKind::Data)
    };
    let machine = cluster.open_spec(late, spec).await;
    let (leader, _) = cluster.leader(GROUP).await;
    let group = cluster.group(leader, GROUP);
    group.add_learner(cluster.founders(GROUP)[3]).await.unwrap();
    until("the learner to catch up", || {
        (machine.len() == 10).then_some(())
    })
    .await;
    let removed = (1..=3).map(NodeId).find(|node| *node != leader).unwrap();
    let voters: BTreeSet<ReplicaId> = (1..=4)
        .map(NodeId)
        .filter(|node| *node != removed)
        .map(|node| replica_of(GROUP, node))
        .collect();
    group.change_membership(voters.clone()).await.unwrap();
    let now: BTreeSet<_> = group
        .voters()
        .iter()
        .map(|voter| voter.replica_id)
        .collect();
    assert_eq!(now, voters);
    cluster.propose(GROUP, "after").await;
    until("the new voter to follow", || {
        machine.has("after").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_of_the_same_group_is_refused_on_this_disk() {
    let cluster = TestCluster::start(1).await;
    let node = NodeId(1);
    cluster.open(GROUP, GroupKind::Data).await;
    let raft = cluster.nodes[&node].raft.clone();
    let other = GroupSpec {
        replica_id: ReplicaId(7),
        ..cluster.spec(GROUP, node, GroupKind::Data)
    };
    let machine = Box::new(cluster::Journalled::default());
    let opened = cluster.nodes[&node].run(async move { raft.open_group(other, machine).await });
    let refused = opened.await.map(|_| ());
    assert!(matches!(refused, Err(OpenGroupError::OtherReplica { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_a_deleted_group_creates_nothing() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, _) = cluster.leader(GROUP).await;
    let node = (1..=3).map(NodeId).find(|node| *node != leader).unwrap();
    let raft = cluster.nodes[&node].raft.clone();
    let deleted = cluster.nodes[&node].run(async move { raft.delete_group(GROUP).await });
    deleted.await.unwrap();
    for n in 0..5 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    assert!(cluster.nodes[&node].raft.group(GROUP).is_none());
    assert!(!cluster.nodes[&node].journal.groups().contains(&GROUP));
}
