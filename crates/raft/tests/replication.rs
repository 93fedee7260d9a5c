//! Groups over several nodes: founding, electing, committing.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::time::Duration;

use cluster::{TestCluster, until};
use floe_journal::GroupKind;
use floe_model::{LeaderEpoch, LogIndex, NodeId, Offset, RaftGroupId};
use floe_raft::{Proposal, ProposeError, RaftConfig, RaftGroup};
use floe_record::{BatchBuilder, Compression, Record, StampedBatch};

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

/// Behind the trimmed start of the leader's log nothing can be replicated: the state at the start
/// comes as a snapshot, the rest as entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_behind_the_trimmed_log_gets_the_state_at_its_start_and_the_rest() {
    let cluster = TestCluster::start(3).await;
    let (founders, late) = ([NodeId(1), NodeId(2)], NodeId(3));
    for node in founders {
        cluster.open_on(node, GROUP, GroupKind::Data).await;
    }
    let (leader, epoch) = cluster.leader(GROUP).await;
    let group = cluster.group(leader, GROUP);
    fill(&group, epoch).await;
    for node in founders {
        trim(&cluster.group(node, GROUP)).await;
    }
    let machine = cluster.open_on(late, GROUP, GroupKind::Data).await;
    let end = group.log().high_watermark();
    let log = cluster.group(late, GROUP).log().clone();
    let caught_up = || (log.high_watermark() == end).then_some(());
    until("the late follower to have it all", caught_up).await;
    assert!(log.log_start().is_some() && log.first_offset() > Offset::ZERO);
    assert_eq!(machine.len(), 60);
    cluster.propose(GROUP, "after").await;
    until("what comes after", || machine.has("after").then_some(())).await;
}

/// Openraft purges nothing that it may be sending, and to a node that is down it is sending all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_are_down_do_not_keep_a_log_from_being_trimmed() {
    let mut cluster = TestCluster::start(5).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "first").await;
    for machine in machines.values() {
        until("all to have it", || machine.has("first").then_some(())).await;
    }
    let (leader, epoch) = cluster.leader(GROUP).await;
    let down: Vec<_> = machines
        .keys()
        .copied()
        .filter(|&id| id != leader)
        .collect();
    let down = &down[..2];
    for &node in down {
        cluster.kill(node);
    }
    let group = cluster.group(leader, GROUP);
    fill(&group, epoch).await;
    trim(&group).await;

    for &node in down {
        cluster.start_node(node).await;
    }
    cluster.connect();
    let end = group.log().high_watermark();
    for &node in down {
        cluster.open_on(node, GROUP, GroupKind::Data).await;
        let log = cluster.group(node, GROUP).log().clone();
        let caught_up = || (log.high_watermark() >= end).then_some(());
        until("a follower that was down to have it all", caught_up).await;
        assert!(log.first_offset() > Offset::ZERO);
    }
    cluster.shutdown();
}

/// The same for what is a state only, such as offsets of groups: its log would grow as long as a
/// node is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_down_does_not_keep_a_state_group_from_being_purged() {
    fn small(id: NodeId) -> RaftConfig {
        RaftConfig {
            state_entries: 20,
            ..RaftConfig::new(id)
        }
    }
    let mut cluster = TestCluster::start_with(3, small).await;
    let machines = cluster.open(GROUP, GroupKind::State).await;
    cluster.propose(GROUP, "first").await;
    for machine in machines.values() {
        until("all to have it", || machine.has("first").then_some(())).await;
    }
    let (leader, _) = cluster.leader(GROUP).await;
    let down = machines.keys().copied().find(|&id| id != leader).unwrap();
    cluster.kill(down);
    for n in 0..200 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    let log = cluster.group(leader, GROUP).log().clone();
    let purged = || log.log_start().filter(|start| start.index >= LogIndex(100));
    until("the log to be purged", purged).await;
    cluster.shutdown();
}

/// Appends some segments.
async fn fill(group: &RaftGroup, epoch: LeaderEpoch) {
    for _ in 0..60 {
        let proposal = Proposal::Data(vec![batch(4096)]);
        group.propose(epoch, proposal).await.unwrap();
    }
}

/// Drops all segments but the last, once they are synced.
async fn trim(group: &RaftGroup) {
    let rolled = || (group.log().segments().len() > 2).then_some(());
    until("segments to roll", rolled).await;
    let starts = group.log().segments();
    let before = starts[starts.len() - 1].base_offset;
    let trimmed = async {
        while !group.trim(before).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let trimmed = tokio::time::timeout(Duration::from_secs(20), trimmed).await;
    trimmed.expect("segments are synced in time");
    until("the log to be trimmed", || group.log().log_start()).await;
}

fn batch(value_bytes: usize) -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: 1,
        key: None,
        value: Some(vec![7; value_bytes].into()),
        headers: Vec::new(),
    });
    StampedBatch::split(builder.build()).unwrap()
}
