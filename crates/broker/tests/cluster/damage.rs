//! Disks that rot: nothing wrong is served, and what is damaged comes back from the peers.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use floe_broker::{Broker, NodeConfig, NotReady};
use floe_model::{ErrorCode, LogIndex, NodeId, Offset, RaftGroupId, ReplicaId};
use floe_raft::RaftGroup;
use floe_rpc::{Failure, PartitionKey};

use crate::harness::{Cluster, PATIENCE, batch, create_topic, eventually, fetch, key_of, read_all};

/// The group of the first partition.
const PARTITION: RaftGroupId = RaftGroupId(1000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_cannot_read_its_disk_lets_another_lead() {
    let cluster = Cluster::start_with(3, small_segments).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    produce_quarters(&cluster, key, 12).await;
    let (leader, broker) = cluster.leader(key).await;
    let former = placed(&broker, PARTITION, leader);
    eventually("three segments on disk", || async {
        cluster.segments(leader, PARTITION).len() >= 3
    })
    .await;
    rot(&cluster.segments(leader, PARTITION)[0], 100 << 10);
    // Entries leave the memory of the leader as others come.
    let refused = eventually_refused(&broker, key).await;
    assert_eq!(refused.code, ErrorCode::NotLeader);
    // It refuses at once and leads no more a moment later.
    eventually("another to lead", || async {
        cluster.leader(key).await.0 != leader
    })
    .await;
    assert_eq!(read_all(&cluster, key).await.len(), 12);
    cluster.produce(key, &batch(&["more"], None)).await;
    // No restart is needed, and nobody's help.
    replaced(&cluster, leader, PARTITION, former).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_replica_is_replaced_from_its_peers() {
    let mut cluster = Cluster::start_with(3, small_segments).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    produce_quarters(&cluster, key, 10).await;
    let (leader, _) = cluster.leader(key).await;
    let others = cluster.ids().into_iter().filter(|id| *id != leader);
    let others: Vec<_> = others.collect();
    let (damaged, other) = (others[0], others[1]);
    let former = placed(&cluster.broker(damaged.0), PARTITION, damaged);
    cluster.stop_node(damaged).await;
    rot(cluster.segments(damaged, PARTITION).last().unwrap(), 100);
    cluster.start_node(damaged).await;
    replaced(&cluster, damaged, PARTITION, former).await;
    // It is one of the two that must agree.
    cluster.stop_node(other).await;
    assert_eq!(
        cluster.produce(key, &batch(&["more"], None)).await,
        Offset(10)
    );
    assert_eq!(read_all(&cluster, key).await.len(), 11);
    // Again under the same id, as whole as any.
    let successor = placed(&cluster.broker(damaged.0), PARTITION, damaged);
    cluster.start_node(other).await;
    cluster.ready().await;
    cluster.stop_node(damaged).await;
    cluster.start_node(damaged).await;
    cluster.ready().await;
    assert_eq!(
        placed(&cluster.broker(damaged.0), PARTITION, damaged),
        successor
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_replica_of_an_offsets_partition_is_replaced_as_well() {
    let mut cluster = Cluster::start(3).await;
    let group = RaftGroupId::offsets(0);
    let node = NodeId(2);
    let former = placed(&cluster.broker(2), group, node);
    eventually("its first entries on disk", || async {
        !cluster.segments(node, group).is_empty()
    })
    .await;
    cluster.stop_node(node).await;
    rot(cluster.segments(node, group).last().unwrap(), 100);
    cluster.start_node(node).await;
    replaced(&cluster, node, group, former).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_replica_of_a_partition_stays_closed_when_it_is_damaged() {
    let mut cluster = Cluster::start_with(1, small_segments).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    produce_quarters(&cluster, key, 3).await;
    let node = NodeId(1);
    let former = placed(&cluster.broker(1), PARTITION, node);
    cluster.stop_node(node).await;
    let files = cluster.segments(node, PARTITION);
    rot(files.last().unwrap(), 100);
    cluster.start_node(node).await;
    let broker = cluster.broker(1);
    eventually("the damage is known", || async {
        broker.metadata_state().is_damaged(former.unwrap())
    })
    .await;
    let said = NotReady::DamagedReplicas { remaining: 1 };
    assert_eq!(broker.readiness(), [said]);
    // Everything else is served.
    create_topic(&broker, "others", 1).await;
    assert_eq!(placed(&broker, PARTITION, node), former);
    assert!(fetch(&broker, key, Offset(0), 0).await.is_err());
    assert_eq!(cluster.segments(node, PARTITION), files);
    cluster.stop().await;
}

/// The replica that metadata places on a node; `None` before a node that started knows.
fn placed(broker: &Broker, group: RaftGroupId, node: NodeId) -> Option<ReplicaId> {
    let state = broker.metadata_state();
    let replica = state.replica_set(group)?.replica_on(node)?;
    Some(replica.replica_id)
}

/// Waits until a successor of `former` is there, votes, and has what the leader has.
async fn replaced(cluster: &Cluster, node: NodeId, group: RaftGroupId, former: Option<ReplicaId>) {
    let broker = cluster.broker(node.0);
    eventually("a successor is named", || async {
        placed(&broker, group, node) > former
    })
    .await;
    cluster.ready().await;
    eventually("it has what its leader has", || async {
        let replicas = cluster.brokers().into_iter().flat_map(|one| one.replicas());
        let replicas: Vec<_> = replicas.filter(|one| one.id() == group).collect();
        let here = broker.replicas().into_iter().find(|one| one.id() == group);
        let leader = replicas
            .iter()
            .find(|one| one.role().serving_epoch().is_some());
        let Some((here, leader)) = here.zip(leader) else {
            return false;
        };
        let voters = leader.voters().into_iter().map(|voter| voter.replica_id);
        let voters: Vec<_> = voters.collect();
        voters.len() == 3
            && voters.contains(&here.replica_id())
            && Some(here.replica_id()) == placed(&broker, group, node)
            && here.log().last_log_id() == leader.log().last_log_id()
            && entries(&here).await == entries(leader).await
    })
    .await;
}

/// The bytes of a log's entries, from the first that is there.
async fn entries(raft: &RaftGroup) -> Vec<Vec<u8>> {
    let log = raft.log();
    let mut next = log.log_start().map_or(LogIndex(0), |id| id.index.next());
    let end = log.last_log_id().map_or(LogIndex(0), |id| id.index.next());
    let mut bytes = Vec::new();
    while next < end {
        for entry in log.read_entries(next..end, 1 << 20).await.unwrap() {
            next = entry.index.next();
            let mut encoded = Vec::new();
            entry.encode_into(&mut encoded);
            bytes.push(encoded);
        }
    }
    bytes
}

/// Small files that are synced soon, and little memory for what is in them.
fn small_segments(config: &mut NodeConfig) {
    config.journal.partition_segment_bytes = 1 << 20;
    config.journal.checkpoint_interval_ms = 100;
    config.journal.tail_bytes = 1 << 20;
}

async fn produce_quarters(cluster: &Cluster, key: PartitionKey, count: usize) {
    let quarter = "x".repeat(256 << 10);
    for _ in 0..count {
        cluster.produce(key, &batch(&[&quarter], None)).await;
    }
}

/// Turns one bit of a file over, also for who has it open.
fn rot(path: &Path, position: u64) {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 1], position).unwrap();
}

/// Reads the first record until that fails, as it must once the memory does not hold it.
async fn eventually_refused(broker: &Broker, key: PartitionKey) -> Failure {
    let refused = async {
        loop {
            if let Err(failure) = fetch(broker, key, Offset(0), 0).await {
                return failure;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap()
}
