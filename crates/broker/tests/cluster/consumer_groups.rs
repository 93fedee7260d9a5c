//! Consumer groups (KIP-848) on whole nodes: epochs and partitions outlive the coordinator, what is
//! stale does not pass, and an empty group may become one of another kind and back.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_broker::Broker;
use floe_broker::api::classic::Refused as ClassicRefused;
use floe_broker::api::consumer::{Beaten, Heartbeat, Phase, Refused};
use floe_broker::api::{Claimant, GroupFailure, GroupState, JoinOutcome};
use floe_model::{ErrorCode, Generation, GroupKind, Offset, TopicIdPartition};
use floe_rpc::Assignor;

use crate::harness::{Cluster, PATIENCE, create_topic, topic_name};
use crate::members::{claim, commit, group, join, leave, member, somewhere, stored};

type Partitions = BTreeSet<TopicIdPartition>;

/// A heartbeat that says what the member holds, and of a new one everything.
fn beat(id: &str, member_epoch: i32, owned: Partitions) -> Heartbeat {
    let is_join = member_epoch == 0;
    Heartbeat {
        member_id: member(id),
        member_epoch,
        instance_id: None,
        rack: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        rebalance_timeout_ms: is_join.then_some(30_000),
        topics: is_join.then(|| [topic_name("orders")].into()),
        pattern: None,
        assignor: None,
        owned: Some(owned),
    }
}

async fn beaten(cluster: &Cluster, beat: Heartbeat) -> Result<Beaten, GroupFailure> {
    let ask = |broker: Broker| {
        let beat = beat.clone();
        async move { broker.consumer_heartbeat(group(), beat).await }
    };
    somewhere(cluster, ask).await
}

/// Heartbeats in turn, each member giving up at once what it is told to, until both hold two of
/// four partitions; their epoch and what each holds.
async fn two_members(cluster: &Cluster) -> (i32, [Partitions; 2]) {
    let mut members = [("a", 0, Partitions::new()), ("b", 0, Partitions::new())];
    let settled = async {
        loop {
            for (id, epoch, held) in &mut members {
                let answer = beaten(cluster, beat(id, *epoch, held.clone()))
                    .await
                    .unwrap();
                *epoch = answer.member_epoch;
                *held = answer.assignment.unwrap_or_else(|| held.clone());
            }
            let [(_, of_a, a), (_, of_b, b)] = &members;
            if a.len() == 2 && b.len() == 2 && of_a == of_b {
                assert!(a.is_disjoint(b));
                return (*of_a, [a.clone(), b.clone()]);
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap()
}

fn as_member(id: &str, epoch: i32) -> Claimant {
    Claimant::Member(claim(id, Generation(epoch)))
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, GroupFailure>) -> Refused {
    match outcome {
        Err(GroupFailure::Consumer(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epochs_and_partitions_outlive_the_coordinator_and_zombies_cannot_commit() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 4).await;
    let (epoch, [held_by_a, held_by_b]) = two_members(&cluster).await;
    commit(&cluster, &topic, as_member("a", epoch), 5)
        .await
        .unwrap();
    let coordinator = cluster.broker(1).coordinator_of(group()).await.unwrap();
    cluster.stop_node(coordinator).await;

    // Nobody has to join again: epochs and partitions are what they were.
    for (id, held) in [("a", &held_by_a), ("b", &held_by_b)] {
        let answer = beaten(&cluster, beat(id, epoch, held.clone()))
            .await
            .unwrap();
        assert_eq!((answer.member_epoch, answer.assignment), (epoch, None));
    }
    for stale in [epoch - 1, epoch + 1, 0, -1, -2] {
        let outcome = commit(&cluster, &topic, as_member("a", stale), 1).await;
        assert_eq!(refused(outcome), Refused::StaleMemberEpoch, "{stale}");
    }
    let outcome = commit(&cluster, &topic, as_member("z", epoch), 1).await;
    assert_eq!(refused(outcome), Refused::UnknownMember);
    let outsider = commit(&cluster, &topic, Claimant::Standalone, 1).await;
    assert_eq!(
        outsider,
        Err(GroupFailure::Refused(ClassicRefused::UnknownMember))
    );
    commit(&cluster, &topic, as_member("b", epoch), 6)
        .await
        .unwrap();
    assert_eq!(stored(&cluster).await[0].offset, Offset(6));

    // `a` is a zombie from now on: under its id somebody joined again.
    let back = beaten(&cluster, beat("a", 0, Partitions::new()))
        .await
        .unwrap();
    assert!(back.member_epoch > epoch);
    let zombie = commit(&cluster, &topic, as_member("a", epoch), 1).await;
    assert_eq!(refused(zombie), Refused::StaleMemberEpoch);
    let zombie = beaten(&cluster, beat("a", epoch, held_by_a)).await;
    assert_eq!(refused(zombie), Refused::FencedMemberEpoch);
    commit(&cluster, &topic, as_member("a", back.member_epoch), 7)
        .await
        .unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_member_is_out_and_its_partitions_go_to_the_others() {
    let cluster = Cluster::start_with(1, |config| {
        config.consumer_groups.session_timeout_ms = 1_500;
    })
    .await;
    let topic = create_topic(&cluster.broker(1), "orders", 4).await;
    let (epoch, [_, mut held]) = two_members(&cluster).await;
    let mut of_b = epoch;
    let all = async {
        while held.len() < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let answer = beaten(&cluster, beat("b", of_b, held.clone()))
                .await
                .unwrap();
            of_b = answer.member_epoch;
            held = answer.assignment.unwrap_or(held);
        }
        (of_b, held)
    };
    let (of_b, _) = tokio::time::timeout(PATIENCE, all).await.unwrap();
    assert!(of_b > epoch);
    let dead = commit(&cluster, &topic, as_member("a", epoch), 1).await;
    assert_eq!(refused(dead), Refused::UnknownMember);
    let stale = commit(&cluster, &topic, as_member("b", epoch), 1).await;
    assert_eq!(refused(stale), Refused::StaleMemberEpoch);
    cluster.stop().await;
}

async fn classic_joined(cluster: &Cluster, id: &str) -> Result<JoinOutcome, GroupFailure> {
    let ask = |broker: Broker| async move {
        let join = join(None, id, None);
        broker.join_classic_group(group(), join).await
    };
    somewhere(cluster, ask).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_changes_its_kind_and_keeps_its_offsets_and_one_with_members_does_not() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let JoinOutcome::Joined(classic) = classic_joined(&cluster, "c").await.unwrap() else {
        panic!("no id was to be required");
    };
    // Classic with members: no such consumer group.
    let clash = beaten(&cluster, beat("a", 0, Partitions::new())).await;
    assert_eq!(refused(clash), Refused::UnknownGroup);
    leave(&cluster, "c").await;

    let upgraded = async {
        loop {
            match beaten(&cluster, beat("a", 0, Partitions::new())).await {
                Ok(answer) => return answer,
                Err(GroupFailure::Consumer(Refused::UnknownGroup)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(other) => panic!("{other}"),
            }
        }
    };
    let a = tokio::time::timeout(PATIENCE, upgraded).await.unwrap();
    assert!(a.member_epoch > classic.generation.0, "generations go on");
    commit(&cluster, &topic, as_member("a", a.member_epoch), 5)
        .await
        .unwrap();
    let clash = classic_joined(&cluster, "c").await;
    let inconsistent = GroupFailure::Refused(ClassicRefused::InconsistentProtocol);
    assert_eq!(clash, Err(inconsistent));
    let described = broker.describe_consumer_group(group()).await.unwrap();
    assert_eq!(
        (described.phase, described.epoch),
        (Phase::Stable, a.member_epoch)
    );
    let snapshot = broker.group_snapshot(group()).await.unwrap();
    assert_eq!(
        (snapshot.kind, snapshot.state),
        (GroupKind::Consumer, GroupState::Stable)
    );
    let native = broker.describe_group(group()).await.unwrap();
    assert_eq!(native.assignor, Assignor::StickyCooperative);
    assert_eq!(native.members[0].topics, [topic_name("orders")]);
    assert_eq!(native.members[0].partitions.len(), 1);
    let delete = broker.delete_group(group()).await.unwrap_err();
    assert_eq!(delete.code, ErrorCode::GroupNotEmpty);

    let left = beaten(&cluster, beat("a", -1, Partitions::new()))
        .await
        .unwrap();
    assert_eq!((left.member_epoch, left.assignment), (-1, None));
    let gone = beaten(&cluster, beat("a", a.member_epoch, Partitions::new())).await;
    assert_eq!(refused(gone), Refused::UnknownMember);
    // Empty: outsiders may commit, and classic members join.
    commit(&cluster, &topic, Claimant::Standalone, 6)
        .await
        .unwrap();
    let JoinOutcome::Joined(back) = classic_joined(&cluster, "c").await.unwrap() else {
        panic!("no id was to be required");
    };
    assert!(back.generation.0 > a.member_epoch);
    assert_eq!(stored(&cluster).await[0].offset, Offset(6));
    let gone = beaten(&cluster, beat("a", a.member_epoch, Partitions::new())).await;
    assert_eq!(refused(gone), Refused::UnknownGroup);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epochs_go_on_when_a_group_is_deleted_and_made_again() {
    let cluster = Cluster::start(1).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let first = beaten(&cluster, beat("a", 0, Partitions::new()))
        .await
        .unwrap();
    beaten(&cluster, beat("a", -1, Partitions::new()))
        .await
        .unwrap();
    cluster.broker(1).delete_group(group()).await.unwrap();
    let gone = beaten(&cluster, beat("a", first.member_epoch, Partitions::new())).await;
    assert_eq!(refused(gone), Refused::UnknownGroup);
    let again = beaten(&cluster, beat("a", 0, Partitions::new()))
        .await
        .unwrap();
    assert!(again.member_epoch > first.member_epoch);
    let zombie = commit(&cluster, &topic, as_member("a", first.member_epoch), 1).await;
    assert_eq!(refused(zombie), Refused::StaleMemberEpoch);
    cluster.stop().await;
}
