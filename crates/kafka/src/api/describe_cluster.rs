//! DescribeCluster: the nodes and the controller.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse, NodeEndpoint,
};

use crate::authorized_operations;
use crate::context::RequestContext;

/// Endpoint types.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refused = |error_code, text: &str| DescribeClusterResponse {
        error_code,
        error_message: Some(text.to_owned()),
        endpoint_type: request.endpoint_type,
        ..DescribeClusterResponse::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let text = "this is an endpoint for clients, not for controllers";
            return refused(KafkaError::MISMATCHED_ENDPOINT_TYPE, text);
        }
        _ => {
            let text = "unknown endpoint type";
            return refused(KafkaError::UNSUPPORTED_ENDPOINT_TYPE, text);
        }
    }
    let Some(cluster_id) = cx.broker().cluster_id() else {
        let text = "the node belongs to no cluster yet";
        return refused(KafkaError::BROKER_NOT_AVAILABLE, text);
    };
    let endpoints = cx.endpoints();
    let asked = request.include_cluster_authorized_operations;
    DescribeClusterResponse {
        cluster_id: cluster_id.to_string(),
        controller_id: super::metadata::controller(cx, &endpoints),
        brokers: endpoints.all().iter().map(broker).collect(),
        cluster_authorized_operations: authorized_operations::on_cluster(asked),
        ..DescribeClusterResponse::default()
    }
}

fn broker(node: &NodeEndpoint) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id: node.node_id,
        host: node.host.clone(),
        port: node.port,
        rack: node.rack.clone(),
    }
}
