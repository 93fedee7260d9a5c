//! Produce: record batches from producers.

use bytes::Bytes;

use crate::KafkaError;
use crate::describe::messages;
use crate::messages::{LeaderIdAndEpoch, NodeEndpoint};

messages! {
    /// Appends record batches. One batch per partition.
    struct ProduceRequest {
        transactional_id: Option<String>,
        acks: i16,
        timeout_ms: i32,
        topic_data: Vec<ProduceTopic>,
    }

    struct ProduceTopic {
        name: String,
        partition_data: Vec<ProducePartition>,
    }

    struct ProducePartition {
        index: i32,
        records: Option<Bytes>,
    }

    /// Where the batches went. There is none for `acks` 0.
    struct ProduceResponse {
        responses: Vec<ProduceTopicResponse>,
        throttle_time_ms: i32,
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [10..],
    }

    struct ProduceTopicResponse {
        name: String,
        partition_responses: Vec<ProducePartitionResponse>,
    }

    struct ProducePartitionResponse {
        index: i32,
        error_code: KafkaError,
        base_offset: i64,
        log_append_time_ms: i64 = -1,
        log_start_offset: i64 [5..] = -1,
        record_errors: Vec<ProduceRecordError> [8..],
        error_message: Option<String> [8..],
    } tagged {
        0 => current_leader: LeaderIdAndEpoch [10..],
    }

    struct ProduceRecordError {
        batch_index: i32,
        batch_index_error_message: Option<String>,
    }
}
