//! IncrementalAlterConfigs: sets and resets single settings of topics, and adds items to lists or
//! takes them away. The edits of one topic happen all or none.

use std::collections::{BTreeMap, BTreeSet};

use floe_broker::api::ConfigEdit;
use floe_kafka_codec::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
    IncrementalAlterableConfig,
};

use super::alter_configs::TIMEOUT_MS;
use crate::admin_error::{AdminError, code_and_text, intent, topic_name};
use crate::config_resource::{ConfigResourceKind, is_this_node, refuse_change};
use crate::context::RequestContext;

/// Operations, by Kafka's numbers.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
        responses.push(IncrementalAlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    IncrementalAlterConfigsResponse {
        responses,
        ..IncrementalAlterConfigsResponse::default()
    }
}

async fn alter(
    cx: &RequestContext,
    resource: &IncrementalAlterConfigsResource,
    validate_only: bool,
) -> Result<(), AdminError> {
    let kind = ConfigResourceKind::of(resource.resource_type)?;
    let deletes = |config: &IncrementalAlterableConfig| config.config_operation == DELETE;
    // Nothing is set on a node, so there is nothing to delete. Tools do that after a move.
    if kind == ConfigResourceKind::Broker && resource.configs.iter().all(deletes) {
        return is_this_node(cx, &resource.resource_name).map(drop);
    }
    refuse_change(cx, kind, &resource.resource_name)?;
    let mut edits = BTreeMap::new();
    for config in &resource.configs {
        if edits.insert(config.name.clone(), edit(config)?).is_some() {
            return Err(AdminError::duplicate("a setting"));
        }
    }
    let name = topic_name(&resource.resource_name)?;
    let intent = intent(validate_only, TIMEOUT_MS);
    let edited = cx.broker().edit_topic_config(&name, false, edits, intent);
    Ok(edited.await?)
}

fn edit(config: &IncrementalAlterableConfig) -> Result<ConfigEdit, AdminError> {
    let name = &config.name;
    let value = || {
        let missing = || AdminError::invalid(format!("topic setting '{name}' has no value"));
        config.value.clone().ok_or_else(missing)
    };
    match config.config_operation {
        SET => Ok(ConfigEdit::Set(value()?)),
        DELETE => Ok(ConfigEdit::Reset),
        APPEND => Ok(ConfigEdit::Append(value()?)),
        SUBTRACT => Ok(ConfigEdit::Subtract(value()?)),
        other => Err(AdminError::invalid(format!(
            "unknown operation {other} on topic setting '{name}'"
        ))),
    }
}
