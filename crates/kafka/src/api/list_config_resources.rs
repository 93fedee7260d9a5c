//! ListConfigResources: what has configurations.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use crate::config_resource::ConfigResourceKind;
use crate::context::RequestContext;
use crate::endpoints::kafka_id;

/// Before this version only client metrics are listed, of which there are none.
const TYPES_FROM: i16 = 1;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let kinds: Result<Vec<_>, _> = if version < TYPES_FROM {
        Ok(vec![ConfigResourceKind::ClientMetrics])
    } else if request.resource_types.is_empty() {
        Ok(ConfigResourceKind::ALL.to_vec())
    } else {
        let types = request.resource_types.iter();
        types.map(|&code| ConfigResourceKind::of(code)).collect()
    };
    let Ok(kinds) = kinds else {
        return ListConfigResourcesResponse {
            error_code: KafkaError::UNSUPPORTED_VERSION,
            ..ListConfigResourcesResponse::default()
        };
    };
    let resources = kinds.into_iter().flat_map(|kind| {
        let named = move |resource_name| ConfigResource {
            resource_name,
            resource_type: kind.code(),
        };
        names(cx, kind).into_iter().map(named)
    });
    ListConfigResourcesResponse {
        config_resources: resources.collect(),
        ..ListConfigResourcesResponse::default()
    }
}

fn names(cx: &RequestContext, kind: ConfigResourceKind) -> Vec<String> {
    match kind {
        ConfigResourceKind::Topic => {
            let topics = cx.broker().all_topics();
            topics.iter().map(|topic| topic.name.to_string()).collect()
        }
        ConfigResourceKind::Broker | ConfigResourceKind::BrokerLogger => {
            let nodes = cx.broker().nodes();
            let ids = nodes.iter().map(|node| kafka_id(node.node_id).to_string());
            ids.collect()
        }
        // None has settings of its own.
        ConfigResourceKind::ClientMetrics | ConfigResourceKind::Group => Vec::new(),
    }
}
