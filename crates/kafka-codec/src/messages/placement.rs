//! Where replicas are: ElectLeaders, Alter- and ListPartitionReassignments, DescribeLogDirs.

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks for elections. Null means all partitions.
    struct ElectLeadersRequest {
        election_type: i8 [1..],
        topic_partitions: Option<Vec<ElectLeadersTopic>>,
        timeout_ms: i32 = 60_000,
    }

    struct ElectLeadersTopic {
        topic: String,
        partitions: Vec<i32>,
    }

    /// The outcome per partition.
    struct ElectLeadersResponse {
        throttle_time_ms: i32,
        error_code: KafkaError [1..],
        replica_election_results: Vec<ElectLeadersTopicResult>,
    }

    struct ElectLeadersTopicResult {
        topic: String,
        partition_result: Vec<ElectLeadersPartitionResult>,
    }

    struct ElectLeadersPartitionResult {
        partition_id: i32,
        error_code: KafkaError,
        error_message: Option<String>,
    }

    /// Moves replicas; null replicas cancel a move.
    struct AlterPartitionReassignmentsRequest {
        timeout_ms: i32 = 60_000,
        topics: Vec<ReassignableTopic>,
    }

    struct ReassignableTopic {
        name: String,
        partitions: Vec<ReassignablePartition>,
    }

    struct ReassignablePartition {
        partition_index: i32,
        replicas: Option<Vec<i32>>,
    }

    /// The outcome per partition.
    struct AlterPartitionReassignmentsResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        error_message: Option<String>,
        responses: Vec<ReassignableTopicResponse>,
    }

    struct ReassignableTopicResponse {
        name: String,
        partitions: Vec<ReassignablePartitionResponse>,
    }

    struct ReassignablePartitionResponse {
        partition_index: i32,
        error_code: KafkaError,
        error_message: Option<String>,
    }

    /// Asks which replicas are on the move.
    struct ListPartitionReassignmentsRequest {
        timeout_ms: i32 = 60_000,
        topics: Option<Vec<ListPartitionReassignmentsTopic>>,
    }

    struct ListPartitionReassignmentsTopic {
        name: String,
        partition_indexes: Vec<i32>,
    }

    /// The moves under way.
    struct ListPartitionReassignmentsResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        error_message: Option<String>,
        topics: Vec<OngoingTopicReassignment>,
    }

    struct OngoingTopicReassignment {
        name: String,
        partitions: Vec<OngoingPartitionReassignment>,
    }

    struct OngoingPartitionReassignment {
        partition_index: i32,
        replicas: Vec<i32>,
        adding_replicas: Vec<i32>,
        removing_replicas: Vec<i32>,
    }

    /// Asks what the data directory holds. Null means all partitions.
    struct DescribeLogDirsRequest {
        topics: Option<Vec<DescribableLogDirTopic>>,
    }

    struct DescribableLogDirTopic {
        topic: String,
        partitions: Vec<i32>,
    }

    /// Sizes per partition.
    struct DescribeLogDirsResponse {
        throttle_time_ms: i32,
        error_code: KafkaError [3..],
        results: Vec<DescribeLogDirsResult>,
    }

    struct DescribeLogDirsResult {
        error_code: KafkaError,
        log_dir: String,
        topics: Vec<DescribeLogDirsTopic>,
        total_bytes: i64 [4..] = -1,
        usable_bytes: i64 [4..] = -1,
    }

    struct DescribeLogDirsTopic {
        name: String,
        partitions: Vec<DescribeLogDirsPartition>,
    }

    struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size: i64,
        offset_lag: i64,
        is_future_key: bool,
    }
}
