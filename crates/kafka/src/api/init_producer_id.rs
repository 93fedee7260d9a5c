//! InitProducerId: an identity for an idempotent producer.
//!
//! Without a transactional id every call gives a fresh id, also to a producer that names the one
//! it had: such a producer raises its epoch by itself.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::context::RequestContext;
use crate::errors::{Asked, NO_TRANSACTIONS, kafka_error};

pub(crate) async fn handle(
    cx: &RequestContext,
    _version: i16,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let failed = |error_code| InitProducerIdResponse {
        error_code,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    if let Some(id) = &request.transactional_id {
        return failed(if id.is_empty() {
            KafkaError::INVALID_REQUEST
        } else {
            NO_TRANSACTIONS
        });
    }
    // An identity is both or nothing.
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return failed(KafkaError::INVALID_REQUEST);
    }
    match cx.broker().init_producer().await {
        Ok(identity) => InitProducerIdResponse {
            producer_id: identity.producer_id.0,
            producer_epoch: identity.producer_epoch.0,
            ..InitProducerIdResponse::default()
        },
        Err(failure) if failure.code.is_retriable() => {
            // Producers ask any node for an id and take this as "not yet".
            failed(KafkaError::COORDINATOR_LOAD_IN_PROGRESS)
        }
        Err(failure) => failed(kafka_error(failure.code, Asked::Produce)),
    }
}
