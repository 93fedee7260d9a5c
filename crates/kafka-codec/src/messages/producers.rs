//! Idempotent producers: InitProducerId, DescribeProducers.

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks for a producer id, or for the next epoch of one.
    struct InitProducerIdRequest {
        transactional_id: Option<String>,
        transaction_timeout_ms: i32,
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }

    /// The id and epoch to use.
    struct InitProducerIdResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        producer_id: i64 = -1,
        producer_epoch: i16,
    }

    /// Asks which producers have written to partitions.
    struct DescribeProducersRequest {
        topics: Vec<DescribeProducersTopic>,
    }

    struct DescribeProducersTopic {
        name: String,
        partition_indexes: Vec<i32>,
    }

    /// The producers.
    struct DescribeProducersResponse {
        throttle_time_ms: i32,
        topics: Vec<DescribeProducersTopicResponse>,
    }

    struct DescribeProducersTopicResponse {
        name: String,
        partitions: Vec<DescribeProducersPartitionResponse>,
    }

    struct DescribeProducersPartitionResponse {
        partition_index: i32,
        error_code: KafkaError,
        error_message: Option<String>,
        active_producers: Vec<ActiveProducer>,
    }

    struct ActiveProducer {
        producer_id: i64,
        producer_epoch: i32,
        last_sequence: i32 = -1,
        last_timestamp: i64 = -1,
        coordinator_epoch: i32,
        current_txn_start_offset: i64 = -1,
    }
}
