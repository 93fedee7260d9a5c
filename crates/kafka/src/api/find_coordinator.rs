//! FindCoordinator: the node that coordinates a group; from version 4 on for several at once.
//!
//! There are no transactions, so that asking for their coordinator fails for good.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator, NodeEndpoint,
};

use crate::context::RequestContext;
use crate::errors::{NO_TRANSACTIONS, NO_TRANSACTIONS_TEXT};
use crate::group_error::group_name;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if version >= 4 {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            coordinators.push(find(cx, key, request.key_type).await);
        }
        return FindCoordinatorResponse {
            coordinators,
            ..FindCoordinatorResponse::default()
        };
    }
    let found = find(cx, request.key, request.key_type).await;
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

async fn find(cx: &RequestContext, key: String, key_type: i8) -> FoundCoordinator {
    let found = match key_type {
        GROUP => coordinator(cx, &key).await,
        TRANSACTION => Err(NO_TRANSACTIONS),
        _ => Err(KafkaError::INVALID_REQUEST),
    };
    match found {
        Ok(endpoint) => FoundCoordinator {
            key,
            node_id: endpoint.node_id,
            host: endpoint.host,
            port: endpoint.port,
            ..FoundCoordinator::default()
        },
        Err(error_code) => FoundCoordinator {
            key,
            node_id: -1,
            host: String::new(),
            port: -1,
            error_code,
            error_message: (error_code == NO_TRANSACTIONS).then(|| NO_TRANSACTIONS_TEXT.to_owned()),
        },
    }
}

async fn coordinator(cx: &RequestContext, key: &str) -> Result<NodeEndpoint, KafkaError> {
    let group = group_name(key)?;
    let node = cx.broker().coordinator_of(group).await;
    let node = node.map_err(|_| KafkaError::COORDINATOR_NOT_AVAILABLE)?;
    let endpoints = cx.endpoints();
    let endpoint = endpoints.get(node).cloned();
    endpoint.ok_or(KafkaError::COORDINATOR_NOT_AVAILABLE)
}
