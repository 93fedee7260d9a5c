//! Old records go, on every replica, and never come back.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_broker::{Broker, NodeConfig, PartitionStatus};
use floe_model::{ErrorCode, NodeId, Offset};
use floe_rpc::{AlterTopic, CreateTopic, ElectLeaders, FailureDetail, PartitionKey, TopicInfo};

use crate::harness::{Cluster, batch, eventually, fetch, key_of, topic_name};

const MIB: u64 = 1 << 20;

fn often(config: &mut NodeConfig) {
    config.retention_check = Duration::from_millis(50);
    // Only what is synced may go.
    config.journal.checkpoint_interval_ms = 200;
}

async fn create(broker: &Broker, name: &str, configs: &[(&str, &str)]) -> TopicInfo {
    let configs = configs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let request = CreateTopic {
        name: topic_name(name),
        partitions: 1,
        replication: None,
        configs: configs.collect::<BTreeMap<_, _>>(),
        if_not_exists: false,
        timeout_ms: 30_000,
    };
    broker.create_topic(request).await.unwrap()
}

/// Appends `mib` MiB in batches of a quarter.
async fn fill(cluster: &Cluster, key: PartitionKey, mib: usize) {
    let quarter = "x".repeat(256 << 10);
    for _ in 0..4 * mib {
        cluster.produce(key, &batch(&[&quarter], None)).await;
    }
}

/// The only partition on every running node.
fn replicas(cluster: &Cluster) -> Vec<PartitionStatus> {
    let brokers = cluster.brokers();
    let statuses = brokers.iter().map(|one| one.status().partitions.remove(0));
    statuses.collect()
}

/// Waits until all replicas begin at one offset beyond `after` and are smaller than `bytes`.
async fn trimmed(cluster: &Cluster, after: Offset, bytes: u64) -> Offset {
    eventually("a trim on all replicas", || async {
        let found = replicas(cluster);
        let start = found[0].log_start_offset;
        let same = |one: &PartitionStatus| one.log_start_offset == start && one.size_bytes < bytes;
        start > after && found.iter().all(same)
    })
    .await;
    replicas(cluster)[0].log_start_offset
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exceeds_the_size_of_a_topic_goes_on_all_replicas_and_stays_gone() {
    let mut cluster = Cluster::start_with(3, often).await;
    let small = [("segment.bytes", "1048576"), ("retention.bytes", "1048576")];
    let topic = create(&cluster.broker(1), "orders", &small).await;
    let key = key_of(&topic, 0);
    fill(&cluster, key, 6).await;
    let start = trimmed(&cluster, Offset(8), 4 * MIB).await;

    let (leader, broker) = cluster.leader(key).await;
    let gone = fetch(&broker, key, Offset(0), 0).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::OffsetOutOfRange);
    let facts = FailureDetail::OffsetRange {
        offset: Offset(0),
        log_start_offset: start,
        log_end_offset: Offset(24),
    };
    assert_eq!(gone.detail.as_deref(), Some(&facts));
    assert_eq!(fetch(&broker, key, start, 0).await.unwrap()[0].0, start);

    // Another leader, and the former one after a restart, begin no earlier.
    let next = cluster.ids().into_iter().find(|&id| id != leader).unwrap();
    let moved = ElectLeaders {
        topic: None,
        partition: None,
        to: Some(next),
    };
    broker.elect_leaders(moved).await.unwrap();
    // A node's services hold its store, which is to be opened again.
    drop(broker);
    let (_, broker) = cluster.leader(key).await;
    assert!(fetch(&broker, key, Offset(0), 0).await.is_err());
    drop(broker);
    cluster.stop_node(leader).await;
    assert!(
        replicas(&cluster)
            .iter()
            .all(|one| one.log_start_offset >= start)
    );
    fill(&cluster, key, 3).await;
    let later = trimmed(&cluster, start, 4 * MIB).await;
    cluster.start_node(leader).await;
    cluster.ready().await;
    let same = trimmed(&cluster, start, 4 * MIB).await;
    assert!(same >= later);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_goes_and_a_segment_that_is_still_written_stays() {
    let cluster = Cluster::start_with(3, often).await;
    let all = [("segment.bytes", "1048576"), ("retention.ms", "-1")];
    let topic = create(&cluster.broker(1), "orders", &all).await;
    let key = key_of(&topic, 0);
    // Records of the year 1970.
    fill(&cluster, key, 4).await;
    assert!(
        replicas(&cluster)
            .iter()
            .all(|one| one.log_start_offset == Offset(0))
    );
    let age = AlterTopic {
        name: topic_name("orders"),
        configs: BTreeMap::from([("retention.ms".to_owned(), Some("1000".to_owned()))]),
        partitions: None,
    };
    cluster.broker(2).alter_topic(age).await.unwrap();
    let start = trimmed(&cluster, Offset(8), 3 * MIB).await;
    let (_, broker) = cluster.leader(key).await;
    let kept = fetch(&broker, key, start, 0).await.unwrap();
    assert!(
        start < Offset(16) && !kept.is_empty(),
        "the last segment stays"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_segment_bytes_reaches_the_replicas_that_are_open() {
    let cluster = Cluster::start_with(1, often).await;
    let topic = create(&cluster.broker(1), "orders", &[("retention.bytes", "0")]).await;
    let key = key_of(&topic, 0);
    fill(&cluster, key, 2).await;
    let smaller = AlterTopic {
        name: topic_name("orders"),
        configs: BTreeMap::from([("segment.bytes".to_owned(), Some("1048576".to_owned()))]),
        partitions: None,
    };
    cluster.broker(1).alter_topic(smaller).await.unwrap();
    // With segments of the node's 128 MiB nothing would ever be closed, and so nothing go.
    eventually("a closed segment", || async {
        cluster.produce(key, &batch(&["y"], None)).await;
        replicas(&cluster)[0].log_start_offset >= Offset(8)
    })
    .await;
    assert_eq!(cluster.ids(), [NodeId(1)]);
    cluster.stop().await;
}
