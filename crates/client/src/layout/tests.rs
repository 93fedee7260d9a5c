use std::collections::BTreeMap;

use floe_rpc::{NodeInfo, TopicInfo};

use super::*;

const ORDERS: TopicId = TopicId([1; 16]);
const ORDERS_AGAIN: TopicId = TopicId([2; 16]);

fn orders() -> TopicName {
    TopicName::new("orders").expect("a valid name")
}

fn answer(version: u64, topic_id: TopicId, leaders: &[(Option<u32>, i32)]) -> Topics {
    let partitions = (0..)
        .zip(leaders)
        .map(|(index, (leader, epoch))| PartitionInfo {
            partition: PartitionIndex(index),
            leader: leader.map(NodeId),
            leader_epoch: LeaderEpoch(*epoch),
            replicas: Vec::new(),
            alive_replicas: Vec::new(),
            log_start_offset: None,
            high_watermark: None,
        });
    let nodes = (1..4).map(|node| NodeInfo {
        node: NodeId(node),
        client_addr: format!("node-{node}:9192"),
        kafka_addr: None,
        http_addr: None,
        rack: None,
        alive: true,
        leaders: 0,
        replicas: 0,
    });
    Topics {
        metadata_version: version,
        nodes: nodes.collect(),
        topics: vec![TopicInfo {
            name: orders(),
            topic_id,
            configs: BTreeMap::new(),
            partitions: partitions.collect(),
        }],
    }
}

fn leader(layouts: &Layouts, topic_id: TopicId, partition: u32) -> Option<(u32, i32)> {
    let key = PartitionKey {
        topic_id,
        partition: PartitionIndex(partition),
    };
    layouts
        .leader(key)
        .map(|(node, epoch, _)| (node.0, epoch.0))
}

#[test]
fn only_a_newer_epoch_changes_a_leader() {
    let layouts = Layouts::default();
    layouts.merge(&answer(1, ORDERS, &[(Some(1), 5)]));
    // The answer of a node that is behind, even with newer metadata.
    layouts.merge(&answer(9, ORDERS, &[(Some(2), 4)]));
    assert_eq!(leader(&layouts, ORDERS, 0), Some((1, 5)));
    layouts.merge(&answer(9, ORDERS, &[(Some(2), 5)]));
    assert_eq!(leader(&layouts, ORDERS, 0), Some((1, 5)));
    layouts.merge(&answer(2, ORDERS, &[(Some(3), 6)]));
    assert_eq!(leader(&layouts, ORDERS, 0), Some((3, 6)));
    assert_eq!(layouts.leader_moves(), 1);
}

#[test]
fn an_unknown_leader_becomes_known_within_its_epoch() {
    let layouts = Layouts::default();
    layouts.merge(&answer(1, ORDERS, &[(None, 5)]));
    assert_eq!(leader(&layouts, ORDERS, 0), None);
    layouts.merge(&answer(1, ORDERS, &[(Some(2), 5)]));
    assert_eq!(leader(&layouts, ORDERS, 0), Some((2, 5)));
}

#[test]
fn a_hint_counts_like_an_answer() {
    let layouts = Layouts::default();
    layouts.merge(&answer(1, ORDERS, &[(Some(1), 5)]));
    let hint = |topic_id, partition, node, epoch| {
        let key = PartitionKey {
            topic_id,
            partition: PartitionIndex(partition),
        };
        let hint = LeaderHint {
            node: NodeId(node),
            epoch: LeaderEpoch(epoch),
        };
        layouts.learn(key, &hint)
    };
    assert!(!hint(ORDERS, 0, 2, 5));
    assert!(!hint(ORDERS, 1, 2, 6));
    assert!(!hint(ORDERS_AGAIN, 0, 2, 6));
    assert!(hint(ORDERS, 0, 2, 6));
    assert_eq!(leader(&layouts, ORDERS, 0), Some((2, 6)));
}

#[test]
fn partitions_never_become_fewer() {
    let layouts = Layouts::default();
    layouts.merge(&answer(2, ORDERS, &[(Some(1), 1), (Some(2), 1)]));
    layouts.merge(&answer(1, ORDERS, &[(Some(3), 2)]));
    let layout = layouts.topic(&orders()).expect("known");
    assert_eq!(layout.partition_count(), 2);
    assert_eq!(leader(&layouts, ORDERS, 1), Some((2, 1)));
}

#[test]
fn a_topic_made_again_replaces_the_former_unless_the_answer_is_behind() {
    let layouts = Layouts::default();
    layouts.merge(&answer(5, ORDERS_AGAIN, &[(Some(1), 1)]));
    layouts.merge(&answer(4, ORDERS, &[(Some(2), 9), (Some(2), 9)]));
    assert_eq!(leader(&layouts, ORDERS, 0), None);
    assert_eq!(leader(&layouts, ORDERS_AGAIN, 0), Some((1, 1)));
    let layouts = Layouts::default();
    layouts.merge(&answer(4, ORDERS, &[(Some(2), 9), (Some(2), 9)]));
    layouts.merge(&answer(5, ORDERS_AGAIN, &[(Some(1), 1)]));
    assert_eq!(
        layouts.topic(&orders()).expect("known").partition_count(),
        1
    );
    assert_eq!(leader(&layouts, ORDERS, 0), None);
    assert!(layouts.is_stale(&orders(), 4) && !layouts.is_stale(&orders(), 5));
}
