//! Groups seen by an administrator: DescribeGroups, ListGroups, DeleteGroups.

use bytes::Bytes;

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks for classic groups with their members.
    struct DescribeGroupsRequest {
        groups: Vec<String>,
        include_authorized_operations: bool [3..],
    }

    /// The groups.
    struct DescribeGroupsResponse {
        throttle_time_ms: i32 [1..],
        groups: Vec<DescribedGroup>,
    }

    struct DescribedGroup {
        error_code: KafkaError,
        error_message: Option<String> [6..],
        group_id: String,
        group_state: String,
        protocol_type: String,
        protocol_data: String,
        members: Vec<DescribedGroupMember>,
        authorized_operations: i32 [3..] = i32::MIN,
    }

    struct DescribedGroupMember {
        member_id: String,
        group_instance_id: Option<String> [4..],
        client_id: String,
        client_host: String,
        member_metadata: Bytes,
        member_assignment: Bytes,
    }

    /// Asks which groups there are, by state and type.
    struct ListGroupsRequest {
        states_filter: Vec<String> [4..],
        types_filter: Vec<String> [5..],
    }

    /// The groups this node coordinates.
    struct ListGroupsResponse {
        throttle_time_ms: i32 [1..],
        error_code: KafkaError,
        groups: Vec<ListedGroup>,
    }

    struct ListedGroup {
        group_id: String,
        protocol_type: String,
        group_state: String [4..],
        group_type: String [5..],
    }

    /// Deletes empty groups.
    struct DeleteGroupsRequest {
        groups_names: Vec<String>,
    }

    /// The outcome per group.
    struct DeleteGroupsResponse {
        throttle_time_ms: i32,
        results: Vec<DeletableGroupResult>,
    }

    struct DeletableGroupResult {
        group_id: String,
        error_code: KafkaError,
    }
}
