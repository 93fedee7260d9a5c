//! DescribeConfigs: the settings of topics and of this node.

use floe_broker::api::TopicConfig;
use floe_kafka_codec::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};

use crate::admin_error::{AdminError, code_and_text, topic_name};
use crate::config_entries::{ConfigEntry, described, node_entries, topic_entries};
use crate::config_resource::{ConfigResourceKind, is_this_node};
use crate::context::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let outcome = entries(cx, &resource).await;
        let (error_code, error_message) = code_and_text(&outcome);
        let wanted = resource.configuration_keys.as_ref();
        let is_wanted = |entry: &ConfigEntry| {
            wanted.is_none_or(|keys| keys.iter().any(|key| key == entry.name))
        };
        let entries = outcome.unwrap_or_default().into_iter().filter(is_wanted);
        results.push(DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: entries
                .map(|entry| described(entry, synonyms, documentation))
                .collect(),
        });
    }
    DescribeConfigsResponse {
        results,
        ..DescribeConfigsResponse::default()
    }
}

async fn entries(
    cx: &RequestContext,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, AdminError> {
    let name = resource.resource_name.as_str();
    match ConfigResourceKind::of(resource.resource_type)? {
        ConfigResourceKind::Topic => Ok(topic_entries(cx, &topic_config(cx, name).await?)),
        ConfigResourceKind::Broker if is_this_node(cx, name)? => Ok(node_entries(cx)),
        // Nothing is set for all nodes, all loggers, single groups or metrics of clients.
        ConfigResourceKind::Broker
        | ConfigResourceKind::BrokerLogger
        | ConfigResourceKind::ClientMetrics
        | ConfigResourceKind::Group => Ok(Vec::new()),
    }
}

async fn topic_config(cx: &RequestContext, name: &str) -> Result<TopicConfig, AdminError> {
    let name = topic_name(name)?;
    Ok(cx.broker().newest_topic_config(&name).await?)
}
