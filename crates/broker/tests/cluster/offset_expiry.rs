//! Stored offsets go when nobody has used them for long enough, by the wall clock of the
//! coordinator, and not earlier.

use std::time::Duration;

use floe_broker::api::Claimant;
use floe_metadata::offsets_partition_of;
use floe_model::{GroupName, NodeId, PartitionIndex};

use crate::harness::{Cluster, create_topic, eventually};
use crate::members::{
    claim, commit, commit_to, group, join, joined, leave, stored, stored_by, synced,
};

const MINUTE_MS: i64 = 60_000;

/// A node that keeps offsets for an hour and looks all the time.
async fn start() -> Cluster {
    Cluster::start_with(1, |config| {
        config.retention_check = Duration::from_millis(20);
        config.offsets_retention = Duration::from_secs(3600);
    })
    .await
}

/// A group that is looked at after `billing`, by the same coordinator: once an offset of it is
/// gone, those of `billing` have been judged by the same clock.
fn witness() -> GroupName {
    let names = (0..).map(|n| GroupName::new(format!("witness-{n}")).unwrap());
    let wanted = offsets_partition_of(&group());
    let mut names = names.filter(|name| offsets_partition_of(name) == wanted);
    names.next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_simple_consumer_go_an_hour_after_their_commit_each() {
    let cluster = start().await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let of = |partition| (&topic, partition);
    let name = group();
    commit_to(&cluster, &name, of(0), Claimant::Standalone, 5)
        .await
        .unwrap();
    cluster.shift_wall_clock(NodeId(1), 40 * MINUTE_MS);
    commit_to(&cluster, &name, of(1), Claimant::Standalone, 6)
        .await
        .unwrap();
    assert_eq!(stored(&cluster).await.len(), 2);
    cluster.shift_wall_clock(NodeId(1), 61 * MINUTE_MS);
    eventually("the older offset goes", || async {
        stored(&cluster).await.len() < 2
    })
    .await;
    let kept = stored(&cluster).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].partition.partition, PartitionIndex(1));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_group_stay_while_it_has_members_and_an_hour_longer() {
    let cluster = start().await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let joined = joined(&cluster, &join(None, "a", None)).await;
    let claim = claim("a", joined.generation);
    synced(&cluster, claim.clone(), &[("a", 7)]).await.unwrap();
    let by_a = Claimant::Member(claim);
    commit(&cluster, &topic, by_a, 5).await.unwrap();

    let witness = witness();
    let commit_of_witness = || async {
        let of_witness = commit_to(&cluster, &witness, (&topic, 0), Claimant::Standalone, 1);
        of_witness.await.unwrap();
    };
    let kept_after = async |minutes: i64| {
        cluster.shift_wall_clock(NodeId(1), minutes * MINUTE_MS);
        eventually("the witness goes", || async {
            stored_by(&cluster, &witness).await.is_empty()
        })
        .await;
        stored(&cluster).await.len()
    };
    commit_of_witness().await;
    assert_eq!(kept_after(61).await, 1, "a member is there");
    commit_of_witness().await;
    cluster.shift_wall_clock(NodeId(1), 100 * MINUTE_MS);
    leave(&cluster, "a").await;
    assert_eq!(
        kept_after(122).await,
        1,
        "the member left less than an hour ago"
    );
    cluster.shift_wall_clock(NodeId(1), 183 * MINUTE_MS);
    eventually("the offset goes", || async {
        stored(&cluster).await.is_empty()
    })
    .await;
    cluster.stop().await;
}
