//! Groups over several nodes: founding, electing, committing.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::{TestCluster, until};
use floe_journal::GroupKind;
use floe_model::{LeaderEpoch, RaftGroupId};
use floe_raft::{Proposal, ProposeError};

const GROUP: RaftGroupId = RaftGroupId(1000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_leads_its_group_and_commits() {
    let cluster = TestCluster::start(1).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    let applied = cluster.propose(GROUP, "first").await;
    assert_eq!(&applied.outcome[..], b"1");
    let (node, _) = cluster.leader(GROUP).await;
    assert_eq!(machines[&node].applied(), ["first"]);
    cluster.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_one_leader_and_apply_the_same() {
    let cluster = TestCluster::start(3).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    for n in 0..20 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    let all: Vec<_> = (0..20).map(|n| format!("c{n}")).collect();
    for machine in machines.values() {
        until("all applied", || (machine.len() == 20).then_some(())).await;
        assert_eq!(machine.applied(), all);
    }
    cluster.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_timers_elects_itself() {
    let cluster = TestCluster::start(3).await;
    cluster.open(RaftGroupId::METADATA, GroupKind::State).await;
    cluster.propose(RaftGroupId::METADATA, "command").await;
    cluster.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_of_another_epoch_is_refused_at_once() {
    let cluster = TestCluster::start(1).await;
    cluster.open(GROUP, GroupKind::Data).await;
    let (node, epoch) = cluster.leader(GROUP).await;
    let stale = LeaderEpoch(epoch.0 - 1);
    let command = Proposal::Control(bytes::Bytes::from_static(b"late"));
    let refused = cluster.group(node, GROUP).propose(stale, command).await;
    assert!(matches!(refused, Err(ProposeError::NotLeader { .. })));
    cluster.shutdown();
}
