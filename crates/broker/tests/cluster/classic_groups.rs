//! Classic groups on whole nodes: a generation and its assignments outlive the coordinator, what
//! is stale does not pass, and kinds of groups do not mix while there are members.

use std::time::Duration;

use floe_broker::Broker;
use floe_broker::api::classic::{Claim, Refused};
use floe_broker::api::{Claimant, GroupFailure, GroupState};
use floe_model::{ErrorCode, Generation, GroupKind, LeaderEpoch, Offset};
use floe_rpc::{Assignor, JoinGroup};

use crate::harness::{Cluster, PATIENCE, create_topic, topic_name};
use crate::members::{claim, commit, group, join, joined, leave, somewhere, stored, synced};

fn refused(outcome: Result<(), GroupFailure>) -> Refused {
    match outcome {
        Err(GroupFailure::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// `a` leads, `b` follows, both have their assignments; the generation.
async fn two_members(cluster: &Cluster) -> Generation {
    let first = joined(cluster, &join(None, "a", None)).await;
    synced(cluster, claim("a", first.generation), &[("a", 1)])
        .await
        .unwrap();
    let (follower, again) = (join(None, "b", None), join(Some("a"), "x", None));
    let (b, a) = tokio::join!(joined(cluster, &follower), async {
        // The leader hears of the newcomer and joins again.
        let beat = |broker: Broker| async move {
            broker
                .classic_heartbeat(group(), claim("a", first.generation))
                .await
        };
        while somewhere(cluster, beat).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        joined(cluster, &again).await
    });
    assert_eq!((a.generation, a.members.len()), (b.generation, 2));
    let assignments = [("a", 7), ("b", 8)];
    let (of_a, of_b) = tokio::join!(
        synced(cluster, claim("a", a.generation), &assignments),
        synced(cluster, claim("b", a.generation), &[]),
    );
    assert_eq!((of_a.unwrap(), of_b.unwrap()), (vec![7], vec![8]));
    a.generation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_generation_outlives_its_coordinator_and_stale_commits_do_not_pass() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let generation = two_members(&cluster).await;
    let stale = Generation(generation.0 - 1);
    commit(
        &cluster,
        &topic,
        Claimant::Member(claim("a", generation)),
        5,
    )
    .await
    .unwrap();
    let coordinator = cluster.broker(1).coordinator_of(group()).await.unwrap();
    cluster.stop_node(coordinator).await;

    // Nobody has to join again: the generation and the assignments are what they were.
    for (id, byte) in [("a", 7), ("b", 8)] {
        let beat = |broker: Broker| async move {
            broker
                .classic_heartbeat(group(), claim(id, generation))
                .await
        };
        somewhere(&cluster, beat).await.unwrap();
        assert_eq!(
            synced(&cluster, claim(id, generation), &[]).await.unwrap(),
            [byte]
        );
    }
    let by = |id, generation| Claimant::Member(claim(id, generation));
    assert_eq!(
        refused(commit(&cluster, &topic, by("a", stale), 1).await),
        Refused::IllegalGeneration
    );
    assert_eq!(
        refused(commit(&cluster, &topic, by("z", generation), 1).await),
        Refused::UnknownMember
    );
    let outsider = commit(&cluster, &topic, Claimant::Standalone, 1).await;
    assert_eq!(refused(outsider), Refused::UnknownMember);
    commit(&cluster, &topic, by("b", generation), 6)
        .await
        .unwrap();
    let found = stored(&cluster).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].offset, found[0].leader_epoch),
        (Offset(6), Some(LeaderEpoch(3)))
    );
    assert_eq!(found[0].metadata, "note");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_returns_to_its_assignment_and_fences_its_former_id_for_good() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let first = joined(&cluster, &join(None, "a", Some("i"))).await;
    let generation = first.generation;
    synced(&cluster, claim("a", generation), &[("a", 7)])
        .await
        .unwrap();
    let back = joined(&cluster, &join(None, "b", Some("i"))).await;
    assert_eq!((back.generation, back.skips_assignment), (generation, true));
    assert_eq!(
        synced(&cluster, claim("b", generation), &[]).await.unwrap(),
        [7]
    );
    let former = Claimant::Member(Claim {
        instance_id: Some("i".to_owned()),
        ..claim("a", generation)
    });
    assert_eq!(
        refused(commit(&cluster, &topic, former.clone(), 1).await),
        Refused::FencedInstance
    );
    let coordinator = cluster.broker(1).coordinator_of(group()).await.unwrap();
    cluster.stop_node(coordinator).await;
    assert_eq!(
        synced(&cluster, claim("b", generation), &[]).await.unwrap(),
        [7]
    );
    assert_eq!(
        refused(commit(&cluster, &topic, former.clone(), 1).await),
        Refused::FencedInstance
    );
    let heir = Claimant::Member(claim("b", generation));
    commit(&cluster, &topic, heir, 2).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_of_groups_do_not_mix_until_the_group_is_empty_and_share_its_offsets() {
    let cluster = Cluster::start(1).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let a = joined(&cluster, &join(None, "a", None)).await;
    synced(&cluster, claim("a", a.generation), &[("a", 7)])
        .await
        .unwrap();
    commit(
        &cluster,
        &topic,
        Claimant::Member(claim("a", a.generation)),
        5,
    )
    .await
    .unwrap();
    let native = JoinGroup {
        group: group(),
        member_id: "n".to_owned(),
        instance_id: None,
        topics: vec![topic_name("orders")],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        assignor: Assignor::default(),
    };
    let clash = broker.join_group(native.clone()).await.unwrap_err();
    assert_eq!(clash.code, ErrorCode::InvalidRequest);
    let snapshot = broker.group_snapshot(group()).await.unwrap();
    assert_eq!(
        (snapshot.kind, snapshot.state),
        (GroupKind::Classic, GroupState::Stable)
    );
    let described = broker.describe_group(group()).await.unwrap();
    assert_eq!(described.assignor, Assignor::Members);
    assert_eq!(described.members[0].topics, [topic_name("orders")]);

    leave(&cluster, "a").await;
    let native_joined = async {
        while broker.join_group(native.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, native_joined).await.unwrap();
    assert_eq!(
        stored(&cluster).await[0].offset,
        Offset(5),
        "offsets belong to the name"
    );
    let classic = broker
        .join_classic_group(group(), join(None, "b", None))
        .await;
    assert_eq!(
        classic,
        Err(GroupFailure::Refused(Refused::InconsistentProtocol))
    );
    cluster.stop().await;
}
