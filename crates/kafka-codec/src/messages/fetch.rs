//! Fetch: record batches for consumers.
//!
//! Up to version 12 topics are named, from 13 on they are identified. A session (from version 7) lets
//! a consumer send only what changed.

use floe_model::{NodeUuid, TopicId};

use crate::describe::messages;
use crate::messages::{LeaderIdAndEpoch, NodeEndpoint};
use crate::{KafkaError, RecordSlices};

messages! {
    /// Reads record batches from offsets on, waiting for `min_bytes` up to `max_wait_ms`.
    struct FetchRequest {
        replica_id: i32 [..=14] = -1,
        max_wait_ms: i32,
        min_bytes: i32,
        max_bytes: i32 = i32::MAX,
        isolation_level: i8,
        session_id: i32 [7..],
        session_epoch: i32 [7..] = -1,
        topics: Vec<FetchTopic>,
        forgotten_topics_data: Vec<FetchForgottenTopic> [7..],
        rack_id: String [11..],
    } tagged {
        0 => cluster_id: Option<String> [12..],
        1 => replica_state: FetchReplicaState [15..],
    }

    struct FetchReplicaState {
        replica_id: i32 = -1,
        replica_epoch: i64 = -1,
    }

    struct FetchTopic {
        topic: String [..=12],
        topic_id: TopicId [13..],
        partitions: Vec<FetchPartition>,
    }

    struct FetchPartition {
        partition: i32,
        current_leader_epoch: i32 [9..] = -1,
        fetch_offset: i64,
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..] = -1,
        partition_max_bytes: i32,
    } tagged {
        0 => replica_directory_id: NodeUuid [17..],
    }

    struct FetchForgottenTopic {
        topic: String [..=12],
        topic_id: TopicId [13..],
        partitions: Vec<i32>,
    }

    /// Whole batches, the first of which may start before the offset asked for.
    struct FetchResponse {
        throttle_time_ms: i32,
        error_code: KafkaError [7..],
        session_id: i32 [7..],
        responses: Vec<FetchTopicResponse>,
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [16..],
    }

    struct FetchTopicResponse {
        topic: String [..=12],
        topic_id: TopicId [13..],
        partitions: Vec<FetchPartitionResponse>,
    }

    struct FetchPartitionResponse {
        partition_index: i32,
        error_code: KafkaError,
        high_watermark: i64,
        last_stable_offset: i64 = -1,
        log_start_offset: i64 [5..] = -1,
        aborted_transactions: Option<Vec<AbortedTransaction>>,
        preferred_read_replica: i32 [11..] = -1,
        records: Option<RecordSlices>,
    } tagged {
        0 => diverging_epoch: FetchDivergingEpoch [12..],
        1 => current_leader: LeaderIdAndEpoch [12..],
        2 => snapshot_id: FetchSnapshotId [12..],
    }

    struct FetchDivergingEpoch {
        epoch: i32 = -1,
        end_offset: i64 = -1,
    }

    struct FetchSnapshotId {
        end_offset: i64 = -1,
        epoch: i32 = -1,
    }

    struct AbortedTransaction {
        producer_id: i64,
        first_offset: i64,
    }
}
