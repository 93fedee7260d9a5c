//! Nodes that come back: with their disk, all at once, or with an empty one.

use floe_broker::{StartError, start_node};
use floe_env::Env;
use floe_model::{NodeId, Offset};

use crate::harness::{Cluster, batch, create_topic, eventually, key_of, produce, read_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_finds_its_records_and_its_producers_again() {
    let mut cluster = Cluster::start(1).await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let key = key_of(&topic, 1);
    let identity = cluster.broker(1).init_producer().await.unwrap();
    let first = batch(&["a", "b"], Some((identity, 0)));
    assert_eq!(cluster.produce(key, &first).await, Offset(0));
    for round in 0..3_i64 {
        cluster.stop_node(NodeId(1)).await;
        cluster.start_node(NodeId(1)).await;
        cluster.ready().await;
        assert_eq!(cluster.produce(key, &first).await, Offset(0), "a duplicate");
        assert_eq!(
            cluster.produce(key, &batch(&["c"], None)).await,
            Offset(2 + round)
        );
        let again = cluster.broker(1).init_producer().await.unwrap();
        assert_ne!(again.producer_id, identity.producer_id);
    }
    assert_eq!(read_all(&cluster, key).await.len(), 5);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_catches_up_and_can_lead() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 3).await;
    for away in [1, 2, 3] {
        cluster.stop_node(NodeId(away)).await;
        for partition in 0..3 {
            cluster
                .produce(key_of(&topic, partition), &batch(&["x"], None))
                .await;
        }
        cluster.start_node(NodeId(away)).await;
        cluster.ready().await;
        for partition in 0..3 {
            cluster
                .produce(key_of(&topic, partition), &batch(&["y"], None))
                .await;
        }
    }
    for partition in 0..3 {
        assert_eq!(read_all(&cluster, key_of(&topic, partition)).await.len(), 6);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_stopped_as_a_whole_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["a"], None)).await;
    for id in [1, 2, 3] {
        cluster.stop_node(NodeId(id)).await;
    }
    for id in [3, 2, 1] {
        cluster.start_node(NodeId(id)).await;
    }
    cluster.ready().await;
    cluster.produce(key, &batch(&["b"], None)).await;
    let all = [(Offset(0), "a".to_owned()), (Offset(1), "b".to_owned())];
    assert_eq!(read_all(&cluster, key).await, all);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_is_a_new_replica_and_gets_everything_again() {
    let mut cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "orders", 2).await;
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["a"], None)).await;
    let wiped = NodeId(1);
    cluster.stop_node(wiped).await;
    cluster.produce(key, &batch(&["b"], None)).await;
    cluster.wipe(wiped);
    cluster.start_node(wiped).await;
    cluster.ready().await;
    let broker = cluster.broker(1);
    eventually("the new replica has both records", || async {
        let status = broker.status();
        status.partitions.len() == 2
            && status
                .partitions
                .iter()
                .any(|one| one.high_watermark == Offset(2))
    })
    .await;
    // It counts: with another node away, it is one of the two that must agree.
    cluster.stop_node(NodeId(2)).await;
    assert_eq!(cluster.produce(key, &batch(&["c"], None)).await, Offset(2));
    assert_eq!(read_all(&cluster, key).await.len(), 3);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_never_share_a_directory_or_a_port() {
    let mut cluster = Cluster::start(1).await;
    let env = Env::real().unwrap();
    let mut config = cluster.config(NodeId(1));
    let taken = start_node(config.clone(), env.clone()).await.err().unwrap();
    assert!(matches!(taken, StartError::Listen { .. }), "{taken}");
    config.peer_listen = "127.0.0.1:0".to_owned();
    let in_use = start_node(config.clone(), env.clone()).await.err().unwrap();
    assert!(matches!(in_use, StartError::Store { .. }), "{in_use}");
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    produce(&cluster.broker(1), key_of(&topic, 0), batch(&["a"], None))
        .await
        .unwrap();
    cluster.stop_node(NodeId(1)).await;
    config.node_id = NodeId(2);
    config.seeds = Vec::new();
    let foreign = start_node(config, env).await.err().unwrap();
    assert!(matches!(foreign, StartError::Store { .. }), "{foreign}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_no_seed_joins_and_takes_replicas() {
    let cluster = Cluster::start(3).await;
    let topic = create_topic(&cluster.broker(1), "before", 1).await;
    let mut config = cluster.config(NodeId(1));
    config.node_id = NodeId(4);
    config.data_dir.set_file_name("4");
    config.peer_listen = "127.0.0.1:0".to_owned();
    let fourth = start_node(config, Env::real().unwrap()).await.unwrap();
    let broker = fourth.broker();
    eventually("the fourth is ready", || async {
        broker.readiness().is_empty()
    })
    .await;
    assert_eq!(broker.describe_cluster().await.unwrap().nodes.len(), 4);
    let missed = produce(&broker, key_of(&topic, 0), batch(&["a"], None))
        .await
        .unwrap_err();
    assert!(
        missed.leader.is_some(),
        "it knows topics from before it came"
    );
    create_topic(&broker, "after", 8).await;
    let held = broker.status().partitions.len();
    assert!(held > 0, "replicas are spread over the fourth, too");
    fourth
        .shutdown(std::time::Duration::from_secs(9))
        .await
        .unwrap();
    cluster.stop().await;
}
