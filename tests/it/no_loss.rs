//! No acknowledged record is lost, doubled or reordered, whatever happens to the processes.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::ledger::{Workload, connect, read_all};

const TOPIC: &str = "ledger";

async fn topic(cluster: &Cluster, partitions: u32) {
    let client = connect(&cluster.servers()).await;
    client
        .admin()
        .create_topic(TOPIC)
        .partitions(partitions)
        .send()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_of_each_node_in_turn_loses_nothing() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    workload.progress(500).await;
    for node in cluster.nodes() {
        cluster.kill(node);
        workload.progress(500).await;
        cluster.start(node);
        workload.progress(500).await;
    }
    assert!(workload.verify().await > 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_of_all_nodes_at_once_loses_nothing() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    for _ in 0..2 {
        workload.progress(500).await;
        cluster.kill_all();
        cluster.up_again();
    }
    workload.progress(500).await;
    workload.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_leader_that_wakes_has_lost_its_office_and_nothing_else() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    workload.progress(500).await;
    for _ in 0..2 {
        let busiest = cluster.busiest();
        cluster.pause(busiest);
        workload.progress(1_000).await;
        cluster.resume(busiest);
        workload.progress(500).await;
    }
    workload.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_in_a_restart_loop_loses_nothing() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    workload.progress(500).await;
    for _ in 0..5 {
        let busiest = cluster.busiest();
        // Back before the others have noticed by silence.
        cluster.kill(busiest);
        cluster.start(busiest);
    }
    workload.progress(500).await;
    workload.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_back_within_100_ms_of_its_kill_loses_nothing() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        workload.progress(500).await;
        let away = cluster.kill_and_start_at_once(cluster.busiest());
        quickest = quickest.min(away);
    }
    workload.progress(500).await;
    workload.verify().await;
    // A process in the middle of a write ends when the write does; not every round can be quick.
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stopped_in_good_order_hands_over_and_comes_back() {
    let cluster = Cluster::up(3);
    topic(&cluster, 6).await;
    let workload = Workload::start(&cluster.servers(), TOPIC, 4).await;
    workload.progress(500).await;
    let busiest = cluster.busiest();
    cluster.stop(busiest);
    workload.progress(500).await;
    cluster.start(busiest);
    workload.progress(500).await;
    workload.verify().await;
    let client = connect(&cluster.servers()).await;
    assert!(!read_all(&client, TOPIC).await.is_empty());
}
