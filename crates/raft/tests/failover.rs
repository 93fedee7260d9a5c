//! Leaders that die, stop or are cut off, and what becomes of their groups.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod cluster;

use std::time::Duration;

use cluster::{TestCluster, until};
use floe_journal::GroupKind;
use floe_model::{NodeId, RaftGroupId};
use floe_raft::{Proposal, RaftConfig, RoleState};
use tokio::time::Instant;

const GROUP: RaftGroupId = RaftGroupId(1000);

fn others(node: NodeId) -> Vec<NodeId> {
    others_of(3, node)
}

fn others_of(count: u32, node: NodeId) -> Vec<NodeId> {
    let all = (1..=count).map(NodeId);
    all.filter(|other| *other != node).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced_within_a_second_and_nothing_is_lost() {
    let mut cluster = TestCluster::start(3).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    for n in 0..10 {
        cluster.propose(GROUP, &format!("before {n}")).await;
    }
    let (leader, _) = cluster.leader(GROUP).await;
    cluster.kill(leader);
    let killed = Instant::now();
    cluster.propose(GROUP, "after").await;
    let elapsed = killed.elapsed();
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    for node in others(leader) {
        until("all applied", || machines[&node].has("after").then_some(())).await;
        assert_eq!(machines[&node].len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_leader_is_replaced_and_rejoins_as_follower() {
    let cluster = TestCluster::start(3).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    for other in others(leader) {
        cluster.cuts.cut_both(leader, other);
    }
    let fenced = || {
        let role = cluster.group(leader, GROUP).role();
        (role.state == RoleState::Fenced).then_some(())
    };
    until("the cut off leader to fence itself", fenced).await;
    let next = || cluster.serving(GROUP).filter(|(node, _)| *node != leader);
    let (_, next_epoch) = until("another leader", next).await;
    assert!(next_epoch > epoch);
    cluster.propose(GROUP, "meanwhile").await;
    assert!(!machines[&leader].has("meanwhile"));
    cluster.cuts.heal();
    let caught_up = || machines[&leader].has("meanwhile").then_some(());
    until("the old leader to follow", caught_up).await;
    let role = cluster.group(leader, GROUP).role();
    assert_eq!(role.state, RoleState::Follower);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cut_link_deposes_nobody() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    let other = others(leader)[0];
    cluster.cuts.cut_both(leader, other);
    let suspects = || cluster.nodes[&other].raft.suspects(leader).then_some(());
    until("one node to suspect the leader", suspects).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        cluster.propose(GROUP, "during").await;
        assert_eq!(cluster.leader(GROUP).await, (leader, epoch));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_way_cut_leaves_a_leader_that_commits() {
    one_way_cuts_leave_a_leader(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_way_cut_of_five_nodes_leaves_a_leader_that_commits() {
    one_way_cuts_leave_a_leader(5).await;
}

async fn one_way_cuts_leave_a_leader(count: u32) {
    let cluster = TestCluster::start(count).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    for from in (1..=count).map(NodeId) {
        for to in others_of(count, from) {
            cluster.cuts.cut(from, to);
            commits_under_a_cut(&cluster, &format!("{from} to {to}")).await;
            cluster.cuts.heal();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cut_link_of_five_nodes_leaves_a_leader_that_commits() {
    let cluster = TestCluster::start(5).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    for a in (1..=5).map(NodeId) {
        for b in (a.0 + 1..=5).map(NodeId) {
            cluster.cuts.cut_both(a, b);
            commits_under_a_cut(&cluster, &format!("{a} and {b}")).await;
            cluster.cuts.heal();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_founded_without_a_live_founder_that_never_opens_it() {
    let cluster = TestCluster::start(3).await;
    for node in [2, 3].map(NodeId) {
        cluster.open_on(node, GROUP, GroupKind::Data).await;
    }
    cluster.propose(GROUP, "without the first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_nobody_waits_for_leaves_a_group_that_can_be_written() {
    let mut cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, _) = cluster.leader(GROUP).await;
    let target = others(leader)[0];
    cluster.kill(target);
    let transfer = cluster.group(leader, GROUP);
    let waited = tokio::time::timeout(Duration::from_millis(20), transfer.transfer_to(target));
    assert!(waited.await.is_err(), "handed over to a node that is dead");
    cluster.propose(GROUP, "after").await;
}

async fn commits_under_a_cut(cluster: &TestCluster, cut: &str) {
    // Long enough for the detectors to see it and for an election.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let begun = Instant::now();
    cluster.propose(GROUP, &format!("cut: {cut}")).await;
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(2), "{cut}: {elapsed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_own_journal_hangs_commits_with_the_two_others() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, _) = cluster.leader(GROUP).await;
    cluster.disks[&leader].hang();
    cluster.propose(GROUP, "during").await;
}

/// Control connections work and the peers are reached, but nothing commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_proposals_hang_in_the_journals_withdraws() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    let stuck = [leader, others(leader)[0]];
    for node in stuck {
        cluster.disks[&node].hang();
    }
    let group = cluster.group(leader, GROUP);
    let command = Proposal::Control(bytes::Bytes::from_static(b"waits"));
    let waiting = tokio::spawn(group.propose(epoch, command));
    let begun = Instant::now();
    let withdrawn = || (group.role().serving_epoch().is_none()).then_some(());
    until("the stuck leader to withdraw", withdrawn).await;
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let refused = Proposal::Control(bytes::Bytes::from_static(b"refused"));
    assert!(group.propose(epoch, refused).await.is_err());
    for node in stuck {
        cluster.disks[&node].release();
    }
    cluster.propose(GROUP, "after").await;
    // Whoever leads has it: its outcome is known, or it is committed all the same.
    drop(waiting.await.unwrap());
    let (leader, _) = cluster.leader(GROUP).await;
    let end = cluster.group(leader, GROUP).log().durable_log_id();
    assert!(end.is_some());
}

/// Trap A: with openraft's default leases an idle leader would refuse to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_leader_still_accepts_writes() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let leader = cluster.leader(GROUP).await;
    // Longer than the vote timeout (2 s) that openraft would derive a lease from.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    cluster.propose(GROUP, "after").await;
    assert_eq!(cluster.leader(GROUP).await, leader);
}

/// Trap C: openraft never repeats a failed election by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_election_without_a_majority_is_tried_again() {
    let cluster = TestCluster::start_with(3, |node| RaftConfig {
        election_retry: Duration::from_millis(50),
        ..RaftConfig::new(node)
    })
    .await;
    let first = NodeId(1);
    cluster.open_on(first, GROUP, GroupKind::Data).await;
    let initialised = || (!cluster.group(first, GROUP).voters().is_empty()).then_some(());
    until("the founder to initialise", initialised).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cluster.serving(GROUP), None);
    cluster.open_on(NodeId(2), GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "with two of three").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_founder_initialises_when_the_first_is_dead() {
    let mut cluster = TestCluster::start(3).await;
    let first = NodeId(1);
    cluster.kill(first);
    for node in others(first) {
        cluster.open_on(node, GROUP, GroupKind::Data).await;
    }
    cluster.propose(GROUP, "without the first founder").await;
    let voters = cluster.group(NodeId(2), GROUP).voters();
    assert_eq!(voters, cluster.founders(GROUP));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_group_in_a_live_node_gets_another_leader() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, _) = cluster.leader(GROUP).await;
    let raft = cluster.nodes[&leader].raft.clone();
    let closed = cluster.nodes[&leader].run(async move { raft.close_group(GROUP).await });
    closed.await;
    let next = || cluster.serving(GROUP).filter(|(node, _)| *node != leader);
    until("another leader", next).await;
    cluster.propose(GROUP, "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_on_request_and_at_shutdown() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    let target = others(leader)[0];
    cluster
        .group(leader, GROUP)
        .transfer_to(target)
        .await
        .unwrap();
    let moved = || cluster.serving(GROUP).filter(|(node, _)| *node == target);
    let (_, next_epoch) = until("the target to lead", moved).await;
    assert!(next_epoch > epoch);
    cluster.nodes[&target]
        .raft
        .transfer_all(Duration::from_secs(2))
        .await;
    let gone = || cluster.serving(GROUP).filter(|(node, _)| *node != target);
    until("leadership to go elsewhere", gone).await;
    cluster.propose(GROUP, "after").await;
}

/// Openraft refuses writes while it transfers, for ever if the follower never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_to_a_dead_follower_leaves_a_group_that_accepts_writes() {
    let cluster = TestCluster::start(3).await;
    cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, _) = cluster.leader(GROUP).await;
    let target = others(leader)[0];
    cluster.cuts.cut_both(leader, target);
    cluster.cuts.cut_both(target, others(leader)[1]);
    let refused = cluster.group(leader, GROUP).transfer_to(target).await;
    assert!(refused.is_err());
    cluster.propose(GROUP, "after").await;
}

/// The vote that ends the transfer must not be for the target: it would take itself for its
/// candidate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_leader_that_missed_a_transfer_to_itself_follows_again() {
    let cluster = TestCluster::start(3).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (former, _) = cluster.leader(GROUP).await;
    for other in others(former) {
        cluster.cuts.cut_both(former, other);
    }
    let next = || cluster.serving(GROUP).filter(|(node, _)| *node != former);
    let (leader, _) = until("another leader", next).await;
    let refused = cluster.group(leader, GROUP).transfer_to(former).await;
    assert!(refused.is_err());
    let voters = cluster.founders(GROUP);
    let candidate = cluster.group(leader, GROUP).ballot().candidate;
    assert!(
        !voters
            .iter()
            .any(|voter| voter.replica_id == candidate && voter.node_id == former)
    );
    cluster.cuts.heal();
    cluster.propose(GROUP, "after").await;
    let follows = || machines[&former].has("after").then_some(());
    until("the former leader to follow", follows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_while_writes_go_on() {
    let cluster = TestCluster::start(3).await;
    let machines = cluster.open(GROUP, GroupKind::Data).await;
    cluster.propose(GROUP, "before").await;
    let (leader, epoch) = cluster.leader(GROUP).await;
    let group = cluster.group(leader, GROUP);
    let writes = tokio::spawn(async move {
        let mut acked = 0;
        loop {
            let command = Proposal::Control(bytes::Bytes::from_static(b"write"));
            match group.propose(epoch, command).await {
                Ok(_) => acked += 1,
                Err(_) if group.role().epoch > epoch => return acked,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    });
    let target = others(leader)[0];
    cluster
        .group(leader, GROUP)
        .transfer_to(target)
        .await
        .unwrap();
    let acked = writes.await.unwrap();
    cluster.propose(GROUP, "after").await;
    let applied = machines[&target].applied();
    let written = applied.iter().filter(|command| *command == "write").count();
    assert!(written >= acked, "{written} of {acked}");
}
