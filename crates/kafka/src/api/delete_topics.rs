//! DeleteTopics: deletes topics and their records, by name or by id.

use std::collections::BTreeSet;

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use floe_model::TopicId;
use futures::stream::{self, StreamExt as _};

use crate::admin_error::{AdminError, code_and_text, is_unknown, topic_name};
use crate::context::RequestContext;

/// Topics deleted at once.
const CONCURRENT: usize = 32;
/// From this version on topics may be named by id.
const IDS_FROM: i16 = 6;
/// The id that stands for none.
const NO_TOPIC: TopicId = TopicId([0; 16]);

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let mut topics = request.topics;
    if version < IDS_FROM {
        let named = request.topic_names.into_iter();
        topics = named
            .map(|name| DeleteTopicState {
                name: Some(name),
                topic_id: NO_TOPIC,
            })
            .collect();
    }
    let mut seen = BTreeSet::new();
    let results = topics.into_iter().map(|topic| {
        let is_first = seen.insert((topic.name.clone(), topic.topic_id));
        async move {
            if is_first {
                delete(cx, topic).await
            } else {
                let duplicate: Result<(), _> = Err(AdminError::duplicate("the topic"));
                result(topic.name, topic.topic_id, &duplicate)
            }
        }
    });
    let results: Vec<_> = results.collect();
    DeleteTopicsResponse {
        responses: stream::iter(results).buffered(CONCURRENT).collect().await,
        ..DeleteTopicsResponse::default()
    }
}

async fn delete(cx: &RequestContext, topic: DeleteTopicState) -> DeletableTopicResult {
    let DeleteTopicState { name, topic_id } = topic;
    match name {
        Some(name) if topic_id == NO_TOPIC => {
            let outcome = delete_named(cx, &name).await;
            let topic_id = *outcome.as_ref().unwrap_or(&NO_TOPIC);
            result(Some(name), topic_id, &outcome)
        }
        None if topic_id != NO_TOPIC => {
            let outcome = delete_with_id(cx, topic_id).await;
            let name = outcome.as_ref().ok().cloned();
            result(name, topic_id, &outcome)
        }
        name @ (Some(_) | None) => {
            let neither_or_both = AdminError::invalid("a topic has either a name or an id");
            result(name, topic_id, &Err::<(), _>(neither_or_both))
        }
    }
}

async fn delete_named(cx: &RequestContext, name: &str) -> Result<TopicId, AdminError> {
    let name = topic_name(name)?;
    Ok(cx.broker().delete_topic(name).await?)
}

async fn delete_with_id(cx: &RequestContext, topic_id: TopicId) -> Result<String, AdminError> {
    match cx.broker().delete_topic_with_id(topic_id).await {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(failure) if is_unknown(&failure) => Err(AdminError::new(
            KafkaError::UNKNOWN_TOPIC_ID,
            format!("there is no topic with id {topic_id}"),
        )),
        Err(failure) => Err(failure.into()),
    }
}

fn result<T>(
    name: Option<String>,
    topic_id: TopicId,
    outcome: &Result<T, AdminError>,
) -> DeletableTopicResult {
    let (error_code, error_message) = code_and_text(outcome);
    DeletableTopicResult {
        name,
        topic_id,
        error_code,
        error_message,
    }
}
