//! AlterConfigs: replaces all settings of topics. What the request does not name returns to its
//! default, as Kafka does.

use std::collections::{BTreeMap, BTreeSet};

use floe_broker::api::ConfigEdit;
use floe_kafka_codec::messages::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::admin_error::{AdminError, code_and_text, intent, topic_name};
use crate::config_resource::{ConfigResourceKind, is_this_node, refuse_change};
use crate::context::RequestContext;

/// Neither this request nor the incremental one says how long the client waits.
pub(super) const TIMEOUT_MS: i32 = 30_000;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut seen = BTreeSet::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let name = (resource.resource_type, resource.resource_name.clone());
        let outcome = if seen.insert(name) {
            alter(cx, &resource, request.validate_only).await
        } else {
            Err(AdminError::duplicate("the resource"))
        };
        let (error_code, error_message) = code_and_text(&outcome);
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    AlterConfigsResponse {
        responses,
        ..AlterConfigsResponse::default()
    }
}

async fn alter(
    cx: &RequestContext,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), AdminError> {
    let kind = ConfigResourceKind::of(resource.resource_type)?;
    // Nothing is set on a node, so setting nothing changes nothing.
    if kind == ConfigResourceKind::Broker && resource.configs.is_empty() {
        return is_this_node(cx, &resource.resource_name).map(drop);
    }
    refuse_change(cx, kind, &resource.resource_name)?;
    let mut edits = BTreeMap::new();
    for config in &resource.configs {
        let Some(value) = config.value.clone() else {
            let text = format!("topic setting '{}' has no value", config.name);
            return Err(AdminError::invalid(text));
        };
        edits.insert(config.name.clone(), ConfigEdit::Set(value));
    }
    let name = topic_name(&resource.resource_name)?;
    let intent = intent(validate_only, TIMEOUT_MS);
    let edited = cx.broker().edit_topic_config(&name, true, edits, intent);
    Ok(edited.await?)
}
