//! ListGroups: the groups that this node coordinates, of every kind; clients ask all nodes.

use floe_broker::api::ListedGroup as Listed;
use floe_kafka_codec::messages::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use floe_model::GroupKind;

use super::describe_groups::{CONSUMER, state_name};
use crate::context::RequestContext;
use crate::errors::{Asked, kafka_error};

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let groups = match cx.broker().listed_groups().await {
        Ok(groups) => groups,
        Err(failure) => {
            return ListGroupsResponse {
                error_code: kafka_error(failure.code, Asked::Group),
                ..ListGroupsResponse::default()
            };
        }
    };
    let groups = groups.into_iter().map(listed).filter(|group| {
        is_wanted(&request.states_filter, &group.group_state)
            && is_wanted(&request.types_filter, &group.group_type)
    });
    ListGroupsResponse {
        groups: groups.collect(),
        ..ListGroupsResponse::default()
    }
}

fn listed(group: Listed) -> ListedGroup {
    let (protocol_type, group_type) = match group.kind {
        GroupKind::Classic => (group.protocol_type, "Classic"),
        GroupKind::Native => (CONSUMER.to_owned(), "Classic"),
        GroupKind::Consumer => (CONSUMER.to_owned(), "Consumer"),
    };
    ListedGroup {
        group_id: group.group.into(),
        protocol_type,
        group_state: state_name(group.state).to_owned(),
        group_type: group_type.to_owned(),
    }
}

/// An empty filter takes everything; names count whatever their case.
fn is_wanted(filter: &[String], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(name))
}
