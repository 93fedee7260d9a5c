//! Groups whose assignment the broker computes: ConsumerGroupHeartbeat, ConsumerGroupDescribe.
//!
//! In a heartbeat, null means unchanged.

use floe_model::TopicId;

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Joins (epoch 0), stays in, or leaves (-1, static members -2) a group.
    struct ConsumerGroupHeartbeatRequest {
        group_id: String,
        member_id: String,
        member_epoch: i32,
        instance_id: Option<String>,
        rack_id: Option<String>,
        rebalance_timeout_ms: i32 = -1,
        subscribed_topic_names: Option<Vec<String>>,
        subscribed_topic_regex: Option<String> [1..],
        server_assignor: Option<String>,
        topic_partitions: Option<Vec<TopicIdPartitions>>,
    }

    struct TopicIdPartitions {
        topic_id: TopicId,
        partitions: Vec<i32>,
    }

    /// The member's epoch and, when it changed, its assignment.
    struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        error_message: Option<String>,
        member_id: Option<String>,
        member_epoch: i32,
        heartbeat_interval_ms: i32,
        assignment: Option<MemberAssignment>,
    }

    struct MemberAssignment {
        topic_partitions: Vec<TopicIdPartitions>,
    }

    /// Asks for groups with their members.
    struct ConsumerGroupDescribeRequest {
        group_ids: Vec<String>,
        include_authorized_operations: bool,
    }

    /// The groups.
    struct ConsumerGroupDescribeResponse {
        throttle_time_ms: i32,
        groups: Vec<DescribedConsumerGroup>,
    }

    struct DescribedConsumerGroup {
        error_code: KafkaError,
        error_message: Option<String>,
        group_id: String,
        group_state: String,
        group_epoch: i32,
        assignment_epoch: i32,
        assignor_name: String,
        members: Vec<DescribedConsumerGroupMember>,
        authorized_operations: i32 = i32::MIN,
    }

    struct DescribedConsumerGroupMember {
        member_id: String,
        instance_id: Option<String>,
        rack_id: Option<String>,
        member_epoch: i32,
        client_id: String,
        client_host: String,
        subscribed_topic_names: Vec<String>,
        subscribed_topic_regex: Option<String>,
        assignment: DescribedAssignment,
        target_assignment: DescribedAssignment,
        member_type: i8 [1..] = -1,
    }

    struct DescribedAssignment {
        topic_partitions: Vec<DescribedTopicPartitions>,
    }

    struct DescribedTopicPartitions {
        topic_id: TopicId,
        topic_name: String,
        partitions: Vec<i32>,
    }
}
