//! Nodes that come back on their old disks.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod cluster;

use std::time::Duration;

use cluster::{TestCluster, until};
use floe_journal::GroupKind;
use floe_model::{NodeId, Offset, RaftGroupId};
use floe_raft::{Proposal, RaftConfig, RoleState};
use floe_record::{BatchBuilder, Compression, Record, StampedBatch};
use tempfile::TempDir;
use tokio::time::Instant;

const GROUP: RaftGroupId = RaftGroupId(1000);

fn batch(records: u32) -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    for n in 0..records {
        builder.push(&Record {
            timestamp_ms: 1,
            key: None,
            value: Some(n.to_string().into()),
            headers: Vec::new(),
        });
    }
    StampedBatch::split(builder.build()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_node_comes_back_with_all_it_acknowledged() {
    let mut cluster = TestCluster::start(1).await;
    let node = NodeId(1);
    cluster.open(GROUP, GroupKind::Data).await;
    for n in 0..20 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    cluster.stop(node).await;
    cluster.start_node(node).await;
    cluster.connect();
    let spec = cluster.nodes[&node].raft.stored_spec(GROUP).unwrap();
    assert_eq!(spec.founders, cluster.founders(GROUP));
    let machine = cluster.open_on(node, GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "after").await;
    assert_eq!(machine.len(), 21);
    assert_eq!(machine.applied()[19], "c19");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_restarts_within_100_ms_does_not_leave_its_group_without_one() {
    let mut cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    cluster.stop(leader).await;
    cluster.start_node(leader).await;
    cluster.connect();
    let machine = cluster.open_on(leader, GROUP, GroupKind::Data).await;
    let restarted = Instant::now();
    cluster.propose(GROUP, "after").await;
    let elapsed = restarted.elapsed();
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    let (_, next) = cluster.leader(GROUP).await;
    assert!(next > epoch);
    until("the restarted node to catch up", || {
        machine.has("after").then_some(())
    })
    .await;
    assert_eq!(machine.applied(), ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_cluster_comes_back() {
    let mut cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    for n in 0..10 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    for node in (1..=3).map(NodeId) {
        cluster.stop(node).await;
    }
    for node in (1..=3).map(NodeId) {
        cluster.start_node(node).await;
    }
    cluster.connect();
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "after").await;
    for machine in machines.values() {
        until("all applied", || (machine.len() == 11).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_dense_over_leaders_and_restarts() {
    let mut cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    let mut next = Offset::ZERO;
    for round in 0..3 {
        let (leader, epoch) = cluster.leader(GROUP).await;
        let proposal = Proposal::Data(vec![batch(3), batch(2)]);
        let applied = cluster
            .group(leader, GROUP)
            .propose(epoch, proposal)
            .await
            .unwrap();
        assert_eq!(
            (applied.base_offset, applied.offset_count),
            (next, 5),
            "round {round}"
        );
        next = next + 5;
        cluster.stop(leader).await;
        cluster.start_node(leader).await;
        cluster.connect();
        cluster.open_on(leader, GROUP, GroupKind::Data).await;
    }
    for node in (1..=3).map(NodeId) {
        let group = cluster.group(node, GROUP);
        until("the high watermark", || {
            (group.log().high_watermark() == next).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_group_saves_its_state_and_a_new_member_gets_it() {
    let mut cluster = TestCluster::start_with(3, |node| RaftConfig {
        state_entries: 20,
        ..RaftConfig::new(node)
    })
    .await;
    let late = NodeId(3);
    for node in [NodeId(1), NodeId(2)] {
        cluster.open_on(node, GROUP, GroupKind::State).await;
    }
    for n in 0..100 {
        cluster.propose(GROUP, &format!("c{n}")).await;
    }
    let (leader, _) = cluster.leader(GROUP).await;
    let group = cluster.group(leader, GROUP);
    until("the log to be purged", || group.log().log_start()).await;
    let machine = cluster.open_on(late, GROUP, GroupKind::State).await;
    until("the state to arrive", || {
        (machine.len() == 100).then_some(())
    })
    .await;
    assert_eq!(machine.applied()[0], "c0");
    cluster.stop(late).await;
    cluster.start_node(late).await;
    cluster.connect();
    let machine = cluster.open_on(late, GROUP, GroupKind::State).await;
    cluster.propose(GROUP, "after").await;
    until("the restarted member to follow", || {
        machine.has("after").then_some(())
    })
    .await;
    assert_eq!(machine.len(), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_restarts_under_writes_is_not_taken_for_damaged() {
    let mut cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    for _ in 0..5 {
        let (leader, epoch) = cluster.leader(GROUP).await;
        let follower = (1..=3).map(NodeId).find(|node| *node != leader).unwrap();
        let group = cluster.group(leader, GROUP);
        let writes = tokio::spawn(async move {
            let mut written = 0;
            while written < 200 && group.role().epoch == epoch {
                let proposal = Proposal::Data(vec![batch(1)]);
                match group.propose(epoch, proposal).await {
                    Ok(_) => written += 1,
                    // A starved leader fences itself for a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        cluster.stop(follower).await;
        cluster.start_node(follower).await;
        cluster.connect();
        cluster.open_on(follower, GROUP, GroupKind::Data).await;
        writes.await.unwrap();
        let end = cluster.group(leader, GROUP).log().high_watermark();
        let group = cluster.group(follower, GROUP);
        let caught_up = || (group.log().high_watermark() >= end).then_some(());
        until("the restarted follower to catch up", caught_up).await;
    }
}

/// A follower's disk is copied after one life and put back `lives` lives later, in which the
/// follower acknowledged more.
async fn put_a_disk_back(cluster: &mut TestCluster, follower: NodeId, lives: u32, old: &TempDir) {
    for life in 0..lives {
        cluster.start_node(follower).await;
        cluster.connect();
        cluster.open_on(follower, GROUP, GroupKind::Data).await;
        cluster.propose(GROUP, &format!("in life {life}")).await;
        let acknowledged = || {
            let (leader, _) = cluster.serving(GROUP)?;
            let members = cluster.group(leader, GROUP).members();
            let of = |node| members.iter().find(|member| member.replica.node_id == node);
            (of(follower)?.matching == of(leader)?.matching).then_some(())
        };
        until("the follower to acknowledge it", acknowledged).await;
        cluster.stop(follower).await;
    }
    cluster.put_disk(follower, old);
    cluster.start_node(follower).await;
    cluster.connect();
    cluster.open_on(follower, GROUP, GroupKind::Data).await;
}

async fn is_found_damaged(cluster: &TestCluster, follower: NodeId) {
    let group = cluster.group(follower, GROUP);
    let stopped = || (group.role().state == RoleState::Stopped).then_some(());
    until("the damage to be found", stopped).await;
    assert!(group.log().is_damaged().is_some());
    cluster.propose(GROUP, "with the two others").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_went_back_in_time_is_found_damaged_and_counts_no_more() {
    // After two lives the disk knows itself as an earlier incarnation than its peers do.
    for lives in [1, 2] {
        let mut cluster = TestCluster::start(3).await;
        cluster.open(GROUP, GroupKind::Data).await;
        cluster.propose(GROUP, "before").await;
        let (leader, _) = cluster.leader(GROUP).await;
        let follower = (1..=3).map(NodeId).find(|node| *node != leader).unwrap();
        cluster.stop(follower).await;
        let old = cluster.copy_disk(follower);
        put_a_disk_back(&mut cluster, follower, lives, &old).await;
        is_found_damaged(&cluster, follower).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_from_before_its_replica_had_any_entry_is_found_damaged() {
    let mut cluster = TestCluster::start(3).await;
    let follower = NodeId(3);
    // Alone it founds nothing: its log stays empty.
    cluster.open_on(follower, GROUP, GroupKind::Data).await;
    cluster.stop(follower).await;
    let old = cluster.copy_disk(follower);
    for node in [NodeId(1), NodeId(2)] {
        cluster.open_on(node, GROUP, GroupKind::Data).await;
    }
    put_a_disk_back(&mut cluster, follower, 1, &old).await;
    is_found_damaged(&cluster, follower).await;
}
