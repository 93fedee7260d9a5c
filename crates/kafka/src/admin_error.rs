//! Why one item of an administrative request failed: Kafka's code, and words for people.

use std::time::Duration;

use floe_broker::api::{Failure, Intent};
use floe_kafka_codec::KafkaError;
use floe_model::{ErrorCode, PartitionIndex, TopicName};

use crate::errors::{Asked, kafka_error};

/// A failed item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminError {
    pub(crate) code: KafkaError,
    pub(crate) message: String,
}

impl AdminError {
    pub(crate) fn new(code: KafkaError, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(KafkaError::INVALID_REQUEST, message)
    }

    /// One of several for one name.
    pub(crate) fn duplicate(what: &str) -> Self {
        Self::invalid(format!("{what} is named more than once in the request"))
    }
}

impl From<Failure> for AdminError {
    fn from(failure: Failure) -> Self {
        Self::new(kafka_error(failure.code, Asked::Admin), failure.to_string())
    }
}

/// The code and text of an outcome, as responses carry them.
pub(crate) fn code_and_text<T>(outcome: &Result<T, AdminError>) -> (KafkaError, Option<String>) {
    match outcome {
        Ok(_) => (KafkaError::NONE, None),
        Err(error) => (error.code, Some(error.message.clone())),
    }
}

/// A topic's name, checked.
pub(crate) fn topic_name(name: &str) -> Result<TopicName, AdminError> {
    TopicName::new(name).map_err(|error| {
        let text = format!("topic '{name}': {error}");
        AdminError::new(KafkaError::INVALID_TOPIC_EXCEPTION, text)
    })
}

/// A partition's index, if it is one.
pub(crate) fn partition_index(index: i32) -> Result<PartitionIndex, AdminError> {
    let index = u32::try_from(index).map_err(|_| {
        AdminError::new(
            KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
            format!("there is no partition {index}"),
        )
    })?;
    Ok(PartitionIndex(index))
}

/// What is to be done with a change that the client waits `timeout_ms` for.
pub(crate) fn intent(validate_only: bool, timeout_ms: i32) -> Intent {
    if validate_only {
        Intent::Check
    } else {
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        Intent::CarryOut {
            limit: Duration::from_millis(timeout_ms),
        }
    }
}

/// The failure of a partition request, in Kafka's codes for readers and with words.
pub(crate) fn partition_error(failure: &Failure) -> AdminError {
    AdminError::new(kafka_error(failure.code, Asked::Read), failure.to_string())
}

/// Whether the failure says that there is no such topic or partition.
pub(crate) fn is_unknown(failure: &Failure) -> bool {
    failure.code == ErrorCode::UnknownTopicOrPartition
}
