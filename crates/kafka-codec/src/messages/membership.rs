//! Membership in classic groups: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//!
//! The broker carries what members say to each other (`metadata`, `assignment`) as opaque bytes.

use bytes::Bytes;

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks which node coordinates groups. Version 4 and later ask for several.
    struct FindCoordinatorRequest {
        key: String [..=3],
        key_type: i8 [1..],
        coordinator_keys: Vec<String> [4..],
    }

    /// One coordinator up to version 3, several later.
    struct FindCoordinatorResponse {
        throttle_time_ms: i32 [1..],
        error_code: KafkaError [..=3],
        error_message: Option<String> [1..=3],
        node_id: i32 [..=3],
        host: String [..=3],
        port: i32 [..=3],
        coordinators: Vec<FoundCoordinator> [4..],
    }

    struct FoundCoordinator {
        key: String,
        node_id: i32,
        host: String,
        port: i32,
        error_code: KafkaError,
        error_message: Option<String>,
    }

    /// Enters the next generation of a group.
    struct JoinGroupRequest {
        group_id: String,
        session_timeout_ms: i32,
        rebalance_timeout_ms: i32 [1..] = -1,
        member_id: String,
        group_instance_id: Option<String> [5..],
        protocol_type: String,
        protocols: Vec<JoinGroupRequestProtocol>,
        reason: Option<String> [8..],
    }

    struct JoinGroupRequestProtocol {
        name: String,
        metadata: Bytes,
    }

    /// The generation; for its leader with the metadata of all members.
    struct JoinGroupResponse {
        throttle_time_ms: i32 [2..],
        error_code: KafkaError,
        generation_id: i32 = -1,
        protocol_type: Option<String> [7..],
        protocol_name: Option<String> [..; null 7..],
        leader: String,
        skip_assignment: bool [9..],
        member_id: String,
        members: Vec<JoinGroupResponseMember>,
    }

    struct JoinGroupResponseMember {
        member_id: String,
        group_instance_id: Option<String> [5..],
        metadata: Bytes,
    }

    /// Asks for an assignment; the leader sends all of them.
    struct SyncGroupRequest {
        group_id: String,
        generation_id: i32,
        member_id: String,
        group_instance_id: Option<String> [3..],
        protocol_type: Option<String> [5..],
        protocol_name: Option<String> [5..],
        assignments: Vec<SyncGroupRequestAssignment>,
    }

    struct SyncGroupRequestAssignment {
        member_id: String,
        assignment: Bytes,
    }

    /// The member's assignment.
    struct SyncGroupResponse {
        throttle_time_ms: i32 [1..],
        error_code: KafkaError,
        protocol_type: Option<String> [5..],
        protocol_name: Option<String> [5..],
        assignment: Bytes,
    }

    /// Keeps a member in its group.
    struct HeartbeatRequest {
        group_id: String,
        generation_id: i32,
        member_id: String,
        group_instance_id: Option<String> [3..],
    }

    /// Whether the generation still stands.
    struct HeartbeatResponse {
        throttle_time_ms: i32 [1..],
        error_code: KafkaError,
    }

    /// Leaves a group. Version 3 and later name several members.
    struct LeaveGroupRequest {
        group_id: String,
        member_id: String [..=2],
        members: Vec<LeaveGroupMember> [3..],
    }

    struct LeaveGroupMember {
        member_id: String,
        group_instance_id: Option<String>,
        reason: Option<String> [5..],
    }

    /// The outcome, from version 3 on per member.
    struct LeaveGroupResponse {
        throttle_time_ms: i32 [1..],
        error_code: KafkaError,
        members: Vec<LeaveGroupMemberResponse> [3..],
    }

    struct LeaveGroupMemberResponse {
        member_id: String,
        group_instance_id: Option<String>,
        error_code: KafkaError,
    }
}
