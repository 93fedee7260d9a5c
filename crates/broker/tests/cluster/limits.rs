//! What a node refuses for lack of room, and what it counts.

use std::collections::BTreeSet;

use floe_env::Env;
use floe_model::{ErrorCode, GroupName, NodeId, Offset};
use floe_rpc::{
    CommitOffsets, FailureDetail, OffsetToCommit, Produce, ProducePart, connect_client,
};

use crate::harness::{
    Cluster, PATIENCE, batch, create_topic, eventually, fetch, key_of, no_epoch, produce,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_beyond_the_limit_is_closed_and_a_free_place_is_used_again() {
    let cluster = Cluster::start_with(1, |config| config.client_connections_max = 2).await;
    let addr = cluster.client_addr(NodeId(1));
    let env = Env::real().unwrap();
    let first = connect_client(&env, &addr, None).await.unwrap();
    let _second = connect_client(&env, &addr, None).await.unwrap();
    assert!(connect_client(&env, &addr, None).await.is_err());
    let text = cluster.broker(1).metrics_text();
    assert!(text.contains("floe_connections_refused_total 1"), "{text}");
    drop(first);
    eventually("a free place", || async {
        connect_client(&env, &addr, None).await.is_ok()
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn produce_beyond_the_memory_of_a_node_is_busy_and_says_how_much_there_is() {
    let cluster = Cluster::start_with(1, |config| config.produce_bytes_max = 64 << 10).await;
    let broker = cluster.broker(1);
    let topic = create_topic(&broker, "orders", 1).await;
    let half = "x".repeat(40 << 10);
    let request = || Produce {
        acks: floe_model::Acks::Quorum,
        timeout_ms: 30_000,
        parts: vec![ProducePart {
            key: key_of(&topic, 0),
            batches: vec![batch(&[&half], None).into()],
        }],
    };
    // Batches are taken in by the call itself; the bytes are held until it is answered.
    let (first, second) = (broker.produce(request()), broker.produce(request()));
    let refused = second.await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Busy);
    let Some(FailureDetail::ProduceInProgress {
        in_use_bytes,
        limit_bytes,
    }) = refused.detail.as_deref()
    else {
        panic!("no facts: {refused}");
    };
    assert_eq!(*limit_bytes, 64 << 10);
    assert!(*in_use_bytes > 40 << 10);
    let placed = first.await.unwrap().remove(0).outcome.unwrap();
    assert_eq!(placed.base_offsets, [Offset(0)]);
    let again = broker.produce(request()).await.unwrap().remove(0).outcome;
    assert_eq!(again.unwrap().base_offsets, [Offset(1)]);
    cluster.stop().await;
}

/// Stores an offset for a group without members, wherever it is coordinated.
async fn commit_outside(cluster: &Cluster, commit: &CommitOffsets) {
    eventually("a commit", || async {
        for broker in cluster.brokers() {
            if broker.commit_offsets(commit.clone()).await.is_ok() {
                return true;
            }
        }
        false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_these_names() {
    let cluster = Cluster::start_with(3, |config| config.produce_bytes_max = 64 << 10).await;
    let topic = create_topic(&cluster.broker(1), "orders", 1).await;
    let key = key_of(&topic, 0);
    cluster.produce(key, &batch(&["a", "b", "c"], None)).await;
    let (_, leader) = cluster.leader(key).await;
    assert!(fetch(&leader, key, Offset(99), 0).await.is_err());
    let nowhere = produce(&leader, key_of(&topic, 9), batch(&["a"], None)).await;
    assert!(nowhere.is_err(), "counted as an error");
    let big = "x".repeat(40 << 10);
    let held = [0, 1].map(|_| {
        let parts = vec![ProducePart {
            key,
            batches: vec![batch(&[&big], None).into()],
        }];
        leader.produce(Produce {
            acks: floe_model::Acks::Quorum,
            timeout_ms: 30_000,
            parts,
        })
    });
    drop(held);
    let commit = CommitOffsets {
        group: GroupName::new("billing").unwrap(),
        member_id: String::new(),
        generation: floe_model::Generation(-1),
        offsets: vec![OffsetToCommit {
            key,
            offset: Offset(1),
            leader_epoch: no_epoch(),
            token: None,
        }],
    };
    commit_outside(&cluster, &commit).await;
    let client = cluster.connect(NodeId(1)).await;
    let described = client
        .call(PATIENCE, |api, context| async move {
            api.describe_cluster(context).await
        })
        .await;
    assert_eq!(described.unwrap().unwrap().answered_by, NodeId(1));
    let texts: Vec<String> = cluster
        .brokers()
        .iter()
        .map(|one| one.metrics_text())
        .collect();
    let all = texts.concat();
    let names: BTreeSet<&str> = all
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let expected: BTreeSet<&str> = include_str!("metrics.txt").lines().collect();
    assert_eq!(names, expected);
    for line in [
        r#"floe_partition_leader{topic="orders",partition="0"} 1"#,
        r#"floe_group_members{group="billing"} 0"#,
        r#"floe_backpressure_total{reason="produce_in_progress"} 1"#,
        r#"floe_request_errors_total{api="fetch",code="3"} 1"#,
        r#"floe_metrics_omitted{of="groups"} 0"#,
    ] {
        assert!(all.contains(line), "{line}");
    }
    let lag = r#"floe_group_lag_records{group="billing",topic="orders",partition="0"} "#;
    assert!(all.contains(lag), "{lag}");
    cluster.stop().await;
}
