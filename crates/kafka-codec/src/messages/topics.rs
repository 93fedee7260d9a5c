//! Making and removing topics and partitions: CreateTopics, DeleteTopics, CreatePartitions.

use floe_model::TopicId;

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Creates topics, or only validates that it could.
    struct CreateTopicsRequest {
        topics: Vec<CreatableTopic>,
        timeout_ms: i32 = 60_000,
        validate_only: bool,
    }

    struct CreatableTopic {
        name: String,
        num_partitions: i32,
        replication_factor: i16,
        assignments: Vec<CreatableReplicaAssignment>,
        configs: Vec<CreatableTopicConfig>,
    }

    struct CreatableReplicaAssignment {
        partition_index: i32,
        broker_ids: Vec<i32>,
    }

    struct CreatableTopicConfig {
        name: String,
        value: Option<String>,
    }

    /// The outcome per topic.
    struct CreateTopicsResponse {
        throttle_time_ms: i32,
        topics: Vec<CreatableTopicResult>,
    }

    struct CreatableTopicResult {
        name: String,
        topic_id: TopicId [7..],
        error_code: KafkaError,
        error_message: Option<String>,
        num_partitions: i32 [5..] = -1,
        replication_factor: i16 [5..] = -1,
        configs: Option<Vec<CreatableTopicConfigs>> [5..],
    } tagged {
        0 => topic_config_error_code: KafkaError [5..],
    }

    struct CreatableTopicConfigs {
        name: String,
        value: Option<String>,
        read_only: bool,
        config_source: i8 = -1,
        is_sensitive: bool,
    }

    /// Deletes topics, by name up to version 5, then by name or id.
    struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6..],
        topic_names: Vec<String> [..=5],
        timeout_ms: i32,
    }

    struct DeleteTopicState {
        name: Option<String>,
        topic_id: TopicId,
    }

    /// The outcome per topic.
    struct DeleteTopicsResponse {
        throttle_time_ms: i32,
        responses: Vec<DeletableTopicResult>,
    }

    struct DeletableTopicResult {
        name: Option<String> [..; null 6..],
        topic_id: TopicId [6..],
        error_code: KafkaError,
        error_message: Option<String> [5..],
    }

    /// Adds partitions; `count` is the new total.
    struct CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic>,
        timeout_ms: i32,
        validate_only: bool,
    }

    struct CreatePartitionsTopic {
        name: String,
        count: i32,
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>,
    }

    /// The outcome per topic.
    struct CreatePartitionsResponse {
        throttle_time_ms: i32,
        results: Vec<CreatePartitionsTopicResult>,
    }

    struct CreatePartitionsTopicResult {
        name: String,
        error_code: KafkaError,
        error_message: Option<String>,
    }
}
