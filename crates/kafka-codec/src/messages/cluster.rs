//! What the cluster and its topics look like: Metadata, DescribeCluster, DescribeTopicPartitions.

use floe_model::TopicId;

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks for topics. Null, or an empty list in version 0, means all.
    struct MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>> [..; null 1..],
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }

    struct MetadataRequestTopic {
        topic_id: TopicId [10..],
        name: Option<String> [..; null 10..],
    }

    /// Nodes, and topics with their partitions and leaders.
    struct MetadataResponse {
        throttle_time_ms: i32 [3..],
        brokers: Vec<MetadataResponseBroker>,
        cluster_id: Option<String> [2..],
        controller_id: i32 [1..] = -1,
        topics: Vec<MetadataResponseTopic>,
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
    }

    struct MetadataResponseBroker {
        node_id: i32,
        host: String,
        port: i32,
        rack: Option<String> [1..],
    }

    struct MetadataResponseTopic {
        error_code: KafkaError,
        name: Option<String> [..; null 12..],
        topic_id: TopicId [10..],
        is_internal: bool [1..],
        partitions: Vec<MetadataResponsePartition>,
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    struct MetadataResponsePartition {
        error_code: KafkaError,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 [7..] = -1,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        offline_replicas: Vec<i32> [5..],
    }

    /// Asks for the nodes.
    struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool,
        endpoint_type: i8 [1..] = 1,
    }

    /// The nodes and the controller.
    struct DescribeClusterResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        error_message: Option<String>,
        endpoint_type: i8 [1..] = 1,
        cluster_id: String,
        controller_id: i32 = -1,
        brokers: Vec<DescribeClusterBroker>,
        cluster_authorized_operations: i32 = i32::MIN,
    }

    struct DescribeClusterBroker {
        broker_id: i32,
        host: String,
        port: i32,
        rack: Option<String>,
    }

    /// Asks for topics page by page.
    struct DescribeTopicPartitionsRequest {
        topics: Vec<DescribeTopicPartitionsTopic>,
        response_partition_limit: i32 = 2000,
        cursor: Option<DescribeTopicPartitionsCursor>,
    }

    struct DescribeTopicPartitionsTopic {
        name: String,
    }

    struct DescribeTopicPartitionsCursor {
        topic_name: String,
        partition_index: i32,
    }

    /// One page, and where the next one starts.
    struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32,
        topics: Vec<DescribeTopicPartitionsResponseTopic>,
        next_cursor: Option<DescribeTopicPartitionsCursor>,
    }

    struct DescribeTopicPartitionsResponseTopic {
        error_code: KafkaError,
        name: Option<String>,
        topic_id: TopicId,
        is_internal: bool,
        partitions: Vec<DescribeTopicPartitionsResponsePartition>,
        topic_authorized_operations: i32 = i32::MIN,
    }

    struct DescribeTopicPartitionsResponsePartition {
        error_code: KafkaError,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 = -1,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        eligible_leader_replicas: Option<Vec<i32>>,
        last_known_elr: Option<Vec<i32>>,
        offline_replicas: Vec<i32>,
    }
}
